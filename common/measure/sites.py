"""What a site is, what its units are, and how positions become one number.

A site is a module's output or input. One axis of that tensor holds the channels; the axes that are
left (rows and columns of a feature map, tokens, windows) are positions. A unit is a channel over
all positions, or a neuron: one channel at one position. Of an attention head, which is a slice of
channels, the whole slice is one unit: it answers with the root mean square of what its channels
answer, which of a slice of one channel is the channel's own magnitude, and is replaced as a whole.

A tensor of weights is a site, too, whose units are its numbers: what is chosen of it are not
outputs but parameters (:mod:`common.measure.weights`).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

from common.base.errors import SettingError, SiteError
from common.base.heavy import torch

if TYPE_CHECKING:
    from torch import Tensor

Kind = Literal["block", "attn", "head", "mlp", "mlp_hidden", "op"]
Unit = Literal["channel", "neuron", "weight"]
Pooling = Literal["mean", "max", "cls", "last", "sum", "none"]

KINDS: tuple[Kind, ...] = get_args(Kind)
UNITS: tuple[Unit, ...] = ("channel", "neuron")  # of what a module gives
WEIGHT: Literal["weight"] = "weight"
POOLINGS: tuple[Pooling, ...] = get_args(Pooling)
EACH_TOKEN = 0
HEADS = "heads"  # what stands for the end of a module where slices of it are units


def check_pooling(unit: Unit, pooling: Pooling | None) -> Pooling:
    """The pooling that goes with a unit; ``None`` means the unit's own default.

    Raises
    ------
    SettingError
        If there is no such unit or pooling, or they do not go together: a neuron has one position,
        a channel needs its positions pooled.
    """
    if unit not in UNITS:
        raise SettingError(f"`unit` {unit}: choose one of {', '.join(UNITS)}")
    if pooling not in (None, *POOLINGS):
        raise SettingError(f"`pooling` {pooling}: choose one of {', '.join(POOLINGS)}")
    if pooling is None:
        return "none" if unit == "neuron" else "mean"
    if unit == "neuron" and pooling != "none":
        raise SettingError(
            f"`pooling` {pooling}: a neuron is one position, so leave `pooling` out (or say none)"
        )
    if unit == "channel" and pooling == "none":
        raise SettingError("`pooling` none keeps every position apart: add `unit` neuron")
    return pooling


def check_signs(sites: Iterable[Site], statistic: str) -> None:
    """Refuse a signed statistic of heads: how much a slice of channels answers has no sign.

    Raises
    ------
    SettingError
        If one of the sites has heads for units.
    """
    if statistic == "signed" and any(site.width > 1 for site in sites):
        raise SettingError(
            "`statistic` signed: a head is a slice of channels, so its answer has no sign; choose "
            "magnitude or mean-magnitude"
        )


def numbers_by_name(sites: Sequence[Site]) -> dict[str, int]:
    """The number of each site by what it may be called: as printed, or by its place alone.

    A place that several sites share (input and output of a module) names none of them.
    """
    places = [site.place for site in sites]
    alone = {place: n for n, place in enumerate(places) if places.count(place) == 1}
    return {str(site): n for n, site in enumerate(sites)} | alone


@dataclass(frozen=True)
class Site:
    """A place in a model whose output is read or replaced.

    Attributes
    ----------
    module : str
        Path as in ``model.named_modules()``; of weights, as in ``model.named_parameters()``.
    end : {"output", "input", "weight"}
        Which end of the module. Input is that of its first tensor. Weights have no end.
    kind : {"block", "attn", "head", "mlp", "mlp_hidden", "op"}
        What the place is in the architecture.
    axis : int
        The channel axis, counted with the stimulus axis as 0.
    shape : tuple of int
        Shape of the tensor for one stimulus, as seen when the site was found.
    fold : int
        How many rows of the tensor one stimulus takes (windows of a Swin block). 1 nearly always;
        ``EACH_TOKEN`` if every token has a row of its own (OPT's MLP, a router of experts).
    width : int
        How many neighbouring channels are one unit: a head's slice, or 1.
    step, steps : int
        Which call of the module in a pass, from 1, and how many there are; 1 and 1 nearly always
        (:mod:`common.measure.turns`).

    Examples
    --------
    >>> str(where[0]), where[0].n_units("channel"), where[0].n_units("neuron")
    ('1:output', 8, 1568)
    """

    module: str
    end: Literal["output", "input", "weight"] = "output"
    kind: Kind = "op"
    axis: int = 1
    shape: tuple[int, ...] = ()
    fold: int = 1
    width: int = 1
    step: int = 1
    steps: int = 1

    def __str__(self) -> str:
        if self.of_weights:
            return self.module
        return f"{self.place}:{self.end if self.width == 1 else HEADS}"

    @property
    def place(self) -> str:
        """The module, and which of its calls where there are several: ``cell@2``."""
        return self.module if self.steps == 1 else f"{self.module}@{self.step}"

    @property
    def of_weights(self) -> bool:
        """Whether it is a tensor of weights, and not of what a module gives."""
        return self.end == WEIGHT

    @property
    def channels(self) -> int:
        """Number of channels."""
        return self.shape[self.axis - 1]

    def unit_word(self, unit: Unit) -> str:
        """What a unit is called: that, or ``head`` or ``head at a position``."""
        if self.width == 1:
            return unit
        return "head" if unit == "channel" else "head at a position"

    def n_units(self, unit: Unit) -> int:
        """Number of units for one stimulus."""
        return math.prod(self.unit_shape(unit))

    def unit_shape(self, unit: Unit) -> tuple[int, ...]:
        """Shape in which units are saved: ``(channels,)``, or the tensor's own for the others.

        Of heads, there are as many as there are heads in the place of channels.
        """
        each = self.channels // self.width
        if unit == "channel":
            return (each,)
        return (*self.shape[: self.axis - 1], each, *self.shape[self.axis :])

    def items(self, tensor: Tensor, tokens: Tensor | None = None) -> int:
        """Number of stimuli in a tensor that this site gave.

        Parameters
        ----------
        tensor : tensor of shape (n_stimuli * fold, ...)
            What the site gave.
        tokens : tensor of shape (n_stimuli, n_positions), optional
            See :meth:`pool`; needed where every token has a row.

        Raises
        ------
        SiteError
            If the tensor's rows do not divide into stimuli.
        """
        fold = self.fold
        if fold == EACH_TOKEN:
            if tokens is None:
                raise SiteError(f"{self}: has a row a token, so it must be told the tokens")
            fold = tokens.shape[1]
        if tensor.ndim < 2 or tensor.shape[0] % fold:
            raise SiteError(f"{self}: a tensor of shape {tuple(tensor.shape)} holds no stimuli")
        return tensor.shape[0] // fold

    def pool(
        self, tensor: Tensor, unit: Unit, pooling: Pooling, tokens: Tensor | None = None
    ) -> Tensor:
        """One number a unit and stimulus.

        Parameters
        ----------
        tensor : tensor of shape (n_stimuli * fold, ...)
            What the site gave.
        unit, pooling
            See :func:`check_pooling`. ``cls`` is the first position and ``last`` the last.
        tokens : tensor of shape (n_stimuli, n_positions), optional
            1 for a real token, 0 for padding on either side; padding never counts.

        Returns
        -------
        tensor of shape (n_stimuli, n_units)
            In float32 at least. Of heads never below 0: the root mean square over each slice.

        Raises
        ------
        SiteError
            If a sequence pooling is asked of a feature map, or the sizes do not fit.
        """
        values = tensor if tensor.dtype in (torch.float32, torch.float64) else tensor.float()
        if self.fold == EACH_TOKEN:
            values = values.reshape(self.items(tensor, tokens), -1, values.shape[-1])
        elif self.fold > 1:
            values = values.reshape(self.items(tensor), *self.shape)
        if unit == "neuron":
            return self._neurons(self._slices(values, self.axis))
        if values.shape[self.axis] != self.channels:
            raise SiteError(f"{self}: {values.shape[self.axis]} channels, not {self.channels}")
        return self._slices(self._channels(values, pooling, tokens), 1)

    def _slices(self, values: Tensor, axis: int) -> Tensor:
        """One number a slice, the root mean square of its channels; channels as they are."""
        if self.width == 1:
            return values
        before, after = values.shape[:axis], values.shape[axis + 1 :]
        slices = values.reshape(*before, -1, self.width, *after)
        return slices.square().mean(dim=axis + 1).sqrt()

    def _channels(self, values: Tensor, pooling: Pooling, tokens: Tensor | None) -> Tensor:
        """One number a channel and stimulus."""
        if values.ndim == 2:
            return values
        if pooling in ("cls", "last") or tokens is not None:
            return self._pool_sequence(values, pooling, tokens)
        positions = tuple(axis for axis in range(1, values.ndim) if axis != self.axis)
        if pooling == "max":
            return values.amax(dim=positions)
        return values.sum(dim=positions) if pooling == "sum" else values.mean(dim=positions)

    def peak(self, tensor: Tensor, tokens: Tensor | None) -> Tensor:
        """The largest \\|output\\| of each channel at any token of a text; of heads as there.

        Parameters
        ----------
        tensor, tokens
            As in :meth:`pool`.

        Returns
        -------
        tensor of shape (n_stimuli, n_channels)
        """
        size = tensor.abs() if tensor.dtype in (torch.float32, torch.float64) else tensor.float()
        return self.pool(size.abs(), "channel", "max", tokens)

    def _neurons(self, values: Tensor) -> Tensor:
        flat = values.reshape(values.shape[0], -1)
        if flat.shape[1] != self.n_units("neuron"):
            raise SiteError(
                f"{self}: {flat.shape[1]} neurons a stimulus, not {self.n_units('neuron')}; "
                "units by neuron need inputs of one size"
            )
        return flat

    def _pool_sequence(self, values: Tensor, pooling: Pooling, tokens: Tensor | None) -> Tensor:
        if values.ndim != 3 or self.axis != 2:
            raise SiteError(
                f"{self}: pooling {pooling} needs a sequence of tokens, not a feature map"
            )
        if tokens is None:
            return values[:, 0 if pooling == "cls" else -1]
        if tokens.shape != values.shape[:2]:
            raise SiteError(f"{self}: {values.shape[1]} positions, but {tokens.shape[1]} tokens")
        real = tokens.to(values.device).bool()
        if pooling in ("cls", "last"):
            places = torch.arange(real.shape[1], device=real.device).expand_as(real)
            chosen = (
                places.masked_fill(~real, real.shape[1]).amin(1)
                if pooling == "cls"
                else places.masked_fill(~real, -1).amax(1)
            )
            return values[torch.arange(len(values), device=values.device), chosen]
        if pooling == "max":
            return values.masked_fill(~real[..., None], -math.inf).amax(dim=1)
        total = _total(values, real)
        return total if pooling == "sum" else total / real.sum(dim=1, keepdim=True)

    def broadcast(self, per_unit: Tensor, tensor: Tensor, unit: Unit) -> Tensor:
        """A vector over units, in a shape that broadcasts against a tensor that this site gave.

        Parameters
        ----------
        per_unit : tensor of shape (n_units,)
            One value a unit.
        tensor : tensor of shape (n_stimuli * fold, ...)
            What the site gave.
        """
        if self.width > 1:
            shaped = per_unit.view(self.unit_shape(unit))
            along = 0 if unit == "channel" else self.axis - 1
            per_unit = shaped.repeat_interleave(self.width, dim=along).flatten()
        if unit == "channel":
            axis = self.axis if self.fold == 1 else self.axis - 1
            if tensor.shape[axis] != len(per_unit):
                raise SiteError(f"{self}: {tensor.shape[axis]} channels, not {len(per_unit)}")
            shape = [1] * tensor.ndim
            shape[axis] = len(per_unit)
            return per_unit.view(shape)
        items = self.items(tensor)
        if tensor.numel() != items * len(per_unit):
            raise SiteError(f"{self}: {tensor.numel() // items} neurons, not {len(per_unit)}")
        if self.fold == 1:
            return per_unit.view(1, *tensor.shape[1:])
        return per_unit.view(self.fold, *tensor.shape[1:]).repeat(items, *[1] * (tensor.ndim - 1))


def _total(values: Tensor, real: Tensor) -> Tensor:
    """Sum of each stimulus over its real positions, shape (n_stimuli, n_channels)."""
    if values.device.type == "cpu":
        # Read once, and not copied; unless padding is NaN, which times 0 is NaN.
        total = torch.matmul(real[:, None].to(values.dtype), values)[:, 0]
        if total.sum().isfinite():
            return total
    return values.masked_fill(~real[..., None], 0).sum(dim=1)
