"""Units left alone of their layers: what works then, against numpy, on a network that is wired."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from common.base.errors import SettingError
from common.effects.claim import NO, UNTOLD, YES
from common.effects.established import established
from common.effects.results import Results
from common.measure.control_rules import control
from common.measure.masks import all_but, top_percent
from common.measure.scores import SelectivityMap
from common.study import verbs
from tests.common.made import made
from tests.common.study.test_dissociation import LEFT, SETTINGS, Sides, answered, marks, wired

ASKED = replace(SETTINGS, localizer="toy:left", sufficient=20)
Run = tuple[Results, Path]


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Run:
    results, folder, _ = verbs.run(Sides(), ASKED, tmp_path_factory.mktemp("alone") / "run")
    return results, folder


def by_hand(found: SelectivityMap, left: list[int]) -> np.ndarray:
    """The logits with these units of the layer left, the others at their mean: plain numpy."""
    weights = {name: value.numpy() for name, value in wired().state_dict().items()}
    w1, b1, w2, b2 = (weights[f"{at}.{part}"] for at in (0, 2) for part in ("weight", "bias"))
    both = [each for side in ("left", "right") for each in marks(side, 40, 2)]
    shown = np.stack([each.samples for each in both])
    hidden = np.maximum(shown @ w1.T + b1, 0)
    others = [unit for unit in range(80) if unit not in left]
    hidden[:, others] = found.output_control[others]
    logits: np.ndarray = hidden @ w2.T + b2
    return logits


def test_what_is_left_is_what_numpy_leaves(asked: Run) -> None:
    results, folder = asked
    found, told = SelectivityMap.load(folder / "selectivity.safetensors"), results.sufficient
    items = Sides().evaluating(ASKED, wired()).items
    assert told is not None
    assert (told.n_units, told.n_others, told.n_sites) == (2, 78, 1)
    alone = answered(by_hand(found, LEFT), items)
    assert told.groups["left"].accuracy == alone.correct[:40].mean()
    draws = [control(found, "layer-matched", 2.5, seed) for seed in range(20)]
    margins = [answered(by_hand(found, draw.units.tolist()), items).margin[:40] for draw in draws]
    (entry,) = [each for each in told.compared if each.rule == "layer-matched"]
    own = alone.margin[:40]
    assert entry.excess.effect == pytest.approx(np.mean(own - np.mean(margins, axis=0)), rel=1e-4)
    beyond = sum(margin.mean() >= own.mean() - 1e-6 for margin in margins)
    assert entry.p == pytest.approx((beyond + 1) / 21)
    rows = (folder / "alone.csv").read_text().splitlines()
    assert len(rows) == 1 + 80 * len({row.split(",")[2] for row in rows[1:]})


def test_the_wired_units_keep_their_side_going(asked: Run) -> None:
    claim = next(each for each in established(asked[0]) if each.name == "sufficient")
    assert claim.answer == YES
    assert claim.because.startswith("with the 2 alone left of 80 units of 1 site, the others at")


@pytest.mark.parametrize(
    ("changed", "answer"),
    [({}, YES), ({"accuracy": 0.2, "ci": (0.1, 0.3)}, NO),
     ({"accuracy": 0.55, "ci": (0.4, 0.7)}, UNTOLD)],
)  # fmt: skip
def test_half_of_the_accuracy_above_chance_has_to_be_left(
    changed: dict[str, object], answer: str, asked: Run
) -> None:
    told = asked[0].sufficient
    assert told is not None
    group = told.groups["left"].model_copy(update=changed)
    results = asked[0].model_copy(
        update={"sufficient": told.model_copy(update={"groups": {"left": group}})}
    )
    assert [c.answer for c in established(results) if c.name == "sufficient"] == [answer]


def test_units_that_keep_no_more_than_matched_ones_are_not_sufficient(asked: Run) -> None:
    told = asked[0].sufficient
    assert told is not None
    worse = told.compared[0].model_copy(update={"p": 0.4})
    change: Callable[..., Results] = lambda **k: asked[0].model_copy(  # noqa: E731
        update={"sufficient": told.model_copy(update=k)}
    )
    for compared, answer in (((worse,), NO), ((), UNTOLD)):
        claims = established(change(compared=compared))
        assert [c.answer for c in claims if c.name == "sufficient"] == [answer]


def test_it_is_asked_only_where_it_is_asked() -> None:
    assert made().sufficient is None
    told = next(each for each in established(made()) if each.name == "sufficient")
    assert told.because.startswith("not asked")
    with pytest.raises(SettingError, match="`sufficient`: sets other units to their mean"):
        replace(ASKED, kind="head")
    with pytest.raises(SettingError, match="`sufficient` 1: give 2 or more"):
        replace(ASKED, sufficient=1)


def test_all_but_a_mask_are_the_others_of_its_sites(asked: Run) -> None:
    found = SelectivityMap.load(asked[1] / "selectivity.safetensors")
    top = top_percent(found, 2.5)
    others = all_but(found, top)
    assert sorted([*top.units, *others.units]) == [*range(80)]
    assert others.name == "all-but-top-2.5"
