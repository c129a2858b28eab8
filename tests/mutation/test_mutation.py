"""What is changed, one thing at a time, and that a changed module does something else."""

from __future__ import annotations

import time
from pathlib import Path

from common.effects import controls
from tests.mutation.installed import install
from tests.mutation.mutants import mutants_of
from tests.mutation.trial import _forked

CODE = '''
"""A module."""
LEAST, WORD = 3, "left"
MOST = 4.0

def share(values: list[int], k: int = 2) -> float:
    """One of them."""
    if not values or k >= 1:
        raise ValueError("no more than 5")
    return -max(values) / len(sorted(values, reverse=True))
'''
CHANGES = [
    "4.0 -> 8.0",
    "2 -> 3",
    "if not values or k >= 1: raise ValueError('no more than 5') -> "
    "if not (not values or k >= 1): raise ValueError('no more than 5')",
    "not values or k >= 1 -> not values and k >= 1",
    "not values -> values",
    "k >= 1 -> k > 1",
    "k >= 1 -> k < 1",
    "1 -> 2",
    "-max(values) / len(sorted(values, reverse=True)) -> "
    "-max(values) * len(sorted(values, reverse=True))",
    "-max(values) -> +max(values)",
    "max(values) -> min(values)",
    "sorted(values, reverse=True) -> sorted(values)",
    "True -> False",
]


def test_every_change_is_made_once_and_nothing_that_is_only_said(tmp_path: Path) -> None:
    path = tmp_path / "module.py"
    path.write_text(CODE)
    found = [*mutants_of(path)]
    assert sorted(f"{each.was} -> {each.becomes}" for each in found) == sorted(CHANGES)
    assert {each.function for each in found} == {"", "share"}
    trees = [compile(each.tree(), "module", "exec").co_consts for each in found]
    assert len(trees) == len(CHANGES)


def in_the_place_of_controls() -> list[object]:
    """What two mutants of a module do, one after the other."""
    every = {
        f"{each.was} -> {each.becomes}": each
        for each in mutants_of(Path("common/effects/controls.py"))
    }
    install(every["19 -> 20"])
    found: list[object] = [controls.FEWEST, controls.Stopping({"a": [0.0]})._fewest]
    install(every["enough / made -> enough * made"])
    rank = controls.rank(0.0, [1.0] * 30)
    return [*found, rank.p, type(rank) is controls.Rank]


def test_a_changed_module_is_in_the_place_of_the_one_that_is_loaded() -> None:
    assert _forked(in_the_place_of_controls, 60) == [20, 20, 100.0, True]
    assert controls.rank(0.0, [1.0] * 30).p == 1.0


def test_how_a_trial_ends_is_told() -> None:
    assert _forked(lambda: time.sleep(60), 1) == "timeout"
    assert str(_forked(lambda: 1 / 0, 60)).startswith("ended with status")
