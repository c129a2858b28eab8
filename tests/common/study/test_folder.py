"""The run folder: whole or resumable, held by one, and never somebody else's."""

from __future__ import annotations

import errno
import multiprocessing
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import save_file

from common.base.errors import RunError
from common.base.files import read_json
from common.effects.items import Outcome
from common.study import folder as runs
from common.study.folder import RunFolder, check_front, differences, front_of
from tests.common.made import made

IDENTITY: dict[str, Any] = {
    "model": {"name": "phantom/cnn", "fingerprint": "a1"},
    "seed": 0,
    "top": [1.0],
}
ABOUT = {"device": "cpu"}


def a_run(path: Path, **changes: Any) -> RunFolder:
    return RunFolder(path, {**IDENTITY, **changes}, ABOUT)


def an_outcome(n: int = 5) -> Outcome:
    rng = np.random.default_rng(n)
    return Outcome(rng.integers(0, 9, n), rng.random(n) < 0.5, rng.normal(size=n).astype("f4"))


def refused(run: RunFolder) -> str:
    """The one line that a folder is refused with."""
    with pytest.raises(RunError) as caught, run:
        pass
    assert str(run.path) in str(caught.value)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def full_disk(*_: Any, **__: Any) -> NoReturn:
    raise OSError(errno.ENOSPC, "No space left on device")


# --- entering ---


def test_a_run_is_of_one_configuration_and_older_ones_that_do_not_say_go_on(tmp_path: Path) -> None:
    def of(config: str | None, where: str) -> RunFolder:
        more = {} if config is None else {"config": config}
        return a_run(tmp_path / where, model={**IDENTITY["model"], **more})

    for where, first, second in (("old", None, "x"), ("kept", "x", None), ("same", "x", "x")):
        with of(first, where) as run:
            pass
        with of(second, where) as again:
            assert again.fingerprint == run.fingerprint
    assert "(it differs in model.config)" in refused(of("y", "same"))
    with of("y", "old"):  # it never said
        pass


def test_entering_describes_the_run(tmp_path: Path) -> None:
    with a_run(tmp_path / "deep" / "run") as run:
        entry = read_json(run.path / "run.json")
    assert entry["fingerprint"] == run.fingerprint
    assert entry["identity"] == {"format": 1, **IDENTITY}
    assert entry["device"] == "cpu"
    assert entry["versions"]["torch"] == version("torch")
    assert {"started", "platform"} <= set(entry)


def test_the_same_run_again_keeps_its_description(tmp_path: Path) -> None:
    with a_run(tmp_path):
        before = (tmp_path / "run.json").read_bytes()
    with RunFolder(tmp_path, IDENTITY, {"device": "cuda"}):
        assert (tmp_path / "run.json").read_bytes() == before


def test_another_setting_is_another_run_and_is_named(tmp_path: Path) -> None:
    with a_run(tmp_path):
        before = (tmp_path / "run.json").read_bytes()
    other_model = {"name": "phantom/cnn", "fingerprint": "b2"}
    message = refused(a_run(tmp_path, seed=1, model=other_model))
    assert "differs in model.fingerprint, seed)" in message
    assert "differs in pooling)" in refused(a_run(tmp_path, pooling="max"))
    assert (tmp_path / "run.json").read_bytes() == before


def test_a_run_of_another_format_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with a_run(tmp_path):
        pass
    monkeypatch.setattr(runs, "FORMAT", 2)
    assert "differs in format" in refused(a_run(tmp_path))


def test_differences_are_named_through_all_levels() -> None:
    one = {"a": 1, "b": {"c": 2, "d": {"e": 3}}, "gone": 0}
    two = {"a": 1, "b": {"c": 9, "d": {"e": 4}}, "new": None, "f": 1}
    assert differences(one, two) == ["b.c", "b.d.e", "gone", "f"]
    assert differences(one, one) == []


