"""The faults are seen: by a writer and by readers that are wrong on purpose."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from common.base.errors import DataError
from common.base.files import save_text, write_atomically
from tests.faults import fuzz
from tests.faults.cases import Case, outcome
from tests.faults.crash import Command, Sweep
from tests.faults.disk import KINDS, Disk


class Writes(Command):
    """A program that writes its results in one way or another."""

    def __init__(self, write: Callable[[Path], None]) -> None:
        super().__init__("writer", ())
        object.__setattr__(self, "write", write)

    def main(self) -> None:
        """Do nothing where results are, as all programs do."""
        results = Path("run", "results.json")
        if not results.exists():
            try:
                results.parent.mkdir(exist_ok=True)
                self.write(results)  # type: ignore[attr-defined]
            except (DataError, OSError, RuntimeError) as error:
                raise SystemExit(_said(f"writer: {error}")) from error
        for draft in results.parent.glob(".*.part"):
            draft.unlink()
        raise SystemExit(0)


def _said(line: str) -> int:
    os.write(2, f"{line}\n".encode())
    return 1


def atomically(path: Path) -> None:
    try:
        save_text(path, "numbers")
    except Exception as error:
        raise RuntimeError(error) from error


def at_once(path: Path) -> None:
    path.write_text("numbers")


def unsynced(path: Path) -> None:
    draft = path.with_name(".x.part")
    draft.write_text("numbers")
    draft.replace(path)


def litters(path: Path) -> None:
    draft = path.with_name("draft")
    draft.write_text("numbers")
    write_atomically(path, lambda place: place.write_text("numbers") and None)
    draft.unlink()


@pytest.mark.parametrize(
    ("write", "said"),
    [
        (atomically, []),
        (at_once, ["torn", "other bytes"]),
        (unsynced, ["results.json is renamed before it is synced"]),
        (litters, ["kill", "draft is left behind"]),
    ],
)
def test_a_writer_that_is_wrong_is_found_out(
    write: Callable[[Path], None], said: list[str], tmp_path: Path
) -> None:
    swept = Sweep("writer", Writes(write), tmp_path)
    for fault in swept.points(1, 0):
        swept.fault(fault)
    found = swept.found
    assert found.points == dict.fromkeys(KINDS, len(swept.done))
    if said:
        assert any(all(word in line for word in said) for line in found.wrong), found.wrong
    else:
        assert found.wrong == []
        names = ("mkdir", "create", "write", "sync", "rename")
        assert [op for op in names if not found.operations[op]] == []


def test_a_disk_counts_what_lies_below_its_roots_alone(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    with Disk([tmp_path / "in"]) as disk:
        (tmp_path / "out.txt").write_text("x")
        (tmp_path / "in" / "a.txt").write_text("x")
        (tmp_path / "in" / "a.txt").read_text()
        (tmp_path / "in" / "a.txt").unlink()
    assert disk.done == [("create", "a.txt"), ("write", "a.txt"), ("remove", "a.txt")]


def refusing(words: str) -> Callable[[], object]:
    def read() -> object:
        raise DataError(words)

    return read


@pytest.mark.parametrize(
    ("case", "came"),
    [
        (Case(lambda: 1, 1), "read rightly"),
        (Case(lambda: 1, 2), "misread"),
        (Case(lambda: 1, 1, "must"), "misread"),
        (Case(lambda: 1, 2, "may"), "misread"),
        (Case(refusing("row 3 is odd"), 1, "must", "row 3"), "refused"),
        (Case(refusing("row 4 is odd"), 1, "must", "row 3"), "refused wrongly"),
        (Case(refusing("row 3 is odd"), 1), "refused wrongly"),
        (Case(refusing("x" * 9999), 1, "may"), "no line"),
        (Case(lambda: 1 / 0, 1, "may"), "traceback"),
    ],
)
def test_what_came_of_an_input(case: Case, came: str) -> None:
    assert outcome(case)[0] == came


def test_every_reader_has_inputs_of_which_some_are_refused(tmp_path: Path) -> None:
    for name in ("tables", "texts", "pairs", "pictures", "manifests"):
        make, n = fuzz.READERS[name]
        (tmp_path / name).mkdir()
        found = fuzz.read(name, make, range(12), 1, tmp_path / name)
        assert found.wrong == []
        assert found.counts["read rightly"] > 0, name
        assert found.counts["refused"] > 0, name
        assert n > 100
    assert sum(n for _, n in fuzz.READERS.values()) + fuzz.ENDPOINTS[1] >= 10_000
