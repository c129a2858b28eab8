"""What the tests of manifests share."""

from __future__ import annotations

from pathlib import Path

import pytest

GOOD = """
name: small
about: A few pictures.
source: {url: https://example.org/small}
conditions:
  face: {files: "face/*.png", n: 4}
  car: {draw: car}
contrasts:
  faces: {target: [face], control: [car]}
evaluation: {table: labels.csv, target: face, other: car}
"""


@pytest.fixture
def write(tmp_path: Path):
    def write_manifest(text: str | bytes) -> str:
        path = tmp_path / "small.yaml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return str(path)

    return write_manifest
