"""How torch's threads wait, as the library that makes them says when it is loaded."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from common.base.threads import SAID


def waits(program: str, **said: str) -> str:
    """What the first OpenMP library that a program loads says of its threads."""
    plain = {name: value for name, value in os.environ.items() if name not in SAID}
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**plain, **said, "OMP_DISPLAY_ENV": "TRUE"},
        capture_output=True,
        text=True,
        check=True,
    )
    found = re.search(r"OMP_WAIT_POLICY\s*=\s*'(\w+)'", done.stderr)
    if found is None:
        pytest.skip("torch is built without an OpenMP that says its settings")
    return found[1]


@pytest.mark.parametrize(
    "program",
    ["import vision_loc.cli", "import llm_loc.cli", "import app, torch", "import common, torch"],
)
def test_they_sleep(program: str) -> None:
    assert waits(program) == "PASSIVE"


def test_what_the_user_says_counts() -> None:
    assert waits("import vision_loc.cli", OMP_WAIT_POLICY="ACTIVE") == "ACTIVE"
    program = "import common, os; print(os.environ.get('OMP_WAIT_POLICY'))"
    told = {**os.environ, "GOMP_SPINCOUNT": "500"}
    told.pop("OMP_WAIT_POLICY", None)
    done = subprocess.run(
        [sys.executable, "-c", program], env=told, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "None"
