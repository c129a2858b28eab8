"""Which class somebody's own pictures are of."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path

import pandas as pd

from common.base.errors import DataError
from common.base.tables import is_table, lines_of, read_text
from vision_loc.classes import BASE, WNID, imagenet_list
from vision_loc.stimuli.files import beside, read_table
from vision_loc.stimuli.listed import by_path

TABLE = "labels.csv"
SOLUTION = "LOC_val_solution.csv"
CAFFE = "val.txt"
DEVKIT = "ILSVRC2012_validation_ground_truth.txt"

_WNID_FILE = re.compile(r"(n\d{8})_")


@cache
def imagenet_classes() -> dict[str, tuple[int, str]]:
    """Index and name of each of ImageNet's 1,000 classes, by WordNet id."""
    return {wnid: (index, name) for index, (wnid, name) in enumerate(imagenet_list(BASE))}


def add_classes(path: Path, table: pd.DataFrame) -> pd.DataFrame:
    """Complete a table by ``class_index``, and by ``wnid`` and ``class_name`` where they are known.

    Where WordNet ids are all that is known, the numbers are ImageNet's own, or, if one of the ids
    is none of ImageNet's 1,000, their places among those of the table.

    Raises
    ------
    DataError
        If the class of a picture cannot be told, or is no class index.
    """
    table = table.copy()
    if "class_index" not in table:
        words = table["wnid"].tolist() if "wnid" in table else _class_words(path, table["file"])
        if all(WNID.fullmatch(word) for word in words):
            table["wnid"], table["class_index"] = words, _numbered(words)
            _name_classes(table)
        else:
            table["class_index"] = [_class_index(path, word) for word in words]
        return table
    table["class_index"] = class_numbers(path, table["class_index"])
    return table


def class_numbers(path: Path, column: pd.Series[str]) -> pd.Series[int]:
    """A table's column of class numbers.

    Raises
    ------
    DataError
        If a row holds something else; names it.
    """
    numbers = pd.to_numeric(column, errors="coerce")
    wrong = numbers.isna() | (numbers % 1 != 0)
    if wrong.any():
        raise DataError(
            f"{path}: column {column.name!r} holds {column[wrong].iloc[0]!r} in row "
            f"{wrong.idxmax()}, which is no class "
            "index"
        )
    return numbers.astype(int)


def of_imagenet(wnids: Iterable[str]) -> bool:
    """Whether all of these WordNet ids are among ImageNet's 1,000."""
    return set(wnids) <= set(imagenet_classes())


def _numbered(wnids: Sequence[str]) -> list[int]:
    if of_imagenet(wnids):
        return [imagenet_classes()[wnid][0] for wnid in wnids]
    place = {wnid: index for index, wnid in enumerate(sorted(set(wnids)))}
    return [place[wnid] for wnid in wnids]


def _name_classes(table: pd.DataFrame) -> None:
    if "class_name" not in table and of_imagenet(table["wnid"]):
        table["class_name"] = [imagenet_classes()[wnid][1] for wnid in table["wnid"]]


def by_index(path: Path, table: pd.DataFrame, label: str, column: str) -> dict[int, str]:
    """What a column says of each class number.

    Raises
    ------
    DataError
        If it says two things of one number.
    """
    known = table[[label, column]].replace("", None).dropna().drop_duplicates()
    found: dict[int, str] = {}
    for index, value in zip(known[label].astype(int), known[column].astype(str), strict=True):
        if found.setdefault(index, value) != value:
            raise DataError(
                f"{path}: class {index} is both {found[index]} and {value} in column {column!r}"
            )
    return found


def _class_words(path: Path, files: pd.Series[str]) -> list[str]:
    """What stands for the class of each file: a number, a WordNet id, or a folder's name."""
    truth = _ground_truth(path.parent if is_table(path) else path, files.tolist())
    return [
        told or _word_of_file(path, file) for told, file in zip(truth, files.tolist(), strict=True)
    ]


def _word_of_file(path: Path, file: str) -> str:
    folder = class_folder(file)
    named = _WNID_FILE.match(Path(file).name)
    if named and not folder.isdigit() and not WNID.fullmatch(folder):
        return named.group(1)
    if folder:
        return folder
    if (devkit := beside(path, DEVKIT)) is not None:
        raise DataError(
            f"{devkit}: numbers the classes in the development kit's own order, not by sorted "
            f"WordNet id; put {SOLUTION} (Kaggle) or {CAFFE} (Caffe) there instead"
        )
    raise DataError(
        f"{path}: nothing says which class {file} is; give the column class_index in {TABLE}, "
        f"class folders, or the ground truth {SOLUTION} or {CAFFE} (docs/own-data.md); without any "
        "class: `measure` agreement"
    )


def class_folder(file: str) -> str:
    """The first folder in a file's name, but for ``val/``; empty if there is none."""
    folders = Path(file).parts[:-1]
    return next(iter(folders[1:] if folders[:1] == ("val",) else folders), "")


def _class_index(path: Path, word: str) -> int:
    if word.isascii() and word.isdigit():
        return int(word)
    if WNID.fullmatch(word):
        raise DataError(
            f"{path}: some classes are told by WordNet ids like {word} and others by numbers; "
            f"give the column class_index or wnid in {TABLE}"
        )
    raise DataError(
        f"{path}: the class {word!r} is neither a class index nor a WordNet id like n01440764; "
        f"give the column class_index in {TABLE}, or without any class: `measure` agreement"
    )


def _ground_truth(folder: Path, files: Sequence[str]) -> Sequence[str | None]:
    """WordNet id of each picture, from a published ground truth."""
    if (path := beside(folder, SOLUTION)) is not None:
        table = read_table(path, ["ImageId", "PredictionString"])
        words = (prediction.split()[0] for prediction in table["PredictionString"])
        return by_path(path, zip(table["ImageId"], words, strict=True), files)
    if (path := beside(folder, CAFFE)) is not None:
        lines = (line for line in lines_of(read_text(path)) if line.strip())
        return by_path(path, (_caffe_line(path, line) for line in lines), files)
    return [None] * len(files)


def _caffe_line(path: Path, line: str) -> tuple[str, str]:
    words = line.split()
    if len(words) != 2:
        raise DataError(f"{path}: {line.strip()!r} is not FILE CLASS_INDEX")
    number = int(words[1]) if words[1].isascii() and words[1].isdigit() else -1
    if not 0 <= number < len(imagenet_list(BASE)):
        raise DataError(f"{path}: {words[1]!r} is none of ImageNet's 1,000 classes, from 0 on")
    return words[0], imagenet_list(BASE)[number][0]
