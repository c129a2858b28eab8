"""Conditions as cases, and the target against each control condition by itself."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from scipy import stats
from torch import nn

from common.base.errors import SettingError
from common.effects.localized import describe_map
from common.measure.contrast import Batch, contrast
from common.measure.moments import Moments
from common.measure.rules import Contrast
from common.measure.scores import SCORE_RULES, SelectivityMap, score_rule, scored
from common.measure.sites import Site, Unit
from tests.common.measure.hooked import Shown

SITE = Site("0", shape=(7, 2))
SIZES = {"adult": 9, "child": 12, "body": 10, "car": 14, "place": 11}
TARGET = ("adult", "child")


def values() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    levels = {name: rng.normal(1.0, 0.5, 7) for name in SIZES}
    return {
        name: np.abs(rng.normal(level, 0.8, (SIZES[name], 7))) for name, level in levels.items()
    }


def localized(
    score: str = "welch", unit: Unit = "channel", size: int = 8, target: tuple[str, ...] = TARGET
) -> SelectivityMap:
    shown = values()
    order = [*target, *(name for name in SIZES if name not in TARGET)]
    stimuli = [Shown(f"{name}{i}", name) for name in order for i in range(SIZES[name])]
    rows = torch.as_tensor(np.concatenate([shown[name] for name in order]))
    model = nn.Sequential(nn.Identity())

    def batches(_groups: np.ndarray) -> Iterator[Batch]:
        mixed = np.random.default_rng(size).permutation(len(stimuli))
        for start in range(0, len(stimuli), size):
            where = mixed[start : start + size]
            yield Batch(where, lambda where=where: model(rows[where][:, :, None].expand(-1, 7, 2)))

    n = sum(SIZES[name] for name in target)
    return contrast(
        model, [SITE], stimuli[:n], stimuli[n:], batches, score=score, unit=unit, percents=(20,)
    )


def sides() -> tuple[list[np.ndarray], list[np.ndarray]]:
    shown = values()
    return (
        [shown[name] for name in TARGET],
        [part for name, part in shown.items() if name not in TARGET],
    )


@pytest.mark.parametrize("size", [1, 8, 100])
def test_the_category_level_is_scipys_test_of_the_means(size: int) -> None:
    target, control = sides()
    means = [np.stack([part.mean(0) for part in side]) for side in (target, control)]
    wanted = stats.ttest_ind(*means, equal_var=False)
    found = localized(size=size)
    np.testing.assert_allclose(found.column("t_category"), wanted.statistic, rtol=1e-10)
    np.testing.assert_allclose(found.column("p_category"), wanted.pvalue, rtol=1e-10)
    q = stats.false_discovery_control(wanted.pvalue)
    np.testing.assert_allclose(found.column("q_category"), q, rtol=1e-10)
    assert describe_map(found).n_selective_category == ((q < 0.05) & (wanted.statistic > 0)).sum()
    by_stimulus = stats.ttest_ind(*map(np.concatenate, (target, control)), equal_var=False)
    np.testing.assert_allclose(found.t, by_stimulus.statistic, rtol=1e-10)


def test_one_condition_on_a_side_is_no_case() -> None:
    found = localized(target=("adult",))
    assert "t_category" not in found.score.columns
    assert describe_map(found).n_selective_category is None


@pytest.mark.parametrize("unit", ["channel", "neuron"])
def test_the_conjunction_is_the_smallest_of_scipys_tests(unit: Unit) -> None:
    target, control = sides()
    each = [stats.ttest_ind(np.concatenate(target), part, equal_var=False) for part in control]
    t, p = (np.stack([getattr(test, name) for test in each]) for name in ("statistic", "pvalue"))
    wanted_t = t.min(0)
    wanted_p = np.where(wanted_t > 0, p.max(0), 1.0)
    if unit == "neuron":
        wanted_t, wanted_p = np.repeat(wanted_t, 2), np.repeat(wanted_p, 2)
    found = localized("conjunction", unit)
    np.testing.assert_allclose(found.score.value, wanted_t, rtol=1e-10)
    assert found.score.p is not None
    np.testing.assert_allclose(found.score.p, wanted_p, rtol=1e-10)
    q = stats.false_discovery_control(wanted_p)
    np.testing.assert_allclose(found.score.q, q, rtol=1e-10)
    assert found.ranking[0] == wanted_t.argmax()
    assert "Berger" in " ".join(found.score.words.references)
    assert "intersection-union" in found.score.words.method


def test_neurons_keep_no_conditions_unless_the_rule_needs_them() -> None:
    assert "t_category" not in localized(unit="neuron").score.columns


def test_moments_alone_have_no_conjunction() -> None:
    site = {SITE: Moments.of(np.random.default_rng(0).normal(size=(5, 7)))}
    with pytest.raises(SettingError, match="needs the moments of each control condition"):
        scored(Contrast(site, site), score_rule("conjunction"))


def test_both_rules_are_on_offer_and_welchs_is_the_first() -> None:
    assert [*SCORE_RULES][:2] == ["welch", "conjunction"]
