"""Moments by group, kept once where groups are asked for in two ways.

Stimuli are told apart by side and half, and by condition and half beside that. Both are merges of
the same smallest *cells*, so each batch is summed by cell alone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from common.base.errors import DataError
from common.base.heavy import torch
from common.measure.moments import Membership, Moments, merged
from common.measure.sites import Site

if TYPE_CHECKING:
    from torch import Tensor

Cell = tuple[int, int]


@dataclass(frozen=True)
class Counted:
    """How many stimuli there are in each cell."""

    cells: Sequence[Cell]
    counts: Sequence[int]


class Cells:
    """Which stimuli of a batch belong to which cell.

    Parameters
    ----------
    n_stimuli : int
        How many there are.
    groups, finer : array of int of shape (n_stimuli,), optional
        The group of each, and the one of the second kind; 0 where they are left out.

    Attributes
    ----------
    cells : list of (int, int)
        Group, and group of the second kind.
    counts : list of int
        Stimuli in each cell.
    """

    def __init__(
        self, n_stimuli: int, groups: np.ndarray | None = None, finer: np.ndarray | None = None
    ) -> None:
        nothing = np.zeros(n_stimuli, dtype=int)
        both = np.column_stack([nothing if part is None else part for part in (groups, finer)])
        pairs, numbers = np.unique(both, axis=0, return_inverse=True)
        self.cells: list[Cell] = [(one, two) for one, two in pairs.tolist()]
        self._numbers = numbers.ravel()
        self.counts: list[int] = np.bincount(self._numbers).tolist()
        self._on: dict[torch.device, Membership] = {}

    def plain(self) -> Cells:
        """The same without what lies on a device."""
        alike = copy(self)
        alike._on = {}
        return alike

    def on(self, device: torch.device) -> Membership:
        """The same, ready to sum on a device; its numbers are places in :attr:`cells`."""
        if device not in self._on:
            self._on[device] = Membership(self._numbers, device)
        return self._on[device]


@dataclass(frozen=True)
class Part:
    """Sites that are reduced together, their units one after another.

    Attributes
    ----------
    sites : tuple of Site
        Which.
    widths : tuple of int
        Units of each.
    """

    sites: tuple[Site, ...]
    widths: tuple[int, ...]

    def split(self, moments: Moments) -> dict[Site, Moments]:
        """Moments of all of it, by site."""
        ends = np.cumsum(self.widths)
        return {
            site: moments.between(end - width, end)
            for site, width, end in zip(self.sites, self.widths, ends.tolist(), strict=True)
        }

    def at(self, unit: int) -> tuple[Site, int]:
        """The site of a unit of the whole, and its number there."""
        number = int(np.searchsorted(np.cumsum(self.widths), unit, side="right"))
        return self.sites[number], unit - sum(self.widths[:number])


@dataclass(frozen=True)
class Pooled:
    """A batch at a site, or at several.

    Attributes
    ----------
    values : tensor of shape (n_stimuli, n_units)
        Pooled activations.
    level : tensor of shape (n_stimuli, n_units) or None
        Mean output over positions, where `values` is something else.
    resolution : float
        Relative spacing of the numbers that the activations came in.
    first, peak : tensor of shape (n_stimuli, n_units) or None
        Of texts: output at the first token, and the largest \\|output\\| at any.
    """

    values: Tensor
    level: Tensor | None
    resolution: float
    first: Tensor | None = None
    peak: Tensor | None = None

    @property
    def kind(self) -> tuple[torch.device, torch.dtype, float, bool, bool]:
        """Alike in all that can be reduced together."""
        besides = (self.level is not None, self.first is not None)
        return self.values.device, self.values.dtype, self.resolution, *besides

    @property
    def sums(self) -> Tensor:
        """One number a stimulus, finite if all of its activations are; shape (n_stimuli,)."""
        every = (self.values, self.level, self.first, self.peak)
        parts = [part for part in every if part is not None]
        # Half floats would overflow in a sum over many units.
        wide = torch.promote_types(self.values.dtype, torch.float32)
        return torch.stack([part.sum(dim=1, dtype=wide) for part in parts]).sum(dim=0)


@dataclass(frozen=True)
class Reduced:
    """A batch at the sites of a part, reduced on the device where it lies.

    Attributes
    ----------
    part : Part
        The sites.
    rows : tensor of shape (n_cells, 4 or 6, n_units)
        As from :func:`common.measure.moments.batch_rows`.
    resolution : float
        See :class:`Pooled`.
    sums : tensor of shape (n_stimuli,) or None
        As :attr:`Pooled.sums`, where the activations themselves are gone.
    """

    part: Part
    rows: Tensor
    resolution: float
    sums: Tensor | None = None


def together(sites: Sequence[Site], pooled: Mapping[Site, Pooled]) -> Iterator[tuple[Part, Pooled]]:
    """The batch at all sites that can be reduced together, their units one after another.

    Parameters
    ----------
    sites : sequence of Site
        In the order of the units.
    pooled : mapping of Site to Pooled
        The batch at each.
    """
    alike: dict[Any, list[Site]] = {}
    for site in sites:
        if site in pooled:
            alike.setdefault(pooled[site].kind, []).append(site)
    for some in alike.values():
        each = [pooled[site] for site in some]
        values = torch.cat([one.values for one in each], dim=1)
        level, first, peak = (
            _side_by_side([getattr(one, name) for one in each])
            for name in ("level", "first", "peak")
        )
        part = Part(tuple(some), tuple(one.values.shape[1] for one in each))
        yield part, Pooled(values, level, each[0].resolution, first, peak)


def _side_by_side(parts: Sequence[Tensor | None]) -> Tensor | None:
    there = [part for part in parts if part is not None]
    return torch.cat(there, dim=1) if there else None


def lies(tensor: Tensor) -> tuple[int, ...]:
    """The axes of a batch but the first, from the widest strides in memory to the narrowest."""
    strides = tensor.stride()
    return tuple(sorted(range(1, tensor.ndim), key=lambda axis: -strides[axis]))


def in_order(rows: Tensor, shape: Sequence[int], order: Sequence[int]) -> Tensor:
    """Rows over units that were reduced as they lie, in the order of the axes.

    Parameters
    ----------
    rows : tensor of shape (n_cells, 4, n_units)
        With the axes of a stimulus in `order`.
    shape : sequence of int
        Of the batch, its axes as they are counted.
    order : sequence of int
        As from :func:`lies`.
    """
    if [*order] == sorted(order):
        return rows
    apart = rows.view(*rows.shape[:2], *(shape[axis] for axis in order))
    back = [2 + order.index(axis) for axis in sorted(order)]
    return apart.permute(0, 1, *back).reshape(rows.shape)


def is_finite(rows: Tensor) -> bool:
    """Whether all numbers are finite."""
    # Their sum is, as a rule, and is made many times as fast as each is looked at.
    return bool(rows.sum().isfinite()) or bool(rows.isfinite().all())


def on_cpu(parts: Sequence[Reduced]) -> list[Reduced]:
    """The same on the CPU, moved in one transfer if they lie on one device."""
    if len({each.rows.device for each in parts} | {torch.device("cpu")}) != 2:
        return [replace(each, rows=each.rows.cpu()) for each in parts]
    table = torch.cat([each.rows for each in parts], dim=2).cpu()
    split = torch.split(table, [each.rows.shape[2] for each in parts], dim=2)
    return [replace(each, rows=rows) for each, rows in zip(parts, split, strict=True)]


def blame(
    batch: Sequence[Reduced], pooled: Mapping[Site, Pooled], names: Sequence[str] | None
) -> None:
    """Say which site and which stimuli of a batch are not finite.

    Parameters
    ----------
    batch : sequence of Reduced
        What became of it.
    pooled : mapping of Site to Pooled
        The batch itself, where it is still there.
    names : sequence of str, optional
        Of the stimuli.

    Raises
    ------
    DataError
        If any are.
    """
    for reduced in on_cpu(batch):
        if is_finite(reduced.rows):
            continue
        finite = reduced.rows.isfinite().all(dim=0).all(dim=0)
        site, unit = reduced.part.at(int(finite.int().argmin()))
        sums = pooled[site].sums if reduced.sums is None else reduced.sums
        rows = np.flatnonzero(~np.isfinite(sums.cpu().numpy())).tolist()
        which = [names[row] if names else f"stimulus {row} of the batch" for row in rows]
        others = f" and {len(which) - 1} others of the batch" if len(which) > 1 else ""
        raise DataError(
            f"{site}: activations are NaN or infinite for {which[0] if which else 'the batch'}"
            f"{others}; are the weights whole (unit {unit} is the first), and does `dtype` float32 "
            "help?"
        )


@dataclass
class Tally:
    """Moments of every cell, by site."""

    _kept: dict[Cell, dict[Part, Moments]] = field(default_factory=lambda: defaultdict(dict))

    def add(self, batch: Reduced, cells: Cells | Counted) -> None:
        """Merge one batch, whose rows lie on the CPU."""
        for cell, count, rows in zip(cells.cells, cells.counts, batch.rows.numpy(), strict=True):
            kept, moments = self._kept[cell], Moments(count, *rows, resolution=batch.resolution)
            part = batch.part
            kept[part] = kept[part].merge(moments) if part in kept else moments

    def over(self, chosen: Callable[[Cell], bool]) -> dict[Site, Moments]:
        """Moments of some cells together, by site; empty if nothing went into them."""
        together: dict[Part, list[Moments]] = {}
        for cell in sorted(filter(chosen, self._kept)):
            for part, moments in self._kept[cell].items():
                together.setdefault(part, []).append(moments)
        return _by_site((part, merged(each)) for part, each in together.items())


def _by_site(parts: Iterable[tuple[Part, Moments]]) -> dict[Site, Moments]:
    """By site, merged where passes were reduced in different parts."""
    found: dict[Site, Moments] = {}
    for part, moments in parts:
        for site, own in part.split(moments).items():
            found[site] = found[site].merge(own) if site in found else own
    return found
