"""What is kept of batches is read again to the bit, and nothing that is torn or another's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from common.study import journal
from common.study.journal import Arrays, Journal

MASKS = ("a", "b", "c")


def arrays(number: int) -> Arrays:
    rng = np.random.default_rng(number)
    return {"margin": rng.normal(size=4).astype(np.float32), "prediction": rng.integers(9, size=4)}


def filled(folder: Path, identity: object = "x") -> Journal:
    kept = Journal(folder, identity, MASKS)
    for number in range(3):
        for place, mask in enumerate(MASKS):
            kept.keep(number, mask, arrays(10 * number + place))
        kept.flush()
    return kept


def test_all_of_it_is_read_again_to_the_bit(tmp_path: Path) -> None:
    filled(tmp_path)
    again = Journal(tmp_path, "x", MASKS)
    assert again.n_read == 9
    for number in range(3):
        for place, mask in enumerate(MASKS):
            found, told = again.get(number, mask), arrays(10 * number + place)
            assert found is not None
            for name in told:
                assert found[name].dtype == told[name].dtype
                assert found[name].tobytes() == told[name].tobytes()
    assert again.get(3, "a") is None


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "text"])
def test_a_torn_file_is_no_record_and_the_others_are(tmp_path: Path, damage: str) -> None:
    filled(tmp_path)
    path = sorted(tmp_path.iterdir())[1]
    data = bytearray(path.read_bytes())
    data[-3] ^= 1
    damaged = {"cut": data[:-5], "flipped": data, "empty": b"", "text": b"batch 1\n" * 40}
    path.write_bytes(damaged[damage])
    again = Journal(tmp_path, "x", MASKS)
    known = [number for number in range(3) if again.get(number, "a") is not None]
    assert known == [0, 2]
    assert not path.exists()
    again.keep(1, "a", arrays(10))
    again.flush()
    third = Journal(tmp_path, "x", MASKS)
    assert third.n_read == 7


@pytest.mark.parametrize("other", ["y", {"batch_size": 32}, ["x"]])
def test_what_depends_on_other_things_is_not_read(tmp_path: Path, other: object) -> None:
    filled(tmp_path)
    assert Journal(tmp_path, other, MASKS).n_read == 0
    assert not [*tmp_path.iterdir()]


def test_other_masks_are_not_read_and_their_files_go_when_nobody_asks(tmp_path: Path) -> None:
    filled(tmp_path)
    assert Journal(tmp_path, "x", ("b", "d")).n_read == 3
    assert len([*tmp_path.iterdir()]) == 3
    assert Journal(tmp_path, "x", ("d",)).n_read == 0
    assert not [*tmp_path.iterdir()]


def test_it_writes_once_in_a_while(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr(journal, "monotonic", lambda: now)
    kept = Journal(tmp_path / "batches", "x", MASKS)
    for number in range(100):
        now += 0.31
        kept.keep(number, "a", arrays(number))
    assert len([*(tmp_path / "batches").iterdir()]) == 100 * 0.31 // journal.EVERY
    assert Journal(tmp_path / "batches", "x", MASKS).n_read == 98


def test_without_a_folder_nothing_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "EVERY", 0.0)
    kept = Journal(None)
    kept.keep(0, "a", arrays(0))
    assert kept.get(0, "a") is not None
