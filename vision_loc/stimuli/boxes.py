"""Boxes around what was found in a picture: written in tables, laid over pixels, put elsewhere.

In tables a box is ``x0 y0 x1 y1``, shares of the picture's width and height from its upper left
corner, so that a resized copy has the same ones; several boxes have a semicolon between them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from common.base.errors import DataError
from common.base.files import sha256_of
from common.base.tables import read_table
from common.data.manifest import FoundBoxes

COLUMN = "boxes"
GREY = (128, 128, 128)
PLACES = 64  # along each side of a picture, that a box may be put


class Box(NamedTuple):
    """A rectangle: its left, upper, right and lower edge."""

    x0: float
    y0: float
    x1: float
    y1: float

    def meets(self, other: Box) -> bool:
        """Whether two boxes share more than an edge."""
        return (
            self.x0 < other.x1 and other.x0 < self.x1 and self.y0 < other.y1 and other.y0 < self.y1
        )


Boxes = Mapping[str, tuple[Box, ...]]  # by file


def written(boxes: Iterable[Box]) -> str:
    """Boxes as a cell of a table."""
    return "; ".join(" ".join(f"{edge:.4f}" for edge in box) for box in boxes)


def read(cell: object) -> tuple[Box, ...]:
    """Boxes from a cell of a table; an empty one has none.

    Raises
    ------
    ValueError
        If it holds something else, or a box that is empty or leaves the picture.
    """
    words = "" if cell is None or cell != cell else str(cell)
    found = tuple(Box(*map(float, part.split())) for part in words.split(";") if part.strip())
    if not all(0 <= b.x0 < b.x1 <= 1 and 0 <= b.y0 < b.y1 <= 1 for b in found):
        raise ValueError("edges must rise from 0 to 1")
    return found


def boxes_of(path: Path, files: Sequence[str], cells: Sequence[object]) -> Boxes:
    """Boxes of each file, from the cells of a table.

    Raises
    ------
    DataError
        If a cell holds something else; names the file.
    """
    found = {}
    for file, cell in zip(files, cells, strict=True):
        try:
            found[file] = read(cell)
        except (TypeError, ValueError) as error:
            raise DataError(
                f"{path}: column {COLUMN!r} of {file} is not 'x0 y0 x1 y1; …', shares of the "
                f"picture ({error})"
            ) from error
    return found


def known_boxes(entry: FoundBoxes | None) -> Boxes:
    """The boxes that a manifest carries; none without an entry.

    Raises
    ------
    DataError
        If the table is missing, another one, or broken.
    """
    if entry is None:
        return {}
    try:
        if (found := sha256_of(entry.table)) != entry.sha256:
            raise DataError(f"{entry.table}: SHA-256 should be {entry.sha256} but is {found}")
    except OSError as error:
        raise DataError(f"{entry.table}: cannot be read as a table of boxes ({error})") from error
    table = read_table(entry.table, ["file", COLUMN])
    return boxes_of(entry.table, table["file"].tolist(), table[COLUMN].tolist())


# --- in pixels ---


def in_pixels(box: Box, size: tuple[int, int]) -> Box:
    """The pixels that a box touches, in a picture of that width and height."""
    width, height = size
    left, upper = int(box.x0 * width), int(box.y0 * height)
    return Box(left, upper, int(np.ceil(box.x1 * width)), int(np.ceil(box.y1 * height)))


def greyed(picture: Image.Image, boxes: Iterable[Box]) -> Image.Image:
    """A copy of an RGB picture with some boxes of pixels in grey."""
    covered = picture.copy()
    for box in boxes:
        left, upper, right, lower = map(int, box)
        covered.paste(GREY, (left, upper, right, lower))
    return covered


def elsewhere(
    boxes: Sequence[Box], size: tuple[int, int], rng: np.random.Generator
) -> tuple[Box, ...] | None:
    """Boxes of the same sizes where none of these is, drawn from all places that there are.

    Parameters
    ----------
    boxes : sequence of Box
        In pixels.
    size : (int, int)
        Width and height of the picture, in pixels.

    Returns
    -------
    tuple of Box, optional
        One for each, in the same order, overlapping neither these nor each other; ``None`` where
        there is no room.
    """
    placed: dict[int, Box] = {}
    by_size = sorted(range(len(boxes)), key=lambda i: -_area(boxes[i]))
    for number in by_size:
        taken = (*boxes, *placed.values())
        free = [box for box in _places(boxes[number], size) if not any(map(box.meets, taken))]
        if not free:
            return None
        placed[number] = free[int(rng.integers(len(free)))]
    return tuple(placed[number] for number in range(len(boxes)))


def _area(box: Box) -> float:
    return (box.x1 - box.x0) * (box.y1 - box.y0)


def _places(box: Box, size: tuple[int, int]) -> Iterable[Box]:
    """Boxes of that size all over the picture."""
    width, height = box.x1 - box.x0, box.y1 - box.y0
    lefts, uppers = (
        np.unique(np.linspace(0, room, min(int(room), PLACES) + 1).round())
        for room in (size[0] - width, size[1] - height)
    )
    for x, y in product(lefts.tolist(), uppers.tolist()):
        yield Box(x, y, x + width, y + height)
