"""Linear probes: against scikit-learn on activations that a plain hook has read."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold

from common.base.errors import SettingError
from common.effects.localized import Decodable, describe_map
from common.measure import probe
from common.measure.halves import assign_groups
from common.measure.rules import Watching
from tests.common.measure.hooked import BLOCKS, hooks_of, plain, small
from tests.common.measure.test_gradient import PIXELS, N, localized

IS_TARGET = np.arange(N) < N // 2
GROUPS = assign_groups(["one" if each else "two" for each in IS_TARGET], IS_TARGET, 0)


def activations(number: int) -> np.ndarray:
    """In standard deviations, as the probe of a site reads them; shape (N, 6)."""
    read = plain(small(), f"block{number + 1}", PIXELS).mean((2, 3)).abs().double().numpy()
    return (read - read.mean(0)) / read.std(0)


def fitted(x: np.ndarray, y: np.ndarray) -> LogisticRegression:
    return LogisticRegression(class_weight="balanced", max_iter=10_000).fit(x, y)


def test_weights_are_those_of_scikit_learn_site_by_site() -> None:
    found = localized("probe")
    for number, site in enumerate(BLOCKS):
        wanted = fitted(activations(number), IS_TARGET).coef_[0]
        np.testing.assert_allclose(found.at(site), wanted, rtol=1e-3, atol=1e-4)
    assert found.score.q is None


def test_its_accuracy_is_of_stimuli_that_it_was_not_fitted_to() -> None:
    told = localized("probe").about["decodable"]
    split = StratifiedKFold(5, shuffle=True, random_state=0)
    read = [plain(small(), site.module, PIXELS).mean((2, 3)).abs().numpy() for site in BLOCKS]
    for site, values in zip(BLOCKS, read, strict=True):
        right = np.zeros(N, dtype=bool)
        for some, others in split.split(values, IS_TARGET):
            mean, sd = values[some].mean(0), values[some].std(0)
            one = fitted((values[some] - mean) / sd, IS_TARGET[some])
            right[others] = one.predict((values[others] - mean) / sd) == IS_TARGET[others]
        assert told["right"][str(site)] == [right[IS_TARGET].sum(), right[~IS_TARGET].sum()]
    assert told["n"] == [N // 2, N // 2]


def test_batches_do_not_count_and_nothing_is_left_behind() -> None:
    model = small()
    before = hooks_of(model)
    whole, single = (localized("probe", size, model) for size in (N, 3))
    np.testing.assert_allclose(single.score.value, whole.score.value, rtol=1e-3, atol=1e-4)
    assert single.about["decodable"] == whole.about["decodable"]
    assert hooks_of(model) == before


def watching(unit: str = "channel") -> Watching:
    return Watching(small(), BLOCKS, unit, "mean" if unit == "channel" else "none", groups=GROUPS)


def test_as_many_sites_at_a_time_as_fit() -> None:
    each = 4 * N * 6  # float32 of all stimuli and units
    assert [*probe.shares(watching(), 2 * each)] == [[*BLOCKS]]
    assert [*probe.shares(watching(), 2 * each - 1)] == [[BLOCKS[0]], [BLOCKS[1]]]


def test_a_site_that_does_not_fit_is_refused_by_its_size() -> None:
    with pytest.raises(SettingError, match=r"block1:output are 0\.0 GB \(14 stimuli x 384 units\)"):
        [*probe.shares(watching("neuron"), 4 * N * 384 - 1)]


def test_a_site_at_a_time_gives_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = localized("probe")
    monkeypatch.setattr(probe.shares, "__defaults__", (4 * N * 6,))
    np.testing.assert_array_equal(localized("probe").score.value, whole.score.value)


def test_the_accuracy_weighs_both_sides_alike() -> None:
    told = Decodable(n=(10, 40), right={"a": (5, 40)})
    share, (low, high) = told.accuracy("a")
    assert share == 0.75
    assert 0.5 < low < share < high < 0.9
    assert "a 75.0 %" in told.said
    found = describe_map(localized("probe"))
    assert found.decodable is not None
    assert set(found.decodable.right) == {str(site) for site in BLOCKS}
