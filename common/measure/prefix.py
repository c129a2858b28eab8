"""Many masks, one intact pass: what a mask does not touch is not computed again.

A pass is a row of operations. Until the first masked unit is replaced, a mask's pass makes the same
row as the intact one and gets the same numbers, so none of them is needed again, but for the few
tensors that somebody reads later on. :class:`Prefix` makes the intact pass of a batch, keeps these
few at each site where a mask may begin, and computes the passes of masks from there on: before its
site an operation is answered with an empty tensor of the right shape and strides, and only what
*crosses* to the other side has numbers. On EfficientNet-Lite0 one tensor of 5.6 MB crosses at
``blocks.5.0``, of 5,663 MB that a batch of 64 makes.

Models are not touched, and the results are those of whole passes, bit by bit wherever two whole
passes agree bit by bit. What cannot be answered so is computed whole: a pass that draws random
numbers, writes into the model's own tensors, or goes another way than the one that was kept (a
model that fills a cache in its first pass).

What the computation does not return is no result: a cache that it leaves in an object would hold
empty tensors.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from common.base.heavy import pytree, torch
from common.measure.ablate import Ablation, under
from common.measure.boundaries import Boundary, Plan, study
from common.measure.donors import Donated
from common.measure.forms import Lost
from common.measure.masks import Mask
from common.measure.passing import running
from common.measure.row import Places, Row, tensors_of
from common.measure.scores import SelectivityMap
from common.measure.sites import WEIGHT, Site

if TYPE_CHECKING:
    from torch import nn

MEMORY = 1 << 30  # bytes kept of one batch; masks that begin beyond it begin at an earlier site

Result = TypeVar("Result")


class Prefix(Generic[Result]):
    """The intact pass of a batch, and what passes of masks on the same batch begin with.

    Parameters
    ----------
    model : nn.Module
        The model; it is not changed.
    compute : callable
        Computes something of the model on the batch, and returns tensors (one, or a nest of them).
        It is called for every mask, and has to do the same each time.
    sites : sequence of Site
        Where masks may begin.
    memory : int, default=MEMORY
        Bytes to keep at most.
    plans : dict, optional
        Plans of earlier batches, by `key`: without it, or for a new key, two more passes are made.
    key : hashable, optional
        What the row of operations depends on, such as the shape of the batch.

    Attributes
    ----------
    intact : Result
        What `compute` gave for the intact model.
    n_bytes : int
        Bytes that are kept.
    n_whole : int
        Passes of masks that were computed whole.
    """

    def __init__(
        self,
        model: nn.Module,
        compute: Callable[[], Result],
        sites: Sequence[Site],
        *,
        memory: int = MEMORY,
        plans: dict[Hashable, Plan] | None = None,
        key: Hashable = None,
    ) -> None:
        self.model, self.compute, self.sites, self.memory = model, compute, tuple(sites), memory
        self.n_whole = 0
        self._kept: dict[int, dict[int, Any]] = {}
        self._said: dict[int, Any] = {}
        self._plans: dict[Hashable, Plan] = {} if plans is None else plans
        self._key = (key, self.sites, memory)
        self._versions: list[tuple[int, int]] = []
        self._make()

    def under(
        self,
        mask: Mask,
        by: Ablation = "zero",
        found: SelectivityMap | None = None,
        donated: Donated | None = None,
    ) -> Result:
        """What `compute` gives with a mask's units replaced.

        Parameters
        ----------
        mask, by, found, donated
            As in :func:`common.measure.ablate.under`.

        Raises
        ------
        SiteError
            If a masked site does not exist, never fires, or fires twice.
        """
        if self._versions != _versions(self.model):  # somebody has edited the weights
            self._make()
        result = self._under(mask, by, found, donated)
        if mask.unit == WEIGHT:  # it was written into, and has its bits back
            self._versions = _versions(self.model)
        return result

    def _under(
        self, mask: Mask, by: Ablation, found: SelectivityMap | None, donated: Donated | None
    ) -> Result:
        begins = self._begins(mask)
        if begins is not None:
            try:
                with (
                    under(self.model, mask, by, found, donated),
                    running(self._replay(begins)),
                ):
                    return self.compute()
            except Lost:
                pass
        self.n_whole += 1
        with under(self.model, mask, by, found, donated):
            return self.compute()

    def _begins(self, mask: Mask) -> Boundary | None:
        """Where the mask's first site is. That later sites of it are no beginnings matters not.

        Sites are in running order; where they are not, a unit before the boundary is replaced,
        which is noticed, and the pass is computed whole. Nobody would notice a weight, so a mask of
        weights begins no later than where the first of them is read, whatever their order.
        """
        if mask.unit == WEIGHT:
            return self._plan.before([site.module for site in mask.touched])
        site = first_site(mask)
        return None if site is None else self._plan.boundaries.get(site)

    def _make(self) -> None:
        self._versions = _versions(self.model)
        plan = self._plans.get(self._key)
        if plan is not None:
            try:
                self._keep(plan)
                return
            except Lost:  # another row than the plan's
                pass
        self.intact, plan = study(self.model, self.compute, self.sites)
        plan = self._plans[self._key] = plan.keeping(self.memory)
        try:
            self._keep(plan)
        except Lost:  # another row each time: whole passes are computed
            self._plan, self._kept, self._said, self.n_bytes = Plan((), {}), {}, {}, 0

    def _keep(self, plan: Plan) -> None:
        keep = _Keep(plan)
        if plan.boundaries:
            with running(keep):
                self.intact = self.compute()
            keep.complete()
        elif not hasattr(self, "intact"):
            self.intact = self.compute()
        self._plan, self._kept, self._said = plan, keep.kept, keep.said
        seen = {id(each): each for each in tensors_of([*map(dict, keep.kept.values())])}
        self.n_bytes = sum(each.nbytes for each in seen.values())

    def _replay(self, boundary: Boundary) -> _Replay:
        return _Replay(self._plan, boundary, self._kept[boundary.at], self._said)


def first_site(mask: Mask) -> Site | None:
    """The site of a mask's first unit, in running order; none of an empty mask.

    Weights are in the order of the model's parameters, which need not be that of running.
    """
    return mask.touched[0] if mask.touched else None


def _versions(model: nn.Module) -> list[tuple[int, int]]:
    """Which tensors the model's weights are, and how often each was written into."""
    own = (*model.parameters(), *model.buffers())
    return [(id(each), 0 if each.is_inference() else each._version) for each in own]


