"""Faces: sixteen identities told apart by the geometry of the face and by nothing else.

An identity is a row of a Hadamard matrix: fifteen features of the face, each at one of two
levels. Any two rows differ in exactly eight of the fifteen features, so no single feature names
a face and every pair of faces is equally far apart. Everything else (pose, light, skin, hair,
hat, glasses, clothes) is drawn anew for every picture and tells nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import scipy  # its parts are loaded where they are first used
from PIL import Image, ImageDraw

from .pen import SIZE, Colour, Pen, Points, Pose, any_colour, blend, hair_colour, shade, skin_colour

N_IDENTITIES = 16


@dataclass(frozen=True)
class Geometry:
    """The features of a face in units of half its height: 0 the middle, -1 the crown, 1 the chin.

    The pair behind each feature is its two levels in `_LEVELS`.
    """

    face_width: float
    jaw: float
    eye_gap: float
    eye_size: float
    eye_tilt: float
    eye_y: float
    brow_tilt: float
    brow_weight: float
    brow_gap: float
    nose_tip: float
    nose_width: float
    mouth_width: float
    mouth_curve: float
    lip: float
    mouth_y: float


_LEVELS = {
    "face_width": (0.66, 0.82),
    "jaw": (0.30, 0.62),
    "eye_gap": (0.24, 0.38),
    "eye_size": (0.105, 0.165),
    "eye_tilt": (-0.38, 0.38),
    "eye_y": (-0.20, 0.02),
    "brow_tilt": (-0.34, 0.34),
    "brow_weight": (0.06, 0.14),
    "brow_gap": (0.19, 0.30),
    "nose_tip": (0.22, 0.42),
    "nose_width": (0.08, 0.19),
    "mouth_width": (0.17, 0.36),
    "mouth_curve": (-0.13, 0.13),
    "lip": (0.055, 0.12),
    "mouth_y": (0.60, 0.74),
}


def _identities() -> tuple[Geometry, ...]:
    names = [field.name for field in fields(Geometry)]
    rows = scipy.linalg.hadamard(N_IDENTITIES)[:, 1:] > 0
    return tuple(
        Geometry(
            **{name: _LEVELS[name][int(level)] for name, level in zip(names, row, strict=True)}
        )
        for row in rows
    )


IDENTITIES = _identities()


@dataclass(frozen=True)
class Look:
    """What varies between two pictures of one face, besides its pose."""

    skin: Colour
    hair: Colour
    brow: Colour
    iris: Colour
    lips: Colour
    cloth: Colour
    style: int
    glasses: bool
    yaw: float
    pitch: float


_IRISES: tuple[Colour, ...] = ((40, 28, 22), (70, 46, 26), (60, 90, 130), (70, 100, 70))
_STYLES = 7


def any_pose(rng: np.random.Generator) -> Pose:
    """A pose of the head in the picture."""
    x, y = SIZE / 2 + rng.uniform(-4.0, 4.0, 2)
    return Pose(x, y, scale=rng.uniform(20.5, 26.0), angle=float(rng.normal(0.0, 0.13)))


def any_look(rng: np.random.Generator) -> Look:
    """A look that is independent of the identity."""
    skin, hair = skin_colour(rng), hair_colour(rng)
    return Look(
        skin=skin,
        hair=hair,
        brow=blend(shade(hair, 0.5), (20, 14, 12), 0.5),
        iris=_IRISES[int(rng.integers(len(_IRISES)))],
        lips=blend(shade(skin, 0.62), (170, 40, 50), rng.uniform(0.35, 0.6)),
        cloth=any_colour(rng),
        style=int(rng.integers(_STYLES)),
        glasses=bool(rng.random() < 0.12),
        yaw=float(rng.uniform(-1.0, 1.0)),
        pitch=float(rng.uniform(-1.0, 1.0)),
    )


def draw_face(canvas: Image.Image, geometry: Geometry, pose: Pose, look: Look) -> None:
    """Draw one head with neck and shoulders on the canvas."""
    pen = Pen(canvas, pose)
    _body(pen, look)
    _hair_behind(pen, look)
    _head(pen, geometry, look)
    for side in (-1.0, 1.0):
        _eye(pen, geometry, look, side)
    _nose(pen, geometry, look)
    _mouth(pen, geometry, look)
    _hair_before(pen, look)
    if look.glasses:
        _glasses(pen, geometry, look)


def cover_face(picture: Image.Image, pose: Pose) -> None:
    """Lay a plain grey patch over the face, of one size for all identities."""
    patch = [(-0.95, -1.03), (0.95, -1.03), (0.95, 1.05), (-0.95, 1.05)]
    outline = [(float(x), float(y)) for x, y in pose.place(patch)]
    ImageDraw.Draw(picture).polygon(outline, fill=(128, 128, 128))


def _turned(look: Look, x: float, y: float, depth: float) -> tuple[float, float]:
    """Where a feature lands when the head turns: what stands out more moves more."""
    across = x * (1.0 - 0.08 * abs(look.yaw)) + look.yaw * 0.09 * depth
    return across, y + look.pitch * 0.045 * depth


def _body(pen: Pen, look: Look) -> None:
    pen.poly(
        [(-1.2, 2.0), (-1.0, 1.3), (-0.4, 1.1), (0.4, 1.1), (1.0, 1.3), (1.2, 2.0)], look.cloth
    )
    pen.box(-0.3, 0.6, 0.3, 1.2, shade(look.skin, 0.8))


def _outline(geometry: Geometry) -> Points:
    """Right half of the face from crown to chin; the jaw sets how square it ends."""
    wide, jaw = geometry.face_width, geometry.jaw
    return [
        (0.0, -1.0),
        (0.45 * wide, -0.95),
        (0.8 * wide, -0.72),
        (0.97 * wide, -0.35),
        (wide, 0.0),
        (0.97 * wide, 0.32),
        (0.55 * wide + 0.58 * jaw * wide, 0.62),
        (0.28 * wide + 0.62 * jaw * wide, 0.86),
        (0.08 * wide + 0.5 * jaw * wide, 0.97),
        (0.0, 1.0),
    ]


def _head(pen: Pen, geometry: Geometry, look: Look) -> None:
    for side in (-1.0, 1.0):
        pen.oval(side * geometry.face_width, 0.02, 0.09, 0.17, shade(look.skin, 0.86))
    right = np.asarray(_outline(geometry))
    outline = np.concatenate([right, right[-2:0:-1] * (-1.0, 1.0)])
    pen.poly(outline, shade(look.skin, 0.72))
    pen.poly(outline * 0.96, look.skin)


def _eye(pen: Pen, geometry: Geometry, look: Look, side: float) -> None:
    x, y = _turned(look, side * geometry.eye_gap, geometry.eye_y, 0.7)
    size, tilt = geometry.eye_size, side * geometry.eye_tilt
    pen.oval(x, y, size * 1.12, size * 0.78, shade(look.skin, 0.5), tilt)
    pen.oval(x, y + 0.01, size, size * 0.62, (246, 246, 242), tilt)
    pen.oval(x + 0.02 * look.yaw, y, size * 0.5, size * 0.58, look.iris)
    over = y - geometry.brow_gap
    reach, rise = 0.17, 0.17 * side * geometry.brow_tilt * 1.1
    pen.line([(x - reach, over - rise), (x + reach, over + rise)], geometry.brow_weight, look.brow)


def _nose(pen: Pen, geometry: Geometry, look: Look) -> None:
    bridge = _turned(look, 0.0, geometry.eye_y + 0.02, 0.8)
    x, y = _turned(look, 0.0, geometry.nose_tip, 1.6)
    wide, dark = geometry.nose_width, shade(look.skin, 0.66)
    pen.poly(
        [
            (bridge[0] - 0.03, bridge[1]),
            (bridge[0] + 0.03, bridge[1]),
            (x + wide, y),
            (x - wide, y),
        ],
        shade(look.skin, 0.82),
    )
    pen.oval(x, y, wide + 0.02, 0.065, dark)
    pen.oval(x, y - 0.05, wide * 0.7, 0.06, shade(look.skin, 1.08))


def _mouth(pen: Pen, geometry: Geometry, look: Look) -> None:
    x, y = _turned(look, 0.0, geometry.mouth_y, 0.9)
    at = np.linspace(-1.0, 1.0, 9)
    bend = geometry.mouth_curve * (0.5 - at**2)
    body = geometry.lip * (1.0 - at**4 * 0.8)
    across = x + at * geometry.mouth_width
    upper = np.stack([across, y + bend - body], axis=1)
    lower = np.stack([across, y + bend + body], axis=1)
    pen.poly(np.concatenate([upper, lower[::-1]]), look.lips)
    pen.line(np.stack([across, y + bend], axis=1), 0.03, shade(look.lips, 0.5))


def _hair_behind(pen: Pen, look: Look) -> None:
    # Its size does not follow the face's width, which would tell the identity beside the face.
    if look.style == 1:
        pen.oval(0.0, -0.25, 0.95, 0.92, look.hair)
    elif look.style == 2:
        pen.oval(0.0, -0.25, 0.98, 0.95, look.hair)
        pen.box(-0.98, -0.25, 0.98, 1.15, look.hair)
    elif look.style == 3:
        for turn in np.linspace(np.pi * 0.95, np.pi * 2.05, 8):
            pen.oval(0.85 * np.cos(turn), -0.2 + 0.85 * np.sin(turn), 0.3, 0.3, look.hair)
    elif look.style == 4:
        pen.oval(0.0, -1.12, 0.32, 0.3, look.hair)
    elif look.style == 5:
        pen.poly([(-0.8, -0.5), (-1.05, 0.9), (1.05, 0.9), (0.8, -0.5)], look.hair)


_FRINGES: dict[int, Points] = {
    1: [
        (-0.85, -0.4),
        (-0.8, -0.95),
        (0.0, -1.2),
        (0.8, -0.95),
        (0.85, -0.4),
        (0.5, -0.72),
        (-0.4, -0.66),
    ],
    2: [
        (-0.9, -0.3),
        (-0.8, -0.95),
        (0.0, -1.18),
        (0.8, -0.95),
        (0.9, -0.3),
        (0.6, -0.62),
        (0.0, -0.85),
        (-0.6, -0.62),
    ],
    3: [
        (-0.85, -0.45),
        (-0.7, -1.0),
        (0.0, -1.2),
        (0.7, -1.0),
        (0.85, -0.45),
        (0.4, -0.66),
        (-0.4, -0.66),
    ],
    4: [(-0.8, -0.45), (-0.7, -0.9), (0.0, -1.1), (0.7, -0.9), (0.8, -0.45), (0.0, -0.8)],
    5: [
        (-0.9, -0.2),
        (-0.8, -0.95),
        (0.0, -1.15),
        (0.8, -0.95),
        (0.9, -0.2),
        (0.7, -0.64),
        (-0.7, -0.64),
    ],
}


def _hair_before(pen: Pen, look: Look) -> None:
    if look.style in _FRINGES:
        pen.poly(_FRINGES[look.style], look.hair)
    elif look.style == 6:
        pen.oval(0.0, -0.85, 0.88, 0.42, look.cloth)
        pen.box(-1.15, -0.8, 1.15, -0.64, shade(look.cloth, 0.7))


def _glasses(pen: Pen, geometry: Geometry, look: Look) -> None:
    left = _turned(look, -geometry.eye_gap, geometry.eye_y, 0.8)
    right = _turned(look, geometry.eye_gap, geometry.eye_y, 0.8)
    for x, y in (left, right):
        pen.arc(x, y, 0.2, 0, 360, 0.04, (30, 30, 34))
    pen.line([(left[0] + 0.2, left[1]), (right[0] - 0.2, right[1])], 0.04, (30, 30, 34))
