"""Masks: exactly k units of a map, the best of it or chosen one by one; and their file.

A mask of weights has so many units, and so few of each tensor, that its file holds their places and
not a number for every weight.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError

from common.base.errors import MaskError
from common.base.files import read_arrays, save_arrays
from common.measure.displayed import mask_html
from common.measure.scores import SelectivityMap
from common.measure.sites import WEIGHT, Site, Unit


@dataclass(frozen=True)
class Mask:
    """Exactly k units of a model.

    Attributes
    ----------
    rule : str
        How they were chosen: ``top``, or a control rule (``range:40-60`` with its bounds).
    percent : float
        Share of all units, in percent.
    seed : int or None
        Seed of a rule that draws; ``None`` for one that does not.
    sites : tuple of Site
        The map's sites.
    unit : {"channel", "neuron", "weight"}
        The map's unit.
    units : array of int of shape (k,)
        Indices into the map's row of units, best first.
    map_fingerprint, model_fingerprint : str
        Where the mask comes from and what it belongs to.

    Examples
    --------
    >>> mask = top_percent(found, 25)
    >>> mask.name, len(mask), sum(mask.counts().values())
    ('top-25', 4, 4)
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

    def __repr__(self) -> str:
        return f"<{self.name}: {len(self):,} {self.unit}s at {len(self.touched)} sites>"

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
    def _bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """The units by rising index, and where those of each site begin among them."""
        rising = np.sort(self.units)
        return rising, np.searchsorted(rising, self.offsets)

    def inside(self, site: Site) -> np.ndarray:
        """The chosen units of a site, by their place in it: array of int, rising."""
        number, (rising, bounds) = self.sites.index(site), self._bounds
        own: np.ndarray = rising[bounds[number] : bounds[number + 1]] - self.offsets[number]
        return own

    def at(self, site: Site) -> np.ndarray:
        """Which of a site's units are in the mask: array of bool of shape (n_units,)."""
        chosen = np.zeros(site.n_units(self.unit), dtype=bool)
        chosen[self.inside(site)] = True
        return chosen

    def _repr_html_(self) -> str:
        return mask_html(self)

    def counts(self) -> dict[Site, int]:
        """Number of chosen units in every site."""
        return dict(zip(self.sites, np.diff(self._bounds[1]).tolist(), strict=True))

    @cached_property
    def touched(self) -> tuple[Site, ...]:
        """The sites that it has units in, in their order."""
        return tuple(site for site, n in self.counts().items() if n)


def top_percent(found: SelectivityMap, percent: float) -> Mask:
    """The units with the highest score: the target's own.

    Raises
    ------
    MaskError
        If `percent` is not above 0 and at most 100.

    Examples
    --------
    >>> len(top_percent(found, 25))
    4
    """
    k = mask_size(found, percent)
    return mask_of(found, "top", percent, None, found.ranking[:k])


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
    return mask_of(found, "chosen", 100 * len(chosen) / found.n_units, None, chosen)


def all_but(found: SelectivityMap, mask: Mask) -> Mask:
    """All other units of the sites that a mask has units in: under it these alone are left."""
    own = np.zeros(found.n_units, dtype=bool)
    own[mask.units] = True
    sites = np.unique(found.site_of_unit[mask.units])
    others = np.flatnonzero(np.isin(found.site_of_unit, sites) & ~own)
    return mask_of(found, f"all-but-{mask.rule}", mask.percent, mask.seed, others)


def mask_size(found: SelectivityMap, percent: float) -> int:
    """How many units a percentage of a map is.

    Raises
    ------
    MaskError
        If `percent` is not above 0 and at most 100.
    """
    if not 0 < percent <= 100:
        raise MaskError(f"{percent:g} percent: give more than 0 and at most 100")
    return found.n_chosen(percent)


def mask_of(
    found: SelectivityMap, rule: str, percent: float, seed: int | None, units: np.ndarray
) -> Mask:
    """The mask of these units of a map, best first."""
    chosen = np.zeros(found.n_units, dtype=bool)
    chosen[units] = True
    ranked = found.ranking[chosen[found.ranking]]
    model = str(found.about.get("model_fingerprint", ""))
    return Mask(rule, percent, seed, found.sites, found.unit, ranked, found.fingerprint, model)


def check_names(masks: Iterable[Mask]) -> None:
    """Refuse two masks of one name: what is kept of the one would be taken for the other's.

    Raises
    ------
    MaskError
        If there are such; the name is made of rule, dose and seed.
    """
    names: set[str] = set()
    for mask in masks:
        if mask.name in names:
            raise MaskError(
                f"two masks are called {mask.name}; give one another rule, as in "
                "dataclasses.replace(mask, rule='mine')"
            )
        names.add(mask.name)


def save_masks(path: Path, masks: Sequence[Mask]) -> None:
    """Write one array ``MASK/SITE`` for every mask and site, atomically.

    Booleans, in the shape of the site's units; of weights the places of those that are masked,
    counted through the tensor row by row, and only for tensors that have some.

    Raises
    ------
    MaskError
        If two masks have one name.

    Examples
    --------
    >>> save_masks(folder / "masks.safetensors", [top_percent(found, 25)])
    """
    check_names(masks)
    arrays: dict[str, np.ndarray] = {}
    about = {}
    for mask in masks:
        for site in mask.touched if mask.unit == WEIGHT else mask.sites:
            arrays[f"{mask.name}/{site}"] = _written(mask, site)
        about[mask.name] = {
            "rule": mask.rule,
            "percent": mask.percent,
            "seed": mask.seed,
            "map_fingerprint": mask.map_fingerprint,
            "model_fingerprint": mask.model_fingerprint,
        }
    save_arrays(path, arrays, {"masks": json.dumps(about, sort_keys=True)})


def _written(mask: Mask, site: Site) -> np.ndarray:
    if mask.unit == WEIGHT:
        return mask.inside(site)
    return mask.at(site).reshape(site.unit_shape(mask.unit))


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

    Examples
    --------
    >>> save_masks(folder / "masks.safetensors", [top_percent(found, 25)])
    >>> [*load_masks(folder / "masks.safetensors", found)]
    ['top-25']
    """
    try:
        arrays, said = read_arrays(path)
        return {
            name: _load_mask(path, arrays, name, entry, found, model_fingerprint)
            for name, entry in json.loads(said["masks"]).items()
        }
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise MaskError(f"{path}: holds no masks that fit this map ({error})") from error


def _load_mask(
    path: Path,
    arrays: Mapping[str, np.ndarray],
    name: str,
    entry: dict[str, Any],
    found: SelectivityMap,
    model_fingerprint: str | None,
) -> Mask:
    if model_fingerprint not in (None, entry["model_fingerprint"]):
        raise MaskError(f"{path}: mask {name} was made on another model")
    if entry["map_fingerprint"] != found.fingerprint:
        raise MaskError(f"{path}: mask {name} was chosen from another map")
    if found.unit == WEIGHT:
        places = [
            arrays[f"{name}/{site}"] + start
            for site, start in zip(found.sites, found.offsets[:-1], strict=True)
            if f"{name}/{site}" in arrays
        ]
        units = np.concatenate(places)
    else:
        units = np.flatnonzero(
            np.concatenate([arrays[f"{name}/{site}"].ravel() for site in found.sites])
        )
    return mask_of(found, entry["rule"], entry["percent"], entry["seed"], units)
