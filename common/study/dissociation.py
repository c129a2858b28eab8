"""``dissociate``: the masks of several localizers on every group of an evaluation, in one folder.

The localizers share one pass, the evaluation its intact one. The folder goes on after a kill as a
run's does; ``dissociation.json`` is written last.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from common.base import team
from common.base.device import choose_device, described_device
from common.base.errors import SettingError
from common.base.files import digest_of
from common.base.progress import Progress, silent
from common.data.manifest import load_manifest
from common.effects.crossing import Column, Row, crossed, doubles, overlaps
from common.effects.crossing_words import cautions, said
from common.effects.dissociation import Dissociation, Mapped
from common.effects.items import Items, Outcome
from common.effects.localized import describe_map
from common.models.own import short_name
from common.report.dissociation import make_dissociation_report
from common.study.commands import command
from common.study.declared import say_settings
from common.study.digests import check_digests
from common.study.dissociation_file import NAME, load_dissociation, save_dissociation
from common.study.drawing import INTACT, margins
from common.study.folder import RunFolder, opened
from common.study.front import Evaluating, FrontEnd, Localizing, Model, S
from common.study.plan import say_ablation
from common.study.planned import (
    Planned,
    evaluate_planned,
    keep_maps,
    keep_masks,
    keep_stimuli,
    planned_items,
    planned_windows,
)
from common.study.settings import Settings
from common.study.verbs import check_overlap, evaluation_identity

GROUP = "group"
CONTROLS = "layer-matched:20,magnitude-matched:20"


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
    path = out or _default_folder(settings, identity)
    overlap = max(
        check_overlap(tested, each.stimuli["digest"], settings.allow_overlap) for each in at_hand
    )
    with opened(path, identity, _about(front, settings, path, names, by)) as folder:
        if (folder.path / NAME).exists():
            return _finished(folder), path, True
        found = _measured(folder, settings, at_hand, tested, by, overlap, progress)
    return found, path, False


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


def _default_folder(settings: Settings, identity: dict[str, Any]) -> Path:
    return Path("runs") / f"{short_name(settings.model)}-dissociate-{digest_of(identity)[:8]}"


def _about(
    front: FrontEnd[Any, Any], settings: Settings, out: Path, names: Sequence[str], by: str
) -> dict[str, Any]:
    more = [word for name in names for word in ("--localizer", name)]
    more += [] if by == GROUP else ["--by", by]
    return {
        "front": front.program,
        "command": command(front.program, "dissociate", settings, out, more=more),
        "device": described_device(choose_device(settings.device)),
        "settings": {**say_settings(settings), "localizer": None},
        "localizers": [*names],
    }


def _finished(folder: RunFolder) -> Dissociation:
    team.leave()
    check_digests(folder.path)
    done = load_dissociation(folder.path)
    shutil.rmtree(folder.partial, ignore_errors=True)
    if not folder.report.exists():
        make_dissociation_report(folder.path, done)
    return done


def _measured(
    folder: RunFolder,
    settings: Settings,
    at_hand: Sequence[Localizing[Any]],
    tested: Evaluating,
    by: str,
    overlap: int,
    progress: Progress,
) -> Dissociation:
    every = settings.plan.n_masks - 1
    tested.forewarn(1 + len(at_hand) * every, sum(each.work for each in at_hand), progress)
    keep_stimuli(
        folder, pd.concat([each.stimuli.assign(localizer=each.localizer.name) for each in at_hand])
    )
    named = {each.localizer.name: each for each in at_hand}
    rows = [
        Planned.of(name, found, settings.plan, number)
        for number, (name, found) in enumerate(
            zip(named, keep_maps(folder, named, progress), strict=True)
        )
    ]
    tested.prepare(folder.partial, progress)
    with tested.arranged(folder.pace, begun=folder.outcome(INTACT) is not None):
        outcomes = evaluate_planned(folder, tested, rows, progress)
    team.leave()
    found = _summarized(settings, at_hand, tested, rows, outcomes, by, overlap)
    keep_masks(folder, rows)
    told = tested, rows, outcomes, "localizer"
    folder.keep_tables(planned_items(*told), [*planned_windows(*told)])
    save_dissociation(folder.path, found)
    shutil.rmtree(folder.partial, ignore_errors=True)
    make_dissociation_report(folder.path, found)
    return load_dissociation(folder.path) if team.rank() == 0 else found


# --- what becomes of it ---


def _summarized(
    settings: Settings,
    at_hand: Sequence[Localizing[Any]],
    tested: Evaluating,
    rows: Sequence[Planned],
    outcomes: Mapping[str, Outcome],
    by: str,
    overlap: int,
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
