"""Pictures of which nobody knows the class: two folders, to be judged by agreement.

``faces=celeba,others=coco`` names them, the target first; a single folder may hold the two. One of
them alone, ``faces=celeba``, is judged by itself.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from common.base.errors import SettingError
from common.data.manifest import known_manifests
from vision_loc.stimuli.files import check_apart, files_in
from vision_loc.stimuli.pictures import Picture, open_picture

FORM = "NAME=FOLDER,NAME=FOLDER"
_NAMED = re.compile(r"(?P<group>[^=,/\\]+)=(?P<folder>.+)")


def named_folders(name: str) -> list[tuple[str, Path]] | None:
    """The groups and their folders that an evaluation's name says; ``None`` for another name.

    A comma inside a folder's name parts it only where what follows is ``NAME=``.

    Parameters
    ----------
    name : str
        As ``faces=celeba,others=coco``.

    Raises
    ------
    SettingError
        If it names more than two folders, or two of one name.
    """
    if not _NAMED.fullmatch(name) or name in known_manifests() or os.path.exists(name):  # noqa: PTH110 (a long name is no error)
        return None
    parts = re.split(r",(?=[^=,/\\]+=)", name)
    named = [found for part in parts if (found := _NAMED.fullmatch(part.strip()))]
    groups = [found["group"].strip() for found in named]
    if len(named) != len(parts) or len(named) > 2 or len(set(groups)) != len(named):
        raise SettingError(
            f"`evaluation` {name}: two folders are compared, as in {FORM}, or one is by itself"
        )
    return [
        (group, Path(found["folder"]).expanduser())
        for group, found in zip(groups, named, strict=True)
    ]


def pictures_of(named: Sequence[tuple[str, Path]]) -> tuple[Picture, ...]:
    """All pictures of the folders and their subfolders; a file's name begins with its group.

    Raises
    ------
    DataError
        If there is no such folder, it holds no pictures, or one lies in the other.
    """
    if len(named) > 1:
        check_apart(named[0][1], named[1][1])
    return tuple(
        Picture(
            f"{group}/{file.relative_to(folder).as_posix()}",
            group,
            partial(open_picture, file),
            file,
        )
        for group, folder in named
        for file in files_in(folder)
    )


def subfolders(folder: Path) -> list[str]:
    """Names of the folders in a folder, hidden ones left out."""
    if not folder.is_dir():
        return []
    return sorted(p.name for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))
