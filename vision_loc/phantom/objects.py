"""Objects: sixteen things of everyday life, each drawn by one short function.

A drawing takes a pen and the colours of this one thing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image

from .pen import SIZE, Colour, Pen, Pose, any_colour, shade


@dataclass(frozen=True)
class Ink:
    """The colours of one thing: its body's, a darker one of the same hue, and one for parts."""

    body: Colour
    dark: Colour
    part: Colour


Drawing = Callable[[Pen, Ink], None]

_DARK: Colour = (34, 32, 36)
_PALE: Colour = (236, 234, 226)
_GLASS: Colour = (176, 208, 226)


def _cup(pen: Pen, ink: Ink) -> None:
    pen.arc(0.55, 0.0, 0.36, -100, 100, 0.16, ink.dark)
    pen.poly([(-0.65, -0.6), (0.65, -0.6), (0.5, 0.75), (-0.5, 0.75)], ink.body)
    pen.oval(0.0, -0.6, 0.65, 0.2, ink.dark)
    pen.oval(0.0, -0.57, 0.53, 0.13, (70, 42, 26))
    pen.box(-0.57, 0.0, 0.57, 0.2, ink.part)


def _car(pen: Pen, ink: Ink) -> None:
    pen.poly([(-0.55, -0.05), (-0.35, -0.5), (0.3, -0.5), (0.6, -0.05)], ink.body)
    pen.poly([(-0.42, -0.08), (-0.28, -0.4), (-0.04, -0.4), (-0.04, -0.08)], _GLASS)
    pen.poly([(0.04, -0.08), (0.04, -0.4), (0.25, -0.4), (0.45, -0.08)], _GLASS)
    pen.poly([(-1, -0.08), (0.9, -0.08), (1, 0.1), (1, 0.38), (-1, 0.38)], ink.body)
    pen.box(-1, 0.26, 1, 0.38, ink.dark)
    for x in (-0.55, 0.55):
        pen.oval(x, 0.4, 0.25, 0.25, _DARK)
        pen.oval(x, 0.4, 0.11, 0.11, _PALE)


def _house(pen: Pen, ink: Ink) -> None:
    pen.box(0.35, -0.95, 0.58, -0.4, ink.dark)
    pen.box(-0.75, -0.2, 0.75, 0.9, ink.body)
    pen.poly([(-1, -0.15), (0, -0.95), (1, -0.15)], ink.part)
    pen.box(-0.15, 0.3, 0.2, 0.9, ink.dark)
    for x in (-0.58, 0.35):
        pen.box(x, 0.05, x + 0.28, 0.35, _GLASS)


def _tree(pen: Pen, ink: Ink) -> None:
    pen.box(-0.13, 0.2, 0.13, 1, (92, 62, 38))
    for x, y, r in ((-0.4, 0.05, 0.4), (0.4, 0.05, 0.4), (0, -0.2, 0.48), (-0.2, -0.55, 0.36)):
        pen.oval(x, y, r, r, ink.dark)
    for x, y, r in ((0.25, -0.5, 0.36), (-0.3, -0.05, 0.3), (0.3, 0.0, 0.28)):
        pen.oval(x, y, r, r, ink.body)


def _chair(pen: Pen, ink: Ink) -> None:
    pen.box(-0.55, -1, -0.38, 1, ink.dark)
    pen.box(0.4, 0.15, 0.55, 1, ink.dark)
    pen.box(-0.2, 0.15, -0.08, 0.8, shade(ink.dark, 0.8))
    pen.box(-0.5, -0.9, -0.05, -0.6, ink.body)
    pen.box(-0.5, -0.45, -0.05, -0.25, ink.body)
    pen.box(-0.1, -0.95, 0.0, 0.1, ink.dark)
    pen.poly([(-0.58, 0.05), (0.62, 0.05), (0.7, 0.25), (-0.58, 0.25)], ink.body)


