"""Read units while a model runs, and reduce them batch by batch to moments."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, get_args

import numpy as np

from common.base import team
from common.base.device import sent
from common.base.errors import DataError, SettingError, SiteError
from common.measure.attach import (
    Enough,
    Once,
    after_pass,
    attached,
    before_call,
    nobody_waits,
    part_of,
    tensor_of,
)
from common.measure.moments import Moments, Statistic, batch_rows, resolution_of
from common.measure.resident import Resident
from common.measure.sinks import LeftOut, counted
from common.measure.sites import Pooling, Site, Unit, check_pooling, check_signs
from common.measure.standing import tokens_of
from common.measure.tally import (
    Cell,
    Cells,
    Part,
    Pooled,
    Reduced,
    Tally,
    blame,
    in_order,
    is_finite,
    lies,
    on_cpu,
    together,
)
from common.measure.turns import attached_to

if TYPE_CHECKING:
    from torch import Tensor, nn


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

    Examples
    --------
    >>> with record(model, where) as seen:
    ...     _ = model(faces)
    >>> [moments.mean.shape for moments in seen.moments.values()]
    [(8,), (8,)]
    """

    sites: Sequence[Site]
    unit: Unit = "channel"
    pooling: Pooling = "mean"
    statistic: Statistic = "magnitude"
    left_out: LeftOut | None = None
    _next: Announcement = Announcement()
    _now: Announcement = Announcement()
    _cells: Cells | None = None
    _pooled: dict[Site, Pooled] = field(default_factory=dict)
    _reduced: list[Reduced] = field(default_factory=list)
    _tally: Tally = field(default_factory=Tally)
    _resident: Resident = field(default_factory=Resident)
    _counted: dict[Pooling, Tensor | None] = field(default_factory=dict)
    _own: list[tuple[list[Reduced], Cells]] | None = None
    _seen_whole: bool = False
    _enough: bool = False

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
            1 for a real token, 0 for padding, which never counts; left out, its ``attention_mask``.
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

    def run(self, compute: Callable[[], Any]) -> None:
        """Make a pass of which nothing but the sites is wanted: it ends behind the last of them.

        The first pass is made whole all the same, so that a site that fires twice is noticed, and
        so is every one whose end somebody else's hook waits for.

        Parameters
        ----------
        compute : callable
            Calls the model once.
        """
        self._enough = True
        try:
            compute()
        except Enough:
            pass
        finally:
            self._enough = False

    @property
    def ends_early(self) -> bool:
        """Whether nobody who is known here needs more of this pass than the sites."""
        return self._enough and self._seen_whole

    @property
    def moments(self) -> dict[Site, Moments]:
        """Moments of all groups together, by site.

        Raises
        ------
        DataError
            If no batch has gone through the model yet.
        """
        found = self._over(lambda _cell: True)
        if not found:
            raise DataError("nothing was recorded: no batch went through the model")
        return self._in_order(found)

    def group(self, number: int) -> dict[Site, Moments]:
        """Moments of one group, by site; empty if nothing went into it."""
        return self.groups({number})

    def groups(self, numbers: Collection[int]) -> dict[Site, Moments]:
        """Moments of some groups together, by site; empty if nothing went into them."""
        return self._in_order(self._over(lambda cell: cell[0] in numbers))

    def finer_group(self, number: int) -> dict[Site, Moments]:
        """Moments of one group of the second kind, by site; empty if nothing went into it."""
        return self._in_order(self._over(lambda cell: cell[1] == number))

    def _over(self, chosen: Callable[[Cell], bool]) -> dict[Site, Moments]:
        for reduced, cells in self._resident.take():
            self._tally.add(reduced, cells)
        return self._tally.over(chosen)

    def _in_order(self, found: dict[Site, Moments]) -> dict[Site, Moments]:
        return {site: found[site] for site in self.sites if site in found}

    # Called by the hooks: read once a site, finish once a pass.

    def begin(self, tokens: Tensor | None = None) -> None:
        # An announcement holds for one pass, whether that ends well or not.
        self._cells, self._pooled, self._reduced, self._counted = None, {}, [], {}
        self._now, self._next = self._next, Announcement()
        if self._now.tokens is None:
            self._now = replace(self._now, tokens=tokens)

    def read(self, site: Site, value: Any) -> None:
        tensor = tensor_of(site, value)
        self._check_size(site, tensor)
        tokens = self._now.tokens
        if tokens is not None and tokens.device != tensor.device:
            self._now = replace(self._now, tokens=sent(tokens, tensor.device))
            self._counted = {}
        if self.pooling == "none":  # as large as the feature maps: nothing of it is kept
            self._reduce_neurons(site, tensor)
            return
        # A number a channel and stimulus; of all sites they are reduced together. What the model
        # gave may be written into as soon as the hook has returned.
        pooled, given = self._pooled_of(site, tensor), tensor.untyped_storage().data_ptr()
        lent = pooled.values.untyped_storage().data_ptr() == given
        self._pooled[site] = replace(pooled, values=pooled.values.clone()) if lent else pooled

    def _check_size(self, site: Site, tensor: Tensor) -> None:
        items, groups = site.items(tensor, self._now.tokens), self._now.groups
        if groups is not None and len(groups) != items:
            raise SiteError(f"{site}: gave {items} stimuli where {len(groups)} were announced")

    def _pooled_of(self, site: Site, tensor: Tensor) -> Pooled:
        absolute = self.statistic == "mean-magnitude"
        values = self._pool(site, tensor.abs() if absolute else tensor, self.pooling)
        level = None
        if absolute or self.pooling not in ("mean", "none"):
            level = self._pool(site, tensor, "none" if self.pooling == "none" else "mean")
        of_text = self.left_out is not None and self._now.tokens is not None
        first = self._pool(site, tensor, "cls") if of_text else None
        peak = site.peak(tensor.detach(), self._now.tokens) if of_text else None
        return Pooled(values, level, resolution_of(tensor.dtype), first, peak)

    def _pool(self, site: Site, tensor: Tensor, pooling: Pooling) -> Tensor:
        if pooling not in self._counted:
            self._counted[pooling] = counted(self._now.tokens, pooling, self.left_out)
        pooled = site.pool(tensor.detach(), self.unit, pooling, self._counted[pooling])
        # MPS has no float64.
        return pooled.cpu() if pooled.device.type == "mps" else pooled

    def _reduce_neurons(self, site: Site, tensor: Tensor) -> None:
        # As they lie in memory, channels last or not: what is reduced is quickly put in order.
        moved = site.fold == 1 and site.width == 1  # which axis has heads must stay known
        order = lies(tensor) if moved else (*range(1, tensor.ndim),)
        pooled = self._pooled_of(site, tensor.permute(0, *order))
        rows = in_order(self._rows(pooled), tensor.shape, order)
        # What is not kept leaves one number a stimulus, on the device: :meth:`_blame` looks at it.
        fine = rows.device.type == "cpu" and is_finite(rows)
        part = Part((site,), (pooled.values.shape[1],))
        self._reduced.append(Reduced(part, rows, pooled.resolution, None if fine else pooled.sums))

    def _rows(self, pooled: Pooled) -> Tensor:
        """Moments of the batch, where it lies."""
        if self._cells is None:  # made once a pass rather than once a site
            self._cells = Cells(len(pooled.values), self._now.groups, self._now.finer)
        members = self._cells.on(pooled.values.device)
        besides = (pooled.level, pooled.first, pooled.peak)
        return batch_rows(pooled.values, self.statistic, members, *besides)

    def finish(self) -> None:
        """Merge what the hooks read in this pass: on a GPU if it lies there, else on the CPU."""
        for part, pooled in together(self.sites, self._pooled):
            self._reduced.append(Reduced(part, self._rows(pooled), pooled.resolution))
        done, cells = self._reduced, self._cells
        assert cells is not None  # made with the first rows
        insist = partial(blame, done, self._pooled, self._now.names)
        if self._own is None and self._resident.takes(done):
            self._resident.add(done, cells, insist)
        else:
            self._merge(on_cpu(done), cells, insist)
        self._cells, self._pooled, self._reduced = None, {}, []
        self._seen_whole = True

    def _merge(self, done: list[Reduced], cells: Cells, insist: Callable[[], None]) -> None:
        if not all(is_finite(each.rows) for each in done):
            insist()
        if self._own is None:
            self._add(done, cells)
        else:
            self._own.append((done, cells))

    def _add(self, done: list[Reduced], cells: Cells) -> None:
        for each in done:
            self._tally.add(each, cells)

    @contextmanager
    def in_turn(self) -> Iterator[None]:
        """Passes of this block and of all other processes' count in the order of the processes.

        Each of them makes one pass at most inside it, and all have to enter.
        """
        if team.size() == 1:
            yield
            return
        self._own = []
        try:
            yield
            own = [(done, cells.plain()) for done, cells in self._own]
        finally:
            self._own = None
        for each in team.exchanged(own):
            for done, cells in each:
                self._add(done, cells)

    @contextmanager
    def as_one(self) -> Iterator[None]:
        """Passes of this block count when it has ended well, and otherwise not at all."""
        before, self._own = self._own, []
        try:
            yield
            own = self._own
        finally:
            self._own = before
        for done, cells in own:
            self._add(done, cells)


