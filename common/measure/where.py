"""Where in its stimulus a mask's units answer: a number at every position of a site, on a grid.

Positions of a feature map lie over the picture as they are. Those of a token model are patches in
reading order, behind tokens that stand for no patch (a class token, registers), which are left out.
What lies nowhere in particular (pooled outputs, windows, heads of folded rows) has no map.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from common.base.heavy import torch
from common.measure.attach import (
    Once,
    after_pass,
    attached,
    before_pass,
    tensor_of,
)
from common.measure.masks import Mask
from common.measure.moments import Array
from common.measure.scores import SelectivityMap
from common.measure.sites import Site
from common.measure.turns import attached_to

if TYPE_CHECKING:
    from torch import Tensor, nn

MOST_BESIDE = 8  # tokens that stand for no patch, at most

Grid = tuple[int, int]  # rows and columns


@dataclass(frozen=True, eq=False)
class Where:
    """Where a mask's units answer to one stimulus.

    Attributes
    ----------
    maps : dict of Site to array of shape (rows, columns)
        Of each site with masked units that lie somewhere: mean over these units of \\|activation\\|
        over the unit's loudness in the localizer, at every position. Of neurons 0 where none is
        masked.
    counts : dict of Site to int
        How many masked units each of these sites has.
    nowhere : tuple of Site
        Sites with masked units whose positions lie nowhere in particular.
    """

    maps: dict[Site, Array]
    counts: dict[Site, int]
    nowhere: tuple[Site, ...] = ()

    def whole(self, size: Grid) -> Array:
        """The mean over all masked units, each site's map brought to one size: shape `size`.

        A position fills its cell: nothing is smoothed.
        """
        total = sum(self.counts.values())
        mean = np.zeros(size)
        for site, own in self.maps.items():
            mean += self.counts[site] / total * brought(own, size)
        return mean


def brought(values: Array, size: Grid) -> Array:
    """A grid at another size, each of its cells as large as it comes."""
    down, across = (
        np.arange(wanted) * there // wanted
        for wanted, there in zip(size, values.shape, strict=True)
    )
    found: Array = values[np.ix_(down, across)]
    return found


def grid_of(site: Site, size: Grid, beside: int | None = None) -> Grid | None:
    """How a site's positions lie over a picture; ``None`` where they do not.

    Parameters
    ----------
    site : Site
        The site.
    size : (int, int)
        Of the picture, rows and columns.
    beside : int, optional
        How many tokens stand for no patch; left out, it is as few as leave a grid of the picture's
        proportions, :data:`MOST_BESIDE` at most.
    """
    positions = [n for axis, n in enumerate(site.shape, 1) if axis != site.axis]
    if site.fold != 1 or not 1 <= len(positions) <= 2:
        return None
    if len(positions) == 2:
        return positions[0], positions[1]
    tried = range(MOST_BESIDE + 1) if beside is None else [beside]
    grids = (_patches(positions[0] - n, size) for n in tried)
    return next((grid for grid in grids if grid is not None), None)


def _patches(n: int, size: Grid) -> Grid | None:
    """So many patches of equal size that fill a picture, if there is a way."""
    rows = math.isqrt(max(0, n * size[0] // size[1]))
    for down in (rows, rows + 1):
        if down > 1 and n % down == 0 and down * size[1] == n // down * size[0]:
            return down, n // down
    return None


@contextmanager
def answers_by_place(
    model: nn.Module,
    mask: Mask,
    found: SelectivityMap,
    size: Grid,
    beside: int | None = None,
) -> Iterator[list[Where]]:
    """Read where in its stimulus a mask's units answer, for passes of one stimulus each.

    Parameters
    ----------
    model : nn.Module
        The model; every call of it is one stimulus.
    mask : Mask
        The units to read.
    found : SelectivityMap
        The mask's map: says how loud each unit is.
    size, beside
        See :func:`grid_of`.

    Yields
    ------
    list of Where
        One a pass.
    """
    sites = [site for site in mask.sites if mask.at(site).any()]
    grids = {site: grid for site in sites if (grid := grid_of(site, size, beside)) is not None}
    counts = {site: int(mask.at(site).sum()) for site in grids}
    nowhere = tuple(site for site in sites if site not in grids)
    once, maps, passes = Once([*grids]), dict[Site, Array](), list[Where]()

    def reader(site: Site) -> Callable[[Any], None]:
        weight = _weight(found, mask, site)

        def read(value: Any) -> None:
            once.fire(site)
            maps[site] = _map(site, tensor_of(site, value), weight, found.unit, grids[site])

        return read

    def begin() -> None:
        once.begin()
        maps.clear()

    def end() -> None:
        once.end()
        passes.append(Where(dict(maps), counts, nowhere))

    hooks: list[Callable[[], Any]] = [before_pass(model, begin)]
    hooks += attached_to(model, [*grids], reader)
    hooks.append(after_pass(model, end))
    with attached(hooks):
        yield passes


def _weight(found: SelectivityMap, mask: Mask, site: Site) -> Tensor:
    """One over the loudness of each masked unit, 0 for all others and silent ones."""
    loudness, chosen = found.at(site, "magnitude").ravel(), mask.at(site)
    weight = np.divide(1.0, loudness, out=np.zeros_like(loudness), where=chosen & (loudness > 0))
    if found.unit == "channel":
        return torch.as_tensor(weight / chosen.sum())
    shaped, there = (each.reshape(site.unit_shape(found.unit)) for each in (weight, chosen))
    # A neuron has its own position; there it counts among the masked ones of that position.
    number = np.maximum(there.sum(axis=site.axis - 1, keepdims=True), 1)
    return torch.as_tensor(np.moveaxis(shaped / number, site.axis - 1, -1).copy())


def _map(site: Site, tensor: Tensor, weight: Tensor, unit: str, grid: Grid) -> Array:
    """One stimulus's map at one site."""
    values = tensor[0].abs().double().cpu().movedim(site.axis - 1, -1)
    if site.width > 1:
        slices = values.reshape(*values.shape[:-1], -1, site.width)
        values = slices.square().mean(dim=-1).sqrt()
    answers = (values * weight).sum(dim=-1) if unit == "neuron" else values @ weight
    places = answers.flatten()
    patches: Array = places[len(places) - grid[0] * grid[1] :].reshape(grid).numpy()
    return patches
