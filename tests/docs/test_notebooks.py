"""The notebooks run from their first cell to the last; see :mod:`tests.docs.notebooks`."""

from __future__ import annotations

import ast
import json
import os
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from tests.docs.notebooks import NOTEBOOKS, REAL, executed
from tests.docs.pages import ROOT

OURS = ("common", "vision_loc", "llm_loc")


def said(notebook: Any) -> list[str]:
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    return [output.get("text", "") for cell in cells for output in cell.outputs]


def imported(path: Path) -> list[tuple[str, str]]:
    """What a notebook takes from this project: modules and names."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    lines = [line for line in "\n".join(code).splitlines() if not line.startswith("%")]
    return [
        (node.module, alias.name)
        for node in ast.walk(ast.parse("\n".join(lines)))
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith(OURS)
        for alias in node.names
    ]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_what_a_notebook_imports_is_there(path: Path) -> None:
    taken = imported(path)
    assert taken
    missing = [each for each in taken if not hasattr(import_module(each[0]), each[1])]
    assert not missing


def each() -> list[object]:
    real = dict.fromkeys(REAL, pytest.mark.reference)
    return [pytest.param(path, id=path.stem, marks=real.get(path.stem, ())) for path in NOTEBOOKS]


@pytest.mark.slow  # each starts an interpreter and runs an experiment: a minute
@pytest.mark.parametrize("path", each())
def test_a_notebook_runs(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    pytest.importorskip("nbclient", reason="the extra notebooks: make notebooks")
    pytest.importorskip("ipykernel", reason="the extra notebooks: make notebooks")
    if path.stem in REAL:
        reference = request.getfixturevalue("reference")
        monkeypatch.setenv("FUNCLOC_DATA", str((reference / "data").resolve()))
    # A kernel is a process of its own: it finds the package as this one does.
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))
    monkeypatch.delenv("FUNCLOC_PIXELS", raising=False)
    notebook = executed(path, tmp_path)
    assert not [text for text in said(notebook) if "Traceback" in text]
    assert any(text.strip() for text in said(notebook))
