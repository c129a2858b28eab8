"""Units matched one by one in loudness: who has a partner, and a random choice of partners.

Two units of a site are *partners* if their log loudness differs by at most the caliper. A top unit
whose partners are top units alone has nobody to be held against: it is *unmatched*. The others are
the *matched part*; a control gives each of them one unit of its site inside its caliper, itself
among them, all distinct. So the top mask is one of the masks that can be drawn, and where it is
nothing special, no different from the others.

References
----------
Rosenbaum, P. R., & Rubin, D. B. (1985). Constructing a control group using multivariate matched
sampling methods that incorporate the propensity score. Am. Stat., 39, 33-38. (Calipers.)
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from common.base.errors import MaskError
from common.measure.loudness import level_of
from common.measure.masks import Mask, mask_of
from common.measure.moments import Array
from common.measure.scores import SelectivityMap
from common.measure.sites import Site

CALIPER = 0.25  # of log loudness: a partner is at most exp(0.25) = 1.28 times as loud
SWEEPS = 20  # over all top units of a site, until a draw has forgotten where it began
MATCHED_PART, UNMATCHED_PART = PARTS = "matched-part", "unmatched-part"


def log_loudness(found: SelectivityMap) -> Array:
    """Natural logarithm of the mean |activation|, shape (n_units,); silent units are all alike."""
    return level_of(found.magnitude)


@dataclass(frozen=True)
class SiteUnits:
    """The units of one site, some of them chosen.

    Attributes
    ----------
    number : int
        Of the site in the map.
    site : Site
        The site.
    every : array of int of shape (n_units,)
        All its units, as indices into the map's row.
    chosen : array of int of shape (k,)
        Those of a mask.
    """

    number: int
    site: Site
    every: np.ndarray
    chosen: np.ndarray


def by_site(found: SelectivityMap, units: np.ndarray) -> Iterator[SiteUnits]:
    """The sites that hold some of the units, with all of theirs."""
    for number, site in enumerate(found.sites):
        start, stop = found.offsets[number : number + 2]
        chosen = units[(units >= start) & (units < stop)]
        if len(chosen):
            every = np.arange(start, stop)
            yield SiteUnits(number, site, every[~found.excluded[every]], chosen)


def has_partner(found: SelectivityMap, units: np.ndarray, caliper: float = CALIPER) -> np.ndarray:
    """Which of some units have a partner that is none of them: array of bool of shape (k,)."""
    alone = np.zeros(found.n_units, dtype=bool)
    for part in by_site(found, units):
        others = level_of(found.magnitude[_rising(found, part, apart=True)])
        low, high = _window(level_of(found.magnitude[part.chosen]), others, caliper)
        alone[part.chosen] = low == high
    found_partner: np.ndarray = ~alone[units]
    return found_partner


def _rising(found: SelectivityMap, part: SiteUnits, *, apart: bool) -> np.ndarray:
    """A site's units from the quietest on, the chosen ones left out if they are to be `apart`."""
    start, stop = found.offsets[part.number : part.number + 2]
    keep = ~found.excluded[start:stop]
    if apart:
        keep[part.chosen - start] = False
    order = found.by_loudness(part.number)
    found_rising: np.ndarray = start + (order if keep.all() else order[keep[order]])
    return found_rising


def _window(own: Array, pool: Array, caliper: float) -> tuple[np.ndarray, np.ndarray]:
    """Where each unit's partners begin and end in the rising `pool`; both ends are inside."""
    low = np.searchsorted(pool, own - caliper, "left")
    return low, np.searchsorted(pool, own + caliper, "right")


def matched_part(found: SelectivityMap, top: Mask, caliper: float = CALIPER) -> Mask | None:
    """The units of a mask that have an equally loud partner in their site; ``None`` without any.

    Parameters
    ----------
    found : SelectivityMap
        The map.
    top : Mask
        Units of it.
    caliper : float, default=0.25
        Largest difference of log loudness between partners.
    """
    return _part(found, top, MATCHED_PART, has_partner(found, top.units, caliper))


