"""Is it loud units: the words say what the numbers say, and no more."""

from __future__ import annotations

from typing import Any

import pytest

from common.effects.massive import PEAK
from common.effects.results import Results
from common.effects.verdict import warnings
from common.report.figures.loudness import OWN, loss_by_loudness
from common.report.loud import answer, say_figure, which
from tests.common.made import ablation, comparison, judgement, made, verdict_at

UNIT = {"site": "layers.7:output", "unit": 507, "loudness": 28000.0, "times": 490.0, "rank": 3}
LOSSES = {
    "top-1": 4.0, "without-massive-1": 3.0, "massive-1": 6.0, "magnitude-matched-1-s00": 0.5,
    "magnitude-matched-1-s01": 0.7,
}  # fmt: skip


def told(in_top: int = 2, n: int = 5, **changes: Any) -> Results:
    masks = [
        ablation(), *(ablation(rule) for rule in ("without-massive", "massive")),
        *(ablation("magnitude-matched", mask=f"magnitude-matched-1-s0{i}", seed=i) for i in (0, 1)),
    ]  # fmt: skip
    massive = {
        "threshold": 100.0, "measure": PEAK, "excluded": False, "n": n, "n_sites": 3,
        "in_top": {"1": in_top}, "channels": {"507": 3, "17": 2}, "units": [UNIT],
        "masks": dict(zip(LOSSES, (20.0, 2.0, 300.0, 15.0, 18.0), strict=True)), **changes,
    }  # fmt: skip
    drawn = [comparison("magnitude-matched", 20)]
    verdict = judgement([verdict_at(comparisons=drawn)])
    return made(ablations=masks, massive=massive, judgement=verdict)


def said_of(results: Results, losses: dict[str, float]) -> str:
    assert results.massive is not None
    return answer(results, results.massive, losses, "nats a token")


def test_it_says_which_units_and_by_what() -> None:
    results = told()
    assert results.massive is not None
    said = which(results.massive, 1.0)
    for part in ("100 times", PEAK, "5 units are, at 3 sites", "unit 507 of layers.7:output",
                 "490 times as loud", "2 channels are so: 507 (at 3 sites), 17 (at 2 sites)",
                 "The top 1 % holds 2 of them."):  # fmt: skip
        assert part in said
    assert "position" not in said
    placed = told(units=[{**UNIT, "position": "3 0"}]).massive
    assert placed is not None
    assert "unit 507 of layers.7:output (position 3 0), 490 times" in which(placed, 1.0)
    none = told(n=0, in_top=0, units=[], channels={}, excluded=True).massive
    assert none is not None
    assert "No unit of this model is. Masks and controls were chosen" in which(none, 1.0)


@pytest.mark.parametrize(
    ("quiet", "said"),
    [
        (3.0, "So 75.0 % of it is left without them: it is mostly not theirs."),
        (4.6, "So all of it is left"),
        (1.0, "So 25.0 % of it is left without them: it is mostly theirs."),
        (0.1, "So hardly any of it is left without them: it is theirs."),
        (-1.0, "So hardly any"),
    ],
)
def test_what_is_left_without_them_is_weighed(quiet: float, said: str) -> None:
    told_of = said_of(told(), {**LOSSES, "without-massive-1": quiet, "massive-1": 1.5})
    assert said in told_of
    assert "the top costs +4.00" in told_of
    assert "equally loud units of the same sites (20 draws): the top costs" in told_of
    assert "single masks without an interval" in told_of


def test_what_cannot_be_weighed_is_said() -> None:
    assert "but they alone cost all of it, too: harms do not add up" in said_of(told(), LOSSES)
    assert "no loss to explain" in said_of(told(), {**LOSSES, "top-1": -0.2})
    results = told(in_top=0)
    kept = [entry for entry in results.ablations if entry.rule != "without-massive"]
    alone = results.model_copy(update={"ablations": tuple(kept)})
    assert "The top holds none of them" in said_of(alone, LOSSES)
    full = told(in_top=2).model_copy(update={"ablations": tuple(kept)})
    assert "holds nothing else" in said_of(full, LOSSES)
    none = told(in_top=0, n=0).model_copy(update={"ablations": tuple(kept)})
    assert "no massive units that could explain it" in said_of(none, LOSSES)


def test_each_mask_is_where_its_loudness_and_its_loss_are() -> None:
    results = told()
    assert results.massive is not None
    (axes,) = loss_by_loudness(results, results.massive, LOSSES, "nats a token").axes
    points = {
        (float(x), float(y))
        for line in axes.lines[:-1]
        for x, y in zip(*line.get_data(), strict=True)
    }
    assert points == {(results.massive.masks[name], loss) for name, loss in LOSSES.items()}
    names = {line.get_label() for line in axes.lines}
    assert {OWN["top"][2], OWN["massive"][2], "magnitude-matched"} <= names
    said = say_figure(results, results.massive, LOSSES)
    assert "magnitude-matched +0.600 at 16.5 times the median" in said


def test_controls_that_are_as_loud_only_where_the_localizer_reads_are_warned_of() -> None:
    def louder(times: tuple[float, float], **changes: Any) -> list[str]:
        masks = dict(zip(LOSSES, (20.0, 2.0, 300.0, *times), strict=True))
        return [
            each for each in warnings(told(masks=masks, **changes)) if "times as loud as" in each
        ]

    (said,) = louder((8.0, 12.5))  # of 20, twice their geometric mean
    assert said.startswith("magnitude-matched controls of the top 1 % are as loud as it is where")
    assert f"by {PEAK} it is 2.0 times as loud" in said
    assert louder((16.1, 16.1)) == []
    assert louder((15.9, 15.9)) != []
    assert louder((8.0, 12.5), measure="the mean |activation| over stimuli") == []
    assert louder((0.0, 12.5)) == []
