"""Somebody's own pictures: folders, tables, and ILSVRC validation sets in either usual layout.

What is read, in this order (``docs/own-data.md`` says it with examples):

==========  =====================================================================================
pictures    the rows of a table (a CSV file, or ``labels.csv`` in the folder); without a table,
            every picture in the folder
class       column ``class_index``; else column ``wnid``; else the published ground truth of
            ILSVRC; else the name of the class folder, or a file name like
            ``n01440764_10026.JPEG``
group       column ``group``; else ``groups.csv``; else ``face_annotations_ILSVRC.json``
==========  =====================================================================================
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd

from common.base.errors import DataError
from common.data.manifest import known_manifests

SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff"}

TABLE = "labels.csv"
GROUPS = "groups.csv"
ANNOTATIONS = "face_annotations_ILSVRC.json"
SOLUTION = "LOC_val_solution.csv"
CAFFE = "val.txt"
DEVKIT = "ILSVRC2012_validation_ground_truth.txt"

ILSVRC = "imagenet"
LEFT_OUT = "ambiguous"
TARGETS = ("target", "face")
OTHERS = ("control", "other", "nonface")

_WNID = re.compile(r"n\d{8}")
_WNID_FILE = re.compile(r"(n\d{8})_")


@dataclass(frozen=True)
class OwnSet:
    """Labelled pictures in two groups, as found on somebody's disk.

    Attributes
    ----------
    folder : Path
        What the files are relative to.
    table : DataFrame with the columns file, class_index, group
        One row a picture.
    target, other : str
        The group that should lose, and the one that should not.
    wnids, classes : dict of int to str
        WordNet id and name of each class index, as far as they are known.
    warning : str, optional
        What a reader should know of how the groups were made.
    """

    name: str
    folder: Path
    table: pd.DataFrame
    target: str
    other: str
    wnids: dict[int, str] = field(default_factory=dict)
    classes: dict[int, str] = field(default_factory=dict)
    warning: str | None = None


def is_own(name: str) -> bool:
    """Whether a benchmark's name is the path of a folder or table rather than of a manifest."""
    if name in known_manifests() or name.endswith((".yaml", ".yml")):
        return False
    path = Path(name)
    return name.endswith(".csv") or len(path.parts) > 1 or path.is_dir()


def own_set(path: Path, wnids: Sequence[str] | None = None, *, skip: bool = False) -> OwnSet:
    """Read somebody's own pictures, with classes and groups.

    Parameters
    ----------
    path : Path
        A folder, or a table whose files are relative to the folder that it lies in.
    wnids : sequence of str, optional
        The model's own WordNet ids in the order of its classes; left out, ImageNet's 1,000.
    skip : bool, default=False
        Files of the table that are missing are no error.

    Raises
    ------
    DataError
        If something is missing, broken, or cannot be told: which class, which group, or which of
        the groups is the target.
    """
    folder = path.parent if path.suffix.lower() == ".csv" else path
    table = _rows(path)
    if "group" not in table:
        table["group"], warning = _groups(folder, table["file"].tolist())
    else:
        warning = _made_by_detector(table)
    table["group"] = table["group"].fillna("").str.strip()
    target, other = choose_groups(path, table["group"].tolist())
    table = table[table["group"].isin([target, other])].reset_index(drop=True)
    if not skip:
        check_files(path, folder, table["file"].tolist())
    table = add_classes(path, table, wnids)
    return OwnSet(
        folder.resolve().name,
        folder,
        table,
        target,
        other,
        _by_index(table, "wnid"),
        _by_index(table, "class_name"),
        warning,
    )


# --- which pictures ---


def files_in(folder: Path) -> list[Path]:
    """The pictures in a folder and its subfolders, sorted; hidden files are passed over.

    Raises
    ------
    DataError
        If there is no such folder, or no picture in it.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder")
    files = sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in SUFFIXES and not path.name.startswith(".")
    )
    if not files:
        raise DataError(f"{folder}: holds no pictures")
    return files


def picture_names(folder: Path) -> list[str]:
    """Names of the pictures in a folder, relative to it; those in its ``val/`` if it has one."""
    inner = folder / "val"  # beside it lies train/, which is nothing to evaluate on
    files = files_in(inner if inner.is_dir() else folder)
    return [path.relative_to(folder).as_posix() for path in files]


def _rows(path: Path) -> pd.DataFrame:
    if path.suffix.lower() == ".csv":
        return read_table(path, ["file"])
    if path.is_dir() and (path / TABLE).is_file():
        return read_table(path / TABLE, ["file"])
    return pd.DataFrame({"file": picture_names(path)})


def read_table(path: Path, columns: Sequence[str]) -> pd.DataFrame:
    """Read a CSV table, everything as text.

    Raises
    ------
    DataError
        If it cannot be read, is empty, lacks a column, or names a file twice.
    """
    try:
        table = pd.read_csv(path, dtype=str, encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such table") from error
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read as a table ({error})") from error
    if missing := [name for name in columns if name not in table.columns]:
        has = ", ".join(map(str, table.columns))
        raise DataError(f"{path}: has no column {missing[0]!r}; it has {has}")
    if table.empty:
        raise DataError(f"{path}: has no rows")
    for name in columns:
        if table[name].isna().any():
            raise DataError(f"{path}: column {name!r} is empty in row {_first(table[name].isna())}")
    if "file" in columns and (twice := table["file"].duplicated()).any():
        raise DataError(f"{path}: {table['file'][twice].iloc[0]} is in the table twice")
    return table


def _first(where: pd.Series[bool]) -> int:
    return int(where.to_numpy().argmax()) + 2  # line of the file; the header is line 1


def check_files(table: Path, folder: Path, files: Sequence[str]) -> None:
    """Hold a table's files against the folder.

    Raises
    ------
    DataError
        If some are missing: how many, and the first three.
    """
    missing = [file for file in files if not (folder / file).is_file()]
    if missing:
        raise DataError(
            f"{table}: {len(missing)} of {len(files)} files are missing, the first: "
            + ", ".join(missing[:3])
        )


# --- which class ---


@cache
def imagenet_classes() -> dict[str, tuple[int, str]]:
    """Index and name of each of ImageNet's 1,000 classes, by WordNet id."""
    from timm.data.imagenet_info import ImageNetInfo  # slow to import, and seldom needed

    info = ImageNetInfo("imagenet-1k")
    return {
        wnid: (index, info.index_to_description(index))
        for index, wnid in enumerate(info.label_names())
    }


