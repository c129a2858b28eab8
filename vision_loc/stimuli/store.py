"""Decoded pictures on disk: made once, found again by every run on the same data.

A *store* is one file: the pixels of a set of pictures as one preprocessing makes them. Its name is
a fingerprint of both, so that nothing in it can be stale, and it lies in ``pixels/`` of the cache.
It ends with a checksum; one that is broken is made again. The cache holds ``FUNCLOC_PIXELS``
gigabytes of them at most, and those that were used longest ago go first.
"""

from __future__ import annotations

import math
import os
import tempfile
import time
import weakref
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from zlib import crc32

import numpy as np
from numpy.lib import format as npy

from common.base.cache import alone, cache_folder
from common.base.errors import SettingError
from common.base.files import digest_of, reserve, write_atomically
from common.base.progress import Progress, silent
from vision_loc.preprocess import Preprocess
from vision_loc.stimuli.pictures import Picture
from vision_loc.stimuli.pixels import pixel_batches

MOST_VARIABLE = "FUNCLOC_PIXELS"  # gigabytes
MOST = 10.0
FORMAT = 1
MAKERS = ("pillow", "torchvision", "timm", "transformers")  # others may decode or resize otherwise
BATCH = 64  # pictures that are decoded at once
CHECKED_AT_ONCE = 1 << 22  # bytes
ABANDONED = 24 * 3600.0  # seconds after which what a killed process was writing is removed


class Pixels:
    """Pixels of pictures, read from their store when they are asked for.

    They are read and not mapped: the memory of a process does not grow with the pictures, and a
    file that is cut short is an error and no signal. The file may be removed meanwhile.

    Parameters
    ----------
    path : Path
        The store.
    rows : array of int of shape (n_pictures,)
        The place in it of each picture.

    Raises
    ------
    ValueError, OSError
        If there is none, or it is broken.
    """

    def __init__(self, path: Path, rows: np.ndarray) -> None:
        self._rows = rows
        self._file = os.open(path, os.O_RDONLY)
        weakref.finalize(self, os.close, self._file)
        self._begins, self._size = _checked(path)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Of all of it: (n_pictures, 3, H, W)."""
        height, width, colours = self._size
        return len(self._rows), colours, height, width

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, where: int | np.integer | slice | np.ndarray) -> np.ndarray:
        """Pixels, uint8 of shape (3, H, W) or (B, 3, H, W); colours are innermost in memory."""
        rows = self._rows[where]
        read = np.empty((rows.size, *self._size), np.uint8)
        n_bytes = read[0].nbytes if len(read) else 0
        for into, row in zip(read, np.atleast_1d(rows).tolist(), strict=True):
            found = os.pread(self._file, n_bytes, self._begins + row * n_bytes)
            into[...] = np.frombuffer(found, np.uint8).reshape(self._size)
        shown = read.transpose(0, 3, 1, 2)
        return shown if rows.ndim else shown[0]


def _checked(path: Path) -> tuple[int, tuple[int, int, int]]:
    """Where the pixels of a store begin, and the size of one picture; ValueError if broken."""
    with path.open("rb") as file:
        if npy.read_magic(file) != (1, 0):
            raise ValueError("of another format")
        shape, _, kind = npy.read_array_header_1_0(file)
        begins, left, found = file.tell(), int(np.prod(shape)), 0
        if kind != np.uint8 or len(shape) != 4 or path.stat().st_size != begins + left + 4:
            raise ValueError("not whole")
        while left:
            part = file.read(min(left, CHECKED_AT_ONCE))
            left, found = left - len(part), crc32(part, found)
            if not part:
                raise ValueError("cut short")
        if file.read(4) != found.to_bytes(4, "little"):
            raise ValueError("its checksum differs")
    return begins, (shape[1], shape[2], shape[3])


def pixel_store(
    pictures: Sequence[Picture],
    digests: Sequence[str],
    preprocess: Preprocess,
    spare: Path | None = None,
    progress: Progress = silent,
) -> Pixels:
    """Decode and resize every picture once, or find what an earlier run has made.

    Parameters
    ----------
    pictures : sequence of Picture
        At least one.
    digests : sequence of str
        The fingerprint of each one's content, as from :func:`vision_loc.stimuli.fingerprint`.
    preprocess : Preprocess
        What makes pixels of them; it is kept only if it says what it does.
    spare : Path, optional
        Where the store goes if the cache may not hold it; left out, it is gone with the process.
    progress : Progress
        Told how many are decoded.

    Raises
    ------
    DataError
        If a picture cannot be read, or comes out in another size than the first.
    RunError
        If the disk has no room for them; said before anything is decoded.
    """
    contents = [digest_of([d, p.greyed]) for p, d in zip(pictures, digests, strict=True)]
    # In the order of their contents, so that contrasts of the same pictures share a store.
    each, first, rows = np.unique(contents, return_index=True, return_inverse=True)
    chosen, rows = [pictures[number] for number in first.tolist()], rows.ravel()

    def make(path: Path) -> Pixels:
        write_atomically(path, partial(_write, chosen, preprocess, progress))
        return Pixels(path, rows)

    if preprocess.description:
        made_of = [FORMAT, preprocess.description, each.tolist(), _versions()]
        needed = partial(_needed, chosen, preprocess)
        kept = _in_cache(f"{digest_of(made_of)}.npy", rows, make, needed, progress)
        if kept is not None:
            return kept
    if spare is not None:
        return _found(spare, rows) or make(spare)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        return make(Path(folder) / "pixels.npy")


def _versions() -> dict[str, str]:
    found = {}
    for name in MAKERS:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def _needed(pictures: Sequence[Picture], preprocess: Preprocess) -> int:
    """Bytes that all of them take."""
    _, pixels = next(pixel_batches(pictures[:1], preprocess, 1))
    return len(pictures) * pixels.nbytes


def _write(
    pictures: Sequence[Picture], preprocess: Preprocess, progress: Progress, draft: Path
) -> None:
    """Fill a store; its room is claimed first."""
    found, done = 0, 0
    with draft.open("wb") as file:
        for _, pixels in pixel_batches(pictures, preprocess, BATCH):
            part = np.ascontiguousarray(pixels.transpose(0, 2, 3, 1))
            if not done:
                shape = (len(pictures), *part.shape[1:])
                npy.write_array_header_1_0(
                    file, {"descr": "|u1", "fortran_order": False, "shape": shape}
                )
                reserve(file, file.tell() + math.prod(shape) + 4, "the decoded pictures")
            file.write(part.data)
            found, done = crc32(part.data, found), done + len(part)
            progress("decode", done, len(pictures))
        file.write(found.to_bytes(4, "little"))


def _found(path: Path, rows: np.ndarray) -> Pixels | None:
    """An earlier run's, if it is whole."""
    try:
        return Pixels(path, rows)
    except (OSError, ValueError):
        return None


