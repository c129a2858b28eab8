"""Read how strongly a mask's units answer to each stimulus."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from common.base.errors import SiteError
from common.base.heavy import torch
from common.measure.attach import (
    Once,
    after_pass,
    attached,
    before_call,
    part_of,
    tensor_of,
)
from common.measure.masks import Mask
from common.measure.moments import Array
from common.measure.scores import SelectivityMap
from common.measure.sinks import counted
from common.measure.sites import WEIGHT, Site
from common.measure.standing import tokens_of
from common.measure.turns import attached_to

if TYPE_CHECKING:
    from torch import Tensor, nn


@contextmanager
def respond(
    model: nn.Module, mask: Mask, found: SelectivityMap, through: str = ""
) -> Iterator[list[np.ndarray]]:
    """Read how strongly a mask's units answer to each stimulus, one number a stimulus.

    Parameters
    ----------
    model : nn.Module
        The model; every call of it is one batch.
    mask : Mask
        The units to read.
    found : SelectivityMap
        The mask's map: says how units are pooled, and how loud each is on average.
    through : str, default=""
        Path of the part whose calls are the batches; see :func:`record`.

    Yields
    ------
    list of array of shape (n_stimuli,)
        One array a pass, as :func:`relative` and the mean over units would make it of
        :func:`respond_each`, so that 1 is an answer of average strength.

    Examples
    --------
    >>> mask = top_percent(found, 25)
    >>> with respond(model, mask, found) as answers:
    ...     _ = model(faces)
    >>> answers[0].shape
    (40,)
    """
    passes: list[np.ndarray] = []

    def keep(each: Array) -> None:
        passes.append(relative(each, mask, found))

    with _reading(model, mask, found, keep, through):
        yield passes


@contextmanager
def respond_each(
    model: nn.Module, mask: Mask, found: SelectivityMap, through: str = ""
) -> Iterator[list[np.ndarray]]:
    """Read the response of every unit of a mask to each stimulus.

    Keeps a number for every unit and stimulus: for a few units, or a few stimuli.

    Parameters
    ----------
    model, mask, found, through
        As in :func:`respond`.

    Yields
    ------
    list of array of shape (n_stimuli, n_units)
        One array a pass, the units in the order of ``mask.units``: the map's statistic, in the
        units of its ``mean_target``.

    Examples
    --------
    >>> mask = top_percent(found, 25)
    >>> with respond_each(model, mask, found) as answers:
    ...     _ = model(faces)
    >>> answers[0].shape
    (40, 4)
    """
    passes: list[np.ndarray] = []
    with _reading(model, mask, found, passes.append, through):
        yield passes


def relative(responses: Array, mask: Mask, found: SelectivityMap) -> Array:
    """Mean over a mask's units of the response over the unit's mean magnitude in the localizer.

    Parameters
    ----------
    responses : array of shape (n_stimuli, n_units)
        From :func:`respond_each`.
    mask, found
        The mask and its map.

    Returns
    -------
    array of shape (n_stimuli,)
        A unit that was silent throughout counts as 0.
    """
    loudness = found.magnitude[mask.units]
    weight = np.divide(1.0, loudness, out=np.zeros_like(loudness), where=loudness > 0)
    mean: Array = responses @ weight / len(mask)
    return mean


@contextmanager
def _reading(
    model: nn.Module,
    mask: Mask,
    found: SelectivityMap,
    keep: Callable[[Array], Any],
    through: str = "",
) -> Iterator[None]:
    """Give `keep` the responses to each batch, shape (n_stimuli, n_units) in the mask's order."""
    if mask.unit == WEIGHT:
        raise SiteError("weights answer to nothing: this needs a run of `level` unit")
    sites = mask.touched
    once = Once(sites)
    answers: dict[Site, Tensor] = {}
    tokens: Tensor | None = None
    # Sites are read in running order and units within them in rising order: put back into rank.
    back = np.argsort(np.argsort(mask.units, kind="stable"), kind="stable")

    def reader(site: Site) -> Callable[[Any], None]:
        units = torch.as_tensor(np.flatnonzero(mask.at(site)))

        def read(value: Any) -> None:
            once.fire(site)
            tensor = tensor_of(site, value)
            if found.statistic == "mean-magnitude":
                tensor = tensor.abs()
            read_there = counted(tokens, found.pooling, found.about.get("left_out"))
            pooled = site.pool(tensor, found.unit, found.pooling, read_there)
            chosen = pooled[:, units.to(pooled.device)].detach().cpu().double()
            answers[site] = chosen.abs() if found.statistic == "magnitude" else chosen

        return read

    def begin(args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
        nonlocal tokens
        once.begin()
        answers.clear()
        tokens = tokens_of(args, kwargs)

    def end() -> None:
        once.end()
        keep(torch.cat([answers[site] for site in sites], dim=1).numpy()[:, back])

    called = part_of(model, through)
    hooks: list[Callable[[], Any]] = [before_call(called, begin)]
    hooks += attached_to(model, sites, reader)
    hooks.append(after_pass(called, end))
    with attached(hooks):
        yield
