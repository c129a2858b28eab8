"""One flipped byte in any file of a run: made again, or an error that names the file; no number."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from common.base.errors import RunError
from common.base.files import read_arrays, read_sealed, save_arrays, save_sealed
from common.study import verbs
from common.study.digests import DIGESTS, check_digests, drop_notes, is_whole, note_digest
from common.study.results import load_results, read_items
from tests.common.study.test_toy_front import FRONT, SETTINGS, run

KEPT = ("results.json", "items.csv", "masks.safetensors", "selectivity.safetensors", "stimuli.csv")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run(tmp_path_factory.mktemp("whole") / "run")[1]


@pytest.fixture(scope="module")
def cut(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was killed while it evaluated."""

    def killed(step: str, done: int, _total: int) -> None:
        if (step, done) == ("evaluate", 4):
            raise KeyboardInterrupt

    folder = tmp_path_factory.mktemp("cut") / "run"
    with pytest.raises(KeyboardInterrupt):
        run(folder, killed)
    return folder


def flip(file: Path, place: int) -> None:
    content = bytearray(file.read_bytes())
    content[place] ^= 1
    file.write_bytes(bytes(content))


def places(file: Path, n: int = 7) -> list[int]:
    return np.linspace(0, file.stat().st_size - 1, n).astype(int).tolist()


def files_of(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != ".lock"]


def test_every_file_of_a_finished_run_is_held_to_its_digest(whole: Path, tmp_path: Path) -> None:
    noted = read_sealed(whole / DIGESTS)["files"]
    there = {path.relative_to(whole).as_posix() for path in files_of(whole)}
    assert {*noted} == there - {"report.html", DIGESTS}
    for name in (*noted, DIGESTS):
        for place in places(whole / name):
            folder = shutil.copytree(whole, tmp_path / "copy", dirs_exist_ok=True)
            flip(folder / name, place)
            for use in (run, verbs.report_again):
                with pytest.raises(RunError, match=name) as caught:
                    use(folder)
                assert "\n" not in str(caught.value)


@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize("part", ["", "partial"])
def test_an_unfinished_run_makes_what_is_damaged_again(
    part: str, place: int, whole: Path, cut: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(cut, tmp_path / "copy")
    harmed = [path for path in (folder / part).iterdir() if path.name not in (".lock", "run.json")]
    for file in filter(Path.is_file, harmed):
        flip(file, places(file, 3)[place])
    assert run(folder)[2] is False
    for name in KEPT:
        assert (folder / name).read_bytes() == (whole / name).read_bytes(), name


def test_an_outcome_of_the_wrong_shape_is_measured_again(
    whole: Path, cut: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(cut, tmp_path / "copy")
    kept = sorted((folder / "partial").glob("*.safetensors"))
    for file in kept[:2]:
        arrays, about = read_arrays(file)
        save_arrays(file, {name: array[:-1] for name, array in arrays.items()}, about)
    kept[2].write_bytes(kept[2].read_bytes()[:100])
    run(folder)
    assert (folder / "results.json").read_bytes() == (whole / "results.json").read_bytes()


def test_a_run_that_is_described_by_a_damaged_file_is_refused(cut: Path, tmp_path: Path) -> None:
    for place in places(cut / "run.json", 9):
        folder = shutil.copytree(cut, tmp_path / "copy", dirs_exist_ok=True)
        flip(folder / "run.json", place)
        with pytest.raises(RunError, match=r"run.json: (is damaged|cannot be read)|another run"):
            run(folder)


@pytest.mark.parametrize(
    "name", ["run.json", "stimuli.csv", "selectivity.safetensors", "untrained.json"]
)
def test_a_damaged_map_is_not_evaluated(name: str, tmp_path: Path) -> None:
    *_, source = verbs.localize_only(FRONT, SETTINGS, tmp_path / "map")
    for place in places(source / name, 5):
        folder = shutil.copytree(source, tmp_path / "copy", dirs_exist_ok=True)
        flip(folder / name, place)
        with pytest.raises(RunError, match=name):
            verbs.evaluate_map(FRONT, folder, tmp_path / "again", evaluation="toy", top="5")


def test_items_that_were_changed_are_not_judged(whole: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(whole, tmp_path / "copy")
    flip(folder / "items.csv", 1000)
    with pytest.raises(RunError, match=r"items.csv: is damaged or was changed"):
        read_items(folder / "items.csv")
    (folder / "items.csv").rename(tmp_path / "mine.csv")  # a table of one's own is anybody's
    shutil.copy(whole / "items.csv", tmp_path / "mine.csv")
    assert len(read_items(tmp_path / "mine.csv"))


def test_folders_from_before_there_were_digests_are_read(whole: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(whole, tmp_path / "copy")
    (folder / DIGESTS).unlink()
    entry = json.loads((folder / "run.json").read_text())
    entry.pop("digest")
    (folder / "run.json").write_text(json.dumps(entry))
    assert load_results(folder) == load_results(whole)
    assert run(folder)[2] is True


def test_what_says_no_digests_is_an_error(whole: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(whole, tmp_path / "copy")
    save_sealed(folder / DIGESTS, {"files": []})
    with pytest.raises(RunError, match=r"digests.json: holds no digests"):
        check_digests(folder)


def test_a_part_is_whole_as_long_as_its_note_fits(tmp_path: Path) -> None:
    part = tmp_path / "profile.csv"
    assert not is_whole(part)
    part.write_text("one")
    assert not is_whole(part)
    note_digest(part)
    assert is_whole(part)
    part.write_text("two")
    assert not is_whole(part)
    drop_notes(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["profile.csv"]


def test_drafts_that_a_kill_left_are_swept(whole: Path, cut: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(cut, tmp_path / "copy")
    (folder / "partial" / ".tmpAb12").write_bytes(b"half")
    (folder / ".results.json.x.part").write_bytes(b"half")
    run(folder)
    assert sorted(p.name for p in files_of(folder)) == sorted(p.name for p in files_of(whole))
