"""Moments that stay on a GPU until somebody asks for them.

A batch that is moved to the processor to be merged makes both wait: the processor until the GPU has
finished it, the GPU until the processor has prepared the next. So batches are merged where they
were reduced, by the same rule and in float64, and whether one was finite is looked at a batch
later.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from common.base.device import sent
from common.base.heavy import torch
from common.measure.tally import Cell, Cells, Counted, Part, Reduced

if TYPE_CHECKING:
    from torch import Tensor

DEVICES = frozenset({"cuda"})  # float64 is fast enough there, and waiting is not
PEAK = 5  # the row of `batch_rows` that holds maxima


@dataclass
class _Table:
    """Moments of every cell that there was, of the sites of a part."""

    part: Part
    resolution: float
    rows: Tensor
    cells: list[Cell] = field(default_factory=list)
    counts: list[int] = field(default_factory=list)

    def add(self, rows: Tensor, cells: Cells) -> None:
        """Merge a batch (Chan et al. 1979, eq. 2.1), all of its cells at once."""
        self._make_room(cells.cells)
        at = [self.cells.index(cell) for cell in cells.cells]
        before = [self.counts[place] for place in at]
        numbers = sent(torch.tensor([at, before, cells.counts], dtype=torch.float64), rows.device)
        places, (n, own) = numbers[0].long(), numbers[1:, :, None]
        share = own / (n + own)
        kept = self.rows.index_select(0, places)
        way = rows - kept
        together = kept + way * share[:, :, None]
        together[:, 1] = way[:, 0].square() * (n * share) + kept[:, 1] + rows[:, 1]
        if rows.shape[1] > PEAK:
            together[:, PEAK] = torch.maximum(kept[:, PEAK], rows[:, PEAK])
        self.rows.index_copy_(0, places, together)
        for place, count in zip(at, cells.counts, strict=True):
            self.counts[place] += count

    def _make_room(self, cells: Sequence[Cell]) -> None:
        new = [cell for cell in cells if cell not in self.cells]
        if new:
            self.rows = torch.cat([self.rows, self.rows.new_zeros(len(new), *self.rows.shape[1:])])
            self.cells += new
            self.counts += [0] * len(new)


@dataclass(frozen=True)
class _Look:
    """Whether a batch was finite, and what to do if it was not."""

    fine: Tensor
    told: torch.cuda.Event | None
    blame: Callable[[], object]

    @classmethod
    def at(cls, batch: Sequence[Reduced], blame: Callable[[], object]) -> _Look:
        """Ask, without waiting for the answer."""
        fine = torch.stack([each.rows.isfinite().all() for each in batch]).all()
        if fine.device.type != "cuda":
            return cls(fine, None, blame)
        answer = torch.empty((), dtype=torch.bool, pin_memory=True)
        answer.copy_(fine, non_blocking=True)
        told = torch.cuda.Event()  # type: ignore[no-untyped-call]
        told.record(torch.cuda.current_stream(fine.device))
        return cls(answer, told, blame)

    def insist(self) -> None:
        if self.told is not None:
            self.told.synchronize()
        if not bool(self.fine):
            self.blame()


@dataclass
class Resident:
    """Moments of every cell, on the device where batches are reduced."""

    _tables: dict[Part, _Table] = field(default_factory=dict)
    _last: _Look | None = None

    def takes(self, batch: Sequence[Reduced]) -> bool:
        """Whether a batch may stay where it is: all of it lies on one GPU."""
        devices = {each.rows.device for each in batch}
        return len(devices) == 1 and devices.pop().type in DEVICES

    def add(self, batch: Sequence[Reduced], cells: Cells, blame: Callable[[], object]) -> None:
        """Merge one batch.

        Parameters
        ----------
        batch, cells
            What was reduced, by part.
        blame : callable
            Raises what is to be said if the batch was not finite: called a batch later, or when
            moments are taken.
        """
        look = _Look.at(batch, blame)
        self.check()
        self._last = look
        for each in batch:
            table = self._tables.get(each.part)
            if table is None:
                empty = each.rows.new_zeros(0, *each.rows.shape[1:])
                table = self._tables[each.part] = _Table(each.part, each.resolution, empty)
            table.resolution = max(table.resolution, each.resolution)
            table.add(each.rows, cells)

    def check(self) -> None:
        """Wait for whether the last batch was finite."""
        last, self._last = self._last, None
        if last is not None:
            last.insist()

    def take(self) -> Iterator[tuple[Reduced, Counted]]:
        """All that there is, moved to the processor; nothing is left."""
        self.check()
        tables, self._tables = self._tables, {}
        for part, table in tables.items():
            rows = table.rows.cpu()
            yield Reduced(part, rows, table.resolution), Counted(table.cells, table.counts)
