"""Several maps in one folder, each with masks of its own, that share an evaluation."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import Any

import pandas as pd

from common.base.errors import RunError
from common.base.files import digest_of, save_bytes
from common.base.progress import Progress
from common.effects.items import Outcome
from common.measure.control_rules import plan_masks
from common.measure.masks import Mask, save_masks
from common.measure.scores import SelectivityMap
from common.study.drawing import INTACT
from common.study.experiment import evaluate_masks, item_tables, window_tables
from common.study.folder import RunFolder
from common.study.front import Evaluating, Localizing
from common.study.plan import Plan

MAPS = "maps"
APART = 10_000  # between the seeds of two maps' draws, which shall not be the same ones


@dataclass(frozen=True)
class Planned:
    """A map and its masks.

    Attributes
    ----------
    name : str
        What tells it from the others: its localizer, or the kind of its sites.
    found : SelectivityMap
        The map.
    masks : list of Mask
        The top, its parts, and the controls.
    """

    name: str
    found: SelectivityMap
    masks: list[Mask]

    @classmethod
    def of(cls, name: str, found: SelectivityMap, plan: Plan, number: int) -> Planned:
        """With the masks of a plan, drawn from seeds of its own."""
        seed = plan.seed + number * APART
        return cls(name, found, plan_masks(found, plan.percents, plan.controls, seed))

    def called(self, mask: Mask | None) -> str:
        """What an outcome is called: a mask's name is that of other maps' too."""
        return INTACT if mask is None else f"{slug(self.name)}-{mask.name}"

    def own(self, outcomes: Mapping[str, Outcome]) -> dict[str, Outcome]:
        """The outcomes of its masks by their own names, and the intact one."""
        every = {mask.name: outcomes[self.called(mask)] for mask in self.masks}
        return {INTACT: outcomes[INTACT], **every}


def slug(name: str) -> str:
    """A localizer's name in a file's."""
    plain = re.sub(r"[^A-Za-z0-9._]+", "-", name)
    return plain if plain == name.replace(":", "-") else f"{plain}-{digest_of(name)[:6]}"


def keep_stimuli(folder: RunFolder, table: pd.DataFrame) -> None:
    """Write ``stimuli.csv``."""
    save_bytes(folder.path / "stimuli.csv", table.to_csv(index=False).encode())


def keep_maps(
    folder: RunFolder, at_hand: Mapping[str, Localizing[Any]], progress: Progress
) -> list[SelectivityMap]:
    """The maps by their names; as the folder holds them, whoever made them."""
    found = []
    for name, each in at_hand.items():
        path = folder.path / MAPS / f"{slug(name)}.safetensors"
        try:
            found.append(SelectivityMap.load(path))
        except RunError:  # none, or a damaged one: another may differ from it in the last bits
            shutil.rmtree(folder.partial, ignore_errors=True)
            each.fresh_map(progress).save(path)
            found.append(SelectivityMap.load(path))
    return found


def keep_masks(folder: RunFolder, rows: Sequence[Planned]) -> None:
    """Write the masks of every map beside it."""
    for row in rows:
        save_masks(folder.path / MAPS / f"{slug(row.name)}-masks.safetensors", row.masks)


def evaluate_planned(
    folder: RunFolder, tested: Evaluating, rows: Sequence[Planned], progress: Progress
) -> dict[str, Outcome]:
    """Outcomes of the intact model and under every mask; those that an earlier call kept are read.

    Inside :meth:`Evaluating.arranged`, after :meth:`Evaluating.prepare`.
    """
    outcomes: dict[str, Outcome] = {}
    of = 1 + sum(len(row.masks) for row in rows)
    evaluate_masks(folder, tested, rows[0].found, [None], outcomes, progress, of)
    tested.know(outcomes[INTACT])
    todo = [m for row in rows for m in row.masks if folder.outcome(row.called(m)) is None]
    tested.foresee(_alike(todo, rows[0]), [], rows[0].found, progress)
    for row in rows:
        evaluate_masks(
            folder, tested, row.found, row.masks, outcomes, progress, of, called=row.called
        )
    return outcomes


def _alike(masks: Sequence[Mask], first: Planned) -> list[Mask]:
    """Masks of other sites by as many of the first map's, to guess how long they will take."""
    stand_ins = cycle(first.masks)
    return [mask if mask.sites == first.found.sites else next(stand_ins) for mask in masks]


def planned_items(
    tested: Evaluating, rows: Sequence[Planned], outcomes: Mapping[str, Outcome], column: str
) -> Iterator[pd.DataFrame]:
    """``items.csv``, as of a run, with a column that says whose mask it is."""
    for row, masks in _each(rows):
        for table in item_tables(tested.items, masks, row.own(outcomes)):
            table.insert(0, column, "" if masks[0] is None else row.name)
            yield table


def planned_windows(
    tested: Evaluating, rows: Sequence[Planned], outcomes: Mapping[str, Outcome], column: str
) -> Iterator[pd.DataFrame]:
    """``windows.csv``, likewise."""
    for row, masks in _each(rows) if tested.texts else ():
        for table in window_tables(tested.texts, masks, row.own(outcomes)):
            table.insert(0, column, "" if masks[0] is None else row.name)
            yield table


def _each(rows: Sequence[Planned]) -> Iterator[tuple[Planned, list[Mask | None]]]:
    """The intact model once, and then the masks of every map."""
    yield rows[0], [None]
    for row in rows:
        yield row, [*row.masks]
