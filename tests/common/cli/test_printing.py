"""What the programs print fits the terminal, and says the verdict first in plain words."""

from __future__ import annotations

from pathlib import Path

import pytest

from common.cli.printing import print_results
from common.effects.results import Results
from tests.common.made import ablation, comparison, group, judgement, made, verdict_at

RULES = ("random", "layer-matched", "magnitude-matched")
DRAWS = 12


def drawn(outcome: str = "evidence") -> Results:
    masks = [ablation(percent=dose) for dose in (1.0, 5.0)]
    masks += [
        ablation(rule, dose, mask=f"{rule}-{dose:g}-s{n:02d}")
        for dose in (1.0, 5.0) for rule in RULES for n in range(DRAWS)
    ]  # fmt: skip
    compared = [comparison(rule, DRAWS) for rule in RULES]
    doses = [verdict_at(dose, outcome=outcome, comparisons=compared) for dose in (1.0, 5.0)]
    return made(ablations=masks, judgement=judgement(doses), verdict="What was done. And why.")


@pytest.mark.parametrize("columns", [80, 132, 200])
def test_every_line_fits_the_terminal_and_no_number_is_cut(
    columns: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    print_results(drawn(), Path("run"), as_json=False)
    out = capsys.readouterr().out
    lines = out.splitlines()
    assert max(map(len, lines)) <= columns
    assert "…" not in out.split("Adjusted effect:")[0]
    assert "+0.500 [+0.400, +0.600]" in out
    (row, *_) = (line for line in lines if line.startswith("magnitude-matched"))
    assert row.split()[-2:] == ["+0.0200", "0.048"]
    assert ("interaction" in out) == (columns >= 132)


@pytest.mark.parametrize(
    ("outcome", "said"),
    [
        ("evidence", "● Evidence"),
        ("explained by difficulty", "◐ Explained by difficulty"),
        ("no evidence", "○ No evidence"),
        ("cannot tell", "? Cannot tell"),
    ],
)
def test_the_plain_line_comes_first_then_the_sentence_and_the_report_last(
    outcome: str, said: str, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path,
) -> None:  # fmt: skip
    monkeypatch.setenv("COLUMNS", "200")
    (tmp_path / "report.html").touch()
    print_results(drawn(outcome), tmp_path, as_json=False)
    out = capsys.readouterr().out
    plain = (
        "Face: 98 → 50 % right. Object: 98 → 97 % right. "
        "Without as many equally loud units instead: face 97 %."
    )
    places = [out.index(each) for each in (said, plain, "What was done. And why.", "It rests on")]
    assert places == sorted(places)
    assert out.splitlines()[-1].startswith("Report:")


def test_what_to_know_of_a_running_text_is_printed_with_its_verdict(
    capsys: pytest.CaptureFixture[str],
) -> None:
    compared = [comparison("layer-matched", accuracy={}, loss={"prose": 0.01})]
    window = verdict_at(interaction=None, groups={"prose": group()}, comparisons=compared)
    prose = judgement([window], target="prose", other=None, warnings=["Mind the other."])
    print_results(made(text_judgements={"prose": prose}), Path("run"), as_json=False)
    said = " ".join(capsys.readouterr().out.split())
    assert said.index("On running text: prose") < said.index("note Mind the other.")