def unmatched_part(found: SelectivityMap, top: Mask, caliper: float = CALIPER) -> Mask | None:
    """The units of a mask that have none; ``None`` where all have one."""
    return _part(found, top, UNMATCHED_PART, ~has_partner(found, top.units, caliper))


def _part(found: SelectivityMap, top: Mask, rule: str, inside: np.ndarray) -> Mask | None:
    if not inside.any():
        return None
    return mask_of(found, rule, top.percent, None, top.units[inside])


def matched_units(
    found: SelectivityMap,
    units: np.ndarray,
    rng: np.random.Generator,
    *,
    apart: bool = False,
    caliper: float = CALIPER,
) -> np.ndarray:
    """One partner for each of some units, all distinct, by chance.

    Parameters
    ----------
    found : SelectivityMap
        The map.
    units : array of int of shape (k,)
        Indices into the map's row of units.
    rng : Generator
        Of the draw.
    apart : bool, default=False
        Whether the units themselves cannot be drawn.
    caliper : float, default=0.25
        Largest difference of log loudness between partners.

    Returns
    -------
    array of int of shape (k,)
        Sites in running order; within a site no order is meant.

    Raises
    ------
    MaskError
        If not all of them can have a partner at once, naming the site; never unless `apart`.
    """
    drawn = []
    for part in by_site(found, units):
        pool, own = _rising(found, part, apart=apart), np.sort(found.magnitude[part.chosen])
        picked = random_matching(level_of(own), level_of(found.magnitude[pool]), rng, caliper)
        if picked is None:
            raise MaskError(
                f"{part.site}: {len(own)} of its {len(part.every)} units are masked and not all of "
                "them have an equally loud partner among the others"
            )
        drawn.append(pool[picked])
    return np.concatenate(drawn)


def random_matching(
    own: Array, pool: Array, rng: np.random.Generator, caliper: float = CALIPER
) -> np.ndarray | None:
    """A random assignment of distinct partners inside the caliper, all about equally likely.

    Starts from one that there is and changes it by chance: a random unit asks for a random one of
    its partners; one that is free it gets, one that is taken it gets in exchange for its own, where
    that is inside the other's caliper, too. Each step is as likely as its way back, so the chain
    ends up uniform over all assignments (Metropolis et al. 1953), and since calipers are intervals
    of one width, it reaches each of them.

    Parameters
    ----------
    own : array of shape (k,)
        Rising log loudness of the units that want a partner.
    pool : array of shape (n,)
        Rising log loudness of those that they are drawn from.
    rng : Generator
        Of the draw.
    caliper : float, default=0.25
        Largest difference between partners.

    Returns
    -------
    array of int of shape (k,) or None
        Places in `pool`; ``None`` where there is no such assignment.
    """
    low, high = _window(own, pool, caliper)
    first = _first_matching(low.tolist(), high.tolist())
    if first is None:
        return None
    steps = SWEEPS * len(own)
    asking = rng.integers(len(own), size=steps)
    wanted = low[asking] + rng.integers((high - low)[asking])
    return np.array(_changed(first, low, high, asking, wanted))


def _first_matching(low: list[int], high: list[int]) -> list[int] | None:
    """The lowest assignment: both ends rise, so taking the first free place is never wrong."""
    places, free = [], 0
    for start, stop in zip(low, high, strict=True):
        free = max(free, start)
        if free >= stop:
            return None
        places.append(free)
        free += 1
    return places


def _changed(
    places: list[int],
    low: np.ndarray,
    high: np.ndarray,
    asking: np.ndarray,
    wanted: np.ndarray,
) -> list[int]:
    owner = {place: unit for unit, place in enumerate(places)}
    starts, stops = low.tolist(), high.tolist()
    for unit, place in zip(asking.tolist(), wanted.tolist(), strict=True):
        left, other = places[unit], owner.get(place)
        if other is not None:
            if not starts[other] <= left < stops[other]:
                continue
            places[other] = left
            owner[left] = other
        else:
            del owner[left]
        places[unit], owner[place] = place, unit
    return places
