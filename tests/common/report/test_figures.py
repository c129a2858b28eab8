"""Figures: pure, readable with many or few sites, doses and controls."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from common.effects.breakdown import LostPart
from common.effects.perplexity import TextPerplexity
from common.effects.results import Results
from common.measure.masks import top_percent
from common.measure.moments import Moments
from common.measure.scores import SelectivityMap, welch
from common.measure.sites import Site
from common.report import figures
from tests.common.made import RATE, ablation, effect, estimate, judgement, made, verdict_at

pytestmark = pytest.mark.lays_out_figures


def entry(rule: str, dose: float, face: float, house: float, seed: str = "") -> dict[str, Any]:
    groups = {"face": effect(face, 1 - face), "house": effect(house, 1 - house)}
    return ablation(rule, dose, mask=f"{rule}-{dose:g}{seed}", groups=groups)


def results(doses: tuple[float, ...], rules: tuple[str, ...] = ()) -> Results:
    ablations = [entry("top", dose, 0.3, 0.98) for dose in doses]
    for number, rule in enumerate(rules * 2):
        ablations += [entry(rule, dose, 0.97, 0.98, f"-s{number:02d}") for dose in doses]
    return made(
        model={"chance": 0.1},
        evaluation={"target": "face", "other": "house"},
        intact={"face": RATE, "house": RATE},
        ablations=ablations,
        headline_percent=doses[0],
    )


def adjusted(given: Results, dose: float | None = None) -> Figure:
    """The figure, with effects made up."""
    return figures.adjusted(given, {entry.mask: 0.1 for entry in given.ablations}, dose)


def inside(figure: Figure, *, has_axes: bool = True) -> None:
    """Everything drawn lies inside the figure, and axes, where it has some, have names."""
    FigureCanvasAgg(figure).draw()
    box = figure.get_tightbbox()
    width, height = figure.get_size_inches()
    assert box.x0 >= -0.02
    assert box.y0 >= -0.02
    assert box.x1 <= width + 0.02
    assert box.y1 <= height + 0.02
    if has_axes:
        assert all(axes.get_ylabel() for axes in figure.axes)
        assert any(axes.get_xlabel() for axes in figure.axes)


RULES = ("random", "layer-matched", "magnitude-matched", "bottom", "range:40-60")


@pytest.mark.parametrize("rules", [(), ("random",), RULES])
@pytest.mark.parametrize("doses", [(1.0,), (0.5, 1.0, 2.0, 5.0), (10.0, 100.0)])
def test_dose_curve_and_adjusted_effects(doses: tuple[float, ...], rules: tuple[str, ...]) -> None:
    given = results(doses, rules)
    shown = (figures.dose_curve(given), adjusted(given), figures.adjusted_by_dose(given))
    for figure in shown:
        inside(figure)
        (axes,) = figure.axes
        assert axes.get_xlabel()
    curve = figures.dose_curve(given)
    assert "(%)" in curve.axes[0].get_ylabel()
    labels = [text.get_text() for text in curve.legends[0].get_texts()]
    assert labels[0] == "face: top"
    assert any("matched" in label for label in labels) == (rules == RULES)


def test_the_legend_lies_outside_of_the_axes_and_groups_do_not_hide_each_other() -> None:
    figure = figures.dose_curve(results((1.0, 2.0), RULES))
    FigureCanvasAgg(figure).draw()
    legend = figure.legends[0].get_window_extent()
    assert legend.y1 <= figure.axes[0].get_window_extent().y0
    marked = [line for line in figure.axes[0].lines if line.get_marker() in ("o", "s")]
    # Each group has its own mark, full under the top mask and open under the controls.
    kinds = {(line.get_marker(), line.get_markerfacecolor() == "white") for line in marked}
    assert len(kinds) == len(marked) == 4
    assert len({line.get_xdata()[0] for line in marked}) == 3  # a group, the other, controls


def test_control_band_takes_the_doses_that_have_controls() -> None:
    given = results((1.0, 100.0), RULES)
    kept = tuple(e for e in given.ablations if e.percent == 1 or e.rule == "top")
    given = given.model_copy(update={"ablations": kept})
    inside(figures.dose_curve(given))
    inside(adjusted(given, 100.0))


def test_every_draw_is_shown_beside_the_effect_of_the_top_mask_and_its_interval() -> None:
    given = results((1.0, 5.0), RULES)
    effects = {entry.mask: number / 7 for number, entry in enumerate(given.ablations)}
    (axes,) = figures.adjusted(given, effects, 5.0).axes
    rules = [text.get_text() for text in axes.get_yticklabels()]
    assert rules == ["top", *RULES]
    for row, rule in enumerate(rules[1:], start=1):
        drawn = [line for line in axes.lines if row - 0.3 < np.mean(line.get_ydata()) < row + 0.3]
        expected = sorted(effects[entry.mask] for entry in given.at(5.0, rule))
        assert sorted(drawn[0].get_xdata()) == pytest.approx(expected)
    verdict = given.judgement.doses[1]
    (bar,) = axes.containers[0].lines[2]  # type: ignore[attr-defined]
    assert list(bar.get_segments()[0][:, 0]) == pytest.approx(list(verdict.adjusted.ci))


def test_no_effect_at_all_is_not_blown_up() -> None:
    none = judgement([verdict_at(adjusted=estimate(0.0, reach=0.0))])
    low, high = adjusted(made(judgement=none)).axes[0].get_xlim()
    assert low < -0.04
    assert high > 0.04


def test_a_bound_that_does_not_exist_runs_out_of_the_figure() -> None:
    open_end = {"effect": 0.5, "ci": [None, None], "p": None}
    doses = [verdict_at(dose, adjusted=open_end) for dose in (1.0, 5.0)]
    both = [ablation("top", dose) for dose in (1.0, 5.0)]
    given = made(ablations=both, judgement=judgement(doses))
    for figure, along in ((adjusted(given), 0), (figures.adjusted_by_dose(given), 1)):
        inside(figure)
        axes = figure.axes[0]
        low, high = (axes.get_xlim, axes.get_ylim)[along]()
        ends = axes.containers[0].lines[2][0].get_segments()[0][:, along]  # type: ignore[attr-defined]
        assert np.isfinite(ends).all()
        assert min(ends) < low < high < max(ends)


def test_the_parts_of_the_top_mask_have_their_own_rows() -> None:
    masks = [ablation(rule) for rule in ("top", "matched-part", "unmatched-part")]
    parts = [verdict_at(mask="matched-part-1", adjusted=estimate(0.2))]
    given = made(ablations=masks, judgement=judgement(matched_parts=parts))
    figure = adjusted(given)
    inside(figure)
    (axes,) = figure.axes
    assert len(axes.containers) == 2  # an interval for the whole and for the matched part
    assert len(axes.get_yticklabels()) == 3
    by_dose = figures.adjusted_by_dose(given)
    told = [text.get_text() for text in by_dose.legends[0].get_texts()]
    assert "its matched part" in told


def test_figures_of_one_group_alone() -> None:
    masks = [ablation("top", dose, groups={"face": effect()}) for dose in (1.0, 5.0)]
    given = made(evaluation={"other": None}, intact={"face": RATE}, ablations=masks)
    for figure in (figures.dose_curve(given), adjusted(given), figures.adjusted_by_dose(given)):
        inside(figure)
    assert "face lost" in adjusted(given).axes[0].get_xlabel()
    labels = [text.get_text() for text in figures.dose_curve(given).legends[0].get_texts()]
    assert labels == ["face: top"]


def test_long_and_odd_names_stay_inside() -> None:
    given = results((1.0, 2.0), RULES)
    text = given.model_dump_json()
    text = text.replace("house", "a $name$ of a folder_that_is really $ far too long")
    given = Results.model_validate_json(text)
    for figure in (figures.dose_curve(given), adjusted(given), figures.adjusted_by_dose(given)):
        inside(figure)


def many(n_sites: int, name: str) -> SelectivityMap:
    rng = np.random.default_rng(0)
    sites = [Site(name.format(i=i), shape=(6, 2, 2)) for i in range(n_sites)]
    target, control = (
        {site: Moments.of(rng.normal(shift, 1, (9, 6)), "magnitude") for site in sites}
        for shift in (0.5, 0)
    )
    return welch(target, control)


@pytest.mark.parametrize(("n_sites", "named"), [(1, 1), (13, 13), (300, 38)])
def test_sites_few_and_many(n_sites: int, named: int) -> None:
    found = many(n_sites, "model.encoder.stages.{i}.blocks.conv_mid.activation_post_process")
    mask = top_percent(found, 5.0)
    for figure in (figures.units_by_site(found, mask, "a:b"), figures.selectivity_by_site(found)):
        inside(figure)
        axes = figure.axes[0]
        names = [label.get_text() for label in axes.get_yticklabels()]
        assert len(names) == named
        assert len(set(names)) == named
        assert axes.get_xlabel().endswith(")")
        assert figure.get_size_inches()[1] <= 8
    bars = figures.units_by_site(found, mask).axes[0].patches
    shares = [bar.get_width() for bar in bars]  # type: ignore[attr-defined]
    assert sum(shares) * 6 / 100 == pytest.approx(len(mask))


def test_scale_of_t_is_symmetric(make_map: Callable[..., SelectivityMap]) -> None:
    found = make_map()
    low, high = figures.selectivity_by_site(found).axes[0].images[0].get_clim()
    assert low == -high < 0
    left, right = figures.t_distribution(found, [1.0]).axes[0].get_xlim()
    assert left == pytest.approx(-right)


def test_thresholds_are_those_of_the_masks(make_map: Callable[..., SelectivityMap]) -> None:
    found = make_map()
    doses = [1.0, 2.0, 3.0, 50.0]
    figure = figures.t_distribution(found, doses)
    inside(figure)
    axes = figure.axes[0]
    drawn = [line.get_xdata()[0] for line in axes.lines]
    assert drawn == [found.t[top_percent(found, dose).units[-1]] for dose in doses]
    FigureCanvasAgg(figure).draw()
    boxes = [text.get_window_extent() for text in axes.texts]
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])
    assert sum(bar.get_height() for bar in axes.patches) == found.n_units  # type: ignore[attr-defined]


def part(name: str, drop: float, **controls: dict[str, Any]) -> LostPart:
    """One part of a level."""
    which = {"level": "paradigm", "part": name, "percent": 1.0, "n": 50, "intact": RATE}
    lost = {"top": RATE, "drop": drop, "drop_ci": [drop - 0.03, drop + 0.02], "mcnemar_p": 0.5}
    return LostPart.model_validate({**which, **lost, "controls": controls})


@pytest.mark.parametrize("n_parts", [2, 15, 67])
def test_the_parts_that_lost_most_come_first(n_parts: int) -> None:
    drawn = {"draws": 20, "drop_mean": 0.01, "drop_max": 0.02, "p": 0.05}
    names = [f"a_phenomenon_with_$a$_really_long_name_{i}" for i in range(n_parts)]
    entries = [
        part(name, (i - 1) / 100, random=drawn, **{"magnitude-matched": drawn})
        for i, name in enumerate(names)
    ]
    figure = figures.lost_parts(entries)
    inside(figure)
    (axes,) = figure.axes
    labels = [label.get_text() for label in axes.get_yticklabels()]
    assert len(labels) == min(n_parts, figures.MOST_PARTS)
    assert labels[0].endswith(f"name_{n_parts - 1}")
    bars = axes.containers[0].lines[0].get_xdata()  # type: ignore[attr-defined]
    assert list(bars) == sorted(bars, reverse=True)
    assert bars[0] == pytest.approx(n_parts - 2)
    told = [text.get_text() for text in figure.legends[0].get_texts()]
    assert any("magnitude-matched" in text for text in told)
    assert (f"of {n_parts}" in axes.get_title()) == (n_parts > figures.MOST_PARTS)


def test_parts_without_controls() -> None:
    inside(figures.lost_parts([part("one", 0.0), part("two", 0.0)]))


def nats(mean: float) -> dict[str, Any]:
    perplexity = float(np.exp(mean))
    ends = {"nats_ci": [mean, mean], "perplexity_ci": [perplexity, perplexity]}
    return {"nats": mean, "perplexity": perplexity, **ends}


def measured(doses: tuple[float, ...], rules: tuple[str, ...], factor: float) -> TextPerplexity:
    intact = 3.9
    entries = []
    for dose in doses:
        for rule, rise in (("top", dose), *((rule, dose / 2) for rule in rules * 2)):
            entries.append(
                {
                    **{"mask": rule, "rule": rule, "percent": dose, "seed": None},
                    **nats(intact + factor * rise),
                    "rise": factor * rise,
                    "rise_ci": [factor * rise * 0.9, factor * rise * 1.1],
                }
            )
    text = {"text": "my $text$", "window": 128, "n": 9, "intact": nats(intact)}
    return TextPerplexity.model_validate({**text, "ablations": entries})


@pytest.mark.parametrize("rules", [(), ("random", "layer-matched", "magnitude-matched", "bottom")])
@pytest.mark.parametrize("factor", [0.0, 0.02, 1.0, 60.0])
@pytest.mark.parametrize("doses", [(1.0,), (0.5, 1.0, 5.0)])
def test_perplexity_by_dose(
    doses: tuple[float, ...], factor: float, rules: tuple[str, ...]
) -> None:
    given = measured(doses, rules, factor)
    figure = figures.perplexity_curve(given)
    inside(figure)
    (axes,) = figure.axes
    intact = axes.lines[0].get_ydata()
    assert set(intact) == {given.intact.perplexity}
    low, high = axes.get_ylim()
    ticks = [tick for tick in axes.get_yticks() if low <= tick <= high]
    assert 1 <= len(ticks) <= 16
    line, _, (bars,) = axes.containers[0]
    for dose, (below, above) in zip(doses, (bar[:, 1] for bar in bars.get_segments()), strict=True):
        expected = np.exp(3.9 + factor * dose * np.array([0.9, 1.1]))
        assert [below, above] == pytest.approx(list(expected), rel=1e-3)
    assert list(line.get_xdata()) == list(doses)


def answers(n_sets: int, controls: int) -> pd.DataFrame:
    rows = []
    for number in range(n_sets):
        for kind in ("sentence", "nonword"):
            for mask in range(1 + controls):
                value = (1.2 if kind == "sentence" else 0.7) - 0.1 * mask
                rows.append(
                    {
                        "set": f"set-{number}", "condition": kind, "own": number == 0, "n": 100,
                        "tokens": 12.0, "mask": f"m{mask}",
                        "rule": "layer-matched" if mask else "top",
                        "response": value, "low": value - 0.05, "high": value + 0.05,
                    }
                )  # fmt: skip
    return pd.DataFrame(rows)


@pytest.mark.parametrize(("n_sets", "controls"), [(1, 0), (1, 1), (7, 3)])
def test_the_response_profile_has_a_bar_for_every_condition(n_sets: int, controls: int) -> None:
    figure = figures.response_profile(answers(n_sets, controls))
    inside(figure)
    (axes,) = figure.axes
    bars = axes.patches
    assert len(bars) == 2 * n_sets
    assert sum(bar.get_hatch() is not None for bar in bars) == 2  # the localizer's own
    assert {round(bar.get_width(), 6) for bar in bars} == {1.2, 0.7}  # type: ignore[attr-defined]
    labels = [label.get_text() for label in axes.get_yticklabels()]
    assert labels[:2] == ["set-0: sentence", "set-0: nonword"]
    told = " ".join(text.get_text() for text in figure.legends[0].get_texts())
    assert ("layer-matched" in told) == (controls > 0)
    if controls == 3:
        line, _, (ranges,) = axes.containers[-1]
        assert line.get_xdata()[0] == pytest.approx(1.0)
        assert list(ranges.get_segments()[0][:, 0]) == pytest.approx([0.9, 1.1])


def test_a_set_of_one_condition_is_named_once() -> None:
    table = answers(2, 0)
    table.loc[2, ["set", "condition"]] = "math"
    (axes,) = figures.response_profile(table).axes
    labels = [label.get_text() for label in axes.get_yticklabels()]
    assert labels[1:3] == ["set-0: nonword", "math"]


def test_a_set_that_comes_again_further_down_covers_no_other() -> None:
    table = answers(3, 0)
    table.loc[5, ["set", "condition"]] = ["set-0", "sequence"]
    (axes,) = figures.response_profile(table).axes
    assert (np.diff(axes.get_yticks()) >= 1).all()


def test_a_profile_with_signed_answers_and_long_names() -> None:
    table = answers(3, 2)
    table[["response", "low", "high"]] -= 1
    table["set"] += "_of_somebody_with_$a$_very_long_name"
    inside(figures.response_profile(table))


def test_units_without_any_difference(make_map: Callable[..., SelectivityMap]) -> None:
    found = make_map()
    found.t[:] = 0
    inside(figures.t_distribution(found, [1.0]))
    inside(figures.selectivity_by_site(found))


def test_colours_differ_in_lightness_for_the_colour_blind() -> None:
    def lightness(colour: str) -> float:
        return float(np.dot(to_rgb(colour), (0.2126, 0.7152, 0.0722)))

    assert abs(lightness(figures.TARGET) - lightness(figures.OTHER)) > 0.05