class _Keep(Row):
    """The intact pass once more, along a plan: holds what crosses its boundaries."""

    def __init__(self, plan: Plan) -> None:
        super().__init__()
        self.plan = plan
        self.kept: dict[int, dict[int, Any]] = {}
        self.said: dict[int, Any] = {}
        each = {boundary.at: boundary for boundary in plan.boundaries.values()}
        self._next = sorted(each.values(), key=lambda boundary: boundary.at)
        self._last = self._next[-1].at if self._next else 0
        self._wanted = {place for boundary in self._next for place in boundary.crossing}
        self._held: dict[int, Any] = {}

    def __call__(self, operation: Any, args: Any, kwargs: Any) -> Any:
        place = len(self.steps)
        self._pass(place)
        if place >= self._last:
            self.ended = True
            return operation(*args, **kwargs)
        result = super().__call__(operation, args, kwargs)
        now, then = self.steps[place], self.plan.steps[place]
        if now.operation is not then.operation or now.given != then.given or now.form != then.form:
            raise Lost
        if place in self._wanted:
            self._held[place] = result
        if now.form is None:
            self.said[place] = result
        return result

    def _pass(self, place: int) -> None:
        while self._next and self._next[0].at <= place:
            boundary = self._next.pop(0)
            self.kept[boundary.at] = {
                each: pytree.tree_map_only(torch.Tensor, torch.Tensor.clone, self._held[each])
                if changes
                else self._held[each]
                for each, changes in boundary.crossing.items()
            }

    def complete(self) -> None:
        """The pass has ended; a boundary may stand behind its last operation."""
        if len(self.steps) < self._last:
            raise Lost
        self._pass(self._last)
        self._held.clear()


class _Replay:
    """A mask's pass along a plan: empty tensors before the boundary, real ones behind it."""

    def __init__(
        self, plan: Plan, boundary: Boundary, kept: Mapping[int, Any], said: Mapping[int, Any]
    ) -> None:
        self.ended = False
        self.steps, self.at, self.crossing = plan.steps, boundary.at, boundary.crossing
        self.kept, self.said = kept, said
        self._places = Places()

    def __call__(self, operation: Any, args: Any, kwargs: Any) -> Any:
        place = self._places.length
        if place >= self.at:
            self.ended = True
            return operation(*args, **kwargs)
        step = self.steps[place]
        if step.operation is not operation or step.given != self._places.given(args, kwargs):
            raise Lost
        result = self._answer(place, args, kwargs)
        self._places.place(result)
        return result

    def _answer(self, place: int, args: Any, kwargs: Any) -> Any:
        step = self.steps[place]
        if step.form is None:
            return self.said[place]
        if step.lends and all(root[0] == "own" for root in step.roots):
            return step.operation(*args, **kwargs)  # a view of a weight has its numbers anyway
        if place in self.crossing:
            # A tensor of its own each time: torch keeps its book of views in the object.
            copy = torch.Tensor.clone if self.crossing[place] else torch.Tensor.detach
            return pytree.tree_map_only(torch.Tensor, copy, self.kept[place])
        # Torch keeps book of views; one of an empty tensor costs nothing.
        return step.operation(*args, **kwargs) if step.lends else step.form.empty(args, kwargs)

    def read(self) -> None:
        """Somebody wants to read a tensor now, and before the boundary there is none to read."""
        if self._places.length < self.at:
            raise Lost

    def leave(self) -> None:
        """A unit is replaced: from here on the pass is another one than the intact."""
        self.read()
        self.ended = True
