"""Masks: the units chosen from a selectivity map, and the controls of the same size.

Random units are a weak control: the top units lie in certain layers and are loud, and zeroing any
equally loud units of the same layers may do the same harm. So beside `random` there are masks with
the same count in every site (`layer-matched`) and, within that, the same loudness
(`magnitude-matched`). All are drawn from the units that the top mask left.
"""

from __future__ import annotations

import json
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open

from common.base.errors import MaskError, SettingError
from common.base.files import save_arrays
from common.measure.scores import SelectivityMap, n_chosen
from common.measure.sites import Site, Unit

RULES = ("random", "layer-matched", "magnitude-matched", "bottom", "range")
MATCHED = ("layer-matched", "magnitude-matched")
BINS = 10  # quantiles of loudness within which a magnitude-matched unit is drawn


@dataclass(frozen=True)
class Mask:
    """Exactly k units of a model.

    Attributes
    ----------
    rule : str
        How they were chosen: ``top``, or one of `RULES` (``range:40-60`` with its bounds).
    percent : float
        Share of all units, in percent.
    seed : int or None
        Seed of a rule that draws; ``None`` for one that does not.
    sites : tuple of Site
        The map's sites.
    unit : {"channel", "neuron"}
        The map's unit.
    units : array of int of shape (k,)
        Indices into the map's row of units, best first.
    map_fingerprint, model_fingerprint : str
        Where the mask comes from and what it belongs to.
    """

    rule: str
    percent: float
    seed: int | None
    sites: tuple[Site, ...]
    unit: Unit
    units: np.ndarray
    map_fingerprint: str = ""
    model_fingerprint: str = ""

    def __len__(self) -> int:
        return len(self.units)

    @property
    def name(self) -> str:
        """Name in files and tables: ``top-1``, ``layer-matched-1-s03``."""
        draw = "" if self.seed is None else f"-s{self.seed:02d}"
        # All digits that tell this percentage from another, which :g would cut.
        size = np.format_float_positional(self.percent, trim="-")
        return f"{self.rule.replace(':', '-')}-{size}{draw}"

    @cached_property
    def offsets(self) -> np.ndarray:
        """Where each site's units begin, and the total: array of int of shape (n_sites + 1,)."""
        return np.cumsum([0, *(site.n_units(self.unit) for site in self.sites)])

    @cached_property
    def _chosen(self) -> np.ndarray:
        chosen = np.zeros(self.offsets[-1], dtype=bool)
        chosen[self.units] = True
        return chosen

    def at(self, site: Site) -> np.ndarray:
        """Which of a site's units are in the mask: array of bool of shape (n_units,)."""
        number = self.sites.index(site)
        return self._chosen[self.offsets[number] : self.offsets[number + 1]]

    def counts(self) -> dict[Site, int]:
        """Number of chosen units in every site."""
        return {site: int(self.at(site).sum()) for site in self.sites}


def top_percent(found: SelectivityMap, percent: float) -> Mask:
    """The units with the highest t: the target's own.

    Raises
    ------
    MaskError
        If `percent` is not above 0 and at most 100.
    """
    k = _size(found, percent)
    return _mask(found, "top", percent, None, found.ranking[:k])


def control(found: SelectivityMap, rule: str, percent: float, seed: int | None = None) -> Mask:
    """A mask of the same size as the top one, chosen by another rule.

    Parameters
    ----------
    found : SelectivityMap
        The map.
    rule : str
        ``random`` (any unit outside the top), ``layer-matched`` (as many in each site as the top
        has), ``magnitude-matched`` (that, from the same tenth of mean \\|activation\\|), ``bottom``
        (lowest t), or ``range:LO-HI`` (drawn between two percentiles of t, top excluded).
    percent : float
        Share of all units.
    seed : int, optional
        Seed of the draw; ``bottom`` draws nothing.

    Raises
    ------
    MaskError
        If there are too few units to match, naming the site.
    """
    k = _size(found, percent)
    top = found.ranking[:k]
    rng = np.random.default_rng([0 if seed is None else seed, *rule.encode()])
    if rule == "bottom":
        if 2 * k > found.n_units:
            raise MaskError(f"bottom control: {k} of {found.n_units} units would overlap the top")
        return _mask(found, rule, percent, None, found.ranking[::-1][:k])
    pick = {"random": _random, "layer-matched": _layer_matched, "magnitude-matched": _loud}
    if rule in pick:
        units = pick[rule](found, top, rng)
    elif rule.startswith("range:"):
        units = _between(found, top, *_bounds(rule), rng)
    else:
        raise SettingError(f"no control is called {rule!r}; choose from {', '.join(RULES)}")
    return _mask(found, rule, percent, seed, units)


