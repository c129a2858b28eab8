"""Downloads: stimulus sets that are got whole, checked and put in place in one step, or not at all.

:func:`fetch` collects everything in ``ROOT/.partial/NAME`` and renames that to ``ROOT/NAME`` when
the last file is right, so the folder is complete and carries a stamp, or is not there. A second
process that wants the same set waits.
"""

from __future__ import annotations

import json
import lzma
import shutil
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from importlib.resources.abc import Traversable
from pathlib import Path, PurePosixPath
from typing import IO, Annotated, Any
from urllib.parse import quote

import requests
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationInfo,
    model_validator,
)

from common.base.cache import PARTIAL, STAMP, alone
from common.base.errors import DataError
from common.base.files import digest_of, mismatch, sha256_of
from common.base.progress import Progress, silent
from common.base.tables import lines_of
from common.data.transfer import get

BROKEN_ARCHIVE = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    lzma.LZMAError,
    EOFError,
)


# --- what a manifest says of a download ---


def _inside(path: str) -> str:
    """Refuse a path that leads out of the folder that it is meant for."""
    parts = PurePosixPath(path.replace("\\", "/")).parts
    if not parts or parts[0] == "/" or ".." in parts or ":" in parts[0]:
        raise ValueError(f"{path!r} leads out of its folder")
    return path


Url = Annotated[str, Field(pattern=r"^https?://")]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Inside = Annotated[str, AfterValidator(_inside)]


