"""Texts without the paths of this machine, for those who look at it from another one."""

from __future__ import annotations

import re

_LOCAL = re.compile(r"\blocal/(?=/)[^\s,;:'\"()<>]*/")
_PATH = re.compile(r"(?<![\w/:.>])~?/(?:[^\s/,;:'\"()<>]+/)+")


def without_paths(text: str) -> str:
    """The text with the last part of each absolute path alone: ``/home/me/runs/a`` is ``a``."""
    return _PATH.sub("", _LOCAL.sub("local/", text))
