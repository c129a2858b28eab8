"""The digests of a run folder's files, kept beside them: a damaged one is no other result.

``digests.json`` is written when a folder is whole, just before what makes it finished. Folders from
before there was one are read as they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from common.base.called import NAME as CALLED
from common.base.errors import RunError
from common.base.files import (
    DIGEST,
    digest_of_file,
    read_sealed,
    remove_file,
    save_sealed,
    save_text,
)

DIGESTS = "digests.json"
NOTE = ".whole"
NOT_COVERED = ("report.html", DIGESTS, CALLED)  # made again, or no part of what was found


def save_digests(folder: Path, besides: Mapping[str, str] | None = None) -> None:
    """Note the digest of every file that a folder holds.

    Parameters
    ----------
    folder : Path
        A run folder, but for what is still to come.
    besides : mapping of str to str, optional
        Digests of files that are still to come.
    """
    files = {
        file.relative_to(folder).as_posix(): digest_of_file(file)
        for file in sorted(folder.rglob("*"))
        if file.is_file() and not file.is_symlink() and _is_kept(file.relative_to(folder))
    }
    save_sealed(folder / DIGESTS, {"files": {**files, **(besides or {})}})


def note_digest(file: Path) -> None:
    """Note the digest of a file beside it, until the folder is whole: a run may go on from it."""
    save_text(_note(file), digest_of_file(file))


def is_whole(file: Path) -> bool:
    """Whether a file is there, and as :func:`note_digest` found it."""
    try:
        return _note(file).read_text(encoding="utf-8") == digest_of_file(file)
    except (OSError, UnicodeDecodeError):
        return False


def drop_notes(folder: Path) -> None:
    """Remove what :func:`note_digest` wrote."""
    for note in folder.rglob(f".*{NOTE}"):
        remove_file(note)


def _note(file: Path) -> Path:
    return file.with_name(f".{file.name}{NOTE}")


def _is_kept(name: Path) -> bool:
    hidden = any(part.startswith(".") for part in name.parts)
    return not hidden and name.parts[0] != "partial" and name.as_posix() not in NOT_COVERED


def check_digests(folder: Path, *names: str) -> None:
    """Hold files of a folder against their digests, those that are noted and there.

    Parameters
    ----------
    *names : str
        Which; left out, all of them.

    Raises
    ------
    RunError
        If one is not what it was; names it.
    """
    if not (folder / DIGESTS).is_file():
        return
    told = read_sealed(folder / DIGESTS)
    files = told.get("files") if isinstance(told, dict) else None
    if not isinstance(files, dict):
        raise RunError(f"{folder / DIGESTS}: holds no digests; run it again in a new folder")
    for name in names or files:
        file = folder / name
        if name in files and file.is_file() and _of(file) != files[name]:
            raise RunError(
                f"{file}: is damaged or was changed (its {DIGEST} is not the one in {DIGESTS}); "
                "run it again in a new folder"
            )


def _of(file: Path) -> str:
    try:
        return digest_of_file(file)
    except OSError as error:
        raise RunError(f"{file}: cannot be read ({error.strerror})") from error