class Download(BaseModel):
    """How the files of a manifest are got: out of one archive, or one by one.

    A manifest may name a file in the format of ``sha256sum``, as ``checksums``, instead of listing
    ``files``; its path starts at the manifest.

    Attributes
    ----------
    archive : str, optional
        URL of a zip or tar.
    strip : str
        What the names of the archive's members begin with, and the files' names do not. Members
        that begin otherwise are left out.
    sha256 : str, optional
        Checksum of the archive. Archives that GitHub makes on demand have none that lasts.
    unchecked : str, optional
        Why there is no checksum to hold the archive against. That of the archive that came is
        noted in the folder's stamp, for others to compare.
    base : str, optional
        URL that the files' paths are put behind.
    files : dict of str to str
        Path of each file, from the manifest's folder on, and its SHA-256. An archive with a
        checksum of its own may go without: then all of it is taken.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    archive: Url | None = None
    strip: str = ""
    sha256: Sha256 | None = None
    unchecked: str | None = None
    base: Url | None = None
    files: dict[Inside, Sha256] = {}

    @model_validator(mode="before")
    @classmethod
    def _read_checksums(cls, entry: Any, info: ValidationInfo) -> Any:
        if not isinstance(entry, dict) or "checksums" not in entry:
            return entry
        if "files" in entry:
            raise ValueError("give either files or checksums")
        beside = (info.context or {}).get("beside")
        if beside is None:
            raise ValueError("checksums can be named in the file of a manifest only")
        rest = {key: value for key, value in entry.items() if key != "checksums"}
        return {**rest, "files": read_checksums(beside / str(entry["checksums"]))}

    @model_validator(mode="after")
    def _checked(self) -> Download:
        if (self.archive is None) == (self.base is None):
            raise ValueError("a download has either an archive or a base")
        known = bool(self.files or (self.archive and self.sha256))
        if not known and not (self.archive and self.unchecked):
            raise ValueError("a download needs checksums: of the files, or of the archive")
        if known and self.unchecked:
            raise ValueError("unchecked is for an archive without any checksum")
        return self

    @property
    def fingerprint(self) -> str:
        """Changes with every URL and checksum."""
        return digest_of(self.model_dump())


def read_checksums(file: Traversable) -> dict[str, str]:
    """Read a table of checksums as ``sha256sum`` writes it; lines with ``#`` are comments.

    Returns
    -------
    dict of str to str
        SHA-256 by path.

    Raises
    ------
    ValueError
        If the table cannot be read, or a line of it is none of the kind.
    """
    try:
        lines = lines_of(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{file}: cannot be read ({error})") from error
    checksums = {}
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        sha256, _, path = line.partition("  ")
        if not path:
            raise ValueError(f"{file}: line {number} is not SHA256, two spaces, PATH")
        checksums[path] = sha256
    return checksums


# --- a whole set ---


def is_whole(folder: Path) -> bool:
    """Whether a folder was placed by :func:`fetch`, and so is complete."""
    return (folder / STAMP).is_file()


def is_outdated(folder: Path, download: Download) -> bool:
    """Whether a folder was placed by :func:`fetch`, but for other files than these."""
    if not is_whole(folder):
        return False
    try:
        stamp = json.loads((folder / STAMP).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{folder / STAMP}: cannot be read ({error})") from error
    return bool(stamp.get("download") != download.fingerprint)


def fetch(name: str, download: Download, root: Path, progress: Progress = silent) -> Path:
    """Get a stimulus set, so that ``ROOT/NAME`` is complete; nothing is done if it is already.

    Parameters
    ----------
    name : str
        The manifest's name, and that of the folder.
    download : Download
        What to get, and its checksums.
    root : Path
        The cache, or another folder for it.
    progress : Progress
        Told the kilobytes of an archive, then its files; or the files alone.

    Returns
    -------
    Path
        ``ROOT/NAME``.

    Raises
    ------
    DataError
        If the network, the server, a checksum, the archive, or the disk is in the way, or a folder
        of that name is there that is another one's. ``ROOT/NAME`` is not touched then.
    """
    place, work = root / name, root / PARTIAL / name
    if is_whole(place) and not is_outdated(place, download) and not work.exists():
        return place
    try:
        with alone(root / PARTIAL / f"{name}.lock", name, progress):
            if not is_whole(place) or is_outdated(place, download):
                _fill(name, download, place, work, progress)
            shutil.rmtree(work, ignore_errors=True)  # also what one left that was killed just here
    except OSError as error:
        raise DataError(
            f"{error.filename or place}: cannot be written ({error.strerror or error}); "
            "choose another folder by FUNCLOC_CACHE"
        ) from error
    return place


def _fill(name: str, download: Download, place: Path, work: Path, progress: Progress) -> None:
    if place.exists():
        why = "of another revision" if is_whole(place) else "not made by a download"
        raise DataError(f"{place}: is there, but {why}; move it away first")
    draft = work / "files"
    if download.archive is not None:
        archive = work / "archive"
        if not archive.exists():
            get(download.archive, archive, download.sha256, _kilobytes(name, progress))
        _unpack(name, archive, draft, download, progress)
    else:
        _get_each(name, draft, download, progress)
    stamp = {"download": download.fingerprint, "from": download.archive or download.base}
    if download.unchecked is not None:
        stamp["sha256"] = sha256_of(archive)
    (draft / STAMP).write_text(json.dumps(stamp) + "\n", encoding="utf-8")
    draft.replace(place)


def _kilobytes(name: str, progress: Progress) -> Callable[[int, int], None]:
    def report(done: int, total: int) -> None:
        # Rounded up, so that the step ends with its last byte and not before.
        progress(f"download {name} (kB)", done // 1000 + (done >= total), total // 1000 + 1)

    return report


def _get_each(name: str, draft: Path, download: Download, progress: Progress) -> None:
    base = f"{(download.base or '').rstrip('/')}/"
    with requests.Session() as session:
        for number, (path, sha256) in enumerate(download.files.items(), 1):
            if not (draft / path).exists():
                get(base + quote(path), draft / path, sha256, session=session)
            progress(f"download {name} (files)", number, len(download.files))


def _unpack(name: str, archive: Path, draft: Path, download: Download, progress: Progress) -> None:
    """Take the files out of an archive; one that is not right is removed, to be got anew."""
    shutil.rmtree(draft, ignore_errors=True)
    try:
        got = 0
        for path, content in _wanted(archive, download):
            _extract(path, content, draft, download.files)
            got += 1
            progress(f"unpack {name}", got, max(got + 1, len(download.files)))
        progress(f"unpack {name}", got, got)
        _all_there(draft, download.files)
    except (*BROKEN_ARCHIVE, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:  # else: gzip's, of bad data
            raise
        archive.unlink()
        raise DataError(
            f"{download.archive}: no archive that can be read ({error}); it was removed"
        ) from error
    except DataError as error:
        archive.unlink()
        raise DataError(f"{download.archive}: {error}") from error


def _wanted(archive: Path, download: Download) -> Iterator[tuple[str, IO[bytes]]]:
    members = _in_zip(archive) if zipfile.is_zipfile(archive) else _in_tar(archive)
    for member, content in members:
        try:
            _inside(member)
        except ValueError as error:
            raise DataError(f"the archive is refused, for its member {error}") from error
        path = member.removeprefix(download.strip)
        listed = path in download.files if download.files else path not in ("", STAMP)
        if content is not None and member.startswith(download.strip) and listed:
            yield path, content


def _in_zip(archive: Path) -> Iterator[tuple[str, IO[bytes] | None]]:
    with zipfile.ZipFile(archive) as bundle:
        for info in bundle.infolist():
            if info.is_dir():
                yield info.filename, None
                continue
            try:
                content = bundle.open(info)
            except RuntimeError as error:  # encrypted, or packed by an unknown method
                raise zipfile.BadZipFile(str(error)) from error
            with content:
                yield info.filename, content


def _in_tar(archive: Path) -> Iterator[tuple[str, IO[bytes] | None]]:
    with tarfile.open(archive) as bundle:
        for info in bundle:
            yield info.name, bundle.extractfile(info) if info.isfile() else None


def _extract(path: str, content: IO[bytes], draft: Path, checksums: Mapping[str, str]) -> None:
    target = draft / path
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("wb") as file:
        shutil.copyfileobj(content, file)
    expected = checksums.get(path)
    if expected is not None and (found := sha256_of(target)) != expected:
        target.unlink()
        raise DataError(mismatch(path, expected, found, "in the archive"))


def _all_there(draft: Path, checksums: Mapping[str, str]) -> None:
    missing = [path for path in checksums if not (draft / path).is_file()]
    if missing:
        raise DataError(
            f"{len(missing)} of {len(checksums)} files are not in the archive, the first: "
            + ", ".join(missing[:3])
        )
    if not draft.is_dir():
        raise DataError("no file of the archive is where the manifest says")
