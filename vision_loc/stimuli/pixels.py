"""From pictures to pixels, and what is left out on the way."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace

import numpy as np

from common.base.errors import DataError
from common.base.files import digest_of
from common.effects.described import SkippedStimulus
from vision_loc.preprocess import Preprocess
from vision_loc.stimuli.benchmarks import Benchmark
from vision_loc.stimuli.localizers import Localizer
from vision_loc.stimuli.pictures import Picture, Skipped

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


def reported(skipped: Sequence[Skipped]) -> tuple[SkippedStimulus, ...]:
    """What ``results.json`` says of the pictures that were left out."""
    return tuple(SkippedStimulus(name=each.name, reason=each.reason) for each in skipped)


# --- pixels ---


def fingerprint(pictures: Sequence[Picture]) -> tuple[str, list[str]]:
    """Fingerprint of a list of pictures, and that of each one's content."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        each = list(pool.map(Picture.digest, pictures))
    labelled = [
        (p.name, p.condition, p.label, d, *([p.greyed] if p.greyed else []))
        for p, d in zip(pictures, each, strict=True)
    ]
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
