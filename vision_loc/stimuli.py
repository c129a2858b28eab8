"""Pictures: from manifests, from somebody's own folders, or drawn by the phantom."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image, UnidentifiedImageError

from common.base.errors import DataError, ManifestError
from common.base.files import digest_of, digest_of_file, write_atomically
from common.base.progress import Progress, silent
from common.data.manifest import (
    Condition,
    Evaluation,
    Manifest,
    check_kind,
    data_folder,
    find_folder,
    load_manifest,
    missing_data,
)
from vision_loc import own, phantom
from vision_loc.models import Preprocess
from vision_loc.own import SUFFIXES as SUFFIXES

# PIL warns of many pixels and refuses twice as many. A warning is refused here too; it is made an
# error once and for all, since warnings.catch_warnings is not safe among threads.
warnings.filterwarnings("error", category=Image.DecompressionBombWarning)


@dataclass(frozen=True)
class Picture:
    """One stimulus.

    Attributes
    ----------
    name : str
        What it is called in tables.
    condition : str
        The condition (localizer) or the group (evaluation) that it belongs to.
    open : callable
        Gives the picture, RGB.
    path : Path, optional
        The file it comes from; drawn pictures have none.
    label : int
        Class index; -1 where there is none.
    """

    name: str
    condition: str
    open: Callable[[], Image.Image] = field(repr=False, compare=False)
    path: Path | None = None
    label: int = -1

    def digest(self) -> str:
        """Fingerprint of the content: of the file's bytes, or of what is drawn.

        Raises
        ------
        DataError
            If the file cannot be read.
        """
        if self.path is None:
            return digest_of([self.name, _drawing()])
        try:
            return digest_of_file(self.path)
        except FileNotFoundError as error:
            raise DataError(f"{self.path}: no such picture") from error
        except OSError as error:
            raise DataError(f"{self.path}: cannot be read ({error.strerror})") from error


@dataclass(frozen=True)
class Skipped:
    """A picture that was left out, and why."""

    name: str
    reason: str


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
    """

    name: str
    target: tuple[Picture, ...]
    control: tuple[Picture, ...]
    skipped: tuple[Skipped, ...] = ()

    def __post_init__(self) -> None:
        for side in ("target", "control"):
            if len(getattr(self, side)) < 4:
                raise DataError(
                    f"{self.name}: {len(getattr(self, side))} {side} pictures; "
                    "a contrast with its split halves needs 4 at least"
                )


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


@cache
def _drawing() -> str:
    """Fingerprint of the program that draws: other code may draw other pictures."""
    sources = sorted(Path(phantom.__file__).parent.glob("*.py"))
    return digest_of([digest_of_file(source) for source in sources])


def open_picture(path: Path) -> Image.Image:
    """Read a picture as RGB.

    Of an animation, the first frame. 16-bit grey is scaled to 8 bits, CMYK converted without a
    colour profile, transparency laid on white. The EXIF orientation is ignored, as in the
    pipelines that trained the models.

    Raises
    ------
    DataError
        If the file is missing, broken, has far too many pixels, or is no picture.
    """
    try:
        with Image.open(path) as picture:
            return _as_rgb(picture)
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such picture") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise DataError(f"{path}: far too many pixels ({error})") from error
    except UnidentifiedImageError as error:
        raise DataError(f"{path}: no picture, or of a kind that cannot be read") from error
    except Exception as error:  # a decoder may fail in any way over a broken file
        reason = str(error) or type(error).__name__
        raise DataError(f"{path}: broken, or no picture ({reason})") from error


def _as_rgb(picture: Image.Image) -> Image.Image:
    if picture.mode == "F":
        raise ValueError("its pixels are fractions; save it with 8 or 16 bits")
    if picture.mode.startswith("I"):
        return _from_16_bits(picture).convert("RGB")
    if not picture.has_transparency_data:
        return picture.convert("RGB")
    above = picture.convert("RGBA")
    white = Image.new("RGBA", above.size, "white")
    return Image.alpha_composite(white, above).convert("RGB")


