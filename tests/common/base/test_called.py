"""A run's name and note: kept beside what no digest may miss."""

from __future__ import annotations

from pathlib import Path

import pytest

from common.base.called import NAME, Called, call, called
from common.base.errors import RunError, SettingError
from common.base.files import read_json
from common.study.digests import check_digests, save_digests


@pytest.fixture
def run(tmp_path: Path) -> Path:
    (tmp_path / "run.json").write_text("{}")
    return tmp_path


def test_a_name_and_a_note_are_kept_apart_and_taken_away(run: Path) -> None:
    assert called(run) == Called()
    assert call(run, "  the\nfirst  one ", " why\nit was ") == Called(
        "the first one", "why\nit was"
    )
    assert call(run, note="other") == called(run) == Called("the first one", "other")
    assert call(run, name="") == Called("", "other")
    assert call(run, note="") == Called()
    assert not (run / NAME).exists()


@pytest.mark.parametrize("early", [True, False])
def test_a_finished_run_is_whole_whenever_it_was_named(run: Path, early: bool) -> None:
    if early:
        call(run, "before it was finished")
    save_digests(run)
    assert NAME not in read_json(run / "digests.json")["files"]
    call(run, "afterwards")
    check_digests(run)


def test_what_is_too_long_or_no_run_is_one_line(run: Path) -> None:
    for given in ({"name": "x" * 101}, {"note": "x" * 4001}):
        with pytest.raises(SettingError, match=r"letters: give (100|4,000) at most"):
            call(run, **given)
    with pytest.raises(RunError, match="holds no run"):
        call(run / "other", "name")


@pytest.mark.parametrize("text", ["[]", "{", '{"name": 3}', "\x00"])
def test_a_file_that_is_broken_names_nothing_and_a_link_is_not_followed(
    run: Path, text: str
) -> None:
    (run / NAME).write_text(text)
    assert called(run).note == ""
    secret = run / "secret"
    secret.write_text('{"name": "secret"}')
    (run / NAME).unlink()
    (run / NAME).symlink_to(secret)
    assert called(run) == Called()
    call(run, "own")
    assert "secret" in secret.read_text()
    assert called(run).name == "own"
