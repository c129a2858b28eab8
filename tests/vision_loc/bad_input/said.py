"""What the tests of bad input say to the program, and what is left of a run that failed."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from PIL import Image

from tests.vision_loc.test_models import timm_folder
from vision_loc import phantom

Call = Callable[..., tuple[int, str, str]]


def draw_into(folder: Path, what: str, split: str, n: int) -> Path:
    folder.mkdir(parents=True)
    for i in range(n):
        phantom.draw_planted(what, i, split).save(folder / f"{i:02d}.png")
    return folder


def words(mine: Path, out: Path, **changed: object) -> list[object]:
    """The words of a run on somebody's own pictures."""
    options = {
        "model": "phantom/planted",
        "target": mine / "target",
        "control": mine / "control",
        "eval": mine / "eval",
        "top": "6.25",
        "controls": "random:2",
        "batch-size": 4,
        "device": "cpu",
        "out": out,
    } | {name.replace("_", "-"): value for name, value in changed.items()}
    return [
        "run",
        "-q",
        *(word for name, value in options.items() for word in (f"--{name}", value)),
    ]


def check_resumable(out: Path) -> None:
    """The folder is not there, or holds whole files and no results."""
    if not out.exists():
        return
    assert not (out / "results.json").exists()
    assert not list(out.rglob("*.part"))
    assert json.loads((out / "run.json").read_text())["fingerprint"]


def finishes(call: Call, line: list[object], out: Path) -> dict[str, Any]:
    """The same command comes to its end once the cause is gone."""
    status, _, err = call(*line)
    assert (status, err) == (0, "")
    return json.loads((out / "results.json").read_text())  # type: ignore[no-any-return]


def missing(path: Path) -> None:
    path.unlink()


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:200])


def text(path: Path) -> None:
    path.write_text("no picture")


def bomb(path: Path) -> None:
    Image.new("1", (20_000, 10_000)).save(path)


def dangling(path: Path) -> None:
    path.unlink()
    path.symlink_to("nowhere.png")


def a_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def timm_model(folder: Path) -> Path:
    timm_folder(folder)
    return folder


def change_weights(folder: Path, change: Callable[[dict[str, torch.Tensor]], None]) -> None:
    path = folder / "model.safetensors"
    weights = safetensors.torch.load_file(path)
    change(weights)
    safetensors.torch.save_file(weights, path, {"format": "pt"})