def units_mask(found: SelectivityMap, units: Sequence[int]) -> Mask:
    """A mask of units that were chosen one by one.

    Parameters
    ----------
    units : sequence of int
        Indices into the map's row of units, at least one.

    Raises
    ------
    MaskError
        If there is none, or the map has no such unit.
    """
    chosen = np.unique(np.asarray(units, dtype=int))
    if not len(chosen) or chosen[0] < 0 or chosen[-1] >= found.n_units:
        raise MaskError(f"the map has the units 0 to {found.n_units - 1:,}; choose among them")
    return _mask(found, "chosen", 100 * len(chosen) / found.n_units, None, chosen)


def matched_control(found: SelectivityMap, mask: Mask, seed: int) -> Mask:
    """A magnitude-matched control of any mask of a map, drawn from the units that it left.

    Raises
    ------
    MaskError
        If there are too few units to match, naming the site.
    """
    rule = "magnitude-matched"
    rng = np.random.default_rng([seed, *rule.encode()])
    return _mask(found, rule, mask.percent, seed, _loud(found, mask.units, rng))


def _size(found: SelectivityMap, percent: float) -> int:
    if not 0 < percent <= 100:
        raise MaskError(f"{percent:g} percent: give more than 0 and at most 100")
    return n_chosen(found.n_units, percent)


def _mask(
    found: SelectivityMap, rule: str, percent: float, seed: int | None, units: np.ndarray
) -> Mask:
    chosen = np.zeros(found.n_units, dtype=bool)
    chosen[units] = True
    ranked = found.ranking[chosen[found.ranking]]
    model = str(found.about.get("model_fingerprint", ""))
    return Mask(rule, percent, seed, found.sites, found.unit, ranked, found.fingerprint, model)


def _rest(found: SelectivityMap, top: np.ndarray) -> np.ndarray:
    left = np.ones(found.n_units, dtype=bool)
    left[top] = False
    return left


