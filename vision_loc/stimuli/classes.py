"""Which class somebody's own pictures are of."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import pandas as pd

from common.base.errors import DataError
from vision_loc.stimuli.files import beside, lines_of, read_table

TABLE = "labels.csv"
SOLUTION = "LOC_val_solution.csv"
CAFFE = "val.txt"
DEVKIT = "ILSVRC2012_validation_ground_truth.txt"

_WNID = re.compile(r"n\d{8}")
_WNID_FILE = re.compile(r"(n\d{8})_")


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
    folder = class_folder(file)
    named = _WNID_FILE.match(Path(file).name)
    if named and not folder.isdigit() and not _WNID.fullmatch(folder):
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
        f"class folders, or the ground truth {SOLUTION} or {CAFFE} (docs/own-data.md)"
    )


def class_folder(file: str) -> str:
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
    if (path := beside(folder, SOLUTION)) is not None:
        table = read_table(path, ["ImageId", "PredictionString"])
        return {
            image: prediction.split()[0]
            for image, prediction in zip(table["ImageId"], table["PredictionString"], strict=True)
        }
    if (path := beside(folder, CAFFE)) is not None:
        return dict(_caffe_line(path, line) for line in lines_of(path) if line.strip())
    return {}


def _caffe_line(path: Path, line: str) -> tuple[str, str]:
    words = line.split()
    if len(words) != 2:
        raise DataError(f"{path}: {line.strip()!r} is not FILE CLASS_INDEX")
    return Path(words[0]).stem, words[1]
