"""Every Python snippet of the pages runs, as it stands, with a tiny model of the reader's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from torch import nn

from common import record, sites, welch
from tests.docs.pages import PAGES, ROOT, Fence, fences

NOT_RUN = {"import ray\n": "needs Ray, which is not installed for tests"}
"""Snippets that are only compiled, by a line of theirs, each with the reason."""

SNIPPETS = {
    path.relative_to(ROOT).as_posix(): found
    for path in PAGES
    if (found := [fence for fence in fences(path) if fence.language == "python"])
}


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(6, 6, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + torch.relu(self.conv(x))


class Net(nn.Sequential):
    """What stands for a reader's own network."""

    def __init__(self) -> None:
        first, last = nn.Conv2d(3, 6, 3, stride=2), nn.Linear(6, 2)
        super().__init__(first, Block(), Block(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), last)


def some_pictures(folder: Path, n: int, seed: int) -> list[str]:
    folder.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    for number in range(n):
        pixels = rng.integers(0, 255, (32, 32, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number:02}.png")
    return [f"{number:02}.png" for number in range(n)]


def own_files(folder: Path) -> None:
    """Pictures and a table as somebody brings them, and weights."""
    some_pictures(folder / "my/faces", 6, 0)
    some_pictures(folder / "my/things", 6, 1)
    names = some_pictures(folder / "my/pictures", 8, 2)
    groups = ["face"] * 4 + ["other"] * 4
    table = pd.DataFrame({"file": names, "class_index": [0, 1] * 4, "group": groups})
    table.to_csv(folder / "my/pictures/labels.csv", index=False)
    torch.save({}, folder / "net.pt")


def given(page: str) -> dict[str, Any]:
    """What a page's snippets take for granted."""
    torch.manual_seed(0)
    batches = {f"{side}_batches": [torch.randn(8, 3, 32, 32)] for side in ("face", "object")}
    if page == "docs/commands.md":
        return {"model": Net().eval(), "images": torch.randn(2, 3, 32, 32), **batches}
    if page == "docs/parameters.md":
        model, moments = Net().eval(), []
        for batch in (*batches["face_batches"], *batches["object_batches"]):
            with record(model, where := sites(model, example=batch[:1])) as seen:
                model(batch)
            moments.append(seen.moments)
        assert where
        return {"model": model, "found": welch(*moments), "images": torch.randn(2, 3, 32, 32)}
    return {}


def known(fence: Fence, space: dict[str, Any]) -> None:
    """A network whose body a page leaves out is the tiny one from there on."""
    if "class Net(nn.Module): ..." in fence.text:
        assert space["build"]()[2] == ["cat", "dog"]
        space["Net"] = Net


@pytest.mark.parametrize("page", SNIPPETS)
def test_snippets_run_one_after_the_other(
    page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("common.study.settings.DEFAULT_CONTROLS", "random:1,layer-matched:2")
    own_files(tmp_path)
    space = given(page)
    for fence in SNIPPETS[page]:
        code = compile(fence.text, f"{fence.page}:{fence.line}", "exec")
        if not any(line in fence.text for line in NOT_RUN):
            exec(code, space)
            known(fence, space)
    if page == "docs/own-model.md":
        assert space["results"].judgement.outcome == "cannot tell"
        assert (tmp_path / "runs/mine/items.csv").is_file()
        assert (tmp_path / "runs/map/selectivity.safetensors").is_file()
    if page == "docs/commands.md":
        assert space["logits"].shape == (2, 2)


def test_what_is_not_run_is_there() -> None:
    texts = [fence.text for found in SNIPPETS.values() for fence in found]
    assert all(any(line in text for text in texts) for line in NOT_RUN)
