"""Somebody's own pictures: folders, tables, and ILSVRC validation sets in either usual layout.

What is read, in this order (``docs/own-data.md`` says it with examples):

==========  =====================================================================================
pictures    the rows of a table (a CSV file, or ``labels.csv`` in the folder); without a table,
            every picture in the folder
class       column ``class_index``; else column ``wnid``; else the published ground truth of
            ILSVRC; else the name of the class folder, or a file name like
            ``n01440764_10026.JPEG``
group       column ``group``; else ``groups.csv``; else ``face_annotations_ILSVRC.json``; else,
            where no class is needed, the two folders in the folder
==========  =====================================================================================
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from common.base.tables import is_table
from common.data.manifest import known_manifests
from vision_loc.stimuli.classes import TABLE, add_classes, by_index
from vision_loc.stimuli.files import (
    check_files,
    passed_over,
    picture_names,
    pictures_folder,
    read_table,
)
from vision_loc.stimuli.groups import choose_groups, groups_of, made_by_detector

ILSVRC = "imagenet"


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
    numbered : bool
        Whether class numbers were given; else they were made from WordNet ids.
    """

    name: str
    folder: Path
    table: pd.DataFrame
    target: str
    other: str | None
    wnids: dict[int, str] = field(default_factory=dict)
    classes: dict[int, str] = field(default_factory=dict)
    warning: str | None = None
    numbered: bool = True


def is_own(name: str) -> bool:
    """Whether a benchmark's name is the path of a folder or table rather than of a manifest."""
    if name in known_manifests() or name.endswith((".yaml", ".yml")):
        return False
    path = Path(name)
    return is_table(path) or len(path.parts) > 1 or path.is_dir()


def own_set(path: Path, *, skip: bool = False, labelled: bool = True) -> OwnSet:
    """Read somebody's own pictures, with classes and groups.

    Parameters
    ----------
    path : Path
        A folder, or a table whose files are relative to the folder that it lies in.
    skip : bool, default=False
        Files of the table that are missing are no error.
    labelled : bool, default=True
        Whether a picture needs a class; without, the class index of all is -1.

    Raises
    ------
    DataError
        If something is missing, broken, or cannot be told: which class, which group, or which of
        the groups is the target.
    """
    folder = path.parent if is_table(path) else path
    table = _rows(path)
    if "group" not in table:
        files = table["file"].tolist()
        table["group"], warning = groups_of(folder, files, by_folder=not labelled)
    else:
        warning = made_by_detector(table)
    if path.is_dir() and not (path / TABLE).is_file():
        warning = " ".join(filter(None, [warning, passed_over(pictures_folder(path))])) or None
    table["group"] = table["group"].str.strip()
    target, other = choose_groups(path, table["group"].tolist())
    table = table[table["group"].isin([target, other])]
    if not skip:
        check_files(path, folder, table["file"].tolist())
    if not labelled:
        table = table.assign(class_index=-1)
        return OwnSet(folder.resolve().name, folder, table, target, other, warning=warning)
    numbered = "class_index" in table
    table = add_classes(path, table)
    wnids, classes = (
        by_index(path, table, "class_index", name) if name in table else {}
        for name in ("wnid", "class_name")
    )
    return OwnSet(
        folder.resolve().name,
        folder,
        table,
        target,
        other,
        wnids,
        classes,
        warning,
        numbered or not wnids,
    )


def _rows(path: Path) -> pd.DataFrame:
    if is_table(path):
        return read_table(path, ["file"])
    if path.is_dir() and (path / TABLE).is_file():
        return read_table(path / TABLE, ["file"])
    return pd.DataFrame({"file": picture_names(path)})
