"""Read units while a model runs, and reduce them batch by batch to moments."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NoReturn, get_args

import numpy as np
import torch
from torch import Tensor, nn

from common.base.errors import DataError, SettingError, SiteError
from common.measure.attach import (
    Once,
    after_pass,
    attach,
    attached,
    before_pass,
    modules_of,
    part_of,
    tensor_of,
)
from common.measure.moments import (
    Array,
    Membership,
    Moments,
    Statistic,
    batch_rows,
    merged,
    resolution_of,
)
from common.measure.sites import Pooling, Site, Unit, check_pooling


@dataclass(frozen=True)
class Announcement:
    """What the caller said of a batch; see :meth:`Recorder.expect`."""

    groups: np.ndarray | None = None
    tokens: Tensor | None = None
    names: Sequence[str] | None = None
    finer: np.ndarray | None = None


@dataclass
class Recorder:
    """Collects the moments of every site, batch by batch, in as many groups as one likes.

    A group is whatever the caller wants apart: a condition, or a half of one. Call :meth:`expect`
    before each pass of the model to say which group each stimulus of the batch belongs to;
    otherwise all of it goes into group 0.
    """

    sites: Sequence[Site]
    unit: Unit = "channel"
    pooling: Pooling = "mean"
    statistic: Statistic = "magnitude"
    _next: Announcement = Announcement()
    _now: Announcement = Announcement()
    _members: dict[tuple[torch.device, int, bool], Membership] = field(default_factory=dict)
    _batch: dict[Site, tuple[Membership, Tensor]] = field(default_factory=dict)
    _finer_batch: dict[Site, tuple[Membership, Tensor]] = field(default_factory=dict)
    _sums: dict[Site, Tensor] = field(default_factory=dict)
    _resolution: dict[Site, float] = field(default_factory=dict)
    _kept: dict[int, dict[Site, Moments]] = field(default_factory=dict)
    _finer: dict[int, dict[Site, Moments]] = field(default_factory=dict)

    def expect(
        self,
        groups: Sequence[int] | np.ndarray,
        tokens: Tensor | None = None,
        names: Sequence[str] | None = None,
        finer: Sequence[int] | np.ndarray | None = None,
    ) -> None:
        """Announce the next batch.

        Parameters
        ----------
        groups : array of int of shape (n_stimuli,)
            The group of each stimulus.
        tokens : tensor of shape (n_stimuli, n_positions), optional
            1 for a real token and 0 for padding, which never counts.
        names : sequence of str, optional
            The stimuli's names, for error messages.
        finer : array of int of shape (n_stimuli,), optional
            A second way to group them, kept beside the first: by condition, say.

        Raises
        ------
        DataError
            If a stimulus is all padding.
        """
        if tokens is not None:
            empty = (~tokens.bool().any(dim=1)).nonzero().flatten().tolist()
            if empty:
                name = names[empty[0]] if names else f"stimulus {empty[0]} of the batch"
                raise DataError(f"{name}: nothing but padding, so there is nothing to pool")
        self._next = Announcement(
            np.asarray(groups), tokens, names, None if finer is None else np.asarray(finer)
        )

    @property
    def moments(self) -> dict[Site, Moments]:
        """Moments of all groups together, by site.

        Raises
        ------
        DataError
            If no batch has gone through the model yet.
        """
        if not self._kept:
            raise DataError("nothing was recorded: no batch went through the model")
        return {
            site: merged(self._kept[group][site] for group in sorted(self._kept))
            for site in self.sites
        }

    def group(self, number: int) -> dict[Site, Moments]:
        """Moments of one group, by site; empty if nothing went into it."""
        return dict(self._kept.get(number, {}))

    def finer_group(self, number: int) -> dict[Site, Moments]:
        """Moments of one group of the second kind, by site; empty if nothing went into it."""
        return dict(self._finer.get(number, {}))

    # Called by the hooks: read once a site, finish once a pass.

    def begin(self) -> None:
        # An announcement holds for one pass, whether that ends well or not.
        self._batch, self._finer_batch, self._sums, self._members = {}, {}, {}, {}
        self._now, self._next = self._next, Announcement()

    def read(self, site: Site, value: Any) -> None:
        tensor = tensor_of(site, value)
        self._check_size(site, tensor)
        absolute = self.statistic == "mean-magnitude"
        pooled = self._pool(site, tensor.abs() if absolute else tensor, self.pooling)
        level = None
        if absolute or self.pooling not in ("mean", "none"):
            level = self._pool(site, tensor, "none" if self.pooling == "none" else "mean")
        members = self._members_on(pooled.device, len(pooled))
        self._resolution[site] = resolution_of(tensor.dtype)
        self._batch[site] = members, batch_rows(pooled, self.statistic, members, level)
        if self._now.finer is not None:
            finer = self._members_on(pooled.device, len(pooled), finer=True)
            self._finer_batch[site] = finer, batch_rows(pooled, self.statistic, finer, level)
        # One number a stimulus stays on the device; only :meth:`_blame` ever looks at it.
        self._sums[site] = _sum(pooled) if level is None else _sum(pooled) + _sum(level)

    def _check_size(self, site: Site, tensor: Tensor) -> None:
        items, groups = site.items(tensor, self._now.tokens), self._now.groups
        if groups is not None and len(groups) != items:
            raise SiteError(f"{site}: gave {items} stimuli where {len(groups)} were announced")

    def _pool(self, site: Site, tensor: Tensor, pooling: Pooling) -> Tensor:
        pooled = site.pool(tensor.detach(), self.unit, pooling, self._now.tokens)
        # MPS has no float64.
        return pooled.cpu() if pooled.device.type == "mps" else pooled

    def _members_on(
        self, device: torch.device, n_stimuli: int, *, finer: bool = False
    ) -> Membership:
        """Who belongs to which group, made once a pass rather than once a site."""
        told = self._now.finer if finer else self._now.groups
        groups = np.zeros(n_stimuli, dtype=int) if told is None else told
        if (device, n_stimuli, finer) not in self._members:
            self._members[device, n_stimuli, finer] = Membership(groups, device)
        return self._members[device, n_stimuli, finer]

    def finish(self) -> None:
        """Merge what the hooks read in this pass; one transfer from each device."""
        tables = _on_cpu([rows for _, rows in self._batch.values()])
        for site, table in zip(self._batch, tables, strict=True):
            if not np.isfinite(table).all():
                self._blame(site, int(np.isfinite(table).all(axis=(0, 1)).argmin()))
        self._merge(self._batch, tables, self._kept)
        finer = _on_cpu([rows for _, rows in self._finer_batch.values()])
        self._merge(self._finer_batch, finer, self._finer)
        self._batch, self._finer_batch, self._sums = {}, {}, {}

    def _merge(
        self,
        batch: dict[Site, tuple[Membership, Tensor]],
        tables: Sequence[Array],
        into: dict[int, dict[Site, Moments]],
    ) -> None:
        for (site, (members, _)), table in zip(batch.items(), tables, strict=True):
            for number, count, rows in zip(members.numbers, members.counts, table, strict=True):
                kept = into.setdefault(number, {})
                moments = Moments(count, *rows, resolution=self._resolution[site])
                kept[site] = kept[site].merge(moments) if site in kept else moments

    def _blame(self, site: Site, unit: int) -> NoReturn:
        rows = np.flatnonzero(~np.isfinite(self._sums[site].cpu().numpy())).tolist()
        names = self._now.names
        which = [names[row] if names else f"stimulus {row} of the batch" for row in rows]
        others = f" and {len(which) - 1} others of the batch" if len(which) > 1 else ""
        raise DataError(
            f"{site}: activations are NaN or infinite for {which[0] if which else 'the batch'}"
            f"{others}; are the weights whole (unit {unit} is the first), and does `dtype` float32 "
            "help?"
        )


def _on_cpu(parts: Sequence[Tensor]) -> list[Array]:
    """The tensors as arrays, moved in one transfer if they lie on one device."""
    if len({part.device for part in parts} | {torch.device("cpu")}) != 2:
        return [part.cpu().numpy() for part in parts]
    table = torch.cat([*parts], dim=2).cpu().numpy()
    return np.split(table, np.cumsum([part.shape[2] for part in parts])[:-1], axis=2)


def _sum(pooled: Tensor) -> Tensor:
    """One number a stimulus, finite if all of its activations are; shape (B,)."""
    # Half floats would overflow in a sum over many units.
    return pooled.sum(dim=1, dtype=torch.promote_types(pooled.dtype, torch.float32))


@contextmanager
def record(
    model: nn.Module,
    sites: Sequence[Site],
    *,
    unit: Unit = "channel",
    pooling: Pooling | None = None,
    statistic: Statistic = "magnitude",
    through: str = "",
) -> Iterator[Recorder]:
    """Read the units of `sites` while the model runs inside this context.

    Parameters
    ----------
    model : nn.Module
        The model; every call of it is one batch.
    sites : sequence of Site
        Where to read.
    unit : {"channel", "neuron"}, default="channel"
        What counts as a unit.
    pooling : {"mean", "max", "cls", "last", "sum", "none"}, optional
        How a channel's positions become one number; ``mean`` for channels, ``none`` for neurons.
    statistic : {"magnitude", "signed", "mean-magnitude"}, default="magnitude"
        Whether moments are of \\|pooled activation\\| (AlKhamissi et al. 2024, sec. 3), of the
        pooled activation, or of pooled \\|activation\\|, where both signs at different positions
        do not cancel.
    through : str, default=""
        Path of the part whose calls are the batches, where it is not the whole model: the base of a
        language model, which leaves the vocabulary projection out. Sites lie inside it.

    Yields
    ------
    Recorder
        Holds the moments; still readable after the context has ended.

    Raises
    ------
    SiteError
        If a site does not exist, never fires in a pass, or fires more than once.
    DataError
        If an activation is not finite.
    SettingError
        If unit, pooling and statistic do not exist or do not go together.
    """
    pooling = check_pooling(unit, pooling)
    if statistic not in get_args(Statistic):
        names = ", ".join(get_args(Statistic))
        raise SettingError(f"no statistic is called {statistic!r}: choose from {names}")
    recorder = Recorder(sites, unit, pooling, statistic)
    once = Once(sites)

    def begin() -> None:
        once.begin()
        recorder.begin()

    def end() -> None:
        once.end()
        recorder.finish()

    def reader(site: Site) -> Callable[[Any], None]:
        def read(value: Any) -> None:
            once.fire(site)
            recorder.read(site, value)

        return read

    called = part_of(model, through)
    hooks: list[Callable[[], Any]] = [before_pass(called, begin)]
    for site, module in zip(sites, modules_of(model, sites), strict=True):
        hooks.append(attach(module, site.end, reader(site)))
    hooks.append(after_pass(called, end))
    with attached(hooks):
        yield recorder
