"""The true rise of the loss: against ablating by hand, one unit at a time and group by group."""

from __future__ import annotations

import numpy as np
import pytest

from common import ablate
from common.base.errors import SettingError
from common.measure.contrast import Batch, contrast
from common.measure.masks import Mask
from common.measure.sites import Site
from tests.common.measure.hooked import BLOCKS, Shown, hooks_of, small
from tests.common.measure.test_gradient import PIXELS, N, localized, losses


def without(units: list[int]) -> np.ndarray:
    """The rise of every stimulus' loss without these units, shape (N,)."""
    model = small()
    intact = losses(model, PIXELS)
    with ablate(model, Mask("top", 1.0, None, tuple(BLOCKS), "channel", np.array(units))):
        return (losses(model, PIXELS, intact.right).each - intact.each).numpy()


def difference(effects: np.ndarray) -> float:
    return float(effects[: N // 2].mean() - effects[N // 2 :].mean())


def test_each_unit_has_what_it_costs_alone() -> None:
    found = localized("causal")
    wanted = [difference(without([unit])) for unit in range(12)]
    np.testing.assert_allclose(found.score.value, wanted, rtol=1e-5, atol=1e-8)
    assert (found.column("group_size") == 1).all()
    assert found.about["effort"] == 1024


@pytest.mark.parametrize("effort", [2, 5, 9, 11])
def test_with_fewer_masks_units_share_what_their_group_costs(effort: int) -> None:
    found = localized("causal", effort=effort)
    sizes, value = found.column("group_size").astype(int), found.score.value
    unit = 0
    while unit < 12:
        group = [*range(unit, unit + sizes[unit])]
        assert len({int(other >= 6) for other in group}) == 1  # a site's
        assert (sizes[group] == len(group)).all()
        assert value[group] == pytest.approx(difference(without(group)) / len(group), abs=1e-8)
        unit += len(group)
    n_groups = (1 / sizes).sum()
    assert 2 + 2 * (n_groups - 2) <= effort  # two sites, and two masks for each group halved


def test_halving_descends_where_it_costs_most() -> None:
    by_site = [difference(without([*range(start, start + 6)])) for start in (0, 6)]
    found = localized("causal", effort=7)  # both sites, then at most two halvings
    costly = BLOCKS[int(np.argmax(by_site))]
    assert found.at(costly, "group_size").max() < 6


def test_it_does_not_depend_on_the_batch_size_and_leaves_nothing_behind() -> None:
    model = small()
    before = hooks_of(model)
    whole, single = (localized("causal", size, model) for size in (N, 3))
    for name, values in whole.score.arrays.items():
        np.testing.assert_allclose(single.column(name), values, rtol=1e-3, atol=1e-6)
    assert hooks_of(model) == before
    assert single.n_target == N // 2


def test_neurons_are_searched_in_halves() -> None:
    found = localized("causal", unit="neuron", effort=20)
    assert found.n_units == 2 * 6 * 64
    whole = [difference(without([*range(start, start + 6)])) for start in (0, 6)]
    for number, site in enumerate(BLOCKS):
        if (found.at(site, "group_size") == 6 * 64).all():
            assert found.at(site).sum() == pytest.approx(whole[number], abs=1e-6)
    assert found.column("group_size").min() < 6 * 64


def test_there_are_masks_for_all_sites_or_none() -> None:
    sites = [*BLOCKS, Site("stem", shape=(6, 8, 8))]
    model, stimuli = small(), [Shown(str(i), "c") for i in range(N)]
    batch = Batch(
        np.arange(N), lambda: model(PIXELS), loss=lambda right: losses(model, PIXELS, right)
    )
    with pytest.raises(SettingError, match="needs a mask a site at least, 3 here"):
        contrast(
            model, sites, stimuli[:7], stimuli[7:], lambda _: [batch], score="causal", effort=2
        )