def add_classes(
    path: Path, table: pd.DataFrame, wnids: Sequence[str] | None = None
) -> pd.DataFrame:
    """Complete a table by ``class_index``, and by ``wnid`` and ``class_name`` where they are known.

    Raises
    ------
    DataError
        If the class of a picture cannot be told, or is no class index.
    """
    table = table.copy()
    if "class_index" not in table:
        words = table["wnid"].tolist() if "wnid" in table else _class_words(path, table["file"])
        table["class_index"] = [_class_index(path, word, wnids) for word in words]
        if all(_WNID.fullmatch(word) for word in words):
            table["wnid"] = words
            _name_classes(table)
        return table
    numbers = pd.to_numeric(table["class_index"], errors="coerce")
    wrong = numbers.isna() | (numbers % 1 != 0)
    if wrong.any():
        raise DataError(
            f"{path}: column 'class_index' holds {table['class_index'][wrong].iloc[0]!r}, which is "
            "no class index"
        )
    table["class_index"] = numbers.astype(int)
    return table


def _name_classes(table: pd.DataFrame) -> None:
    known = imagenet_classes()
    if "class_name" not in table and set(table["wnid"]) <= set(known):
        table["class_name"] = [known[wnid][1] for wnid in table["wnid"]]


def _class_words(path: Path, files: pd.Series[str]) -> list[str]:
    """What stands for the class of each file: a number, a WordNet id, or a folder's name."""
    truth = _ground_truth(path.parent if path.suffix.lower() == ".csv" else path)
    return [truth.get(Path(file).stem) or _word_of_file(path, file) for file in files]


def _word_of_file(path: Path, file: str) -> str:
    folder = _class_folder(file)
    named = _WNID_FILE.match(Path(file).name)
    if named and not folder.isdigit() and not _WNID.fullmatch(folder):
        return named.group(1)
    if folder:
        return folder
    if (devkit := _beside(path, DEVKIT)) is not None:
        raise DataError(
            f"{devkit}: numbers the classes in the development kit's own order, not by sorted "
            f"WordNet id; put {SOLUTION} (Kaggle) or {CAFFE} (Caffe) there instead"
        )
    raise DataError(
        f"{path}: nothing says which class {file} is; give the column class_index in {TABLE}, "
        f"class folders, or the ground truth {SOLUTION} or {CAFFE} (docs/own-data.md)"
    )


def _class_folder(file: str) -> str:
    """The first folder in a file's name, but for ``val/``; empty if there is none."""
    folders = Path(file).parts[:-1]
    return next(iter(folders[1:] if folders[:1] == ("val",) else folders), "")


def _class_index(path: Path, word: str, wnids: Sequence[str] | None) -> int:
    if word.isascii() and word.isdigit():
        return int(word)
    if not _WNID.fullmatch(word):
        raise DataError(
            f"{path}: the class {word!r} is neither a class index nor a WordNet id like n01440764; "
            f"give the column class_index in {TABLE}"
        )
    if wnids is not None:
        if word in wnids:
            return list(wnids).index(word)
        raise DataError(f"{path}: {word} is no class of the model")
    if word not in imagenet_classes():
        raise DataError(
            f"{path}: {word} is none of ImageNet's 1,000 classes; "
            f"give the column class_index in {TABLE}"
        )
    return imagenet_classes()[word][0]


def _ground_truth(folder: Path) -> dict[str, str]:
    """Class index or WordNet id by the picture's stem, from a published ground truth."""
    if (path := _beside(folder, SOLUTION)) is not None:
        table = read_table(path, ["ImageId", "PredictionString"])
        return {
            image: prediction.split()[0]
            for image, prediction in zip(table["ImageId"], table["PredictionString"], strict=True)
        }
    if (path := _beside(folder, CAFFE)) is not None:
        return dict(_caffe_line(path, line) for line in _lines(path) if line.strip())
    return {}


