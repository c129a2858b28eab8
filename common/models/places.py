"""Where models of one's own lie."""

from __future__ import annotations

import os
from pathlib import Path

from common.base.errors import ModelError

MODELS_VARIABLE = "FUNCLOC_MODELS"  # folders that hold models' folders


def local_path(name: str, rest: str) -> Path:
    """Where a model of one's own lies: as a path, or in one of the folders of models.

    Parameters
    ----------
    name : str
        The model's whole name, for the message.
    rest : str
        What stands behind ``local/``.

    Raises
    ------
    ModelError
        If there is nothing of that name; says where it was looked for.
    """
    given = Path(rest).expanduser()
    roots = [] if given.is_absolute() else models_roots()
    tried = [given, *(root / given for root in roots)]
    found = next((path for path in tried if path.exists()), None)
    if found is None:
        places = ", ".join(str(path) for path in tried)
        raise ModelError(f"`model` {name}: nothing there (looked for {places}; {MODELS_VARIABLE})")
    return found


def models_roots() -> list[Path]:
    """The folders that models are looked for in: those of ``FUNCLOC_MODELS``, else ``./models``."""
    given = filter(None, os.environ.get(MODELS_VARIABLE, "").split(os.pathsep))
    return [Path(place) for place in given] or [Path("models")]


def name_in_roots(name: str) -> str:
    """A model's name without the path of the folder of models that it lies in.

    Parameters
    ----------
    name : str
        Any model's. Only one of an absolute path is changed, and only if the shorter name is the
        same place.
    """
    source, _, rest = name.partition("/")
    path = Path(rest)
    if source != "local" or not path.is_absolute():
        return name
    for root in models_roots():
        if path.is_relative_to(root.absolute()):
            short = f"local/{path.relative_to(root.absolute())}"
            if local_path(short, short.removeprefix("local/")).absolute() == path:
                return short
    return name
