"""Decoded pictures are kept for the next run, never stale, never broken, in bounded room."""

from __future__ import annotations

import errno
import os
import shutil
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from common.base.errors import DataError, RunError, SettingError
from common.base.progress import silent
from vision_loc.preprocess import Preprocess
from vision_loc.stimuli import Picture, Pixels, pixel_batches, pixel_folder, pixel_store
from vision_loc.stimuli.boxes import Box

AS_IT_IS = Preprocess(np.asarray, (0.5,) * 3, (0.5,) * 3, description="as it is")
OPENED: Counter[str] = Counter()


def picture(number: int, name: str = "", size: tuple[int, int] = (5, 4)) -> Picture:
    def read() -> Image.Image:
        OPENED[str(number)] += 1
        noise = np.random.default_rng(number).integers(0, 256, (*size, 3), dtype=np.uint8)
        return Image.fromarray(noise)

    return Picture(name or str(number), "any", read)


PICTURES = [picture(number) for number in range(9)]


def stored(
    pictures: Sequence[Picture] = PICTURES,
    preprocess: Preprocess = AS_IT_IS,
    spare: Path | None = None,
) -> Pixels:
    digests = [f"content of {each.name}" for each in pictures]
    return pixel_store(pictures, digests, preprocess, spare)


def pixels_of(pictures: Sequence[Picture]) -> np.ndarray:
    return np.concatenate([pixels for _, pixels in pixel_batches(pictures, AS_IT_IS, 4)])


def files() -> list[Path]:
    return sorted(pixel_folder().glob("*.npy"))


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FUNCLOC_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("FUNCLOC_PIXELS")
    OPENED.clear()


def test_they_are_those_that_are_decoded_and_lie_in_memory_alike() -> None:
    wanted, found = pixels_of(PICTURES), stored()
    assert found.shape == wanted.shape
    assert len(found) == 9
    for where in (slice(2, 6), slice(6, 20), np.array([7, 0, 7]), np.array([], dtype=int), 3):
        np.testing.assert_array_equal(found[where], wanted[where])
    # The layout decides which kernels a model uses, and so the last bits.
    _, streamed = next(pixel_batches(PICTURES, AS_IT_IS, 4))
    assert found[:4].strides == streamed.strides


def test_the_next_run_decodes_nothing_in_whatever_order_it_asks() -> None:
    first = stored()[:]
    OPENED.clear()
    turned = [*PICTURES[::-1], PICTURES[4]]
    np.testing.assert_array_equal(stored(turned)[:], np.concatenate([first[::-1], first[4:5]]))
    assert not OPENED
    assert len(files()) == 1


def test_other_pictures_or_another_preprocessing_are_another_store() -> None:
    greyed = replace(PICTURES[0], greyed=(Box(0, 0, 2, 2),))
    stored()
    stored(PICTURES[:8])
    stored([greyed, *PICTURES[1:]])
    other = replace(AS_IT_IS, geometry=lambda p: 255 - np.asarray(p), description="turned")
    np.testing.assert_array_equal(stored(preprocess=other)[:], 255 - stored()[:])
    assert len(files()) == 4


def test_what_a_preprocessing_does_not_tell_is_not_kept() -> None:
    np.testing.assert_array_equal(
        stored(preprocess=replace(AS_IT_IS, description=""))[:], pixels_of(PICTURES)
    )
    assert files() == []


@pytest.mark.parametrize("harm", ["flipped", "cut", "empty", "other"])
def test_a_broken_store_is_noticed_and_made_again(harm: str) -> None:
    stored()
    (path,) = files()
    whole = bytearray(path.read_bytes())
    harmed = bytearray(whole)
    harmed[200] ^= 1
    path.write_bytes({"flipped": harmed, "cut": whole[:-9], "empty": b"", "other": b"GIF89a"}[harm])
    np.testing.assert_array_equal(stored()[:], pixels_of(PICTURES))
    assert path.read_bytes() == whole


def test_a_folder_where_a_store_belongs_is_named_and_left() -> None:
    stored()
    (path,) = files()
    path.unlink()
    (path / "mine").mkdir(parents=True)
    with pytest.raises(RunError, match=r"\.npy: cannot write \(Is a directory\)"):
        stored()
    assert (path / "mine").is_dir()


def test_what_was_used_longest_ago_makes_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FUNCLOC_PIXELS", "700e-9")  # bytes: two stores of 3 pictures, and headers
    sets = [[picture(10 * i + n) for n in range(3)] for i in range(3)]
    names = []
    for age, each in zip((300, 200, 100), sets, strict=True):
        before = {*files()}
        kept = stored(each)
        names += [*({*files()} - before)]
        os.utime(names[-1], (time.time() - age,) * 2)
        if age == 200:
            stored(sets[0])  # used again
    assert files() == sorted([names[0], names[2]])
    np.testing.assert_array_equal(kept[:], pixels_of(sets[2]))


