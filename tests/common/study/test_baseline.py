"""The untrained baseline: networks with random weights that are shown the same localizer."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torch import nn

from common.base.errors import FunclocError, ModelError, RunError, SettingError
from common.base.files import read_json, read_sealed
from common.base.progress import PART
from common.effects.baseline import Baseline, Peak, Peaks, beside_untrained, peaks_of
from common.effects.described import DescribedModel
from common.effects.verdict import warnings
from common.measure.scores import SelectivityMap
from common.measure.welch import WELCH
from common.report.tables import baseline as table
from common.study import verbs
from common.study.baseline import Asked
from common.study.declared import read_settings, say_settings
from common.study.results import load_results, results_json
from common.study.settings import Settings
from tests.common.conftest import MapMaker
from tests.common.made import MODEL, made
from tests.common.study.test_toy_front import FRONT, SETTINGS, SoundFront

pytestmark = [pytest.mark.draws_report, pytest.mark.usual_untrained]

THREE = replace(SETTINGS, untrained_seeds=3, seed=7)


def peaks(seed: int | None, top: float, q05: int | None = 10) -> Peaks:
    peak = Peak(largest=top + 1, top=top)
    return Peaks(
        seed=seed, n_selective_q05=q05, n_d_prime=3, n_index=2, score=peak, d_prime=peak, index=peak
    )


def test_the_peaks_are_those_of_the_obvious_reference(make_map: MapMaker) -> None:
    found = make_map((200, 100))
    told = peaks_of(found, 4)
    for name, column in (("score", "t"), ("d_prime", "d_prime"), ("index", "index")):
        values = sorted(found.column(column).tolist())
        peak = getattr(told, name)
        assert peak.largest == values[-1]
        assert peak.top == pytest.approx(np.mean(values[-3:]), rel=1e-12)  # 1 % of 300
    assert told.seed == 4
    assert told.n_selective_q05 == ((found.q < 0.05) & (found.t > 0)).sum()


def test_a_run_has_its_networks_and_their_numbers(tmp_path: Path) -> None:
    results, folder, _ = verbs.run(FRONT, THREE, tmp_path / "run")
    base = results.baseline
    assert base is not None
    assert [each.seed for each in base.untrained] == [7, 8, 9]
    found = SelectivityMap.load(folder / "selectivity.safetensors")
    assert base.trained == peaks_of(found)
    alone = replace(THREE, untrained=True, untrained_seeds=0, seed=8)
    _, its_own, _ = verbs.localize_only(FRONT, alone, tmp_path / "alone")
    its_own_peaks = peaks_of(its_own, 8).as_json()
    told = base.untrained[1].as_json()
    for name in ("score", "d_prime", "index"):  # another seed adds up in other halves
        assert told.pop(name) == pytest.approx(its_own_peaks.pop(name), rel=1e-9)
    assert told == its_own_peaks
    assert read_sealed(folder / "untrained.json") == base.as_json()
    page = (folder / "report.html").read_text()
    assert "Beside 3 untrained networks of the same architecture" in page
    assert "random, seed 8" in page


def test_a_killed_run_goes_on_with_the_next_network(tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []

    def killed(step: str, done: int, total: int) -> None:
        told.append((step, done, total))
        if (step, done) == ("untrained", 2):
            raise KeyboardInterrupt

    *_, whole = verbs.localize_only(FRONT, THREE, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        verbs.localize_only(FRONT, THREE, tmp_path / "cut", killed)
    assert len(json.loads((tmp_path / "cut" / "untrained.json").read_text())["untrained"]) == 2
    assert (PART, 40, 40) in told
    told.clear()
    results, _, cut = verbs.localize_only(
        FRONT, THREE, tmp_path / "cut", lambda *step: told.append(step)
    )
    assert told == [("untrained", 2, 3), (PART, 40, 40), ("untrained", 3, 3)]
    assert (cut / "untrained.json").read_bytes() == (whole / "untrained.json").read_bytes()
    again, _, _ = verbs.evaluate_map(FRONT, cut, tmp_path / "again", evaluation="toy", top="5")
    assert again.baseline == results.baseline == load_results(tmp_path / "again").baseline


class Wired(SoundFront):
    """A front end whose model has the same weights without training, or cannot be without any."""

    def __init__(self, error: FunclocError | None = None) -> None:
        self.error = error

    def load(self, settings: Settings) -> tuple[nn.Module, DescribedModel]:
        if settings.untrained and self.error:
            raise self.error
        model, told = super().load(replace(settings, untrained=False))
        return model, told.model_copy(update={"untrained": settings.untrained})


@pytest.mark.parametrize(
    ("error", "why"),
    [(None, "toy/ear is the same without training"), (ModelError("no way\nto do it"), "no way to")],
)
def test_what_cannot_be_untrained_is_noted_or_refused(
    error: FunclocError | None, why: str, tmp_path: Path
) -> None:
    localized, _, _ = verbs.localize_only(Wired(error), SETTINGS, tmp_path / "run")
    assert localized.baseline is not None
    assert localized.baseline.untrained == ()
    assert localized.baseline.left_out.startswith(why)
    results = made(baseline=localized.baseline)
    assert any(f"No untrained networks beside it: {why}" in note for note in warnings(results))
    assert table(results) == []
    with pytest.raises(ModelError, match=why.split()[0]):
        verbs.localize_only(Wired(error), THREE, tmp_path / "wanted")


def test_how_many_there_are_follows_the_settings_and_the_model() -> None:
    small = DescribedModel.model_validate(MODEL)
    large = small.model_copy(update={"n_parameters": 7_000_000_000})
    random = small.model_copy(update={"untrained": True})
    bare = Settings(model="m", seed=2)
    none, two = replace(bare, untrained_seeds=0), replace(bare, untrained_seeds=2)
    assert Asked.of(bare, small).seeds == (2, 3, 4, 5, 6)
    assert Asked.of(bare, small).identity == {"untrained_seeds": 5}
    assert Asked.of(none, small).seeds == () == Asked.of(none, large).seeds
    assert Asked.of(none, small).identity == {} == Asked.of(bare, random).identity
    assert Asked.of(two, large).seeds == (2, 3)
    assert "more than 500 M parameters" in Asked.of(bare, large).left_out
    assert Asked.of(bare, random).left_out == ""
    costly = replace(bare, score="causal")
    assert "as many passes by the score causal" in Asked.of(costly, small).left_out
    assert Asked.of(replace(costly, untrained_seeds=2), small).seeds == (2, 3)
    assert len(Asked.of(replace(bare, score="gradient"), small).seeds) == 5
    with pytest.raises(SettingError, match="`untrained_seeds` 2: the model is itself untrained"):
        Asked.of(two, random)


def test_no_networks_leave_no_trace(tmp_path: Path) -> None:
    settings = replace(THREE, untrained_seeds=0)
    results, _, folder = verbs.localize_only(FRONT, settings, tmp_path / "run")
    assert results.baseline is None
    assert not (folder / "untrained.json").exists()
    assert "baseline" not in results_json(results)


@pytest.mark.parametrize(
    ("given", "value"), [("", None), ("0", 0), ("12", 12), (None, None), (3, 3)]
)
def test_the_number_is_read_and_said(given: Any, value: int | None) -> None:
    found = read_settings(Settings, {"model": "m", "untrained_seeds": given})
    assert found.untrained_seeds == value == say_settings(found)["untrained_seeds"]


@pytest.mark.parametrize("given", ["-1", "x", "1.5", -1])
def test_a_number_that_is_none_is_refused(given: Any) -> None:
    with pytest.raises(SettingError, match=f"`untrained_seeds` {given}: give"):
        read_settings(Settings, {"model": "m", "untrained_seeds": given})


def test_units_that_training_did_not_make_are_warned_of() -> None:
    def told(*tops: float) -> list[str]:
        base = Baseline(
            trained=peaks(None, 1.0), untrained=tuple(map(peaks, range(len(tops)), tops))
        )
        return [each for each in warnings(made(baseline=base)) if "Untrained networks" in each]

    assert told(0.5, 0.99) == []
    (note,) = told(0.5, 1.0)
    assert note.endswith("nothing says that training made them.")


def test_the_sentence_and_the_table_have_the_same_numbers() -> None:
    base = Baseline(trained=peaks(None, 4.0, 900), untrained=(peaks(0, 2.0), peaks(1, 2.5, 1100)))
    assert beside_untrained(base, WELCH.words) == (
        "Beside 2 untrained networks of the same architecture: units at q < 0.05 900 (untrained 10 "
        "to 1,100); highest t 5.0 (untrained 3.0 to 3.5); highest d′ 5.00 (untrained 3.00 to 3.50);"
        " highest index 5.00 (untrained 3.00 to 3.50)."
    )
    (shown,) = table(made(baseline=base))
    assert [[cell.value for cell in row] for row in shown.rows] == [
        ["trained", "900", "3", "2", "5.0", "5.00", "5.00"],
        ["random, seed 0", "10", "3", "2", "3.0", "3.00", "3.00"],
        ["random, seed 1", "1,100", "3", "2", "3.5", "3.50", "3.50"],
    ]
    assert shown.rows[0][4].beside == "(4.0)"
    assert shown.columns[:4] == ["weights", "q < 0.05", "d′ ≥ 1", "index ≥ 1/3"]
    assert len(shown.columns) == 7


def test_thresholds_are_another_run_and_count_in_all_networks(tmp_path: Path) -> None:
    usual, _, plain = verbs.localize_only(FRONT, THREE, tmp_path / "usual")
    mild = replace(THREE, least_d_prime=0.25, least_index=0.6)
    told, found, folder = verbs.localize_only(FRONT, mild, tmp_path / "mild")
    assert told.baseline is not None
    assert usual.baseline is not None
    assert told.selectivity.n_d_prime == (found.d_prime >= 0.25).sum()
    assert told.baseline.trained.n_index == (found.column("index") >= 0.6).sum()
    for one, two in zip(told.baseline.untrained, usual.baseline.untrained, strict=True):
        assert one.score == two.score
        assert (one.n_d_prime or 0) > (two.n_d_prime or 0)
    identities = [read_json(each / "run.json")["identity"] for each in (folder, plain)]
    assert identities[0].pop("least_d_prime") == 0.25
    assert identities[0].pop("least_index") == 0.6
    assert identities[0] == identities[1]
    with pytest.raises(RunError, match="differs in least_d_prime"):
        verbs.localize_only(FRONT, replace(mild, least_d_prime=2.0), folder)
