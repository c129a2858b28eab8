"""``compare-sites``: one localizer at every kind of site, ablated at the same number of units.

All kinds are read in one pass over the stimuli, and have matched controls and a verdict of their
own. The folder goes on after a kill as a run's does; ``sites.json`` is written last.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from common.base.errors import SettingError
from common.base.progress import Progress, silent
from common.effects.items import Outcome
from common.effects.kinds_compared import compared
from common.effects.kinds_words import cautions, said
from common.effects.localized import describe_map
from common.effects.site_kinds import AskedKinds, ComparedSites, MappedKind, SharedPlaces
from common.measure.masks import Mask
from common.measure.sites import KINDS, Kind
from common.report.site_kinds import make_sites_report
from common.study.experiment import item_tables, window_tables
from common.study.folder import opened
from common.study.front import Evaluating, FrontEnd, Localizing, Model, S
from common.study.plan import say_ablation
from common.study.planned import (
    Planned,
    keep_stimuli,
)
from common.study.settings import Settings
from common.study.several import Several
from common.study.sites_file import SITES
from common.study.verbs import check_overlap, evaluation_identity

VERB = "compare-sites"
COMPARED = Several(VERB, "kind", SITES, make_sites_report)


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
    path = out or COMPARED.folder(settings, identity)
    overlap = check_overlap(tested, at_hand[0].stimuli["digest"], settings.allow_overlap)
    about = COMPARED.about(front, settings, path, _words(kinds, n_units))
    with opened(path, identity, {**about, "kinds": [*kinds]}) as folder:
        if (done := COMPARED.finished(folder)) is not None:
            return done, path, True
        every = settings.plan.n_masks - 1
        tested.forewarn(1 + len(at_hand) * every, at_hand[0].work, progress)
        keep_stimuli(folder, at_hand[0].stimuli)
        named = {str(each.settings.kind): each for each in at_hand}
        summarized = partial(_summarized, settings, at_hand, left_out, tested, overlap)
        return COMPARED.measured(folder, named, tested, summarized, progress), path, False


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
    # A list and no mapping: seeds of the draws go by the order, and the dose by the first.
    each = [[one.settings.kind, one.identity["sites"]] for one in at_hand]
    shared = {key: of for key, of in at_hand[0].identity.items() if key != "sites"}
    tried = {key: of for key, of in evaluation_identity(settings, tested).items() if key != "top"}
    return {**shared, **tried, "kinds": each, "n_units": _n_units(at_hand[0])}


def _n_units(one: Localizing[Any]) -> int:
    every = sum(site.n_units(one.settings.unit) for site in one.sites)
    return round(every * one.settings.top[0] / 100)


def _words(kinds: Sequence[str], n_units: int | None) -> list[str]:
    more = [word for kind in kinds for word in ("--kind", kind)]
    return more + ([] if n_units is None else ["--n-units", str(n_units)])


# --- what becomes of it ---


def _summarized(
    settings: Settings,
    at_hand: Sequence[Localizing[Any]],
    left_out: Mapping[str, str],
    tested: Evaluating,
    overlap: int,
    rows: Sequence[Planned],
    outcomes: Mapping[str, Outcome],
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