def _key(pen: Pen, ink: Ink) -> None:
    pen.arc(-0.6, 0.0, 0.28, 0, 360, 0.2, ink.body)
    pen.box(-0.35, -0.09, 0.95, 0.09, ink.body)
    pen.box(0.5, 0.0, 0.63, 0.38, ink.body)
    pen.box(0.75, 0.0, 0.93, 0.44, ink.body)


def _umbrella(pen: Pen, ink: Ink) -> None:
    pen.line([(0, -0.95), (0, 0.75)], 0.09, _DARK)
    pen.arc(0.16, 0.75, 0.16, 0, 180, 0.09, _DARK)
    at = np.linspace(np.pi, 2 * np.pi, 13)
    rim = np.stack([0.97 * np.cos(at), 0.05 + 0.85 * np.sin(at)], axis=1)
    scallop = [(0.64, -0.12), (0.32, 0.05), (0, -0.12), (-0.32, 0.05), (-0.64, -0.12)]
    pen.poly(np.concatenate([rim, scallop]), ink.body)
    pen.poly([(0, -0.8), (0.32, 0.05), (0, -0.12), (-0.32, 0.05)], ink.part)


def _lamp(pen: Pen, ink: Ink) -> None:
    pen.box(-0.07, -0.1, 0.07, 0.85, _DARK)
    pen.oval(0, 0.85, 0.45, 0.14, _DARK)
    pen.poly([(-0.35, -0.95), (0.35, -0.95), (0.75, 0.05), (-0.75, 0.05)], ink.body)
    pen.poly([(-0.2, -0.95), (0.05, -0.95), (0.05, 0.05), (-0.4, 0.05)], shade(ink.body, 1.3))


def _clock(pen: Pen, ink: Ink) -> None:
    pen.oval(0, 0, 0.9, 0.9, ink.body)
    pen.oval(0, 0, 0.72, 0.72, _PALE)
    for turn in np.linspace(0, 2 * np.pi, 12, endpoint=False):
        pen.oval(0.58 * np.cos(turn), 0.58 * np.sin(turn), 0.06, 0.06, _DARK)
    pen.line([(0.25, -0.3), (0, 0), (-0.05, -0.5)], 0.09, _DARK)


def _boat(pen: Pen, ink: Ink) -> None:
    pen.box(-0.05, -1, 0.05, 0.4, _DARK)
    pen.poly([(0.1, -0.95), (0.8, 0.25), (0.1, 0.25)], ink.part)
    pen.poly([(-0.1, -0.75), (-0.1, 0.25), (-0.65, 0.25)], shade(ink.part, 0.8))
    pen.poly([(-1, 0.38), (1, 0.38), (0.65, 0.85), (-0.65, 0.85)], ink.body)


def _guitar(pen: Pen, ink: Ink) -> None:
    pen.oval(0, 0.5, 0.5, 0.45, ink.body)
    pen.oval(0, 0.02, 0.36, 0.34, ink.body)
    pen.oval(0, 0.25, 0.17, 0.17, _DARK)
    pen.box(-0.22, 0.6, 0.22, 0.7, _DARK)
    pen.box(-0.08, -0.85, 0.08, 0.25, ink.dark)
    pen.box(-0.15, -1.05, 0.15, -0.75, ink.dark)


def _scissors(pen: Pen, ink: Ink) -> None:
    for side in (-1.0, 1.0):
        pen.poly(
            [(side * -0.5, -1), (side * -0.36, -0.85), (side * 0.18, 0.3), (side * 0.02, 0.36)],
            _PALE if side < 0 else (190, 194, 200),
        )
        pen.arc(side * 0.36, 0.62, 0.25, 0, 360, 0.15, ink.body)
    pen.oval(0, 0.02, 0.07, 0.07, _DARK)


