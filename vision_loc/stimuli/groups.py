"""Which group somebody's own pictures belong to."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from common.base.errors import DataError
from vision_loc.stimuli.classes import TABLE, class_folder
from vision_loc.stimuli.files import beside, read_table
from vision_loc.stimuli.listed import by_path
from vision_loc.stimuli.unlabelled import subfolders

GROUPS = "groups.csv"
ANNOTATIONS = "face_annotations_ILSVRC.json"

LEFT_OUT = "ambiguous"
TARGETS = ("target", "face", "faces")
OTHERS = ("control", "other", "nonface", "controls", "others", "nonfaces")


def choose_groups(path: Path, groups: Sequence[str]) -> tuple[str, str | None]:
    """Which of two groups is the target, and which the other; one alone is the target.

    Rows without a group, or in the group ``ambiguous``, are left out; one or two must remain. The
    target is the one called ``target`` or ``face``; else the one beside ``control``, ``other`` or
    ``nonface``; else the first by alphabet.

    Plurals count too (``faces``, ``others``).

    Raises
    ------
    DataError
        If it is no group, or more than two.
    """
    names = sorted(set(groups) - {"", LEFT_OUT})
    if len(names) == 1:
        return names[0], None
    if len(names) != 2:
        raise DataError(
            f"{path}: has {len(names)} groups ({', '.join(names[:6]) or 'none'}) where two are "
            f"compared, or one is by itself; leave a group out by calling it {LEFT_OUT}"
        )
    known = [name for name in TARGETS if name in names]
    rest = [name for name in names if name not in OTHERS]
    target = (known or rest or names)[0]
    return target, next(name for name in names if name != target)


def groups_of(
    folder: Path, files: Sequence[str], *, by_folder: bool = False
) -> tuple[list[str], str | None]:
    """The group of each file, and what a reader should know of how it was told.

    Parameters
    ----------
    by_folder : bool, default=False
        Whether a folder's two folders are the groups where nothing else says it.
    """
    if (path := beside(folder, GROUPS)) is not None:
        return _from_groups(path, files)
    if (path := beside(folder, ANNOTATIONS)) is not None:
        return _from_annotations(path, files)
    inside = subfolders(folder)
    if by_folder and len(inside) == 2:
        return [Path(file).parts[0] if "/" in file else "" for file in files], None
    hint = f" (are all of one group? Say `evaluation` NAME={folder})" if by_folder else ""
    if not by_folder and len(inside) == 2:
        hint = (
            f" (its folders {inside[0]} and {inside[1]} are two groups without classes? `measure` "
            "agreement needs none)"
        )
    raise DataError(
        f"{folder}: nothing says which group each picture belongs to{hint}; give the column "
        f"group in {TABLE}, or {GROUPS} (file,group or folder,group), or {ANNOTATIONS}, or run: "
        f"vision-loc data tag-faces {folder}"
    )


def _from_groups(path: Path, files: Sequence[str]) -> tuple[list[str], str | None]:
    table = read_table(path, ["group"])
    kind = next((name for name in ("file", "folder") if name in table), None)
    if kind is None:
        raise DataError(f"{path}: has neither a column 'file' nor 'folder'")
    known: dict[str, str] = {}
    for name, group in zip(table[kind], table["group"], strict=True):
        if known.setdefault(name, group) != group:
            raise DataError(f"{path}: {name} is both {known[name]} and {group}")
    word: Callable[[str], str] = str if kind == "file" else class_folder
    if not any(word(file) in known for file in files):
        raise DataError(f"{path}: names none of the pictures; the first of them is {files[0]}")
    return [known.get(word(file), "") for file in files], made_by_detector(table)


def _from_annotations(path: Path, files: Sequence[str]) -> tuple[list[str], str | None]:
    told = by_path(path, read_annotations(path), files)
    if all(each is None for each in told):
        raise DataError(f"{path}: annotates none of the pictures; the first of them is {files[0]}")
    groups = ["face" if each else "nonface" for each in told]
    return groups, (
        f"Groups were made from {ANNOTATIONS} (Yang et al. 2022): face is a picture with a box, "
        "nonface every other one. Face and nonface pictures are mostly of different classes, so "
        "they differ in more than the face."
    )


def read_annotations(path: Path) -> list[tuple[str, bool]]:
    """The published face annotations: which pictures were annotated, and which hold a face.

    The file is a list of ``{"url": "val/ILSVRC2012_val_00000001.JPEG", "bboxes": [{"x0": …, "y0":
    …, "x1": …, "y1": …}, …]}``. A box without area counts as none, as in the authors' own code.

    Returns
    -------
    list of (str, bool)
        What each is called there, and whether it has a box.

    Raises
    ------
    DataError
        If the file has another structure.
    """
    try:
        entries = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{path}: cannot be read as JSON ({error})") from error
    try:
        return [(str(entry["url"]), any(map(_has_area, entry["bboxes"]))) for entry in entries]
    except (KeyError, TypeError) as error:
        raise DataError(
            f"{path}: is not the list of {{url, bboxes: [{{x0, y0, x1, y1}}]}} that was published"
        ) from error


def _has_area(box: dict[str, Any]) -> bool:
    return bool(box["x0"] < box["x1"] and box["y0"] < box["y1"])


def made_by_detector(table: pd.DataFrame) -> str | None:
    if "face_conf" not in table:
        return None
    return (
        "Groups were made by a face detector (column face_conf): some faces are missed, and some "
        "of what it takes for faces are none (docs/own-data.md gives its precision and recall)."
    )