def _caffe_line(path: Path, line: str) -> tuple[str, str]:
    words = line.split()
    if len(words) != 2:
        raise DataError(f"{path}: {line.strip()!r} is not FILE CLASS_INDEX")
    return Path(words[0]).stem, words[1]


def _beside(folder: Path, name: str) -> Path | None:
    """A file of that name in the folder, or in the one above."""
    places = (folder / name, folder.resolve().parent / name)
    return next((place for place in places if place.is_file()), None)


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read ({error})") from error


def _by_index(table: pd.DataFrame, column: str) -> dict[int, str]:
    if column not in table:
        return {}
    known = table[["class_index", column]].dropna()
    return {int(i): str(v) for i, v in zip(known["class_index"], known[column], strict=True)}


# --- which group ---


def choose_groups(path: Path, groups: Sequence[str]) -> tuple[str, str]:
    """Which of two groups is the target, and which the other.

    Rows without a group, or in the group ``ambiguous``, are left out; two groups must remain. The
    target is the one called ``target`` or ``face``; else the one beside ``control``, ``other`` or
    ``nonface``; else the first by alphabet.

    Raises
    ------
    DataError
        If it is not two groups.
    """
    names = sorted(set(groups) - {"", LEFT_OUT})
    if len(names) != 2:
        raise DataError(
            f"{path}: has {len(names)} groups ({', '.join(names[:6]) or 'none'}) where two are "
            f"compared; leave a group out by calling it {LEFT_OUT}"
        )
    known = [name for name in TARGETS if name in names]
    rest = [name for name in names if name not in OTHERS]
    target = (known or rest or names)[0]
    return target, next(name for name in names if name != target)


def _groups(folder: Path, files: Sequence[str]) -> tuple[list[str], str | None]:
    if (path := _beside(folder, GROUPS)) is not None:
        return _from_groups(path, files)
    if (path := _beside(folder, ANNOTATIONS)) is not None:
        return _from_annotations(path, files)
    raise DataError(
        f"{folder}: nothing says which group each picture belongs to; give the column group in "
        f"{TABLE}, or {GROUPS} (file,group or folder,group), or {ANNOTATIONS}, or run: "
        f"vision-loc data tag-faces {folder}"
    )


def _from_groups(path: Path, files: Sequence[str]) -> tuple[list[str], str | None]:
    table = read_table(path, ["group"])
    kind = next((name for name in ("file", "folder") if name in table), None)
    if kind is None:
        raise DataError(f"{path}: has neither a column 'file' nor 'folder'")
    known = dict(zip(table[kind], table["group"], strict=True))
    word: Callable[[str], str] = str if kind == "file" else _class_folder
    if not any(word(file) in known for file in files):
        raise DataError(f"{path}: names none of the pictures; the first of them is {files[0]}")
    return [known.get(word(file), "") for file in files], _made_by_detector(table)


def _from_annotations(path: Path, files: Sequence[str]) -> tuple[list[str], str | None]:
    faces, listed = read_annotations(path)
    stems = [Path(file).stem for file in files]
    if not listed & set(stems):
        raise DataError(f"{path}: annotates none of the pictures; the first of them is {files[0]}")
    groups = ["face" if stem in faces else "nonface" for stem in stems]
    return groups, (
        f"Groups were made from {ANNOTATIONS} (Yang et al. 2022): face is a picture with a box, "
        "nonface every other one. Face and nonface pictures are mostly of different classes, so "
        "they differ in more than the face."
    )


def read_annotations(path: Path) -> tuple[set[str], set[str]]:
    """The published face annotations: which pictures hold a face, and which were annotated.

    The file is a list of ``{"url": "val/ILSVRC2012_val_00000001.JPEG", "bboxes": [{"x0": …, "y0":
    …, "x1": …, "y1": …}, …]}``. A box without area counts as none, as in the authors' own code.

    Returns
    -------
    (set of str, set of str)
        File names without folder and suffix; the first is part of the second.

    Raises
    ------
    DataError
        If the file has another structure.
    """
    try:
        entries = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read as JSON ({error})") from error
    try:
        boxes = {Path(entry["url"]).stem: entry["bboxes"] for entry in entries}
        return {stem for stem, each in boxes.items() if any(map(_has_area, each))}, set(boxes)
    except (KeyError, TypeError) as error:
        raise DataError(
            f"{path}: is not the list of {{url, bboxes: [{{x0, y0, x1, y1}}]}} that was published"
        ) from error


def _has_area(box: dict[str, Any]) -> bool:
    return bool(box["x0"] < box["x1"] and box["y0"] < box["y1"])


def _made_by_detector(table: pd.DataFrame) -> str | None:
    if "face_conf" not in table:
        return None
    return (
        "Groups were made by a face detector (column face_conf): some faces are missed, and some "
        "of what it takes for faces are none (docs/own-data.md gives its precision and recall)."
    )
