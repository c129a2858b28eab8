"""A toy score rule and a toy control rule, each one entry: they show wherever a run is shown."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

from browser.form import score_choice
from browser.offer import controls_offered
from common.base.errors import RunError, SettingError
from common.cli.printing import results_table
from common.measure.attach import attached
from common.measure.contrast import Batch, contrast
from common.measure.control_rules import (
    CONTROL_RULES,
    ControlPlan,
    ControlRule,
    Draw,
    control,
    default_controls,
    is_matched,
    parse_controls,
)
from common.measure.masks import top_percent
from common.measure.rules import Contrast, Score, ScoreRule, ScoreWords, Watching
from common.measure.scores import SCORE_RULES, SelectivityMap
from common.measure.sites import Site
from common.report import figures
from common.report.draws import adjusted_effects
from common.study.results import load_results
from tests.common.conftest import MapMaker
from tests.common.measure.hooked import Shown
from tests.common.report.test_report import Maker, finished, kept, page_of

__all__ = ["finished", "kept"]

pytestmark = pytest.mark.draws_report
SLOPE = ScoreWords(
    name="slope",
    symbol="g",
    label="slope of the answer (target minus control)",
    prose="the answer’s slope",
    title="Slope of the answer",
    method="For each unit the slope of the answer was taken.",
    references=("Somebody, A. (2000). Slopes. J. Slopes, 1, 1–2.",),
)


@dataclass
class Slopes:
    """Sums of d answer / d unit over the stimuli of each group: a rule that needs gradients."""

    site: Site
    groups: np.ndarray = field(default_factory=lambda: np.zeros(0))
    seen: Tensor = field(default_factory=lambda: torch.zeros(0))
    sums: dict[int, np.ndarray] = field(default_factory=dict)

    def expect(self, groups: np.ndarray, tokens: Tensor | None) -> None:
        assert tokens is None
        self.groups = groups

    def read(self, _module: nn.Module, _args: Any, out: Tensor) -> None:
        out.retain_grad()
        self.seen = out

    def after(self, output: Tensor) -> None:
        output.square().sum().backward()
        assert self.seen.grad is not None
        for group in set(self.groups.tolist()):
            rows = self.seen.grad[torch.as_tensor(self.groups == group)].sum(0)
            self.sums[group] = self.sums.get(group, 0) + rows.double().numpy()


@contextmanager
def watch(where: Watching) -> Iterator[Slopes]:
    slopes = Slopes(where.sites[0])
    module = where.module.get_submodule(where.sites[0].module)
    with attached([lambda: module.register_forward_hook(slopes.read)]):
        yield slopes


def slope(seen: Contrast) -> Score:
    if seen.watched is None:
        return Score(SLOPE, np.concatenate([part.mean for part in seen.target.values()]))
    one, two = (sum(seen.watched.sums[group] for group in side) for side in seen.groups)
    return Score(SLOPE, one - two, columns={"target_alone": one})


RULE = ScoreRule(SLOPE, end=slope, watch=watch, needs_gradients=True)


def loudest(draw: Draw) -> np.ndarray:
    return np.argsort(-draw.found.magnitude, kind="stable")[: len(draw.top)]


LOUDEST = ControlRule(
    "loudest", loudest, matched=True, draws=3, mark="P", line="-", curve=True,
    sentence="Loudest masks hold the loudest units.",
)  # fmt: skip


@pytest.fixture
def slope_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SCORE_RULES, "slope", RULE)


@pytest.fixture
def loudest_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(CONTROL_RULES, "loudest", LOUDEST)


def texts(figure: Figure) -> str:
    axes = figure.axes
    return " ".join([each.get_xlabel() + each.get_ylabel() for each in axes])


# --- a score rule ---


def localized(score: str, n: int = 12) -> tuple[SelectivityMap, np.ndarray, Tensor, nn.Module]:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(5, 4), nn.Tanh(), nn.Linear(4, 2))
    stimuli = [Shown(f"s{i}", "one" if i < n // 2 else "two") for i in range(n)]
    values = torch.randn(n, 5)
    groups = np.zeros(0)

    def batches(assigned: np.ndarray) -> Iterator[Batch]:
        nonlocal groups
        groups = assigned
        for start in range(0, n, 5):
            where = np.arange(start, min(start + 5, n))
            yield Batch(where, lambda where=where: model(values[where]))

    site = Site("1", shape=(4,))
    half = n // 2
    found = contrast(model, [site], stimuli[:half], stimuli[half:], batches, score=score)
    return found, groups, values, model


@pytest.mark.usefixtures("slope_rule")
def test_a_rule_with_gradients_scores_units_through_the_one_loop() -> None:
    found, groups, values, model = localized("slope")
    inner = torch.tanh(model[0](values)).detach().requires_grad_()
    model[2](inner).square().sum().backward()
    assert inner.grad is not None
    slopes = inner.grad.double().numpy()
    wanted = slopes[groups < 2].sum(0) - slopes[groups >= 2].sum(0)
    np.testing.assert_allclose(found.score.value, wanted, rtol=1e-5)
    assert found.ranking[0] == wanted.argmax()
    assert set(found.about["split_half"]) == {"correlation", "dice", "dice_chance"}
    plain = localized("welch")[0]
    np.testing.assert_allclose(found.magnitude, plain.magnitude, rtol=1e-6)
    assert not list(model[1]._forward_hooks)


def test_passes_of_a_rule_without_gradients_have_no_graph() -> None:
    model, inference = nn.Sequential(nn.Linear(3, 2)), []

    def batches(_groups: np.ndarray) -> Iterator[Batch]:
        def run() -> Tensor:
            inference.append(torch.is_inference_mode_enabled())
            return model(torch.randn(8, 3))

        yield Batch(np.arange(8), run)

    stimuli = [Shown(str(i), "c") for i in range(4)]
    contrast(model, [Site("0", shape=(2,))], stimuli, stimuli, batches)
    assert inference == [True]


@pytest.mark.usefixtures("slope_rule")
def test_its_map_comes_back_from_its_file_and_has_a_fingerprint_of_its_own(
    make_map: MapMaker, tmp_path: Path
) -> None:
    plain = make_map()
    found = replace(plain, score=Score(SLOPE, plain.t, columns={"more": plain.p}))
    found.save(tmp_path / "map")
    again = SelectivityMap.load(tmp_path / "map")
    assert again.score.words is SLOPE
    np.testing.assert_array_equal(again.score.value, plain.t)
    np.testing.assert_array_equal(again.column("more"), plain.p)
    assert again.score.q is None
    assert again.fingerprint == found.fingerprint != plain.fingerprint
    with pytest.raises(RunError, match="slope has no column 't'"):
        _ = again.t


def test_a_map_of_a_score_that_is_not_known_is_an_error_of_one_line(
    make_map: MapMaker, tmp_path: Path
) -> None:
    plain = make_map()
    replace(plain, score=Score(SLOPE, plain.t)).save(tmp_path / "map")
    with pytest.raises(RunError, match="no score is called 'slope'"):
        SelectivityMap.load(tmp_path / "map")
    with pytest.raises(SettingError, match="choose from welch"):
        localized("slope")


@pytest.mark.usefixtures("slope_rule")
def test_its_words_stand_in_table_figure_report_and_form(
    finished: Maker,
) -> None:
    def by_slope(found: SelectivityMap) -> SelectivityMap:
        return replace(found, score=Score(SLOPE, found.t))

    folder = finished(change=by_slope)
    found = SelectivityMap.load(folder / "selectivity.safetensors")
    results = load_results(folder)
    assert results.selectivity.score == "slope"
    assert results.selectivity.n_selective_q05 is None
    text = page_of(folder).text
    for expected in ("highest g", SLOPE.method, SLOPE.references[0], "g of the two maps"):
        assert expected in text, expected
    assert "Welch" not in text
    for figure in (figures.t_distribution(found, [1.0]), figures.selectivity_by_site(found)):
        assert "slope of the answer" in texts(figure)
        assert "Welch" not in texts(figure)
    assert ("Slope of the answer", "slope") in score_choice().choices
    assert score_choice().visible


def test_one_rule_alone_is_no_choice_in_the_form(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [*SCORE_RULES][:0:-1]:  # the last first, so that undoing keeps their order
        monkeypatch.delitem(SCORE_RULES, name)
    assert not score_choice().visible


# --- a control rule ---


@pytest.mark.usefixtures("loudest_rule")
def test_a_control_rule_shows_in_table_figure_report_and_form(
    finished: Maker, make_map: MapMaker
) -> None:
    assert parse_controls("loudest:2") == [ControlPlan("loudest", 2)]
    assert default_controls().endswith("loudest:3")
    assert is_matched("loudest")
    folder = finished(controls=(ControlPlan("layer-matched", 2), ControlPlan("loudest", 2)))
    results = load_results(folder)
    text = page_of(folder).text
    assert "loudest × 2" in text
    assert LOUDEST.sentence in text
    assert "loudest 1 % ×2" in [*results_table(results).columns[0].cells]
    drawn = figures.adjusted(results, adjusted_effects(folder, results)).axes[0]
    assert "P" in {line.get_marker() for line in drawn.lines}
    legend = figures.dose_curve(results).legends[0].get_texts()
    assert "face: loudest" in {each.get_text() for each in legend}
    assert any("loudest" in each for each in controls_offered().values())
    mask, found = control(make_map(), "loudest", 5, 0), make_map()
    assert set(mask.units) == set(np.argsort(-found.magnitude)[: len(top_percent(found, 5))])


def test_a_rule_that_is_no_entry_is_refused(make_map: MapMaker) -> None:
    with pytest.raises(SettingError, match="random, layer-matched, magnitude-matched"):
        parse_controls("loudest:2")
    with pytest.raises(SettingError, match="no control is called 'random:4'"):
        control(make_map(), "random:4", 5)