def test_a_folder_of_other_files_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("words")
    assert "holds other files but no run" in refused(a_run(tmp_path))
    assert [file.name for file in tmp_path.iterdir()] == ["thesis.tex"]


@pytest.mark.parametrize("name", [".lock", ".run.json.abc.part", "partial"])
def test_what_a_killed_start_leaves_behind_is_no_stranger(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    with a_run(tmp_path):
        assert (tmp_path / "run.json").exists()


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("words")
    assert "is a file, not a folder" in refused(a_run(tmp_path / "file"))
    assert "cannot write" in refused(a_run(tmp_path / "file" / "below"))
    assert (tmp_path / "file").read_text() == "words"


def test_a_name_that_the_disk_refuses_is_an_error_of_one_line(tmp_path: Path) -> None:
    assert "File name too long" in refused(a_run(tmp_path / ("x" * 300)))


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "3", "{}", '{"identity": {}}', "\0"])
def test_a_broken_description_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "run.json").write_text(text)
    refused(a_run(tmp_path))
    assert (tmp_path / "run.json").read_text() == text


def test_a_folder_that_cannot_be_made_is_an_error_of_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Path, "mkdir", full_disk)
    assert "No space left on device" in refused(a_run(tmp_path / "run"))


def test_a_description_that_cannot_be_written_is_an_error_and_gives_the_folder_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", full_disk)
        assert "No space left on device" in refused(a_run(tmp_path))
    with a_run(tmp_path):
        pass


# --- the lock ---


def test_a_second_holder_is_refused_until_the_first_is_done(tmp_path: Path) -> None:
    with a_run(tmp_path):
        assert "another process is running it" in refused(a_run(tmp_path))
    with a_run(tmp_path):
        pass


def enter_from_another_process(path: Path, answers: Any) -> None:
    try:
        with a_run(path):
            answers.put("entered")
    except RunError as error:
        answers.put(str(error))