def _random(found: SelectivityMap, top: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    rest = np.flatnonzero(_rest(found, top))
    if len(rest) < len(top):
        raise MaskError(f"random control: {len(top)} masked units leave only {len(rest)} others")
    return rng.choice(rest, len(top), replace=False)


def _by_site(found: SelectivityMap, top: np.ndarray) -> list[tuple[Site, np.ndarray, np.ndarray]]:
    """For each site with top units: the site, its top units, and those left to draw from."""
    rest, parts = _rest(found, top), []
    for number, site in enumerate(found.sites):
        start, stop = found.offsets[number : number + 2]
        chosen = top[(top >= start) & (top < stop)]
        free = start + np.flatnonzero(rest[start:stop])
        if len(chosen) > len(free):
            raise MaskError(
                f"{site}: {len(chosen)} of its {stop - start} units are masked, "
                f"so a control of the same size cannot be drawn from the other {len(free)}; "
                "lower --top or leave the matched controls out"
            )
        if len(chosen):
            parts.append((site, chosen, free))
    return parts


def _layer_matched(found: SelectivityMap, top: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    parts = _by_site(found, top)
    return np.concatenate([rng.choice(free, len(own), replace=False) for _, own, free in parts])


def _loud(found: SelectivityMap, top: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    parts = _by_site(found, top)
    return np.concatenate([_matched(found.magnitude, own, free, rng) for _, own, free in parts])


def _matched(
    magnitude: np.ndarray, own: np.ndarray, free: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Draw one free unit for each own unit from the same quantile of loudness.

    A quantile that runs out of free units lends from the free units nearest in loudness.
    """
    every = np.concatenate([own, free])
    edges = np.quantile(magnitude[every], np.linspace(0, 1, BINS + 1)[1:-1])
    own_bin, free_bin = (np.searchsorted(edges, magnitude[units]) for units in (own, free))
    taken: list[int] = []
    short: list[int] = []
    for number in range(BINS):
        wanted, there = own[own_bin == number], free[free_bin == number]
        n = min(len(wanted), len(there))
        taken.extend(rng.choice(there, n, replace=False))
        short.extend(rng.permutation(wanted)[n:])
    if short:
        left = np.setdiff1d(free, taken)
        left = left[np.argsort(magnitude[left], kind="stable")]
        taken += _nearest(magnitude[left].tolist(), left.tolist(), magnitude[short].tolist())
    return np.array(taken)


def _nearest(levels: list[float], units: list[int], wanted: list[float]) -> list[int]:
    """For each wanted level the unit nearest to it, each unit once; `levels` are rising."""
    chosen = []
    for level in wanted:
        place = bisect_left(levels, level)
        below = place - 1
        if place == len(levels) or (below >= 0 and level - levels[below] <= levels[place] - level):
            place = below
        chosen.append(units.pop(place))
        levels.pop(place)
    return chosen


def _bounds(rule: str) -> tuple[float, float]:
    try:
        low, high = (float(part) for part in rule.removeprefix("range:").split("-"))
    except ValueError:
        low = high = -1
    if not 0 <= low < high <= 100:
        raise SettingError(f"control {rule!r}: write range:LO-HI with 0 <= LO < HI <= 100")
    return low, high


def _between(
    found: SelectivityMap, top: np.ndarray, low: float, high: float, rng: np.random.Generator
) -> np.ndarray:
    rising = found.ranking[::-1]
    first, last = round(found.n_units * low / 100), round(found.n_units * high / 100)
    between = np.setdiff1d(rising[first:last], top)
    if len(between) < len(top):
        raise MaskError(
            f"control range:{low:g}-{high:g}: holds {len(between)} units, {len(top)} are wanted"
        )
    return rng.choice(between, len(top), replace=False)


@dataclass(frozen=True)
class ControlPlan:
    """One rule and how often it is drawn."""

    rule: str
    draws: int


def parse_controls(text: str) -> list[ControlPlan]:
    """Read ``random:10,layer-matched:20,bottom:1,range:40-60:5``.

    Raises
    ------
    SettingError
        If a rule is unknown or comes twice, or a count is no positive whole number.
    """
    plans: list[ControlPlan] = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        rule, _, count = part.rpartition(":")
        if not rule or rule == "range":
            rule, count = part, "1"
        known = rule.startswith("range:") or rule in RULES[:-1]
        if not known or not count.isdecimal() or int(count) < 1:
            raise SettingError(
                f"--controls {part!r}: write RULE:DRAWS, with a rule of "
                f"{', '.join(RULES[:-1])}, range:LO-HI"
            )
        if rule.startswith("range:"):
            _bounds(rule)
        if rule in (plan.rule for plan in plans):
            raise SettingError(f"--controls {text}: {rule} comes twice")
        plans.append(ControlPlan(rule, 1 if rule == "bottom" else int(count)))
    return plans


def plan_masks(
    found: SelectivityMap, percents: Sequence[float], controls: Sequence[ControlPlan], seed: int
) -> list[Mask]:
    """All masks of a run: for each percent the top, then its controls, numbered from `seed`."""
    masks = []
    for percent in percents:
        masks.append(top_percent(found, percent))
        for plan in controls:
            masks += [control(found, plan.rule, percent, seed + i) for i in range(plan.draws)]
    return masks


def save_masks(path: Path, masks: Sequence[Mask]) -> None:
    """Write one boolean array ``MASK/SITE`` for every mask and site, atomically."""
    arrays: dict[str, np.ndarray] = {}
    about = {}
    for mask in masks:
        for site in mask.sites:
            arrays[f"{mask.name}/{site}"] = mask.at(site).reshape(site.unit_shape(mask.unit))
        about[mask.name] = {
            "rule": mask.rule,
            "percent": mask.percent,
            "seed": mask.seed,
            "map_fingerprint": mask.map_fingerprint,
            "model_fingerprint": mask.model_fingerprint,
        }
    save_arrays(path, arrays, {"masks": json.dumps(about, sort_keys=True)})


def load_masks(
    path: Path, found: SelectivityMap, model_fingerprint: str | None = None
) -> dict[str, Mask]:
    """Read the masks of a run, for the model that they were made on.

    Parameters
    ----------
    path : Path
        A ``masks.safetensors``.
    found : SelectivityMap
        The map that the masks were chosen from.
    model_fingerprint : str, optional
        The model at hand; left out, it is not compared.

    Raises
    ------
    MaskError
        If the file holds no masks, or masks of another model or map.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            about = json.loads(file.metadata()["masks"])
            return {
                name: _load_mask(path, file, name, entry, found, model_fingerprint)
                for name, entry in about.items()
            }
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise MaskError(f"{path}: holds no masks that fit this map ({error})") from error


def _load_mask(
    path: Path,
    file: Any,
    name: str,
    entry: dict[str, Any],
    found: SelectivityMap,
    model_fingerprint: str | None,
) -> Mask:
    if model_fingerprint not in (None, entry["model_fingerprint"]):
        raise MaskError(f"{path}: mask {name} was made on another model")
    if entry["map_fingerprint"] != found.fingerprint:
        raise MaskError(f"{path}: mask {name} was chosen from another map")
    rows = [file.get_tensor(f"{name}/{site}").ravel() for site in found.sites]
    units = np.flatnonzero(np.concatenate(rows))
    return _mask(found, entry["rule"], entry["percent"], entry["seed"], units)
