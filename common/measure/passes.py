"""Computing something of a model under each of many masks, in the way that takes least.

Few masks make whole passes; of many each begins at its first site (:mod:`common.measure.prefix`),
unless a GPU is done with whole passes sooner.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING, Any, TypeVar

from common.base.device import synchronize
from common.measure.ablate import Ablation, under
from common.measure.boundaries import Plan
from common.measure.donors import Donated, Donors
from common.measure.masks import Mask
from common.measure.prefix import MEMORY, Prefix, first_site
from common.measure.scores import SelectivityMap
from common.measure.sites import Site

if TYPE_CHECKING:
    import torch
    from torch import nn

FEWEST = 4  # masks from which on the two intact passes pay
TRIED = 4  # masks that are tried both ways
DOUBTFUL = frozenset({"cuda"})  # devices on which whole passes may be done sooner

Result = TypeVar("Result")


class Passes:
    """Computes something of a model under each of many masks, one batch after another.

    Parameters
    ----------
    model : nn.Module
        The model.
    masks : sequence of Mask or None
        In the order of the results; ``None`` is the intact model.
    by, found
        As in :func:`common.measure.ablate.under`.
    memory : int, default=MEMORY
        Bytes to keep at most; see :class:`Prefix`.
    donors : Donors, optional
        For ``by="resample"``; then each batch says which items it holds.
    """

    def __init__(
        self,
        model: nn.Module,
        masks: Sequence[Mask | None],
        by: Ablation = "zero",
        found: SelectivityMap | None = None,
        memory: int = MEMORY,
        donors: Donors | None = None,
    ) -> None:
        self.model, self.masks, self.by, self.found, self.memory = model, masks, by, found, memory
        self.donors = donors
        self._sites = _begins(masks)
        self._plans: dict[Hashable, Plan] = {}
        self._pays: list[bool] = []  # once it was tried

    def of(self, masks: Sequence[Mask | None]) -> Passes:
        """The same for other masks, with what is known of the model's passes."""
        other = Passes(self.model, masks, self.by, self.found, self.memory, self.donors)
        other._plans, other._pays = self._plans, self._pays
        if set(other._sites) <= set(self._sites):
            other._sites = self._sites
        return other

    def __call__(
        self,
        compute: Callable[[], Result],
        key: Hashable = None,
        items: Sequence[str] = (),
    ) -> Iterator[Result]:
        """What `compute` gives under each mask.

        Parameters
        ----------
        compute, key
            As in :class:`Prefix`.
        items : sequence of str
            The name of what each row of the batch belongs to, which says who its donor is.
        """
        donated = None if self.donors is None else self.donors.to(items)
        if len(self.masks) < FEWEST or self._pays == [False]:
            for mask in self.masks:
                yield self._whole(compute, mask, donated)
            return
        prefix = Prefix(
            self.model, compute, self._sites, memory=self.memory, plans=self._plans, key=key
        )
        late = self._begins_late(prefix, donated)
        for mask in self.masks:
            if mask is None:
                yield prefix.intact
            elif late:
                yield prefix.under(mask, self.by, self.found, donated)
            else:
                yield self._whole(compute, mask, donated)

    def _whole(
        self, compute: Callable[[], Result], mask: Mask | None, donated: Donated | None
    ) -> Result:
        with under(self.model, mask, self.by, self.found, donated):
            return compute()

    def _begins_late(self, prefix: Prefix[Any], donated: Donated | None) -> bool:
        """Whether a pass that begins at a mask's site takes less than a whole one.

        On a processor it does. A GPU may be done with an operation sooner than it is said that it
        is left out, so both are tried there, once; the numbers are the same.
        """
        device = next((each.device for each in self.model.parameters()), None)
        if device is None or device.type not in DOUBTFUL:
            return True
        if not self._pays:
            masks = [mask for mask in self.masks if mask is not None]
            some = masks[:: max(1, len(masks) // TRIED)][:TRIED]
            late = partial(prefix.under, by=self.by, found=self.found, donated=donated)
            whole = partial(self._whole, prefix.compute, donated=donated)
            tries = [_seconds(way, some, device) for way in (late, whole, late, whole)]
            self._pays.append(min(tries[::2]) < min(tries[1::2]))
        return self._pays[0]


def _seconds(way: Callable[[Mask], object], masks: Sequence[Mask], device: torch.device) -> float:
    synchronize(device)
    begun = perf_counter()
    for mask in masks:
        way(mask)
    synchronize(device)
    return perf_counter() - begun


def _begins(masks: Sequence[Mask | None]) -> tuple[Site, ...]:
    """Where masks begin, in running order, whatever order the masks are in."""
    first = {first_site(mask) for mask in masks if mask is not None} - {None}
    every = next((mask.sites for mask in masks if mask is not None), ())
    return tuple(site for site in every if site in first)
