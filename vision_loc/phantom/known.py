"""What is known of the phantom's networks beforehand, without building one."""

from __future__ import annotations

from pathlib import Path

from .pen import SIZE

NAMES = ("cnn", "vit", "planted")
MEAN: tuple[float, float, float] = (0.5, 0.5, 0.5)
STD: tuple[float, float, float] = (0.5, 0.5, 0.5)
INPUT_SIZE: tuple[int, int, int] = (3, SIZE, SIZE)

WEIGHTS = Path(__file__).parent / "weights"

AREA_WIDTH = 16
PATHWAYS = 16

AREA: dict[str, range] = {"stage3.0": range(AREA_WIDTH), "stage3.1": range(AREA_WIDTH)}
"""The face area of the CNN: block's module path to the channels that belong to it."""

WIDTH = 64
DEPTH = 4
WIRE = 0
PER_BLOCK = 3

PLANTED: dict[str, tuple[int, ...]] = {
    f"blocks.{block}": (WIRE, *range(7 + 11 * block, 7 + 11 * block + PER_BLOCK))
    for block in range(DEPTH)
}
"""The planted units: block's module path to its channels (channel 0 is the wire)."""
