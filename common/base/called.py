"""What people call a run, and what they note of it.

It is kept in a file of its own, which no digest covers and no number depends on: a run may be named
while it goes on, and stays what it was.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

from common.base.errors import RunError, SettingError
from common.base.files import read_json, save_json

NAME = "called.json"
LONGEST_NAME, LONGEST_NOTE = 100, 4000  # letters


@dataclass(frozen=True)
class Called:
    """A run's name and what is noted of it; empty where nobody said."""

    name: str = ""
    note: str = ""


def called(folder: Path) -> Called:
    """What a run folder is called; nothing where that cannot be read."""
    try:
        path = folder / NAME  # a link may lead to anybody's file
        told = read_json(path) if path.is_file() and not path.is_symlink() else {}
        return Called(str(told.get("name", "")), str(told.get("note", "")))
    except (RunError, AttributeError):
        return Called()


def call(folder: Path, name: str | None = None, note: str | None = None) -> Called:
    """Give a run a name and a note, or take them away.

    Parameters
    ----------
    folder : Path
        A run folder.
    name, note : str, optional
        One line, and any text; left out, it stays as it is, and empty it is taken away.

    Raises
    ------
    SettingError
        If one is too long.
    RunError
        If the folder is of no run, or the file cannot be written.
    """
    if not (folder / "run.json").is_file():
        raise RunError(f"{folder}: holds no run (no run.json)")
    before = called(folder)
    now = Called(
        before.name if name is None else " ".join(name.split()),
        before.note if note is None else note.strip(),
    )
    for what, text, longest in (("name", now.name, LONGEST_NAME), ("note", now.note, LONGEST_NOTE)):
        if len(text) > longest:
            raise SettingError(f"`{what}` of {len(text):,} letters: give {longest:,} at most")
    try:
        (folder / NAME).unlink(missing_ok=True)  # a link that lies there is not written through
        if now != Called():
            save_json(folder / NAME, asdict(now))
    except OSError as error:
        raise RunError(f"{folder / NAME}: cannot be written ({error.strerror})") from error
    return now
