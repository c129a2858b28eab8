"""How long a run will take, from what a batch was seen to take.

Before a run starts, a few stimuli are shown to the model, and since nobody knows yet where the
masks will begin, each counts as a whole pass: the estimate is one of at most. After the intact pass
one batch is evaluated under a mask of every kind, which is timed: a mask whose first unit lies
late costs a small part of a pass. While it goes on, the rest is scaled by what the work so far has
taken. How many controls the verdict will ask for is not known before, so there is a least, with
those that are planned, and a most, with all that may be drawn.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

from common.base.progress import LEFT, NOTE, Progress, spoken_seconds
from common.measure.masks import Mask
from common.measure.passes import FEWEST
from common.measure.prefix import first_site
from common.measure.sites import Site

WORTH = 30.0  # seconds from which on an estimate is told
LONG = 600.0  # from which on a part of the items is offered, and what that should take at most
OFFERED = (50, 20, 10, 5)
KINDS = 6  # masks that are timed, at most
SURE = 5.0  # seconds of work from which on the pace is known


@dataclass(frozen=True)
class Rates:
    """Seconds for one unit of work: a picture, a token.

    Attributes
    ----------
    intact : float
        In a plain pass.
    begin : float
        In the passes that all masks of a batch share.
    by_site : mapping of Site to float
        Under a mask, by the site of its first unit; of other sites it is taken to be that of the
        next earlier one, or of a whole pass.
    """

    intact: float
    begin: float = 0.0
    by_site: Mapping[Site, float] = field(default_factory=dict)

    def under(self, mask: Mask | None) -> float:
        """Under a mask."""
        site = None if mask is None else first_site(mask)
        if mask is None or site is None:
            return self.intact
        earlier = mask.sites[: mask.sites.index(site) + 1]
        known = [self.by_site[each] for each in reversed(earlier) if each in self.by_site]
        return known[0] if known else self.intact


@dataclass(frozen=True)
class Estimate:
    """How long something takes, in seconds.

    Attributes
    ----------
    least, most : float
        With the controls that are planned, and with all that may be drawn.
    fewer : (int, float) or None
        With so many items of each class or paradigm, and how long it takes at most then.
    bound : bool
        Whether it is likely to be less.
    """

    least: float
    most: float
    fewer: tuple[int, float] | None = None
    bound: bool = False

    def said(self) -> str:
        """In words: ``about 5 h; with `items` 10: 8 min``."""
        if self.bound:
            text = f"at most {spoken_seconds(self.most)}"
        elif self.most <= 1.5 * self.least:
            text = f"about {spoken_seconds((self.least + self.most) / 2)}"
        else:
            text = (
                f"{spoken_seconds(self.least)} to {spoken_seconds(self.most)}, by how many control "
                "masks the verdict needs"
            )
        if self.fewer is None:
            return text
        return f"{text}; with `items` {self.fewer[0]}: {spoken_seconds(self.fewer[1])}"


def fewer_items(labels: Iterable[Any], versions: int = 1) -> dict[int, float]:
    """By how many of each class or paradigm, the share of all items that these are.

    Parameters
    ----------
    labels : iterable
        The class or paradigm of each item.
    versions : int, default=1
        How many items are one: the versions of a picture.
    """
    sizes = Counter(map(str, labels))
    total = sum(sizes.values())
    return {n: sum(min(n * versions, size) for size in sizes.values()) / total for n in OFFERED}


def foreseen(
    rates: Rates,
    work: float,
    masks: Sequence[Mask | None],
    later: Sequence[tuple[Mask, int]] = (),
) -> tuple[float, float]:
    """Seconds that masks take, at least and at most.

    Parameters
    ----------
    rates : Rates
        What a unit of work takes.
    work : float
        Units of all that is evaluated.
    masks : sequence of Mask or None
        Those that are evaluated in any case.
    later : sequence of (Mask, int)
        How many more like each may be drawn.
    """
    sharing = rates.begin if len(masks) >= FEWEST else 0.0
    least = work * (sharing + sum(rates.under(mask) for mask in masks))
    return least, least + work * sum(n * rates.under(mask) for mask, n in later)


def offer(estimate: Estimate, shares: Mapping[int, float], before: float = 0.0) -> Estimate:
    """The same with a number of items that makes a long run short.

    Parameters
    ----------
    estimate : Estimate
        Of all items.
    shares : mapping of int to float
        See :func:`fewer_items`; empty where a part of the items is evaluated already.
    before : float, default=0
        Seconds of it that come before the evaluating.
    """
    if estimate.most < LONG:
        return estimate
    times = {
        n: before + (estimate.most - before) * share for n, share in shares.items() if share < 0.5
    }
    short = [n for n, seconds in times.items() if seconds <= LONG] or [*times][-1:]
    if not short:
        return estimate
    return Estimate(estimate.least, estimate.most, (short[0], times[short[0]]), estimate.bound)


def tell(progress: Progress, about: str, estimate: Estimate) -> None:
    """Say an estimate once, if it is worth saying."""
    if estimate.most >= WORTH:
        progress(f"{NOTE}{about}: {estimate.said()}", 0, 0)


def kinds(masks: Iterable[Mask | None]) -> list[Mask]:
    """One mask for each site where masks begin, in running order; of many sites some."""
    by_site: dict[Site, Mask] = {}
    for mask in masks:
        site = None if mask is None else first_site(mask)
        if mask is not None and site is not None:
            by_site.setdefault(site, mask)
    found = sorted(by_site.items(), key=lambda each: each[1].sites.index(each[0]))
    if len(found) > KINDS:
        found = [found[round(i * (len(found) - 1) / (KINDS - 1))] for i in range(KINDS)]
    return [mask for _, mask in found]


def timed(each: Iterator[Any]) -> list[float]:
    """Seconds that an iterator took for each of what it gave."""
    found, begun = [], perf_counter()
    for _ in each:
        now = perf_counter()
        found.append(now - begun)
        begun = now
    return found


class Left:
    """How much of an evaluation is left, by the pace of what was done.

    Parameters
    ----------
    seconds : float
        What it should take.
    progress : Progress
        Told of the seconds that are over, and of all, at most once a second.
    """

    def __init__(self, seconds: float, progress: Progress) -> None:
        self.seconds, self.progress = seconds, progress
        self._begun = self._told = perf_counter()
        self._done = 0.0

    def did(self, seconds: float) -> None:
        """A part is done that should have taken so many seconds."""
        self._done += seconds
        now = perf_counter()
        if now >= self._told + 1:
            self._told = now
            over = now - self._begun
            self.progress(LEFT, round(over), round(over + self.left))

    @property
    def left(self) -> float:
        """Seconds that the rest will take."""
        over = perf_counter() - self._begun
        pace = over / self._done if self._done > 0 and over >= SURE else 1.0
        return max(0.0, self.seconds - self._done) * pace
