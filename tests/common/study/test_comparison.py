"""Two runs side by side: what differs between them, in settings and in what these only name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from common.effects.results import Results
from common.study.comparison import Compared, compare, outcomes
from common.study.listing import Entry
from tests.common.made import ablation, estimate, group, judged_by, judgement, made, verdict_at


def entry(root: Path, name: str, identity: dict[str, Any], **settings: Any) -> Entry:
    folder = root / name
    folder.mkdir()
    (folder / "run.json").write_text(json.dumps({"identity": identity}))
    return Entry(folder, "toy", "net", "loc", "now", True, "It did.", settings)


def identity(model: str, stimuli: str, seed: int) -> dict[str, Any]:
    return {"model": {"fingerprint": model}, "localizer": {"stimuli": stimuli}, "seed": seed}


def test_settings_that_differ_come_first_and_then_what_was_read(tmp_path: Path) -> None:
    one = entry(tmp_path, "one", identity("a" * 32, "s", 0), model="net", top=[1.0], effort=None)
    two = entry(
        tmp_path, "two", {**identity("b" * 32, "s", 1), "sites": "x"}, model="net", top=[2.0],
        note="mine", effort=None,
    )  # fmt: skip
    assert compare(one, two) == [
        Compared("top", "[1.0]", "[2.0]"), Compared("note", "–", "mine"),
        Compared("model.fingerprint", "a" * 12, "b" * 12), Compared("sites", "–", "x"),
        Compared("model", "net", "net"),
    ]  # fmt: skip
    assert [line.differs for line in compare(one, one)] == [False, False]


def test_what_each_found_is_at_the_dose_of_its_verdict() -> None:
    left = made()
    alone = {"target": "face", "other": None}
    groups = {"face": ablation()["groups"]["face"]}
    head = verdict_at(adjusted=estimate(0.25), smallest_visible=None, groups={"face": group()})
    text = judged_by([ablation()], "prose", None)
    right: Results = made(
        evaluation=alone, intact={"face": left.intact["face"]}, ablations=[ablation(groups=groups)],
        judgement=judgement([head], **alone), text_judgements={"prose": text},
    )  # fmt: skip
    told = {line.name: (line.left, line.right) for line in outcomes(left, right)}
    assert told["units"] == ("12 (1 % of 1,200)",) * 2
    assert told["outcome"] == ("● Evidence", "● Evidence")
    assert told["adjusted effect"] == (
        "+0.500 [+0.400, +0.600]", "+0.250 [+0.150, +0.350]",
    )  # fmt: skip
    assert told["p among matched control masks"][1] == "–"
    assert told["drop on the other group"] == ("object: +1.0 [-4.0, +4.0], n = 50", "–")
    assert told["interaction of accuracy"] == ("+47.0 [+40.0, +54.0]", "–")
    assert told["smallest visible effect"] == ("0.310", "–")
    assert told["on prose"] == ("–", "● Evidence: +0.500 [+0.400, +0.600] nats a token")
