"""Labelled pictures in two groups: from manifests, from somebody's own, or drawn by the phantom."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Literal

import pandas as pd

from common.base.errors import DataError, ManifestError
from common.base.tables import read_table
from common.data.manifest import (
    Evaluation,
    Within,
    check_kind,
    data_folder,
    find_folder,
    load_manifest,
    missing_data,
)
from common.effects.described import ClassMatch, Occlusion, Subset, WithinClass
from vision_loc import phantom
from vision_loc.stimuli import own
from vision_loc.stimuli.boxes import COLUMN, Boxes, boxes_of, known_boxes
from vision_loc.stimuli.classes import by_index, class_numbers
from vision_loc.stimuli.files import check_files, passed_over
from vision_loc.stimuli.pictures import Picture, Skipped, drawn, open_picture
from vision_loc.stimuli.unlabelled import named_folders, pictures_of


@dataclass(frozen=True)
class Benchmark:
    """Labelled pictures in two groups, or in one, to evaluate on.

    Attributes
    ----------
    target, other : str, str or None
        The group that should lose, and the one that should not; ``None`` where there is one alone.
    wnids : dict of int to str
        WordNet id of each class index, where the table has them.
    classes : dict of int to str
        Name of each class index, where the table has them.
    numbered : {"own", "model", "wnid"}
        Whose the class numbers are: the set's own, the model's, or made from WordNet ids.
    match, choose_from
        How its classes were matched to a model's, and the only ones that the model may choose
        from, if not from all; see :mod:`vision_loc.matching`.
    warning : str, optional
        What a reader should know of how the groups were made.
    skipped : tuple of Skipped
        What was left out.
    within : Within
        What classes must have for the groups to be compared within them.
    within_class, occlusion
        How the groups were made alike, where they were; see :mod:`vision_loc.stimuli.alike`.
    subset : Subset
        Which part it is of a larger one; see :mod:`vision_loc.stimuli.fewer`.
    """

    name: str
    pictures: tuple[Picture, ...]
    target: str
    other: str | None
    wnids: dict[int, str] = field(default_factory=dict)
    classes: dict[int, str] = field(default_factory=dict)
    warning: str | None = None
    numbered: Literal["own", "model", "wnid"] = field(default="own", kw_only=True)
    skipped: tuple[Skipped, ...] = ()
    within: Within = field(default_factory=Within)
    within_class: WithinClass | None = None
    occlusion: Occlusion | None = None
    subset: Subset | None = None
    match: ClassMatch | None = None
    choose_from: tuple[int, ...] = ()

    def class_name(self, index: int) -> str:
        """Name of a class, or its index where it has none."""
        return self.classes.get(index, str(index))


def benchmark(
    name: str,
    data_root: Path | None = None,
    *,
    skip: bool = False,
    more_others: bool = False,
    labelled: bool = True,
) -> Benchmark:
    """The benchmark of that name, or somebody's own pictures.

    Parameters
    ----------
    name : str
        A manifest, the path of a folder or of a table (see :mod:`vision_loc.stimuli.own`), or two
        folders without classes, or one (see :mod:`vision_loc.stimuli.unlabelled`).
    skip : bool, default=False
        Files that are missing are no error; :func:`benchmark_without_broken` leaves them out.
    more_others : bool, default=False
        Whether rows count as the other group that do so where groups are compared within classes
        (see :class:`common.data.manifest.Within`).
    labelled : bool, default=True
        Whether pictures need a class; without, those of a folder of one's own have none.

    Raises
    ------
    DataError
        If there is none, its files are missing, or its table is broken.
    """
    if (named := named_folders(name)) is not None:
        told = ",".join(f"{group}={folder.resolve().name}" for group, folder in named)
        target, other = named[0][0], named[1][0] if len(named) > 1 else None
        warning = passed_over(*(folder for _, folder in named))
        return Benchmark(told, pictures_of(named), target, other, warning=warning)
    if own.is_own(name):
        return _own(Path(name), skip, labelled)
    manifest = load_manifest(name)
    check_kind(manifest, f"`evaluation` {name}", "pictures")
    if manifest.name == own.ILSVRC:
        if (folder := find_folder(manifest, data_root)) is None:
            raise DataError(missing_data(manifest, data_root))
        return _own(folder, skip, labelled)
    entry = manifest.evaluation
    if entry is None:
        raise ManifestError(f"`evaluation` {name}: a localizer only; it has no labelled items")
    if entry.draw:
        pictures = [
            picture
            for group in (entry.target, entry.other)
            for picture in drawn(group, group, entry.n or 1, "eval")
        ]
        names = phantom.CLASSES if entry.target in ("face", "object") else phantom.CONDITIONS
        classes = dict(enumerate(names))
        sides = (entry.target, entry.other)
        return Benchmark(manifest.name, tuple(pictures), *sides, classes=classes, numbered="model")
    folder = data_folder(manifest, data_root)
    found = _from_table(manifest.name, entry, folder, skip, more_others)
    return replace(found, warning=manifest.warning)


def _own(path: Path, skip: bool, labelled: bool) -> Benchmark:
    found = own.own_set(path, skip=skip, labelled=labelled)
    rows = found.table[["file", "group", "class_index"]].itertuples(index=False, name=None)
    known = _boxes_in(path, found.table, found.table["file"].tolist())
    pictures = tuple(_labelled(found.folder, known, *row) for row in rows)
    return Benchmark(
        found.name,
        pictures,
        found.target,
        found.other,
        found.wnids,
        found.classes,
        found.warning,
        numbered="model" if found.numbered else "wnid",
    )


def _labelled(folder: Path, known: Boxes, file: str, group: str, label: int) -> Picture:
    path = folder / file
    opened = partial(open_picture, path)
    return Picture(file, group, opened, path, int(label), faces=known.get(file, ()))


def _boxes_in(path: Path, table: pd.DataFrame, files: Sequence[str]) -> Boxes:
    return boxes_of(path, files, table[COLUMN].tolist()) if COLUMN in table else {}


def _with_more_others(path: Path, table: pd.DataFrame, entry: Evaluation) -> pd.DataFrame:
    """The table with the rows of the other group that only count within classes."""
    rule = entry.within
    if rule.others is None or rule.column is None:
        return table
    if rule.column not in table:
        raise DataError(f"{path}: has no column {rule.column!r}; it has {', '.join(table.columns)}")
    numbers = pd.to_numeric(table[rule.column], errors="coerce")
    more = (table[entry.group] == rule.others) & (numbers < rule.below)
    return table.assign(**{entry.group: table[entry.group].mask(more, entry.other)})


def _from_table(
    name: str, entry: Evaluation, folder: Path, skip: bool, more_others: bool
) -> Benchmark:
    path = folder / (entry.table or "")
    optional = filter(None, [entry.wnid, entry.class_name])
    table = read_table(path, [entry.file, entry.label, entry.group, *optional])
    table = table.assign(**{entry.label: class_numbers(path, table[entry.label])})
    if more_others:
        table = _with_more_others(path, table, entry)
    whole, table = table, table[table[entry.group].isin([entry.target, entry.other])]
    if not skip:
        check_files(path, folder, table[entry.file].tolist())
    files = table[entry.file].tolist()
    known = {**known_boxes(entry.boxes), **_boxes_in(path, table, files)}
    rows = [table[column] for column in (entry.file, entry.group, entry.label)]
    pictures = tuple(_labelled(folder, known, *row) for row in zip(*rows, strict=True))
    wnids, classes = (
        by_index(path, whole, entry.label, column) if column else {}
        for column in (entry.wnid, entry.class_name)
    )
    return Benchmark(name, pictures, entry.target, entry.other, wnids, classes, within=entry.within)
