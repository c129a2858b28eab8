"""Weights set to zero for a block of code, and the same bits back afterwards.

The model computes with its own tensors, so whoever reads a weight, under whatever name and however
often, reads the zero: tied weights and views of one memory need no care while it lasts. What was
there is kept before anything is written, tensor by tensor, and written back in the opposite order,
so that places that two tensors share get their first value again.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from common.base.heavy import torch
from common.measure.masks import Mask
from common.measure.weights import parameters_of

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass(frozen=True, eq=False)
class Kept:
    """Some places of a tensor, and what was there.

    Attributes
    ----------
    tensor : tensor
        The tensor.
    places : tuple of tensor of int
        Along each axis, shape (k,).
    values : tensor of shape (k,)
        What was there.
    """

    tensor: Tensor
    places: tuple[Tensor, ...]
    values: Tensor

    @classmethod
    def of(cls, tensor: Tensor, flat: np.ndarray) -> Kept:
        """Keep what is at some places of a tensor, counted through it row by row."""
        along = np.unravel_index(flat, tuple(tensor.shape))
        places = tuple(torch.as_tensor(each, device=tensor.device) for each in along)
        return cls(tensor, places, tensor.detach()[places])

    def zero(self) -> None:
        """Write zeros there."""
        self._write(torch.zeros_like(self.values))

    def restore(self) -> None:
        """Write back what was there, bit by bit."""
        self._write(self.values)

    def _write(self, values: Tensor) -> None:
        alone = torch.inference_mode if self.tensor.is_inference() else torch.no_grad
        with alone():
            self.tensor.index_put_(self.places, values)


@contextmanager
def zeroed(model: nn.Module, mask: Mask) -> Iterator[None]:
    """Set a mask's weights to zero inside this context, in place.

    On leaving it, in whatever way, each of them has the bits that it had. Contexts nest.

    Parameters
    ----------
    model : nn.Module
        The model.
    mask : Mask
        Of weights.

    Raises
    ------
    SiteError
        If a masked tensor does not exist, or is of another shape.
    """
    sites = mask.touched
    kept: list[Kept] = []
    try:
        for site, parameter in zip(sites, parameters_of(model, sites), strict=True):
            kept.append(Kept.of(parameter, mask.inside(site)))
            kept[-1].zero()
        yield
    finally:
        _restore(kept)


def _restore(kept: list[Kept]) -> None:
    """Put all of it back, the last first; an interrupt meanwhile has to wait."""
    interrupted: KeyboardInterrupt | None = None
    while kept:
        try:
            kept[-1].restore()
            kept.pop()
        except KeyboardInterrupt as error:
            interrupted = error
    if interrupted is not None:
        raise interrupted
