"""Mathematical notation and program text."""

from __future__ import annotations

import ast

import pytest

from common.base.errors import ManifestError
from common.data.manifest import load_manifest
from llm_loc.stimuli import (
    condition,
    formal,
)


def test_mathematics_and_code_are_many_and_well_formed(monkeypatch: pytest.MonkeyPatch) -> None:
    for what in ("math", "code"):
        manifest = load_manifest(what)
        texts = [text.text for text in condition(manifest, what)]
        assert len(set(texts)) == len(texts) >= 60
        assert texts != formal.draw(what, len(texts), 1)
    for text in formal.draw("code", 80, 0):
        ast.parse(text)
    sums = [t.split(" = ") for t in formal.draw("math", 80, 0) if t.startswith("1 + 2 + 3")]
    assert sums
    for left, right in sums:
        assert sum(range(int(left.split()[-1]) + 1)) == int(right)
    monkeypatch.setitem(formal.PATTERNS, "math", (formal._series,))
    with pytest.raises(ManifestError, match="do not give 40 different"):
        formal.draw("math", 40, 0)
