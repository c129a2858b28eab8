"""Which units are massive, how many of them were masked, and how loud every mask is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from common.effects.parts import Part
from common.measure.loudness import EXCLUDED
from common.measure.masks import Mask
from common.measure.massive import massive_units, threshold_of
from common.measure.scores import SelectivityMap
from common.measure.sites import WEIGHT
from common.measure.unit_table import place_at

LISTED = 20
PEAK, MEAN = "the largest |activation| at any token", "the mean |activation| over stimuli"
SIZE = "|weight|"


class MassiveUnit(Part):
    """One of them."""

    site: str
    """Where it is."""
    unit: int
    """Its channel or head, counted from 0."""
    position: str = ""
    """Of a neuron or a weight its place along the other axes, as ``units`` has it."""
    loudness: float
    """As `measure` says."""
    times: float
    """Its loudness over that of the median unit of its site."""
    rank: int
    """Its place by falling score, 1 for the highest."""


class Massive(Part):
    """The massive units of a map: many times as loud as the median unit of their site."""

    threshold: float
    """From how many times the median on."""
    measure: str
    """What loudness is: of texts the peak over all tokens, an attention sink among them."""
    excluded: bool
    """Whether masks were chosen without them (`exclude_massive`)."""
    n: int
    """How many there are."""
    n_sites: int
    """At how many sites."""
    in_top: dict[str, int]
    """By dose, how many of them the top mask holds."""
    channels: dict[str, int]
    """By channel, at how many sites it is massive; those at most sites first."""
    units: tuple[MassiveUnit, ...]
    """The loudest, at most 20 of them."""
    masks: dict[str, float]
    """By mask of the headline dose, how many times as loud as the median unit of its site a unit of
    it is (geometric mean; of weights, of which many are next to nothing, the median)."""


def describe_massive(found: SelectivityMap, masks: Sequence[Mask], headline: float) -> Massive:
    """What the results say of a map's massive units.

    Parameters
    ----------
    found : SelectivityMap
        The map.
    masks : sequence of Mask
        Of the run.
    headline : float
        The dose that the verdict is about.
    """
    units, times = massive_units(found), found.times_median
    rank = np.empty(found.n_units, dtype=int)
    rank[found.ranking] = np.arange(1, found.n_units + 1)
    sites = found.site_of_unit[units]
    numbers = (units - found.offsets[sites]).tolist()
    at_sites = Counter(numbers) if found.unit == "channel" else Counter()
    listed = zip(units[:LISTED].tolist(), sites.tolist(), numbers, strict=False)
    return Massive(
        threshold=threshold_of(found),
        measure=SIZE if found.unit == WEIGHT else MEAN if found.peak is None else PEAK,
        excluded=EXCLUDED in found.about,
        n=len(units),
        n_sites=len(set(sites.tolist())),
        in_top={
            f"{mask.percent:g}": int(np.isin(mask.units, units).sum())
            for mask in masks
            if mask.rule == "top"
        },
        channels={str(channel): n for channel, n in at_sites.most_common(LISTED)},
        units=tuple(
            MassiveUnit(
                site=str(found.sites[site]),
                **_named(found, site, number),
                loudness=float(found.loudness[unit]),
                times=float(times[unit]),
                rank=int(rank[unit]),
            )
            for unit, site, number in listed
        ),
        masks={
            mask.name: _level(times[mask.units], found.unit)
            for mask in masks
            if mask.percent == headline
        },
    )


def _named(found: SelectivityMap, site: int, number: int) -> dict[str, Any]:
    unit, position = place_at(found.sites[site], found.unit, number)
    return {"unit": unit, "position": position}


def _level(times: np.ndarray, unit: str) -> float:
    if unit == WEIGHT:
        return float(np.median(times))
    return float(np.exp(np.log(np.maximum(times, np.finfo(float).tiny)).mean()))
