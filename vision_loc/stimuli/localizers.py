"""Contrasts of pictures: from manifests, or from somebody's own two folders."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

from common.base.errors import DataError
from common.base.files import apart_by_name
from common.data.manifest import (
    Condition,
    Manifest,
    check_kind,
    data_folder,
    load_manifest,
    matching,
)
from vision_loc.stimuli.files import check_apart, files_in, passed_over
from vision_loc.stimuli.pictures import Picture, Skipped, drawn, open_picture


@dataclass(frozen=True)
class Localizer:
    """A contrast with its stimuli.

    Attributes
    ----------
    name : str
        As in ``floc:faces``.
    target, control : tuple of Picture
        The stimuli of each side, in the order of their names.
    skipped : tuple of Skipped
        What was left out of either.
    warning : str, optional
        What a reader should know of them.
    """

    name: str
    target: tuple[Picture, ...]
    control: tuple[Picture, ...]
    skipped: tuple[Skipped, ...] = ()
    warning: str | None = None

    def __post_init__(self) -> None:
        for side in ("target", "control"):
            if len(getattr(self, side)) < 4:
                raise DataError(
                    f"{self.name}: {len(getattr(self, side))} {side} pictures; "
                    "a contrast with its split halves needs 4 at least"
                )


def localizer(spec: str, data_root: Path | None = None, *, skip: bool = False) -> Localizer:
    """The localizer called ``MANIFEST:CONTRAST``, or ``MANIFEST:CONTRAST:CONDITIONS``.

    Parameters
    ----------
    skip : bool, default=False
        Files that are missing are no error; :func:`localizer_without_broken` leaves them out.

    Raises
    ------
    DataError
        If there is none, or its files are missing.
    """
    name, _, wanted = spec.partition(":")
    manifest = load_manifest(name)
    check_kind(manifest, f"`localizer` {spec}", "pictures")
    chosen, contrast = manifest.contrast(wanted or None)
    sides = [
        tuple(
            picture
            for condition in conditions
            for picture in _condition(manifest, condition, data_root, skip)
        )
        for conditions in (contrast.target, contrast.control)
    ]
    return Localizer(f"{manifest.name}:{chosen}", sides[0], sides[1])


def localizer_of_folders(target: Path, control: Path) -> Localizer:
    """A localizer of somebody's own two folders of pictures.

    Raises
    ------
    DataError
        If a folder is missing or holds no pictures, or one holds the other.
    """
    check_apart(target, control)
    sides = [
        tuple(Picture(str(path), name, partial(open_picture, path), path) for path in files)
        for name, files in zip(
            apart_by_name(target, control), map(files_in, (target, control)), strict=True
        )
    ]
    name, warning = f"{target.name}-vs-{control.name}", passed_over(target, control)
    return Localizer(name, sides[0], sides[1], warning=warning)


def _condition(manifest: Manifest, name: str, data_root: Path | None, skip: bool) -> list[Picture]:
    condition = manifest.conditions[name]
    if condition.draw is not None:
        return drawn(name, condition.draw, condition.n or 1, "localizer")
    return _globbed(manifest, name, condition, data_root, skip)


def _globbed(
    manifest: Manifest, name: str, condition: Condition, data_root: Path | None, skip: bool
) -> list[Picture]:
    folder = data_folder(manifest, data_root)
    paths = matching(folder, condition.files or "")
    n_missing = 0 if condition.n is None else condition.n - len(paths)
    if skip and n_missing > 0:
        # Nobody knows their names; under the pattern they are left out, and reported, as others.
        paths += [folder / (condition.files or "")] * n_missing
    elif n_missing:
        raise DataError(
            f"{folder / (condition.files or '')}: {len(paths)} pictures where "
            f"{manifest.name} has {condition.n}; is the folder complete?"
        )
    return [
        Picture(str(path.relative_to(folder)), name, partial(open_picture, path), path)
        for path in paths
    ]
