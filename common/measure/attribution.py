"""What the loss would gain if a unit were ablated, to first order: from one gradient a stimulus.

For a stimulus i with loss L, a unit with activation a and a replacement r the loss changes by about
the sum over positions of (r - a) dL/da (Molchanov et al. 2017; attribution patching, Nanda 2023).
One pass back gives this of every unit of every site at once. Sums of a dL/da and of dL/da are
streamed apart, so that r may be a mean that is known at the end only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from common.base.errors import DataError, ModelError
from common.base.heavy import torch
from common.measure.attach import (
    attached,
    on_gradient,
    replace_first,
    tensor_of,
)
from common.measure.moments import Moments, batch_rows, resolution_of
from common.measure.rules import Watching
from common.measure.sites import Pooling, Site, Unit
from common.measure.tally import Cells, Part, Reduced, Tally, is_finite, on_cpu
from common.measure.turns import attached_to

if TYPE_CHECKING:
    from torch import Tensor, nn


class Streamed:
    """Moments of what units cost, by group.

    Parameters
    ----------
    sites : sequence of Site
        In their order.
    """

    def __init__(self, sites: Sequence[Site]) -> None:
        self.sites = sites
        self._tally = Tally()

    def add(self, rows: Mapping[Site, Reduced], cells: Cells) -> None:
        """Count a batch, all of it or nothing.

        Raises
        ------
        DataError
            If a gradient was not finite.
        """
        parts = on_cpu([rows[site] for site in self.sites])
        for each in parts:
            if not is_finite(each.rows):
                raise DataError(
                    f"{each.part.sites[0]}: gradients of the loss are NaN or infinite; does "
                    "`dtype` float32 help?"
                )
        for each in parts:
            self._tally.add(each, cells)

    def moments(self, groups: Sequence[int]) -> dict[Site, Moments]:
        """Over the stimuli of some groups, by site."""
        found = self._tally.over(lambda cell: cell[0] in groups)
        return {site: found[site] for site in self.sites}


class Attributions(Streamed):
    """Streams the first-order effect of zeroing each unit, and the slope of the loss, by group.

    Moments are of -a dL/da, summed over the unit's positions; their `output` is the mean of the
    summed dL/da, and `first` that of dL/da at the first token of a text.
    """

    def __init__(self, where: Watching) -> None:
        super().__init__(where.sites)
        self.where = where
        self._groups = np.zeros(0, dtype=int)
        self._tokens: Tensor | None = None
        self._given: dict[Site, Tensor] = {}
        self._done: dict[Site, Reduced] = {}
        self._cells = Cells(0)

    def expect(self, groups: np.ndarray, tokens: Tensor | None) -> None:
        self._groups, self._tokens = groups, tokens
        self._given, self._done = {}, {}
        self._cells = Cells(len(groups), groups)

    def read(self, site: Site, value: Any) -> Any:
        """The hook of a site: the same numbers, whose gradient is waited for."""
        given = tensor_of(site, value)
        self._given[site] = given.detach()
        told = on_gradient(given, lambda slope: self._back(site, slope))
        return replace_first(value, given, told)

    def _back(self, site: Site, slope: Tensor) -> None:
        given = self._given.pop(site)
        self._done[site] = self._reduced(site, given, slope)

    def _reduced(self, site: Site, given: Tensor, slope: Tensor) -> Reduced:
        own, tokens = widened(slope), self._tokens
        effect = summed(site, -own * widened(given), self.where.unit, tokens)
        slopes = summed(site, own, self.where.unit, tokens)
        first = None if tokens is None else summed(site, own, self.where.unit, tokens, first=True)
        peak = None if first is None else effect.abs()
        members = self._cells.on(effect.device)
        rows = batch_rows(effect, "signed", members, slopes, first, peak)
        return Reduced(Part((site,), (effect.shape[1],)), rows, resolution_of(given.dtype))

    def after(self, output: Tensor) -> None:
        """Go back from the losses; a batch counts when all of it has come."""
        go_back(output)
        for site, given in [*self._given.items()]:  # the loss does not depend on these
            self._done[site] = self._reduced(site, given, torch.zeros_like(given))
        self._given = {}
        self.add(self._done, self._cells)
        self._done = {}


def go_back(losses: Tensor) -> None:
    """Go back from the losses, each of which depends on its own stimulus alone.

    Raises
    ------
    ModelError
        If there is no way back.
    """
    if not losses.requires_grad:
        raise ModelError(
            "the loss does not depend on any site through operations that have a gradient; choose "
            "another `score`"
        )
    losses.sum().backward()  # type: ignore[no-untyped-call]


@contextmanager
def watch(where: Watching) -> Iterator[Attributions]:
    """Wait for gradients at every site inside this context; weights have none meanwhile."""
    found = Attributions(where)
    hooks = attached_to(where.module, where.sites, lambda site: partial(found.read, site))
    with frozen(where.module), attached(hooks):
        yield found


@contextmanager
def frozen(module: nn.Module) -> Iterator[None]:
    """Weights without gradients inside this context: nobody asks for theirs, and they cost most."""
    learning = [each for each in module.parameters() if each.requires_grad]
    for each in learning:
        each.requires_grad_(False)
    try:
        yield
    finally:
        for each in learning:
            each.requires_grad_()


def widened(values: Tensor) -> Tensor:
    """In single floats at least, and without their graph."""
    plain = values.detach()
    plain = plain if plain.dtype in (torch.float32, torch.float64) else plain.float()
    return plain.cpu() if plain.device.type == "mps" else plain  # which has no float64


def summed(
    site: Site, values: Tensor, unit: Unit, tokens: Tensor | None, first: bool = False
) -> Tensor:
    """The sum of each unit over its positions, and of a head over its slice.

    Parameters
    ----------
    site : Site
        Where the values were.
    values : tensor
        Of the shape that the site gave.
    unit : {"channel", "neuron"}
        What a unit is.
    tokens : tensor of shape (n_stimuli, n_positions), optional
        1 for a real token, 0 for padding, which never counts.
    first : bool, default=False
        Of the first token alone.

    Returns
    -------
    tensor of shape (n_stimuli, n_units)
    """
    plain = replace(site, width=1)
    pooling: Pooling = "none" if unit == "neuron" else "cls" if first else "sum"
    found = plain.pool(values, unit, pooling, tokens)
    if site.width == 1:
        return found
    axis = 1 if unit == "channel" else site.axis
    shaped = found.view(len(found), *plain.unit_shape(unit))
    before, after = shaped.shape[:axis], shaped.shape[axis + 1 :]
    return shaped.reshape(*before, -1, site.width, *after).sum(dim=axis + 1).flatten(1)
