"""What the tests of the Faces pages share."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from vision_loc.app import visit
from vision_loc.experiment import localize_only


def mapped(folder: Path, **changed: Any) -> visit.Found:
    """What the pages have of a map of the phantom, made in this folder."""
    localize_only(replace(visit.DEMO, device="cpu", untrained_seeds=0, **changed), folder)
    return visit.found_in(folder)


@pytest.fixture(scope="session")
def faces(tmp_path_factory: pytest.TempPathFactory) -> visit.Found:
    """The map that a visitor finds; made once."""
    return mapped(tmp_path_factory.mktemp("faces") / "map")
