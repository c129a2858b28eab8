"""``compare-sites``: one localizer at every kind of site, ablated at the same number of units.

All kinds are read in one pass over the stimuli, and have matched controls and a verdict of their
own. The folder goes on after a kill as a run's does; ``sites.json`` is written last.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from common.base import team
from common.base.device import choose_device, described_device
from common.base.errors import SettingError
from common.base.files import digest_of
from common.base.progress import Progress, silent
from common.effects.items import Outcome
from common.effects.kinds_compared import compared
from common.effects.kinds_words import cautions, said
from common.effects.localized import describe_map
from common.effects.site_kinds import AskedKinds, ComparedSites, MappedKind, SharedPlaces
from common.measure.masks import Mask
from common.measure.sites import KINDS, Kind
from common.models.own import short_name
from common.report.site_kinds import make_sites_report
from common.study.commands import command
from common.study.declared import say_settings
from common.study.digests import check_digests
from common.study.drawing import INTACT
from common.study.experiment import item_tables, window_tables
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
from common.study.sites_file import NAME, SITES
from common.study.verbs import check_overlap, evaluation_identity

VERB = "compare-sites"
CONTROLS = "layer-matched:20,magnitude-matched:20"


def compare_sites(
    front: FrontEnd[S, Model],
    settings: S,
    kinds: Sequence[Kind] = (),
    n_units: int | None = None,
    out: Path | None = None,
    progress: Progress = silent,
) -> tuple[ComparedSites, Path, bool]:
    """Which kind of site gives the largest effect, from wherever an earlier call stopped.

    Parameters
    ----------
    front, settings
        As of a run; the kind of the settings is not used, and there is one dose.
    kinds : sequence of str
        Kinds of sites to compare, two at least; left empty, all that the model has.
    n_units : int, optional
        Units of every mask; left out, as many as the dose is of the first kind.
    out, progress
        As of a run.

    Returns
    -------
    (ComparedSites, Path, bool)
        What ``sites.json`` holds, its folder, and whether it had been finished before.

    Raises
    ------
    SettingError
        If fewer than two kinds can be compared, there is more than one dose, or modules are named
        instead of kinds.
    """
    _check(settings, kinds, n_units)
    settings = settings.to_evaluate()
    wanted: Sequence[Kind] = kinds or KINDS
    at_hand, left_out = front.localizing_kinds(settings, wanted, n_units)
    if len(at_hand) < 2:
        why = "; ".join(f"{kind}: {reason}" for kind, reason in left_out.items())
        raise SettingError(f"`kind`: {len(at_hand)} of {len(wanted)} can be compared ({why})")
    tested = front.evaluating(settings, at_hand[0].model)
    identity = _identity(at_hand, settings, tested)
    path = out or _default_folder(settings, identity)
    overlap = check_overlap(tested, at_hand[0].stimuli["digest"], settings.allow_overlap)
    with opened(path, identity, _about(front, settings, path, kinds, n_units)) as folder:
        if (folder.path / NAME).exists():
            return _finished(folder), path, True
        found = _measured(folder, settings, at_hand, left_out, tested, overlap, progress)
    return found, path, False


# --- the steps ---


def _check(settings: Settings, kinds: Sequence[str], n_units: int | None) -> None:
    if len(settings.top) > 1:
        raise SettingError("`top`: kinds are compared at one dose; give one percentage")
    if settings.sites is not None:
        raise SettingError("`sites`: kinds of sites are compared here; name them by `kind`")
    if unknown := [kind for kind in kinds if kind not in KINDS]:
        raise SettingError(f"`kind` {unknown[0]}: choose from {', '.join(KINDS)}")
    if twice := next((kind for kind in kinds if kinds.count(kind) > 1), None):
        raise SettingError(f"`kind` {twice}: comes twice")
    if len(kinds) == 1:
        raise SettingError(f"`kind` {kinds[0]}: to compare takes two or more; left out, all")
    if n_units is not None and n_units < 1:
        raise SettingError(f"`n_units` {n_units}: give 1 or more")


def _identity(
    at_hand: Sequence[Localizing[Any]], settings: Settings, tested: Evaluating
) -> dict[str, Any]:
    each = {one.settings.kind: one.identity["sites"] for one in at_hand}
    shared = {key: of for key, of in at_hand[0].identity.items() if key != "sites"}
    tried = {key: of for key, of in evaluation_identity(settings, tested).items() if key != "top"}
    return {**shared, **tried, "kinds": each, "n_units": _n_units(at_hand[0])}


def _n_units(one: Localizing[Any]) -> int:
    every = sum(site.n_units(one.settings.unit) for site in one.sites)
    return round(every * one.settings.top[0] / 100)


def _default_folder(settings: Settings, identity: dict[str, Any]) -> Path:
    return Path("runs") / f"{short_name(settings.model)}-{VERB}-{digest_of(identity)[:8]}"


def _about(
    front: FrontEnd[Any, Any],
    settings: Settings,
    out: Path,
    kinds: Sequence[str],
    n_units: int | None,
) -> dict[str, Any]:
    more = [word for kind in kinds for word in ("--kind", kind)]
    more += [] if n_units is None else ["--n-units", str(n_units)]
    return {
        "front": front.program,
        "command": command(front.program, VERB, settings, out, more=more),
        "device": described_device(choose_device(settings.device)),
        "settings": {**say_settings(settings), "kind": None},
        "kinds": [*kinds],
    }


def _finished(folder: RunFolder) -> ComparedSites:
    team.leave()
    check_digests(folder.path)
    done = SITES.load(folder.path)
    shutil.rmtree(folder.partial, ignore_errors=True)
    if not folder.report.exists():
        make_sites_report(folder.path, done)
    return done


def _measured(
    folder: RunFolder,
    settings: Settings,
    at_hand: Sequence[Localizing[Any]],
    left_out: Mapping[str, str],
    tested: Evaluating,
    overlap: int,
    progress: Progress,
) -> ComparedSites:
    every = settings.plan.n_masks - 1
    tested.forewarn(1 + len(at_hand) * every, at_hand[0].work, progress)
    keep_stimuli(folder, at_hand[0].stimuli)
    named = {str(each.settings.kind): each for each in at_hand}
    rows = [
        Planned.of(kind, found, named[kind].settings.plan, number)
        for number, (kind, found) in enumerate(
            zip(named, keep_maps(folder, named, progress), strict=True)
        )
    ]
    tested.prepare(folder.partial, progress)
    with tested.arranged(folder.pace, begun=folder.outcome(INTACT) is not None):
        outcomes = evaluate_planned(folder, tested, rows, progress)
    team.leave()
    found = _summarized(settings, at_hand, left_out, tested, rows, outcomes, overlap)
    keep_masks(folder, rows)
    told = tested, rows, outcomes, "kind"
    folder.keep_tables(planned_items(*told), [*planned_windows(*told)])
    SITES.save(folder.path, found)
    shutil.rmtree(folder.partial, ignore_errors=True)
    make_sites_report(folder.path, found)
    return SITES.load(folder.path) if team.rank() == 0 else found


# --- what becomes of it ---


def _summarized(
    settings: Settings,
    at_hand: Sequence[Localizing[Any]],
    left_out: Mapping[str, str],
    tested: Evaluating,
    rows: Sequence[Planned],
    outcomes: Mapping[str, Outcome],
    overlap: int,
) -> ComparedSites:
    """The numbers, from the outcomes alone, and what they say in words."""
    found = ComparedSites(
        model=at_hand[0].described,
        localizer=at_hand[0].localizer,
        evaluation=tested.described.of(tested.items, overlap),
        ablation=say_ablation(settings.ablation),
        n_units=len(rows[0].masks[0]),
        kinds=tuple(map(_mapped, rows)),
        left_out=dict(left_out),
        shared=tuple(_shared(rows)),
        asked=tuple(_asked(tested, rows, outcomes)),
    )
    return found.model_copy(update={"finding": said(found), "warnings": (*cautions(found),)})


def _mapped(row: Planned) -> MappedKind:
    top = row.masks[0]
    counts = sorted(top.counts().items(), key=lambda pair: -pair[1])
    return MappedKind(
        kind=row.name,
        selectivity=describe_map(row.found),
        percent=top.percent,
        width=max(site.width for site in row.found.sites),
        sites={str(site): n for site, n in counts if n},
    )


def _shared(rows: Sequence[Planned]) -> Iterator[SharedPlaces]:
    """Units that are the same ones of two kinds: a block's output is that of an operation."""
    named = {row.name: _named_units(row.masks[0]) for row in rows}
    for one, other in combinations(named, 2):
        if both := named[one] & named[other]:
            yield SharedPlaces(one=one, other=other, n=len(both))


def _named_units(mask: Mask) -> set[tuple[str, int]]:
    return {
        (str(site), unit) for site in mask.sites for unit in np.flatnonzero(mask.at(site)).tolist()
    }


def _asked(
    tested: Evaluating, rows: Sequence[Planned], outcomes: Mapping[str, Outcome]
) -> Iterator[AskedKinds]:
    """Of the items, and of every running text."""
    items = tested.items
    tables = {
        row.name: pd.concat(item_tables(items, (None, *row.masks), row.own(outcomes)))
        for row in rows
    }
    yield compared("items", tables, items.target, items.other)
    for text in tested.texts:
        tables = {
            row.name: pd.concat(window_tables([text], (None, *row.masks), row.own(outcomes)))
            for row in rows
        }
        yield compared(text.name, tables, text.name, None)
