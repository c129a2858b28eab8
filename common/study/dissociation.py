"""``dissociate``: the masks of several localizers on every group of an evaluation, in one folder.

The localizers share one pass, the evaluation its intact one. The folder goes on after a kill as a
run's does; ``dissociation.json`` is written last.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from common.base.errors import SettingError
from common.base.progress import Progress, silent
from common.data.manifest import load_manifest
from common.effects.crossing import Column, Row, crossed, doubles, overlaps
from common.effects.crossing_words import cautions, said
from common.effects.dissociation import Dissociation, Mapped
from common.effects.items import Items, Outcome
from common.effects.localized import describe_map
from common.report.dissociation import make_dissociation_report
from common.study.dissociation_file import DISSOCIATED
from common.study.drawing import INTACT, margins
from common.study.folder import opened
from common.study.front import Evaluating, FrontEnd, Localizing, Model, S
from common.study.plan import say_ablation
from common.study.planned import (
    Planned,
    keep_stimuli,
)
from common.study.settings import Settings
from common.study.several import Several
from common.study.verbs import check_overlap, evaluation_identity

GROUP = "group"
CROSSED = Several("dissociate", "localizer", DISSOCIATED, make_dissociation_report)


def contrasts_of(names: Sequence[str]) -> list[str]:
    """Localizers by name; a manifest alone stands for all of its contrasts.

    Raises
    ------
    SettingError
        If there are fewer than two, or one comes twice.
    """
    found = []
    for name in names:
        own = [name] if ":" in name else [f"{name}:{c}" for c in load_manifest(name).contrasts]
        found += own or [name]
    if twice := next((name for name in found if found.count(name) > 1), None):
        raise SettingError(f"`localizer` {twice}: comes twice")
    if len(found) < 2:
        raise SettingError(
            f"`localizer`: a dissociation needs two or more; there is {', '.join(found) or 'none'}"
        )
    return found


def brought_contrasts(settings: Settings) -> list[str]:
    """Those of the manifest that a calibration model brings; none of another model."""
    own = settings.brought.get(settings.model)
    return [] if own is None else [own.localizer.partition(":")[0]]


def dissociate(
    front: FrontEnd[S, Model],
    settings: S,
    localizers: Sequence[str],
    by: str = GROUP,
    out: Path | None = None,
    progress: Progress = silent,
) -> tuple[Dissociation, Path, bool]:
    """Every localizer's mask on every group, from wherever an earlier call of the same stopped.

    Parameters
    ----------
    front, settings
        As of a run; the localizer of the settings is not used, and there is one dose.
    localizers : sequence of str
        Names, as in ``floc:faces``; ``floc`` alone stands for all of its contrasts. Left empty,
        those of a calibration model.
    by : str, default="group"
        What the items are sorted by: ``group``, or a level of theirs.
    out, progress
        As of a run.

    Returns
    -------
    (Dissociation, Path, bool)
        What ``dissociation.json`` holds, its folder, and whether it had been finished before.

    Raises
    ------
    SettingError
        If there are fewer than two localizers or more than one dose, units are replaced by
        ``resample`` (donors are one localizer's), or items have no such level.
    """
    names = contrasts_of(localizers or brought_contrasts(settings))
    _check(settings)
    settings = settings.to_evaluate()
    at_hand = front.localizing_each(settings, names)
    tested = front.evaluating(settings, at_hand[0].model)
    _check_level(tested.items, by)
    identity = _identity(at_hand, settings, tested, by)
    path = out or CROSSED.folder(settings, identity)
    overlap = max(
        check_overlap(tested, each.stimuli["digest"], settings.allow_overlap) for each in at_hand
    )
    about = CROSSED.about(front, settings, path, _words(names, by))
    with opened(path, identity, {**about, "localizers": [*names]}) as folder:
        if (done := CROSSED.finished(folder)) is not None:
            return done, path, True
        every, work = settings.plan.n_masks - 1, sum(each.work for each in at_hand)
        tested.forewarn(1 + len(at_hand) * every, work, progress)
        shown = [each.stimuli.assign(localizer=each.localizer.name) for each in at_hand]
        keep_stimuli(folder, pd.concat(shown))
        named = {each.localizer.name: each for each in at_hand}
        summarized = partial(_summarized, settings, at_hand, tested, by, overlap)
        return CROSSED.measured(folder, named, tested, summarized, progress), path, False


# --- the steps ---


def _check(settings: Settings) -> None:
    if len(settings.top) > 1:
        raise SettingError("`top`: a dissociation has one dose; give one percentage")
    if settings.ablation == "resample":
        raise SettingError(
            "`ablation` resample: its donors are one localizer's control stimuli, and here are "
            "several; choose zero, mean or scale:X"
        )


def _check_level(items: Items, by: str) -> None:
    known = (GROUP, *(level for level in items.levels if level != GROUP))
    if by not in known:
        raise SettingError(f"`by` {by}: choose one of {', '.join(known)}")


def _identity(
    at_hand: Sequence[Localizing[Any]], settings: Settings, tested: Evaluating, by: str
) -> dict[str, Any]:
    shared = {k: v for k, v in at_hand[0].identity.items() if k != "localizer"}
    own = [each.identity["localizer"] for each in at_hand]
    return {**shared, "localizers": own, "by": by, **evaluation_identity(settings, tested)}


def _words(names: Sequence[str], by: str) -> list[str]:
    more = [word for name in names for word in ("--localizer", name)]
    return more + ([] if by == GROUP else ["--by", by])


# --- what becomes of it ---


def _summarized(
    settings: Settings,
    at_hand: Sequence[Localizing[Any]],
    tested: Evaluating,
    by: str,
    overlap: int,
    rows: Sequence[Planned],
    outcomes: Mapping[str, Outcome],
) -> Dissociation:
    """The numbers, from the outcomes alone, and what they say in words."""
    columns, measured = matrix_of(tested, rows, outcomes, by)
    groups, cells = crossed(columns, measured)
    found = Dissociation(
        model=at_hand[0].described,
        localizers=tuple(
            Mapped(localizer=each.localizer, selectivity=describe_map(row.found),
                   n_units=len(row.masks[0]))
            for each, row in zip(at_hand, rows, strict=True)
        ),
        evaluation=tested.described.of(tested.items, overlap),
        by=by,
        groups=tuple(groups),
        percent=settings.plan.headline,
        ablation=say_ablation(settings.ablation),
        cells=tuple(cells),
        overlaps=tuple(overlaps(measured)),
        doubles=tuple(doubles(cells)),
    )  # fmt: skip
    return found.model_copy(update={"finding": said(found), "warnings": (*cautions(found),)})


def matrix_of(
    tested: Evaluating, rows: Sequence[Planned], outcomes: Mapping[str, Outcome], by: str
) -> tuple[list[Column], list[Row]]:
    """The columns, items of a group and windows of a text, and what every mask does to them."""
    intact, parts = outcomes[INTACT], [*_parts(tested, by)]
    columns = [
        Column(
            name=name,
            margin=margins(intact, text)[inside],
            correct=intact.correct[inside] if text is None else None,
            labels=_labels(tested.items, text, inside),
            measure=tested.items.measure,
        )
        for name, inside, text in parts
    ]
    measured = []
    for row in rows:
        own = row.own(outcomes)
        measured.append(
            Row(
                row.name,
                row.masks,
                {m.name: [margins(own[m.name], t)[w] for _, w, t in parts] for m in row.masks},
                {
                    m.name: [own[m.name].correct[w] if t is None else None for _, w, t in parts]
                    for m in row.masks
                },
            )
        )
    return columns, measured


def _parts(tested: Evaluating, by: str) -> Iterator[tuple[str, np.ndarray, str | None]]:
    """Name, which items or windows, and the text whose windows they are."""
    items = tested.items
    of = items.groups if by == GROUP else items.levels[by]
    names = items.every_group if by == GROUP else sorted(set(of.tolist()))
    for name in names:
        yield name, np.asarray(of == name), None
    for text in tested.texts:
        yield text.name, np.ones(len(text.bytes), dtype=bool), text.name


def _labels(items: Items, text: str | None, inside: np.ndarray) -> np.ndarray:
    if text is not None or items.labels is None:
        return np.full(int(inside.sum()), "", dtype=object)
    return np.array([str(label) for label in np.asarray(items.labels)[inside]], dtype=object)
