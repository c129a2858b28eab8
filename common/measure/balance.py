"""Whether control masks are like the mask that they stand against: loudness, overlap, shares.

A matched control says something only where it is matched: where its units are as loud, are mostly
others, and the site has enough of them. These numbers say how far that holds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from common.measure.control_rules import against, is_matched
from common.measure.masks import Mask
from common.measure.matching import MATCHED_PART, by_site, has_partner, log_loudness
from common.measure.moments import Array
from common.measure.scores import SelectivityMap

LARGEST_GAP = 0.1  # sd of the site's log loudness
LARGEST_OVERLAP = 0.25
LARGEST_SHARE = 0.15  # of a site's units


@dataclass(frozen=True)
class SiteBalance:
    """One site under a mask and its controls.

    Attributes
    ----------
    site : str
        Which.
    n_units, n_masked, n_unmatched : int
        Its units, those of the mask, and those of them without an equally loud partner.
    gap : float or None
        Mean log loudness of the mask's units minus that of the draws', in standard deviations over
        the site's units; ``None`` where either holds no unit that ever answers.
    """

    site: str
    n_units: int
    n_masked: int
    n_unmatched: int
    gap: float | None

    @property
    def share(self) -> float:
        """Share of its units that is masked."""
        return self.n_masked / self.n_units


@dataclass(frozen=True)
class Balance:
    """A mask and the draws of one rule at one dose.

    Attributes
    ----------
    percent : float
        The dose.
    rule : str
        The control rule.
    stands_against : str
        Rule of the mask that the draws stand against: ``top`` or ``matched-part``.
    draws : int
        How many there are.
    overlap : float
        Share of a draw's units that are the mask's own, on average.
    sites : tuple of SiteBalance
        Those that the mask has units in.
    """

    percent: float
    rule: str
    stands_against: str
    draws: int
    overlap: float
    sites: tuple[SiteBalance, ...]

    @property
    def worst_gap(self) -> float:
        """The gap of the site where it is largest, either way; 0 where none is known."""
        return max((each.gap for each in self.sites if each.gap is not None), key=abs, default=0.0)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a reader should know before believing these controls."""
        at = f"{self.rule} controls of the top {self.percent:g} %"
        told = []
        far = [s for s in self.sites if s.gap is not None and abs(s.gap) > LARGEST_GAP]
        if far and is_matched(self.rule):
            worst = max(far, key=lambda each: abs(each.gap or 0.0))
            louder = "louder" if (worst.gap or 0.0) > 0 else "quieter"
            told.append(
                f"{at}: the masked units are {louder} by more than {LARGEST_GAP} sd at "
                f"{_sites(len(far))}, by {abs(worst.gap or 0.0):.2f} sd at {worst.site}."
            )
        if self.overlap > LARGEST_OVERLAP:
            told.append(
                f"{at}: {100 * self.overlap:.0f} % of a draw's units are the mask's own, so it "
                "loses part of what the mask loses."
            )
        full = [each for each in self.sites if each.share > LARGEST_SHARE]
        if full and is_matched(self.rule):
            most = max(full, key=lambda each: each.share)
            told.append(
                f"{at}: more than {100 * LARGEST_SHARE:.0f} % of the units are masked at "
                f"{_sites(len(full))}, {100 * most.share:.0f} % at {most.site}."
            )
        return tuple(told)


def _sites(n: int) -> str:
    return f"{n} site" if n == 1 else f"{n} sites"


def balance(found: SelectivityMap, mask: Mask, draws: Sequence[Mask]) -> Balance:
    """Hold a mask against the draws of one rule.

    Parameters
    ----------
    found : SelectivityMap
        The map of all of them.
    mask : Mask
        What the draws stand against.
    draws : sequence of Mask
        Of one rule at one dose, at least one.
    """
    own = set(mask.units.tolist())
    overlap = np.mean([len(own & set(draw.units.tolist())) / len(draw) for draw in draws])
    partner = dict(zip(mask.units.tolist(), has_partner(found, mask.units), strict=True))
    level = log_loudness(found)
    drawn = [dict(zip(draw.sites, map(draw.at, draw.sites), strict=True)) for draw in draws]
    sites = []
    for part in by_site(found, mask.units):
        start = found.offsets[found.sites.index(part.site)]
        units = [start + np.flatnonzero(each[part.site]) for each in drawn]
        sites.append(
            SiteBalance(
                site=str(part.site),
                n_units=len(part.every),
                n_masked=len(part.chosen),
                n_unmatched=sum(not partner[unit] for unit in part.chosen.tolist()),
                gap=_gap(level, found.magnitude > 0, part.every, part.chosen, units),
            )
        )
    return Balance(mask.percent, draws[0].rule, mask.rule, len(draws), float(overlap), tuple(sites))


def _gap(
    level: Array, answers: np.ndarray, every: np.ndarray, own: np.ndarray, draws: list[np.ndarray]
) -> float | None:
    every, own = every[answers[every]], own[answers[own]]
    means = [level[units[answers[units]]].mean() for units in draws if answers[units].any()]
    if not len(own) or not means:
        return None
    spread = level[every].std(ddof=1) if len(every) > 1 else 0.0
    difference = float(level[own].mean() - np.mean(means))
    return difference / float(spread) if spread > 0 else 0.0


def balances(found: SelectivityMap, masks: Sequence[Mask]) -> list[Balance]:
    """Every drawn rule at every dose, against the mask that it stands against.

    Parameters
    ----------
    found : SelectivityMap
        The map.
    masks : sequence of Mask
        Of a run, in any order.
    """
    doses: dict[float, dict[str, list[Mask]]] = {}
    for mask in masks:
        doses.setdefault(mask.percent, {}).setdefault(mask.rule, []).append(mask)
    found_balances = []
    for rules in doses.values():
        if "top" not in rules:
            continue
        for rule, draws in rules.items():
            if draws[0].seed is None:
                continue
            part = rules.get(MATCHED_PART) if against(rule) == MATCHED_PART else None
            found_balances.append(balance(found, (part or rules["top"])[0], draws))
    return found_balances