def test_another_process_is_refused(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    answers = context.SimpleQueue()
    with a_run(tmp_path):
        other = context.Process(target=enter_from_another_process, args=(tmp_path, answers))
        other.start()
        answer = answers.get()
        other.join()
    assert "another process is running it" in answer


def test_an_error_inside_gives_the_folder_free(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), a_run(tmp_path):
        raise ZeroDivisionError
    with a_run(tmp_path):
        pass


def test_a_refused_run_gives_the_folder_free(tmp_path: Path) -> None:
    with a_run(tmp_path):
        pass
    refused(a_run(tmp_path, seed=1))
    with a_run(tmp_path):
        pass


# --- outcomes ---


def test_an_outcome_comes_back(tmp_path: Path) -> None:
    kept = an_outcome()
    with a_run(tmp_path) as run:
        run.keep_outcome("top-0.125", kept)
        again = run.outcome("top-0.125")
    assert again is not None
    for name in ("prediction", "correct", "margin"):
        one, two = getattr(kept, name), getattr(again, name)
        np.testing.assert_array_equal(one, two)
        assert one.dtype == two.dtype


def test_an_outcome_that_was_not_measured_is_none(tmp_path: Path) -> None:
    with a_run(tmp_path) as run:
        run.keep_outcome("top-1", an_outcome())
        assert run.outcome("top-2") is None


@pytest.mark.parametrize("left", [0, 4, 40, 300])
def test_a_truncated_outcome_counts_as_not_measured(tmp_path: Path, left: int) -> None:
    with a_run(tmp_path) as run:
        run.keep_outcome("intact", an_outcome(99))
        path = run.partial / "intact.safetensors"
        assert left < path.stat().st_size
        path.write_bytes(path.read_bytes()[:left])
        assert run.outcome("intact") is None


def test_an_outcome_of_other_arrays_counts_as_not_measured(tmp_path: Path) -> None:
    with a_run(tmp_path) as run:
        run.partial.mkdir()
        save_file({"prediction": np.zeros(3)}, run.partial / "intact.safetensors")
        assert run.outcome("intact") is None


def test_a_folder_where_the_map_belongs_is_named_and_left(tmp_path: Path) -> None:
    with a_run(tmp_path) as run:
        run.selectivity.mkdir()
        (run.selectivity / "mine.txt").write_text("mine")
        with pytest.raises(
            RunError, match=r"selectivity\.safetensors: cannot be removed \(Is a dir"
        ):
            run.map()
    assert (run.selectivity / "mine.txt").read_text() == "mine"


# --- finishing ---


FOUND = made()


def a_table(mask: str) -> pd.DataFrame:
    return pd.DataFrame({"item": ["a,b", "c"], "mask": mask, "margin": np.array([0.1, -2], "f4")})


def test_finishing_writes_the_items_and_the_results_and_drops_the_rest(tmp_path: Path) -> None:
    with a_run(tmp_path) as run:
        assert run.results() is None
        run.keep_outcome("intact", an_outcome())
        run.finish((a_table(mask) for mask in ("intact", "top-1")), [], FOUND)
        assert run.results() == FOUND
    names = sorted(file.name for file in tmp_path.iterdir() if file.name != ".lock")
    assert names == ["digests.json", "items.csv", "results.json", "run.json"]
    assert (tmp_path / "items.csv").read_bytes() == (
        b'item,mask,margin\n"a,b",intact,0.1\nc,intact,-2.0\n"a,b",top-1,0.1\nc,top-1,-2.0\n'
    )


def test_results_that_cannot_be_written_leave_the_folder_resumable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Path.replace

    def replace(draft: Path, target: Path) -> Path:
        return full_disk() if target.name == "results.json" else real(draft, target)

    with a_run(tmp_path) as run:
        run.keep_outcome("intact", an_outcome())
        with monkeypatch.context() as patch:
            patch.setattr(Path, "replace", replace)
            with pytest.raises(RunError, match=r"results\.json: cannot write \(No space left"):
                run.finish([a_table("intact")], [], FOUND)
        assert run.results() is None
        assert (tmp_path / "items.csv").exists()
    with a_run(tmp_path) as run:
        assert run.outcome("intact") is not None
        run.finish([a_table("intact")], [], FOUND)
        assert run.results() == FOUND


def test_items_that_cannot_be_written_leave_no_results(tmp_path: Path) -> None:
    def tables() -> Iterator[pd.DataFrame]:
        yield a_table("intact")
        full_disk()

    with a_run(tmp_path) as run:
        with pytest.raises(RunError, match=r"items\.csv: cannot write"):
            run.finish(tables(), [], FOUND)
        assert run.results() is None
        assert not (tmp_path / "items.csv").exists()


def test_results_that_are_no_json_are_refused(tmp_path: Path) -> None:
    with a_run(tmp_path) as run:
        with pytest.raises(ValueError, match="not JSON compliant"):
            run.finish([], [], made(headline_percent=float("nan")))
        assert run.results() is None


# --- whose run it is ---


@pytest.mark.parametrize(
    ("entry", "front"),
    [
        ({"front": "sound-loc", "command": "llm-loc run"}, "sound-loc"),
        ({"command": "llm-loc run --model 'a b'"}, "llm-loc"),
        ({"command": "FUNCLOC_DATA='/my data' vision-loc run --model m"}, "vision-loc"),
        ({"command": "vision-loc 'unclosed"}, ""),
        ({"command": ""}, ""),
        ({}, ""),
    ],
)
def test_a_run_says_whose_it_is_and_an_older_one_by_its_command(
    entry: dict[str, Any], front: str
) -> None:
    assert front_of(entry) == front
    check_front(entry, front, "runs/a")
    with pytest.raises(RunError, match=r"^runs/a: a run of .*, not of tree-loc$"):
        check_front(entry, "tree-loc", "runs/a")
