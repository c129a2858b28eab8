"""One localizer at several kinds of sites: which kinds there are, and how large their masks."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Generic

from common.base.errors import SettingError, SiteError
from common.measure.contrasts import Place
from common.measure.shares import n_chosen
from common.measure.sites import Kind, Site
from common.measure.survey import Survey
from common.study.front import S

LARGEST = 0.5  # share of a kind's units beyond which nothing is left to match them with


@dataclass(frozen=True)
class OfKind(Generic[S]):
    """What is read at one kind of site.

    Attributes
    ----------
    settings : Settings
        With the kind, and with the dose at which its masks have as many units as the others'.
    sites : sequence of Site
        All of the kind, in running order.
    """

    settings: S
    sites: Sequence[Site]

    @property
    def place(self) -> Place:
        """Where, and for which masks."""
        return Place(self.sites, self.settings.top)


def of_kinds(
    settings: S,
    kinds: Sequence[Kind],
    n_units: int | None,
    survey: Survey,
    *,
    truncated: bool = False,
) -> tuple[list[OfKind[S]], dict[str, str]]:
    """What is read at each kind of site, with masks of the same number of units.

    Parameters
    ----------
    settings : Settings
        Of all of them.
    kinds : sequence of str
        Those that are wanted.
    n_units : int, optional
        Units of a mask; left out, as many as the dose of the settings is of the first kind that the
        model has.
    survey : Survey
        Of the model.
    truncated : bool, default=False
        Whether a dose is cut to whole units, and not rounded.

    Returns
    -------
    (list of OfKind, dict of str to str)
        The kinds that can be compared; and why the others cannot.
    """
    found: list[OfKind[S]] = []
    missing: dict[str, str] = {}
    for kind in kinds:
        try:
            own, sites = replace(settings, kind=kind), survey.of_kind(kind)
        except (SettingError, SiteError) as error:
            missing[kind] = _why_not(str(error), kind)
            continue
        n = units_of(sites, own)
        if n_units is None:
            n_units = n_chosen(n, settings.top[0], truncated=truncated)
        if n_units > LARGEST * n:
            missing[kind] = f"has {n:,} units, of which {n_units:,} are more than half"
            continue
        percent = share_of(n, n_units, truncated=truncated)
        found.append(OfKind(replace(own, top=(percent,)), sites))
    return found, missing


def _why_not(message: str, kind: Kind) -> str:
    """The reason, without what to write instead and without the kind that stands beside it."""
    reason = message.partition(";")[0]
    return reason.replace(f"this model has no site of kind {kind}", "the model has none")


def units_of(sites: Iterable[Site], settings: S) -> int:
    """Units of all sites."""
    return sum(site.n_units(settings.unit) for site in sites)


def share_of(n_units: int, k: int, *, truncated: bool = False) -> float:
    """The percentage of `n_units` units that makes a mask of `k`."""
    percent = 100 * k / n_units
    while n_chosen(n_units, percent, truncated=truncated) < k:  # by the last bit
        percent = math.nextafter(percent, math.inf)
    return percent
