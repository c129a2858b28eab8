"""What an extra of this project asks for, as pip takes it: ``python tests/extra.py docs``."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

PROJECT = Path(__file__).parents[1] / "pyproject.toml"


def asked(extra: str) -> list[str]:
    """The requirements of an extra."""
    project = tomllib.loads(PROJECT.read_text(encoding="utf-8"))["project"]
    return list(project["optional-dependencies"][extra])


if __name__ == "__main__":
    print(*asked(sys.argv[1]))