# --- the cache ---


def pixel_folder() -> Path:
    """Where stores are kept."""
    return cache_folder() / "pixels"


def most_kept() -> int:
    """Bytes that they may take: ``FUNCLOC_PIXELS`` gigabytes, 10 if that is not set.

    Raises
    ------
    SettingError
        If it is no number.
    """
    said = os.environ.get(MOST_VARIABLE, "")
    try:
        most = float(said or MOST)
        return int(most * 1e9)
    except (ValueError, OverflowError) as error:
        raise SettingError(f"{MOST_VARIABLE}={said}: is no number of gigabytes") from error


def _in_cache(
    name: str,
    rows: np.ndarray,
    make: Callable[[Path], Pixels],
    needed: Callable[[], int],
    progress: Progress,
) -> Pixels | None:
    """A store of the cache, made if it is not there; nothing if the cache may not hold it."""
    folder, most = pixel_folder(), most_kept()
    if most <= 0 or not _can_write(folder):
        return None
    with alone(folder / f".{name[0]}.lock", "the same pictures", progress, does="decodes"):
        _sweep(folder, name)
        kept = _found(folder / name, rows)
        if kept is None:
            left = most - needed()
            if left < 0:
                return None
            _make_room(folder, left)
            return make(folder / name)
        os.utime(folder / name)  # used just now
        return kept


def _sweep(folder: Path, name: str) -> None:
    """Remove what killed processes were writing under the lock that this one holds."""
    for draft in folder.glob(f".{name[0]}*.part"):
        with suppress(OSError):
            draft.unlink()


def _can_write(folder: Path) -> bool:
    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
    return os.access(folder, os.W_OK)


def _make_room(folder: Path, most: int) -> None:
    """Remove what was used longest ago until the rest is no larger, and what a kill has left."""
    kept: list[tuple[float, int, Path]] = []
    for path in folder.iterdir():
        with suppress(OSError):  # another process may remove it just now
            told = path.stat()
            if path.suffix == ".part" and time.time() - told.st_mtime > ABANDONED:
                path.unlink()
            elif path.suffix == ".npy" and path.is_file():
                kept.append((told.st_mtime, told.st_size, path))
    total = sum(size for _, size, _ in kept)
    for _, size, path in sorted(kept):
        if total <= most:
            return
        path.unlink(missing_ok=True)
        total -= size