@contextmanager
def record(
    model: nn.Module,
    sites: Sequence[Site],
    *,
    unit: Unit = "channel",
    pooling: Pooling | None = None,
    statistic: Statistic = "magnitude",
    through: str = "",
    left_out: LeftOut | None = None,
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
    left_out : {"first token"}, optional
        Which of the announced tokens means and sums over positions leave out; none by default.
        Then the mean output there is kept besides, and the peak over all; see
        :mod:`common.measure.sinks`.

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

    Examples
    --------
    >>> with record(model, where) as seen:
    ...     _ = model(faces)
    >>> seen.moments[where[0]].count
    40
    """
    pooling = check_pooling(unit, pooling)
    if statistic not in get_args(Statistic):
        names = ", ".join(get_args(Statistic))
        raise SettingError(f"no statistic is called {statistic!r}: choose from {names}")
    check_signs(sites, statistic)
    called = part_of(model, through)
    recorder = Recorder(sites, unit, pooling, statistic, left_out)
    once = Once(sites)

    def begin(args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
        once.begin()
        recorder.begin(tokens_of(args, kwargs))

    def end() -> None:
        once.end()
        recorder.finish()

    def reader(site: Site) -> Callable[[Any], None]:
        def read(value: Any) -> None:
            once.fire(site)
            recorder.read(site, value)
            if recorder.ends_early and once.complete and nobody_waits(called):
                end()
                raise Enough

        return read

    hooks: list[Callable[[], Any]] = [before_call(called, begin)]
    hooks += attached_to(model, sites, reader)
    hooks.append(after_pass(called, end))
    with attached(hooks):
        yield recorder
