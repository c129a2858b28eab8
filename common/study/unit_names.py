"""A name for every unit of a map, which a link can hold: ``layer4.1:output/17@3fa2c1d0``.

Before the slash the site, behind it the unit's number there, counted from 0 as it lies in the
tensor, and behind the @ the beginning of the map's fingerprint, so that a name of one map is none
of another.
"""

from __future__ import annotations

from common.base.errors import MaskError
from common.measure.scores import SelectivityMap
from common.study.single_unit import site_named

DIGITS = 8  # of the fingerprint


def unit_name(found: SelectivityMap, unit: int) -> str:
    """The name of a unit, by its index in the map's row of units."""
    number = int(found.site_of_unit[unit])
    own = unit - int(found.offsets[number])
    return f"{found.sites[number]}/{own}@{found.fingerprint[:DIGITS]}"


def is_of(found: SelectivityMap, name: str) -> bool:
    """Whether a unit's name says that it is of this map."""
    return name.rpartition("@")[2] == found.fingerprint[:DIGITS]


def unit_named(found: SelectivityMap, name: str) -> int:
    """The unit of that name, or of ``SITE/NUMBER`` or ``#RANK``, as its index in the map's row.

    What is written is compared with the map, and never looked up anywhere else.

    Raises
    ------
    MaskError
        If the map has no such unit, or the name is of another map.
    SiteError
        If it has no such site.
    """
    said, _, fingerprint = name.strip().partition("@")
    if fingerprint and not is_of(found, name):
        raise MaskError(f"{name[:80]}: is a unit of another map; open the run that it is of")
    if said.startswith("#"):
        return int(found.ranking[_number(said[1:], found.n_units + 1, name, least=1) - 1])
    place, _, own = said.rpartition("/")
    site = site_named(found, place)
    number = _number(own, site.n_units(found.unit), name)
    return int(found.offsets[found.sites.index(site)]) + number


def _number(text: str, end: int, name: str, least: int = 0) -> int:
    if not text.isdecimal() or len(text) > 12 or not least <= int(text) < end:
        raise MaskError(f"{name[:80]}: no unit of that number; give {least} to {end - 1:,}")
    return int(text)
