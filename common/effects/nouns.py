"""What a unit is called: the sentences of a run speak of units, and hold of weights as well.

A weight is in a tensor as a unit is in a layer, or at a site, and its size stands where loudness
does. So what is written of units is put into the words of weights here, in one place; names that
somebody gave (modules, files, rules) are left as they are.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar

from common.measure.sites import WEIGHT

T = TypeVar("T")

NOUNS = {
    "unit": "weight",
    "units": "weights",
    "site": "tensor",
    "sites": "tensors",
    "layer": "tensor",
    "layers": "tensors",
    "loud": "large",
    "louder": "larger",
    "loudest": "largest",
    "quieter": "smaller",
    "loudness": "size",
}
ALONE = r"(?<![\w.\-/:`])({})(?![\w\-/`]|[.:]\w)(?! of the margin)"  # no part of a name or a path
KNOWN = re.compile(ALONE.format("|".join(sorted(NOUNS, key=len, reverse=True))), re.IGNORECASE)
AMOUNT = "mean |activation|"
NAMES = ("data", "alt", "file")  # entries that hold pictures, or names that somebody gave


def in_words_of(unit: str, text: str) -> str:
    """A sentence about units, in the words of what a unit is.

    Parameters
    ----------
    unit : str
        What a unit of the map is called; all but ``weight`` are units.
    text : str
        The sentence.
    """
    if unit != WEIGHT:
        return text
    return KNOWN.sub(_noun, text.replace(AMOUNT, "|weight|"))


def _noun(found: re.Match[str]) -> str:
    word = NOUNS[found[1].lower()]
    return word.capitalize() if found[1][0].isupper() else word


def all_in_words_of(unit: str, value: T) -> T:
    """The same for all texts of a nest of lists, mappings and dataclasses."""
    return value if unit != WEIGHT else _told(value)


def _told(value: Any) -> Any:
    if isinstance(value, str):
        return in_words_of(WEIGHT, value)
    if isinstance(value, Mapping):
        return {k: each if k in NAMES else _told(each) for k, each in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(map(_told, value))
    if is_dataclass(value) and not isinstance(value, type):
        texts = [each.name for each in fields(value) if each.init and each.name != "data"]
        return replace(value, **{name: _told(getattr(value, name)) for name in texts})
    return value
