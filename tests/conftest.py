"""What all tests share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def reference() -> Path:
    """The folder with real stimuli and models, or a skip that says how to give one."""
    folder = Path(os.environ.get("FUNCLOC_REFERENCE", "../shared"))
    if not (folder / "models").is_dir():
        pytest.skip(f"no reference stimuli and models in {folder} (set FUNCLOC_REFERENCE)")
    return folder
