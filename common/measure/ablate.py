"""Replace units while a model runs, or set weights to zero."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from common.base.errors import SettingError
from common.base.heavy import torch
from common.measure.attach import (
    Once,
    after_pass,
    attached,
    before_call,
    before_pass,
    replace_first,
    tensor_of,
)
from common.measure.donors import Donated
from common.measure.masks import Mask
from common.measure.moments import Array
from common.measure.passing import leave
from common.measure.scores import SelectivityMap
from common.measure.sites import WEIGHT, Site, Unit
from common.measure.standing import by_token, places_of
from common.measure.turns import attached_to
from common.measure.zeroed import zeroed

if TYPE_CHECKING:
    from torch import Tensor, nn

Ablation = Literal["zero", "mean", "resample"] | float
NAMED = ("zero", "mean", "resample")


@contextmanager
def ablate(
    model: nn.Module,
    mask: Mask,
    by: Ablation = "zero",
    means: Mapping[Site, Array] | None = None,
    first: Mapping[Site, Array] | None = None,
    donated: Donated | None = None,
) -> Iterator[None]:
    """Replace the masked units' output while the model runs inside this context.

    Weights are set to zero in place and get their bits back on leaving it
    (:mod:`common.measure.zeroed`).

    Parameters
    ----------
    model : nn.Module
        The model.
    mask : Mask
        The units to replace.
    by : {"zero", "mean", "resample"} or float, default="zero"
        By zero, by each unit's own mean (`means`), by its value on another stimulus (`donated`), or
        by the output times this number.
    means : mapping of Site to array of shape (n_units,), optional
        The units' means for ``by="mean"``, usually ``SelectivityMap.output_control``.
    first : mapping of Site to array of shape (n_units,), optional
        Other means for the first token of each text, ``SelectivityMap.output_first``: a language
        model keeps activations there that it has nowhere else (:mod:`common.measure.sinks`).
    donated : Donated, optional
        For ``by="resample"``: what the stimuli of the batch get; see :mod:`common.measure.donors`.

    Raises
    ------
    SettingError
        If there is no such replacement, ``by="mean"`` comes without the `means` of a site, or
        ``by="resample"`` without `donated`, or weights are to be replaced by anything but zero.
    SiteError
        If a masked site does not exist, or fires more than once in a pass.

    Examples
    --------
    >>> mask = top_percent(found, 25)
    >>> with ablate(model, mask):
    ...     logits = model(faces)
    >>> bool((logits == model(faces)).all())
    False
    """
    if mask.unit == WEIGHT:
        if by != "zero":
            raise SettingError("`ablation`: a weight is set to zero; leave it out")
        with zeroed(model, mask):
            yield
        return
    sites = mask.touched
    _check_replacement(by, means, sites)
    if by == "resample" and donated is None:
        raise SettingError("resample needs the values of other stimuli; choose zero or mean here")
    once, standing = Once(sites), _Standing()
    hooks: list[Callable[[], Any]] = [before_pass(model, once.begin)]
    if first is not None or by == "resample":
        hooks.append(before_call(model, standing.begin))

    def replacement(site: Site) -> _Replacement:
        fill = None if means is None or by != "mean" else means[site]
        replace = _Replacement(site, mask.unit, mask.at(site), by, fill, once, standing)
        if first is not None:
            replace.first = torch.as_tensor(first[site])
        if by == "resample":
            replace.donated = donated
        return replace

    hooks += attached_to(model, sites, replacement)
    hooks.append(after_pass(model, once.end))
    with attached(hooks):
        yield


def _check_replacement(
    by: Ablation, means: Mapping[Site, Array] | None, sites: Sequence[Site]
) -> None:
    if isinstance(by, str) and by not in NAMED:
        raise SettingError(f"no ablation is called {by!r}: choose {', '.join(NAMED)} or a number")
    if by != "mean":
        return
    if means is None:
        raise SettingError("ablation by the mean needs the units' means (means=map.output_control)")
    for site in sites:
        if site.width > 1:
            raise SettingError(
                f"`ablation` mean: a unit of {site} is a slice of {site.width} channels, of which "
                "the map keeps one number; choose zero, resample or scale:X"
            )
        if site not in means:
            raise SettingError(f"{site}: ablation by the mean needs the means of its units")


@dataclass
class _Standing:
    """Where the tokens of the pass under way stand in their texts."""

    places: Tensor | None = None

    def begin(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
        self.places = places_of(args, kwargs)


class _Replacement:
    """The hook of one ablated site. Keeps its mask on the device and in the shape it last met."""

    def __init__(
        self,
        site: Site,
        unit: Unit,
        units: np.ndarray,
        by: Ablation,
        fill: Array | None,
        once: Once,
        standing: _Standing,
    ) -> None:
        self.site, self.unit, self.by, self.once = site, unit, by, once
        self.units = torch.as_tensor(units)
        self.fill = torch.zeros(len(units)) if fill is None else torch.as_tensor(fill)
        self.standing = standing
        self.first: Tensor | None = None
        self.donated: Donated | None = None
        self.fitted: tuple[Any, Tensor, Tensor] | None = None

    def __call__(self, value: Any) -> Any:
        self.once.fire(self.site)
        leave()  # from here on it is another pass than the intact one
        tensor = tensor_of(self.site, value)
        chosen, fill = self._fit(tensor)
        new = tensor * self.by if isinstance(self.by, (int, float)) else fill
        if self.first is not None:
            new = self._with_first(tensor, new, self.first)
        if self.donated is not None:
            new = self.donated.at(self.site, tensor, self.standing.places)
        return replace_first(value, tensor, torch.where(chosen, new, tensor))

    def _with_first(self, tensor: Tensor, new: Tensor, first: Tensor) -> Tensor:
        """What is put in, with another value at the first token of each text."""
        places = self.standing.places
        if places is None or (tensor.ndim == 2 and self.site.fold == 1):
            return new  # no tokens are read, or they are pooled already
        place = by_token(self.site, tensor, places.to(tensor.device))
        there = self.site.broadcast(first.to(tensor.device, tensor.dtype), tensor, self.unit)
        return torch.where(place == 0, there, new)

    def _fit(self, tensor: Tensor) -> tuple[Tensor, Tensor]:
        like = (tensor.shape, tensor.dtype, tensor.device)
        if self.fitted is None or self.fitted[0] != like:
            chosen = self.site.broadcast(self.units.to(tensor.device), tensor, self.unit)
            fill = self.site.broadcast(self.fill.to(tensor.device, tensor.dtype), tensor, self.unit)
            self.fitted = (like, chosen, fill)
        return self.fitted[1:]


def under(
    model: nn.Module,
    mask: Mask | None,
    by: Ablation,
    found: SelectivityMap | None,
    donated: Donated | None = None,
) -> AbstractContextManager[None]:
    """The model intact (no mask), or with a mask's units replaced.

    Parameters
    ----------
    model, mask, by
        As in :func:`ablate`.
    found : SelectivityMap, optional
        The mask's map: for ``by="mean"`` it gives each unit's mean over the control condition, and
        of a language model the one at the first token.
    donated : Donated, optional
        For ``by="resample"``.
    """
    if mask is None:
        return nullcontext()
    if found is None or by != "mean":
        return ablate(model, mask, by, donated=donated)
    first = found.by_site("output_first") if "output_first" in found.of_texts else None
    return ablate(model, mask, by, found.by_site("output_control"), first)
