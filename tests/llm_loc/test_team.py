"""Two processes give the bytes of one, on texts of many lengths."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from common.study.settings import read_controls
from llm_loc.experiment import FRONT, Settings
from tests.forked import forked
from tests.forked_team import run_in, teamed

FILES = ("results.json", "items.csv", "windows.csv", "selectivity.safetensors")


def test_two_give_the_bytes_of_one(
    folder_of: Callable[..., Path], own_files: tuple[Path, ...], tmp_path: Path
) -> None:
    target, control, pairs, prose = own_files
    settings = Settings(
        model=f"local/{folder_of()}", target=target, control=control,
        evaluation=f"{pairs},{prose}", target_group="animals", other_group="things", top=(10,),
        controls=read_controls("random:1"), device="cpu", batch_size=8, untrained_seeds=0,
    )  # fmt: skip
    every = [
        forked(run_in, FRONT, settings, tmp_path / "one"),
        *teamed(run_in, FRONT, settings, tmp_path / "two"),
    ]
    for each in every:
        each.join(120)
    assert [each.exitcode for each in every] == [0, 0, 0]
    for name in FILES:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
