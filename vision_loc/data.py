"""``vision-loc data``: which pictures there are, whether they are whole, getting, tagging."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import pandas as pd
import typer
from rich.console import Console

from common.base.errors import DataError, SettingError
from common.base.files import write_atomically
from common.base.progress import terminal
from common.base.tables import is_table, read_table
from common.cli import options
from common.cli.data_command import data_app
from common.cli.printing import print_warnings
from common.study.settings import ON_ERROR
from vision_loc.stimuli.classes import TABLE, add_classes, of_imagenet
from vision_loc.stimuli.faces import FACE, NONFACE, find_faces
from vision_loc.stimuli.files import SUFFIXES, picture_names
from vision_loc.stimuli.groups import GROUPS
from vision_loc.stimuli.pictures import Skipped, open_picture


def _read(path: Path) -> None:
    if path.suffix.lower() in SUFFIXES:
        open_picture(path)
    elif is_table(path):
        read_table(path)
    else:
        path.read_bytes()


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

    Columns: file, n_faces, max_face_area, face_conf, group (face, nonface, ambiguous), boxes (of
    the finds, for --eval occlusion:TABLE); and the class of each picture, where the folders, the
    file names or a ground truth tell it. Needs the package's extra "faces". How often it
    is right: docs/own-data.md
    """
    table_path = out or folder / TABLE
    if table_path.exists():
        raise SettingError(
            f"{table_path}: is there already; name another table with `out` "
            f"({folder / GROUPS} is looked for, too)"
        )
    skip = options.one_of("on_error", on_error, ON_ERROR) == "skip"
    files = picture_names(folder)
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
        found = add_classes(folder, table)
    except DataError:  # pictures that are not sorted by class, which is no error here
        return table
    made = "wnid" in found and not of_imagenet(found["wnid"])
    return found.drop(columns="class_index") if made else found


app = data_app("pictures", _read)
app.command("tag-faces")(tag_faces)
