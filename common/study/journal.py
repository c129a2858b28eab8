"""What batches gave under masks, kept while an evaluation goes on: a kill loses seconds of it.

A file holds what came since the one before, at most every few seconds. It is written beside its
place and moved there, and carries a checksum and what its numbers depend on; one that is torn or
that other masks, batches or stimuli made is no record, and what it would hold is computed again.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from time import monotonic

import numpy as np
from safetensors import SafetensorError

from common.base.files import digest_of, read_arrays, remove_file, save_arrays
from common.measure.masks import Mask

EVERY = 15.0  # seconds of work that are not on the disk yet, at most

Arrays = Mapping[str, np.ndarray]


def mask_key(mask: Mask | None) -> str:
    """What a mask is called in a journal: by its units, so that no other one is taken for it."""
    if mask is None:
        return "intact"
    return digest_of([mask.name, mask.map_fingerprint, mask.units.tolist()])


class Journal:
    """Arrays by batch and mask, most of them on the disk.

    Parameters
    ----------
    folder : Path or None
        Where; without one, all of it is kept in memory only.
    identity : object
        All that the numbers depend on besides the mask, as JSON can hold it.
    masks : collection of str
        By :func:`mask_key`; of others nothing is read, and a file that is only of others is
        removed, for nobody asks for them any more.

    Attributes
    ----------
    n_read : int
        How many pairs of batch and mask an earlier process had kept.
    """

    def __init__(
        self, folder: Path | None, identity: object = None, masks: Collection[str] = ()
    ) -> None:
        self.folder, self._key = folder, digest_of(identity)
        self._known: dict[str, dict[int, Arrays]] = defaultdict(dict)  # by mask and batch
        self._fresh: list[tuple[int, str]] = []
        self._next, self._written = 0, monotonic()
        if folder is not None and folder.is_dir():
            self._read(folder, set(masks))
        self.n_read = sum(map(len, self._known.values()))

    def get(self, batch: int, mask: str) -> Arrays | None:
        """What a batch gave under a mask, if it is known."""
        return self._known[mask].get(batch)

    def keep(self, batch: int, mask: str, arrays: Arrays) -> None:
        """Keep what a batch gave under a mask; of one batch all have the same names and shapes."""
        self._known[mask][batch] = arrays
        if self.folder is not None:
            self._fresh.append((batch, mask))
            if monotonic() >= self._written + EVERY:
                self.flush()

    def forget(self, mask: str) -> None:
        """Keep nothing more of a mask in memory."""
        self._known.pop(mask, None)

    def flush(self) -> None:
        """Write what is not on the disk yet.

        Raises
        ------
        RunError
            If it cannot be written.
        """
        masks: dict[int, list[str]] = defaultdict(list)
        for batch, mask in self._fresh:
            if batch in self._known[mask]:
                masks[batch].append(mask)
        if self.folder is not None and masks:
            arrays = {
                f"{batch}/{name}": np.stack([self._known[mask][batch][name] for mask in own])
                for batch, own in masks.items()
                for name in self._known[own[0]][batch]
            }
            about = {"key": self._key, "masks": json.dumps(masks)}
            save_arrays(self.folder / f"{self._next:06d}.safetensors", arrays, about)
            self._next += 1
        self._fresh.clear()
        self._written = monotonic()

    def _read(self, folder: Path, wanted: set[str]) -> None:
        for path in sorted(folder.glob("*.safetensors")):
            found = self._of(path)
            own = {place: arrays for place, arrays in found.items() if place[1] in wanted}
            for (batch, mask), arrays in own.items():
                self._known[mask][batch] = arrays
            if own:
                self._next = int(path.stem) + 1 if path.stem.isdecimal() else self._next
            else:
                remove_file(path)

    def _of(self, path: Path) -> dict[tuple[int, str], Arrays]:
        """What a file holds; nothing, if it is torn or not of this evaluation."""
        try:
            arrays, about = read_arrays(path)
            if about["key"] != self._key or "sum" in about:  # the checksum of an older version
                return {}
            masks: dict[str, Sequence[str]] = json.loads(about["masks"])
        except (OSError, SafetensorError, KeyError, ValueError):
            return {}
        return {
            (int(batch), mask): {
                name.partition("/")[2]: stacked[place]
                for name, stacked in arrays.items()
                if name.partition("/")[0] == batch
            }
            for batch, own in masks.items()
            for place, mask in enumerate(own)
        }
