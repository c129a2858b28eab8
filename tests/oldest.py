"""Print every lower bound of ``pyproject.toml`` as the one version that is installed.

``make test-oldest`` hands this to pip as constraints, so that each bound is one that was tested.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

PROJECT = Path(__file__).parents[1] / "pyproject.toml"


def lower_bounds(text: str) -> list[str]:
    """``name==version`` for each requirement of a ``pyproject.toml``, in its order.

    Raises
    ------
    ValueError
        If a requirement has no lower bound.
    """
    project = tomllib.loads(text)["project"]
    asked = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    found = []
    for requirement in asked:
        if (bound := re.match(r"([\w.-]+)>=([\w.]+)", requirement)) is None:
            raise ValueError(f"{requirement}: has no lower bound")
        found.append("{}=={}".format(*bound.groups()))
    return found


if __name__ == "__main__":
    print(*lower_bounds(PROJECT.read_text(encoding="utf-8")), sep="\n")