def _bottle(pen: Pen, ink: Ink) -> None:
    pen.poly(
        [
            (-0.14, -0.8),
            (0.14, -0.8),
            (0.14, -0.4),
            (0.4, -0.05),
            (0.4, 1),
            (-0.4, 1),
            (-0.4, -0.05),
            (-0.14, -0.4),
        ],
        ink.body,
    )
    pen.box(-0.19, -1, 0.19, -0.78, ink.dark)
    pen.box(-0.4, 0.25, 0.4, 0.7, ink.part)
    pen.box(-0.32, 0, -0.22, 0.95, shade(ink.body, 1.35))


def _shoe(pen: Pen, ink: Ink) -> None:
    pen.poly(
        [
            (-0.85, -0.5),
            (-0.15, -0.5),
            (0.1, -0.1),
            (0.7, 0.05),
            (0.98, 0.25),
            (0.98, 0.45),
            (-0.85, 0.45),
        ],
        ink.body,
    )
    pen.box(-0.9, 0.42, 1, 0.58, _PALE)
    pen.poly([(-0.85, -0.5), (-0.6, -0.5), (-0.55, 0.42), (-0.85, 0.42)], ink.part)
    for at in (0.0, 0.35, 0.7):
        pen.line(
            [(-0.3 + at * 0.55, -0.36 + at * 0.5), (0.0 + at * 0.55, -0.34 + at * 0.4)], 0.08, _PALE
        )


def _plane(pen: Pen, ink: Ink) -> None:
    pen.poly([(-0.1, 0), (-0.45, -0.85), (-0.2, -0.85), (0.35, 0)], ink.dark)
    pen.oval(0, 0, 1, 0.2, ink.body)
    pen.poly([(-0.95, 0), (-1, -0.5), (-0.78, -0.5), (-0.55, 0)], ink.part)
    pen.poly([(-0.1, 0.02), (-0.5, 0.85), (-0.22, 0.85), (0.38, 0.02)], ink.part)
    for x in (0.0, 0.25, 0.5, 0.75):
        pen.oval(x, -0.06, 0.06, 0.06, _DARK)


def _fish(pen: Pen, ink: Ink) -> None:
    pen.poly([(-0.45, 0), (-1, -0.5), (-0.85, 0), (-1, 0.5)], ink.part)
    pen.poly([(-0.2, -0.35), (0.15, -0.75), (0.4, -0.3)], ink.part)
    pen.oval(0.2, 0, 0.78, 0.45, ink.body)
    pen.poly([(0.0, 0.0), (-0.3, 0.22), (0.05, 0.25)], ink.dark)
    pen.arc(0.28, 0.0, 0.35, -60, 60, 0.06, ink.dark)
    pen.oval(0.7, -0.1, 0.11, 0.11, _PALE)
    pen.oval(0.72, -0.1, 0.06, 0.06, _DARK)


DRAWINGS: dict[str, Drawing] = {
    "cup": _cup,
    "car": _car,
    "house": _house,
    "tree": _tree,
    "chair": _chair,
    "key": _key,
    "umbrella": _umbrella,
    "lamp": _lamp,
    "clock": _clock,
    "boat": _boat,
    "guitar": _guitar,
    "scissors": _scissors,
    "bottle": _bottle,
    "shoe": _shoe,
    "plane": _plane,
    "fish": _fish,
}


def any_pose(rng: np.random.Generator) -> Pose:
    """A pose of the object in the picture."""
    x, y = SIZE / 2 + rng.uniform(-5.0, 5.0, 2)
    return Pose(
        x,
        y,
        scale=rng.uniform(19.0, 27.0),
        angle=float(rng.normal(0.0, 0.25)),
        stretch=rng.uniform(0.88, 1.13),
        mirror=bool(rng.random() < 0.5),
    )


def draw_object(canvas: Image.Image, name: str, pose: Pose, rng: np.random.Generator) -> None:
    """Draw one object in colours drawn from `rng`."""
    body, part = any_colour(rng), any_colour(rng)
    DRAWINGS[name](Pen(canvas, pose), Ink(body, shade(body, 0.62), part))