def _from_16_bits(picture: Image.Image) -> Image.Image:
    """Scale 16-bit grey to 8 bits; PIL's own conversion would clip everything above 255."""
    values = np.asarray(picture).astype(np.int64)
    if values.min() < 0 or values.max() > 65535:
        raise ValueError("its pixels have 32 bits; save it with 8 or 16")
    return Image.fromarray(((values + 128) // 257).astype(np.uint8))


# --- localizers ---


def localizer(spec: str, data_root: Path | None = None, *, skip: bool = False) -> Localizer:
    """The localizer called ``MANIFEST:CONTRAST``.

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
    check_kind(manifest, f"--localizer {spec}", "pictures")
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
        If a folder is missing or holds no pictures.
    """
    sides = [
        tuple(Picture(str(path), folder.name, partial(open_picture, path), path) for path in files)
        for folder, files in ((folder, own.files_in(folder)) for folder in (target, control))
    ]
    return Localizer(f"{target.name}-vs-{control.name}", sides[0], sides[1])


def _condition(manifest: Manifest, name: str, data_root: Path | None, skip: bool) -> list[Picture]:
    condition = manifest.conditions[name]
    if condition.draw is not None:
        return drawn(name, condition.draw, condition.n or 1, "localizer")
    return _globbed(manifest, name, condition, data_root, skip)


def _globbed(
    manifest: Manifest, name: str, condition: Condition, data_root: Path | None, skip: bool
) -> list[Picture]:
    folder = data_folder(manifest, data_root)
    paths = sorted(folder.glob(condition.files or ""))
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


def drawn(condition: str, what: str, n: int, split: str) -> list[Picture]:
    """`n` pictures a class, drawn by the phantom: ``face``, ``object``, or a planted condition."""
    if what in ("target", "control"):
        return [
            Picture(
                f"phantom/planted/{split}/{what}/{i}",
                condition,
                partial(phantom.draw_planted, what, i, split),
                label=phantom.CONDITIONS.index(what),
            )
            for i in range(n)
        ]
    classes = {"face": phantom.FACE_CLASSES, "object": phantom.OBJECT_CLASSES}
    if what not in classes:
        raise ManifestError(f"nothing called {what!r} can be drawn")
    return [
        Picture(
            f"phantom/{split}/{phantom.CLASSES[label]}/{i}",
            condition,
            partial(phantom.draw, label, i, split),
            label=label,
        )
        for label in classes[what]
        for i in range(n)
    ]


# --- benchmarks ---


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
        A manifest, or the path of a folder or of a table (see :mod:`vision_loc.own`).
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
    check_kind(manifest, f"--eval {name}", "pictures")
    if manifest.name == own.ILSVRC:
        if (folder := find_folder(manifest, data_root)) is None:
            raise DataError(missing_data(manifest, data_root))
        return _own(folder, wnids, skip)
    entry = manifest.evaluation
    if entry is None:
        raise ManifestError(f"--eval {name}: a localizer only; it has no labelled items")
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
        own.check_files(path, folder, table[entry.file].tolist())
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


# --- what is left out ---


def localizer_without_broken(stimuli: Localizer, preprocess: Preprocess) -> Localizer:
    """The localizer without the pictures that cannot be read.

    Raises
    ------
    DataError
        If too few remain.
    """
    target, lost = _usable(stimuli.target, preprocess)
    control, lost_too = _usable(stimuli.control, preprocess)
    return replace(stimuli, target=target, control=control, skipped=(*lost, *lost_too))


def benchmark_without_broken(items: Benchmark, preprocess: Preprocess) -> Benchmark:
    """The benchmark without the pictures that cannot be read."""
    pictures, skipped = _usable(items.pictures, preprocess)
    return replace(items, pictures=pictures, skipped=skipped)


def _usable(
    pictures: Sequence[Picture], preprocess: Preprocess
) -> tuple[tuple[Picture, ...], tuple[Skipped, ...]]:
    """Decode every picture once, to see which can be used at all."""

    def complaint(picture: Picture) -> str | None:
        if picture.path is None:
            return None  # drawn
        try:
            _decode(picture, preprocess)
        except DataError as error:
            return str(error).removeprefix(f"{picture.path}: ")
        return None

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        said = list(zip(pictures, pool.map(complaint, pictures), strict=True))
    return (
        tuple(picture for picture, reason in said if reason is None),
        tuple(Skipped(picture.name, reason) for picture, reason in said if reason is not None),
    )


def identified(digest: str, skipped: Sequence[Skipped]) -> str:
    """Fingerprint of pictures, and of which others were left out."""
    return digest_of([digest, [each.name for each in skipped]]) if skipped else digest


def reported(skipped: Sequence[Skipped]) -> list[dict[str, Any]]:
    """What ``results.json`` says of the pictures that were left out."""
    return [asdict(each) for each in skipped]


# --- pixels ---


def fingerprint(pictures: Sequence[Picture]) -> tuple[str, list[str]]:
    """Fingerprint of a list of pictures, and that of each one's content."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        each = list(pool.map(Picture.digest, pictures))
    labelled = [(p.name, p.condition, p.label, d) for p, d in zip(pictures, each, strict=True)]
    return digest_of(labelled), each


def _decode(picture: Picture, preprocess: Preprocess) -> np.ndarray:
    """Pixels of one picture, uint8 of shape (3, H, W)."""
    opened = picture.open()
    try:
        return preprocess.geometry(opened).transpose(2, 0, 1)
    except Exception as error:  # somebody else's code over whatever shape a picture may have
        raise DataError(
            f"{picture.path or picture.name}: {opened.width} x {opened.height} pixels cannot be "
            f"brought to the model's size ({error})"
        ) from error


def pixel_batches(
    pictures: Sequence[Picture], preprocess: Preprocess, batch_size: int
) -> Iterator[tuple[slice, np.ndarray]]:
    """Decode and resize pictures, one batch ahead of the one that is being used.

    Yields
    ------
    (slice, array of uint8 of shape (B, 3, H, W))
        Which pictures these are, and their pixels.

    Raises
    ------
    DataError
        If one cannot be read, or comes out of the preprocessing in another size than the first.
    """
    slices = [
        slice(start, min(start + batch_size, len(pictures)))
        for start in range(0, len(pictures), batch_size)
    ]

    first: tuple[int, ...] | None = None

    def stacked(chosen: Sequence[Picture], decoded: Sequence[np.ndarray]) -> np.ndarray:
        nonlocal first
        first = first or decoded[0].shape
        for picture, pixels in zip(chosen, decoded, strict=True):
            if pixels.shape != first:
                raise DataError(
                    f"{picture.name}: the model's preprocessing makes {pixels.shape} of it and "
                    f"{first} of the others; cut the pictures to one shape first"
                )
        return np.stack(decoded)

    with ThreadPoolExecutor(os.cpu_count()) as pool:

        def start(number: int) -> list[Future[np.ndarray]]:
            chosen = pictures[slices[number]]
            return [pool.submit(_decode, picture, preprocess) for picture in chosen]

        ahead = start(0)
        try:
            for number, where in enumerate(slices):
                current = ahead
                ahead = start(number + 1) if number + 1 < len(slices) else []
                yield where, stacked(pictures[where], [future.result() for future in current])
        finally:
            for future in ahead:
                future.cancel()


def pixel_store(
    pictures: Sequence[Picture],
    preprocess: Preprocess,
    path: Path,
    batch_size: int = 64,
    progress: Progress = silent,
) -> np.ndarray:
    """Decode and resize every picture once, into a file that every mask then reads.

    Parameters
    ----------
    path : Path
        A ``.npy`` file, made if it is not there. It is mapped, not loaded: memory does not grow
        with the number of pictures.

    Returns
    -------
    array of uint8 of shape (n_pictures, 3, H, W)
        Mapped from the file.
    """

    def write(draft: Path) -> None:
        store: np.ndarray | None = None
        for where, pixels in pixel_batches(pictures, preprocess, batch_size):
            if store is None:
                store = np.lib.format.open_memmap(
                    draft, "w+", np.uint8, (len(pictures), *pixels.shape[1:])
                )
            store[where] = pixels
            progress("decode", where.stop, len(pictures))

    if not path.exists():
        write_atomically(path, write)
    store: np.ndarray = np.load(path, mmap_mode="r")
    return store
