"""A pen that draws shapes given in a thing's own coordinates: x right, y down, about -1 to 1.

The canvas is larger than the picture (`SUPER` times per side) and is averaged down at the end,
which makes clean edges out of Pillow's hard ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

SIZE = 64
SUPER = 3

Colour = tuple[int, int, int]
Points = Sequence[tuple[float, float]]

_TURN = np.linspace(0.0, 2.0 * np.pi, 24, endpoint=False)
_CIRCLE = np.stack([np.cos(_TURN), np.sin(_TURN)], axis=1)


@dataclass(frozen=True)
class Pose:
    """Where a thing stands in the picture: centre and scale in pixels, angle in radians."""

    x: float
    y: float
    scale: float
    angle: float = 0.0
    stretch: float = 1.0
    mirror: bool = False

    def matrix(self) -> np.ndarray:
        """The 2x2 matrix that takes a thing's coordinates to pixels around the centre."""
        cos, sin = np.cos(self.angle), np.sin(self.angle)
        wide = self.scale * self.stretch * (-1.0 if self.mirror else 1.0)
        tall = self.scale / self.stretch
        return np.array([[cos * wide, sin * wide], [-sin * tall, cos * tall]])

    def place(self, points: Points | np.ndarray) -> np.ndarray:
        """Points in a thing's coordinates, array of shape (n, 2), as pixels of the picture."""
        placed: np.ndarray = np.asarray(points, dtype=float) @ self.matrix()
        return placed + np.array([self.x, self.y])


class Pen:
    """Draws on a supersampled canvas in the coordinates of a pose."""

    def __init__(self, canvas: Image.Image, pose: Pose) -> None:
        self.ink = ImageDraw.Draw(canvas)
        self.pose = pose
        self._matrix = pose.matrix() * SUPER
        self._centre = np.array([pose.x, pose.y]) * SUPER

    def _place(self, points: Points | np.ndarray) -> list[float]:
        placed: list[float] = (np.asarray(points) @ self._matrix + self._centre).ravel().tolist()
        return placed

    def poly(self, points: Points | np.ndarray, colour: Colour) -> None:
        """Fill a polygon."""
        self.ink.polygon(self._place(points), fill=colour)

    def box(self, x0: float, y0: float, x1: float, y1: float, colour: Colour) -> None:
        """Fill an upright rectangle."""
        self.poly([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], colour)

    def oval(
        self, x: float, y: float, rx: float, ry: float, colour: Colour, turn: float = 0.0
    ) -> None:
        """Fill an ellipse with centre (x, y) and half axes rx, ry, turned by `turn` radians."""
        points = _CIRCLE * (rx, ry)
        if turn:
            cos, sin = np.cos(turn), np.sin(turn)
            points = points @ np.array([[cos, sin], [-sin, cos]])
        self.poly(points + np.array([x, y]), colour)

    def line(self, points: Points | np.ndarray, width: float, colour: Colour) -> None:
        """Draw a broken line; the width is in a thing's coordinates."""
        pixels = max(1, round(width * self.pose.scale * SUPER))
        self.ink.line(self._place(points), fill=colour, width=pixels, joint="curve")

    def arc(
        self, x: float, y: float, r: float, start: float, stop: float, width: float, colour: Colour
    ) -> None:
        """Draw an arc from `start` to `stop` degrees, clockwise from the right."""
        turn = np.radians(np.linspace(start, stop, 14))
        self.line(np.stack([x + r * np.cos(turn), y + r * np.sin(turn)], axis=1), width, colour)


def shade(colour: Colour, factor: float) -> Colour:
    """The colour made darker (factor below 1) or lighter."""
    red, green, blue = (max(0, min(255, round(part * factor))) for part in colour)
    return red, green, blue


def blend(one: Colour, other: Colour, share: float) -> Colour:
    """`share` of the other colour mixed into the one."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(one, other, strict=True))
    return red, green, blue


def any_colour(rng: np.random.Generator) -> Colour:
    """A colour from the palette of clutter, clothes and objects: a third of it skin or hair.

    Faces and objects share it, so that colour alone does not tell a face from an object.
    """
    kind = rng.random()
    if kind < 0.22:
        return skin_colour(rng)
    if kind < 0.34:
        return hair_colour(rng)
    red, green, blue = rng.integers(20, 245, 3).tolist()
    return red, green, blue


SKINS: tuple[Colour, ...] = (
    (247, 218, 196),
    (240, 200, 170),
    (226, 180, 143),
    (204, 152, 112),
    (178, 124, 84),
    (148, 98, 64),
    (120, 78, 52),
)
HAIRS: tuple[Colour, ...] = (
    (28, 22, 20),
    (58, 38, 26),
    (96, 60, 34),
    (150, 84, 40),
    (204, 164, 96),
    (170, 168, 166),
    (150, 50, 40),
)


def skin_colour(rng: np.random.Generator) -> Colour:
    """A skin colour between two neighbours of the palette."""
    return _between(SKINS, rng)


def hair_colour(rng: np.random.Generator) -> Colour:
    """One of the hair colours, a little lighter or darker."""
    return shade(HAIRS[int(rng.integers(len(HAIRS)))], rng.uniform(0.85, 1.15))


def _between(palette: tuple[Colour, ...], rng: np.random.Generator) -> Colour:
    at = rng.uniform(0, len(palette) - 1)
    return blend(palette[int(at)], palette[int(at) + 1], at % 1.0)
