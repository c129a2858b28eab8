"""Labelled pictures in two groups: from manifests, from somebody's own, or drawn by the phantom."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pandas as pd

from common.base.errors import DataError, ManifestError
from common.data.manifest import (
    Evaluation,
    check_kind,
    data_folder,
    find_folder,
    load_manifest,
    missing_data,
)
from vision_loc import phantom
from vision_loc.stimuli import own
from vision_loc.stimuli.files import check_files
from vision_loc.stimuli.pictures import Picture, Skipped, drawn, open_picture


@dataclass(frozen=True)
class Benchmark:
    """Labelled pictures in two groups, to evaluate on.

    Attributes
    ----------
    target, other : str
        The group that should lose, and the one that should not.
    wnids : dict of int to str
        WordNet id of each class index, where the table has them; held against the model's own.
    classes : dict of int to str
        Name of each class index, where the table has them.
    warning : str, optional
        What a reader should know of how the groups were made.
    skipped : tuple of Skipped
        What was left out.
    """

    name: str
    pictures: tuple[Picture, ...]
    target: str
    other: str
    wnids: dict[int, str] = field(default_factory=dict)
    classes: dict[int, str] = field(default_factory=dict)
    warning: str | None = None
    skipped: tuple[Skipped, ...] = ()

    def class_name(self, index: int) -> str:
        """Name of a class, or its index where it has none."""
        return self.classes.get(index, str(index))


def benchmark(
    name: str,
    data_root: Path | None = None,
    wnids: Sequence[str] | None = None,
    *,
    skip: bool = False,
) -> Benchmark:
    """The benchmark of that name, or somebody's own pictures.

    Parameters
    ----------
    name : str
        A manifest, or the path of a folder or of a table (see :mod:`vision_loc.stimuli.own`).
    wnids : sequence of str, optional
        The model's own WordNet ids, for class folders that are named by them.
    skip : bool, default=False
        Files that are missing are no error; :func:`benchmark_without_broken` leaves them out.

    Raises
    ------
    DataError
        If there is none, its files are missing, or its table is broken.
    """
    if own.is_own(name):
        return _own(Path(name), wnids, skip)
    manifest = load_manifest(name)
    check_kind(manifest, f"`evaluation` {name}", "pictures")
    if manifest.name == own.ILSVRC:
        if (folder := find_folder(manifest, data_root)) is None:
            raise DataError(missing_data(manifest, data_root))
        return _own(folder, wnids, skip)
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
        return Benchmark(manifest.name, tuple(pictures), entry.target, entry.other, classes=classes)
    folder = data_folder(manifest, data_root)
    return _from_table(manifest.name, entry, folder, manifest.warning, skip)


def _own(path: Path, wnids: Sequence[str] | None, skip: bool) -> Benchmark:
    found = own.own_set(path, wnids, skip=skip)
    rows = found.table[["file", "group", "class_index"]].itertuples(index=False, name=None)
    pictures = tuple(_labelled(found.folder, *row) for row in rows)
    return Benchmark(
        found.name,
        pictures,
        found.target,
        found.other,
        found.wnids,
        found.classes,
        found.warning,
    )


def _labelled(folder: Path, file: str, group: str, label: int) -> Picture:
    return Picture(file, group, partial(open_picture, folder / file), folder / file, int(label))


def _from_table(
    name: str, entry: Evaluation, folder: Path, warning: str | None, skip: bool
) -> Benchmark:
    path = folder / (entry.table or "")
    try:
        table = pd.read_csv(path, dtype={entry.file: str, entry.group: str})
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read as a table ({error})") from error
    optional = filter(None, [entry.wnid, entry.class_name])
    columns = [entry.file, entry.label, entry.group, *optional]
    if missing := [column for column in columns if column not in table.columns]:
        raise DataError(f"{path}: has no column {missing[0]!r}; it has {', '.join(table.columns)}")
    table = table[table[entry.group].isin([entry.target, entry.other])]
    if not skip:
        check_files(path, folder, table[entry.file].tolist())
    labels = pd.to_numeric(table[entry.label], errors="coerce")
    if labels.isna().any():
        raise DataError(f"{path}: column {entry.label!r} holds something that is no class index")
    pictures = tuple(
        _labelled(folder, file, group, label)
        for file, label, group in zip(table[entry.file], labels, table[entry.group], strict=True)
    )
    wnids, classes = (
        dict(zip(labels.astype(int), table[column].astype(str), strict=True)) if column else {}
        for column in (entry.wnid, entry.class_name)
    )
    return Benchmark(name, pictures, entry.target, entry.other, wnids, classes, warning)
