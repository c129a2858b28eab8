"""Where in the row of an intact pass a mask's pass may begin, and what crosses over there.

A mask of weights may begin where the first of its tensors is read: by an operation of the pass,
under whatever name, for what counts is the memory that it lies in.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from common.measure.attach import attached, tensor_of
from common.measure.passing import running
from common.measure.row import Row, Step, memory_of, reads_unseen, tensors_of
from common.measure.sites import Site
from common.measure.turns import attached_to

if TYPE_CHECKING:
    from torch import nn

Result = TypeVar("Result")


@dataclass(frozen=True)
class Boundary:
    """A place in the row where a mask's pass may begin.

    Attributes
    ----------
    at : int
        Operations before it.
    crossing : dict of int to bool
        The operations before it whose results are read behind it, by their place in the row, and
        whether something is written into the result there.
    n_bytes : int
        What these take.
    """

    at: int
    crossing: Mapping[int, bool]
    n_bytes: int


@dataclass(frozen=True)
class Plan:
    """The row of an intact pass, and where a mask's pass may begin in it.

    Attributes
    ----------
    steps : sequence of Step
        The row.
    boundaries : mapping of Site to Boundary
        Where a pass may begin.
    uses : mapping of str to int
        By the name of each parameter that the pass reads, the first operation that does.
    """

    steps: Sequence[Step]
    boundaries: Mapping[Site, Boundary]
    uses: Mapping[str, int] = field(default_factory=dict)

    def before(self, names: Sequence[str]) -> Boundary | None:
        """The last place to begin that lies before any of these parameters is read."""
        first = min((self.uses.get(name, len(self.steps)) for name in names), default=0)
        there = [each for each in self.boundaries.values() if each.at <= first]
        return max(there, key=lambda each: each.at, default=None)

    def keeping(self, memory: int) -> Plan:
        """The same with as many boundaries as `memory` bytes allow.

        Where they do not all fit, every second one goes, the first of each pair.
        """
        places = sorted({each.at for each in self.boundaries.values()})
        by_place = {each.at: each for each in self.boundaries.values()}
        while places and sum(by_place[at].n_bytes for at in places) > memory:
            places = places[1::2] if len(places) > 1 else []
        kept: dict[Site, Boundary] = {}
        for site, boundary in self.boundaries.items():
            before = [at for at in places if at <= boundary.at]
            if before:
                kept[site] = by_place[before[-1]]
        return Plan(self.steps, kept, self.uses)


def study(
    model: nn.Module, compute: Callable[[], Result], sites: Sequence[Site]
) -> tuple[Result, Plan]:
    """Make an intact pass, write its row down, and see what crosses each site.

    Returns
    -------
    (Result, Plan)
        What `compute` gave, and the plan of its row.
    """
    row = Row()
    places: dict[Site, tuple[int, int | None]] = {}

    def note(site: Site) -> Callable[[Any], None]:
        def act(value: Any) -> None:
            places.setdefault(site, (len(row.steps), row.place_of(tensor_of(site, value))))

        return act

    given = [site for site in sites if not site.of_weights]
    hooks = attached_to(model, given, note, reads=False)
    with attached(hooks), running(row):
        result = compute()
    if reads_unseen(compute):
        return result, Plan(row.steps, {})
    uses = _uses(row, model)
    places |= {site: (uses[site.module], None) for site in sites if site.module in uses}
    asked = {row.place_of(each) for each in tensors_of(result)}
    boundaries = {
        site: boundary
        for site, (at, place) in places.items()
        if (boundary := _boundary(row, at, {place, *asked})) is not None
    }
    return result, Plan(row.steps, boundaries, uses)


def _uses(row: Row, model: nn.Module) -> dict[str, int]:
    """By the name of each parameter that a pass has read, the first operation that did."""
    known = model.named_parameters(remove_duplicate=False)
    return {
        name: row.own_reads[place]
        for name, each in known
        if (place := memory_of(each)) in row.own_reads
    }


def _boundary(row: Row, at: int, asked: set[int | None]) -> Boundary | None:
    """What crosses a place of the row, or nothing if a pass cannot begin there."""
    steps = row.steps
    unsure = row.sure is not None and at > row.sure
    if at == 0 or unsure or any(step.writes_own for step in steps[:at]):
        return None
    read = {place for step in steps[at:] for place in step.reads}
    read |= {place for place in asked if place is not None}
    crossing = sorted({steps[place].made for place in read if place < at})
    written = {root for step in steps[at:] for root in step.writes}
    roots = [root for place in crossing for root in steps[place].roots]
    if any(root in written and roots.count(root) > 1 for root in roots):
        return None  # two names of one memory that is written into: copies would come apart
    changes = {place: not written.isdisjoint(steps[place].roots) for place in crossing}
    forms = {place: steps[place].form for place in crossing}
    if any(form is None or (changes[place] and not form.is_dense) for place, form in forms.items()):
        return None
    return Boundary(at, changes, sum(form.n_bytes for form in forms.values() if form is not None))
