"""The phantom's pictures: faces, objects, and the noise of the planted network.

Every picture is a pure function of its class, its index and its split. The splits `train`,
`localizer` and `eval` are separate random streams: no picture of one is in another.
"""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
from PIL import Image

from . import faces, objects
from .pen import SIZE, SUPER, Pen, Pose, any_colour, shade, skin_colour

Split = Literal["train", "localizer", "eval"]
SPLITS: tuple[str, ...] = get_args(Split)

CLASSES: tuple[str, ...] = (
    *(f"face-{number:02d}" for number in range(1, faces.N_IDENTITIES + 1)),
    *objects.DRAWINGS,
)
FACE_CLASSES = range(faces.N_IDENTITIES)
OBJECT_CLASSES = range(faces.N_IDENTITIES, len(CLASSES))

CONDITIONS = ("control", "target")
PATCH = 8

_NOISE = 5.0
_PLANTED_LEVEL = 20.0


def draw(label: int, index: int, split: str, hide_face: bool = False) -> Image.Image:
    """Draw one picture of a face or of an object on a cluttered background.

    Parameters
    ----------
    label : int
        Class of the picture, an index into `CLASSES`.
    index : int
        Number of the picture in its class and split, from 0.
    split : {"train", "localizer", "eval"}
        The random stream that the picture comes from.
    hide_face : bool, default False
        Lay a plain grey patch over the face. All pixels outside the patch stay as they are.

    Returns
    -------
    PIL.Image.Image
        RGB, 64 x 64 pixels; the same arguments always give the same pixels.

    Raises
    ------
    ValueError
        If the class, index or split does not exist, or `hide_face` is asked of an object.
    """
    if not 0 <= label < len(CLASSES):
        raise ValueError(f"label {label} is not a class; there are {len(CLASSES)}, from 0")
    if hide_face and label not in FACE_CLASSES:
        raise ValueError(f"{CLASSES[label]!r} is an object: it has no face to hide")
    rng = _stream(label, index, split)
    canvas = _clutter(rng)
    if label in FACE_CLASSES:
        pose, look = faces.any_pose(rng), faces.any_look(rng)
        faces.draw_face(canvas, faces.IDENTITIES[label], pose, look)
    else:
        pose = objects.any_pose(rng)
        objects.draw_object(canvas, CLASSES[label], pose, rng)
    picture = _light(canvas.reduce(SUPER), rng)
    if hide_face:
        faces.cover_face(picture, pose)
    return picture


def draw_planted(condition: str, index: int, split: str) -> Image.Image:
    """Draw one stimulus of the planted network: noise, with or without the planted pattern.

    Parameters
    ----------
    condition : {"target", "control"}
        Target pictures hold the pattern in every patch of 8 x 8 pixels; control pictures do not.
    index : int
        Number of the picture in its condition and split, from 0.
    split : {"train", "localizer", "eval"}
        The random stream that the picture comes from.

    Returns
    -------
    PIL.Image.Image
        RGB, 64 x 64 pixels; the same arguments always give the same pixels.

    Raises
    ------
    ValueError
        If the condition, index or split does not exist.
    """
    if condition not in CONDITIONS:
        raise ValueError(f"condition {condition!r} is not one of {', '.join(CONDITIONS)}")
    rng = _stream(len(CLASSES) + CONDITIONS.index(condition), index, split)
    values = 128.0 + rng.normal(0.0, _PLANTED_LEVEL, (SIZE, SIZE, 3))
    if condition == "target":
        tiles = SIZE // PATCH
        values += _PLANTED_LEVEL * np.tile(planted_pattern(), (tiles, tiles, 1))
    return Image.fromarray(np.clip(np.rint(values), 0, 255).astype(np.uint8))


def planted_pattern() -> np.ndarray:
    """The pattern of one patch, array of shape (8, 8, 3) of -1 and 1 that sums to zero."""
    signs = np.repeat([-1.0, 1.0], PATCH * PATCH * 3 // 2)
    return np.random.default_rng(20).permutation(signs).reshape(PATCH, PATCH, 3)


def _stream(kind: int, index: int, split: str) -> np.random.Generator:
    if split not in SPLITS:
        raise ValueError(f"split {split!r} is not one of {', '.join(SPLITS)}")
    if index < 0:
        raise ValueError(f"index {index} is negative")
    return np.random.default_rng([kind, index, SPLITS.index(split)])


def _clutter(rng: np.random.Generator) -> Image.Image:
    """A background of shapes, faceless heads and lines, alike for faces and objects."""
    canvas = Image.new("RGB", (SIZE * SUPER, SIZE * SUPER), any_colour(rng))
    for kind in rng.integers(0, 5, rng.integers(7, 13)).tolist():
        x, y = rng.uniform(0, SIZE, 2)
        pen = Pen(
            canvas, Pose(x, y, rng.uniform(4, 20), rng.uniform(0, 6.3), rng.uniform(0.7, 1.4))
        )
        _SHAPES[kind](pen, rng)
    return canvas


def _blob(pen: Pen, rng: np.random.Generator) -> None:
    pen.oval(0, 0, 1, 1, any_colour(rng))


def _head_without_face(pen: Pen, rng: np.random.Generator) -> None:
    # A skin-coloured oval with specks at random: skin and specks alone must not make a face.
    skin = skin_colour(rng)
    pen.oval(0, 0, 0.8, 1, skin)
    for x, y in rng.uniform(-0.5, 0.5, (4, 2)).tolist():
        pen.oval(x, y, 0.14, 0.09, shade(skin, rng.choice([0.3, 0.6, 1.5])))


def _polygon(pen: Pen, rng: np.random.Generator) -> None:
    pen.poly(rng.uniform(-1, 1, (int(rng.integers(3, 6)), 2)), any_colour(rng))


def _stroke(pen: Pen, rng: np.random.Generator) -> None:
    pen.line(rng.uniform(-1.5, 1.5, (3, 2)), rng.uniform(0.08, 0.3), any_colour(rng))


def _stripes(pen: Pen, rng: np.random.Generator) -> None:
    colour = any_colour(rng)
    for at in (-0.8, -0.3, 0.2, 0.7):
        pen.box(-1, at, 1, at + 0.22, colour)


_SHAPES = (_blob, _head_without_face, _polygon, _stroke, _stripes)
_GRID = np.linspace(-1.0, 1.0, SIZE, dtype=np.float32)


def _light(picture: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Light the scene from one side, with the noise of a sensor."""
    turn, strength, level = rng.uniform(0, 2 * np.pi), rng.uniform(0, 0.3), rng.uniform(0.75, 1.15)
    ramp = np.cos(turn) * _GRID[:, None] + np.sin(turn) * _GRID[None, :]
    gain = np.float32(level) * (1.0 + np.float32(strength) * ramp.astype(np.float32))
    values = np.asarray(picture, dtype=np.float32) * gain[:, :, None]
    values += np.float32(_NOISE) * rng.standard_normal(values.shape, dtype=np.float32)
    return Image.fromarray(np.clip(values, 0, 255).astype(np.uint8))
