"""Maps from their folders and masks by hand, for whoever works in a notebook."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from common.base.errors import MaskError
from common.measure.masks import Mask, units_mask
from common.measure.scores import SelectivityMap
from common.measure.sites import Site, numbers_by_name

NAME = "selectivity.safetensors"


def load_map(place: Path | str) -> SelectivityMap:
    """Read a map: of a run's folder, or a file that ``SelectivityMap.save`` wrote.

    Raises
    ------
    RunError
        If there is none.

    Examples
    --------
    >>> found.save(folder / "selectivity.safetensors")
    >>> load_map(folder).n_units
    16
    """
    path = Path(place)
    return SelectivityMap.load(path / NAME if path.is_dir() else path)


def mask_by_hand(found: SelectivityMap, units: Mapping[Site | str, Sequence[int]]) -> Mask:
    """A mask of units that you name, by site.

    Parameters
    ----------
    found : SelectivityMap
        The map whose units they are.
    units : mapping of Site or str to sequence of int
        By site, as printed or by its module's path alone, the units; of neurons their number in the
        flattened tensor.

    Raises
    ------
    MaskError
        If the map has no such site or unit, or nothing is named.

    Examples
    --------
    >>> mask = mask_by_hand(found, {"1": [0, 3], "3:output": [2]})
    >>> len(mask), mask.percent
    (3, 18.75)
    """
    known = numbers_by_name(found.sites)
    chosen: list[int] = []
    for name, own in units.items():
        if str(name) not in known:
            raise MaskError(f"{name}: is no site of this map; it has {', '.join(known)}")
        number = known[str(name)]
        size = int(np.diff(found.offsets)[number])
        if wrong := [unit for unit in own if not 0 <= unit < size]:
            raise MaskError(f"{name}: has no unit {wrong[0]}; it has 0 to {size - 1:,}")
        chosen += [int(found.offsets[number]) + int(unit) for unit in own]
    return units_mask(found, chosen)