def test_a_store_that_is_open_can_be_read_after_its_removal() -> None:
    kept = stored()
    files()[0].unlink()
    np.testing.assert_array_equal(kept[:], pixels_of(PICTURES))


@pytest.mark.parametrize("most", ["0", "100e-9"])
def test_what_the_cache_may_not_hold_goes_elsewhere(
    most: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FUNCLOC_PIXELS", most)
    np.testing.assert_array_equal(stored()[:], pixels_of(PICTURES))
    spare = tmp_path / "scratch" / "pixels.npy"
    np.testing.assert_array_equal(stored(spare=spare)[:], pixels_of(PICTURES))
    OPENED.clear()
    kept = stored(spare=spare)
    assert sum(OPENED.values()) == (most != "0")  # one, to know how large they are
    np.testing.assert_array_equal(kept[:], pixels_of(PICTURES))
    assert files() == []


def test_a_bound_that_is_no_number_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FUNCLOC_PIXELS", "much")
    with pytest.raises(SettingError, match="FUNCLOC_PIXELS=much: is no number of gigabytes"):
        stored()


def test_a_folder_that_cannot_be_written_is_done_without(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vision_loc.stimuli.store.os.access", lambda *_: False)
    np.testing.assert_array_equal(stored()[:], pixels_of(PICTURES))
    assert files() == []


# --- the disk, kills and other processes ---


def full(*_: int) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize(
    ("claims", "why"),
    [(True, r"cannot be written \(No space left on device\)"), (False, "the disk has only 0.0")],
)
def test_a_full_disk_is_told_before_it_is_met(
    claims: bool, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if claims:
        monkeypatch.setattr(os, "posix_fallocate", full)
    else:  # as on macOS
        monkeypatch.delattr(os, "posix_fallocate")
        monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=100))
    with pytest.raises(RunError, match=rf"pixels: the decoded pictures need .* GB and {why}"):
        stored(many := [picture(number) for number in range(500)])
    assert sum(OPENED.values()) < len(many) / 2
    assert [each for each in pixel_folder().iterdir() if each.suffix in (".npy", ".part")] == []


def test_where_room_cannot_be_claimed_it_is_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: int) -> None:
        raise OSError(errno.EINVAL, "no such thing on this file system")

    monkeypatch.setattr(os, "posix_fallocate", unknown)
    np.testing.assert_array_equal(stored()[:], pixels_of(PICTURES))


def test_a_run_that_is_stopped_leaves_nothing_and_a_kill_what_the_next_removes() -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pixel_store(PICTURES, [each.name for each in PICTURES], AS_IT_IS, progress=stop)
    assert not [each for each in pixel_folder().iterdir() if each.suffix in (".npy", ".part")]
    drafts = [pixel_folder() / f".{name}.npy.x.part" for name in ("old", "new")]
    for draft in drafts:
        draft.write_bytes(b"half")
    os.utime(drafts[0], (1.0, 1.0))
    stored()
    assert [draft.exists() for draft in drafts] == [False, True]
    (kept,) = [each for each in pixel_folder().iterdir() if each.suffix == ".npy"]
    own = kept.with_name(f".{kept.name}.y.part")  # nobody else can be at it: it has a lock
    own.write_bytes(b"half")
    stored()
    assert not own.exists()


def test_two_at_once_decode_once() -> None:
    pictures = [picture(number) for number in range(40)]
    with ThreadPoolExecutor(2) as pool:
        one, two = pool.map(lambda _: stored(pictures)[:], range(2))
    np.testing.assert_array_equal(one, two)
    assert max(OPENED[str(number)] for number in range(40)) <= 3  # the first is measured by both
    assert sum(OPENED.values()) <= 42


def test_pictures_of_another_size_are_refused() -> None:
    with pytest.raises(DataError, match=r"makes .* of it and .* of the others"):
        stored([*PICTURES, picture(99, size=(7, 7))])
    assert files() == []


def test_waiting_is_told() -> None:
    from common.base.cache import alone

    said: list[str] = []
    with ThreadPoolExecutor(1) as pool:
        lock = pixel_folder() / ".0.lock"
        with alone(lock, "it", silent):
            waits = pool.submit(
                lambda: alone(lock, "the same", lambda *a: said.append(a[0]), "decodes").__enter__()
            )
            while not said:
                time.sleep(0.01)
        waits.result()
    assert said[0] == "wait for another process that decodes the same"
