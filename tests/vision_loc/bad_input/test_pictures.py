"""Broken and odd pictures: one line that says what is wrong, and nothing written half."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.vision_loc.bad_input.said import (
    Call,
    a_pipe,
    bomb,
    check_resumable,
    dangling,
    draw_into,
    finishes,
    text,
    truncated,
    words,
)

BROKEN = {
    truncated: "broken",
    text: "no picture",
    bomb: "far too many pixels",
    dangling: "no such picture",
    a_pipe: "cannot be read (it is no file)",
}


@pytest.mark.parametrize("harm", BROKEN, ids=lambda harm: harm.__name__)
@pytest.mark.parametrize("where", ["target/03.png", "eval/control/04.png"])
def test_a_broken_picture_is_named_and_the_run_goes_on_once_it_is_whole(
    harm: Callable[[Path], None],
    where: str,
    mine: Path,
    tmp_path: Path,
    refused: Callable[..., str],
    call: Call,
) -> None:
    path, out = mine / where, tmp_path / "run"
    whole = path.read_bytes()
    harm(path)
    said = refused(*words(mine, out))
    assert where.removeprefix("eval/") in said
    in_table = where.startswith("eval") and harm in (dangling, a_pipe)
    assert ("1 of 12 files are missing" if in_table else BROKEN[harm]) in said
    check_resumable(out)
    if out.exists():
        shutil.rmtree(out)  # other pictures are another run
    path.unlink()
    path.write_bytes(whole)
    if harm is not truncated:
        return
    assert finishes(call, words(mine, out), out)["localizer"]["skipped"] == []


def test_a_missing_picture_of_a_table(
    mine: Path, tmp_path: Path, refused: Callable[..., str]
) -> None:
    for i in range(5):
        (mine / "eval" / "target" / f"{i:02d}.png").unlink()
    said = refused(*words(mine, tmp_path / "run"))
    assert (
        "5 of 12 files are missing, the first: target/00.png, target/01.png, target/02.png" in said
    )
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("kind", ["animated", "16 bit", "CMYK"])
def test_odd_pictures_go_through_a_run(kind: str, mine: Path, tmp_path: Path, call: Call) -> None:
    path = mine / "target" / "03.png"
    with Image.open(path) as opened:
        picture = opened.convert("RGB")
    if kind == "animated":
        picture.save(path, save_all=True, append_images=[Image.new("RGB", picture.size)])
    elif kind == "16 bit":
        Image.fromarray(np.asarray(picture.convert("L")).astype(np.uint16) * 257).save(path)
    else:
        picture.convert("CMYK").save(path.with_suffix(".jpg"), quality=100)
        path.unlink()
    results = finishes(call, words(mine, tmp_path / "run"), tmp_path / "run")
    assert results["selectivity"]["n_target"] == 6


def test_too_few_pictures(mine: Path, tmp_path: Path, refused: Callable[..., str]) -> None:
    for path in (mine / "control").iterdir():
        path.unlink()
    assert "holds no pictures" in refused(*words(mine, tmp_path / "run"))
    draw_into(mine / "few", "control", "localizer", 3)
    said = refused(*words(mine, tmp_path / "run", control=mine / "few"))
    assert "3 control pictures; a contrast with its split halves needs 4 at least" in said
    assert "no such folder" in refused(*words(mine, tmp_path / "run", control=mine / "gone"))
    assert not (tmp_path / "run").exists()
