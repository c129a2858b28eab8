"""Executing the notebooks: ``python -m tests.docs.notebooks`` writes their outputs anew."""

from __future__ import annotations

import os
import sys
from base64 import b64decode, b64encode
from collections.abc import Iterable
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from PIL import Image

from tests.docs.pages import ROOT

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
REAL = ("faces-efficientnet", "language-smollm2")
"""Those that need real models and ``FUNCLOC_DATA``."""

PATIENCE = 600  # seconds a cell, whatever else the machine is at
COLOURS = 48  # of a picture that is kept


def executed(path: Path, folder: Path) -> Any:
    """A notebook with the outputs that it has now.

    Parameters
    ----------
    path : Path
        The notebook.
    folder : Path
        Where it works.
    """
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.read(path, as_version=4)
    place = {"metadata": {"path": str(folder)}}
    NotebookClient(notebook, timeout=PATIENCE, kernel_name="python3", resources=place).execute()
    return notebook


def slim(notebook: Any) -> Any:
    """A notebook as it is kept: pictures of few colours, nothing of the machine that ran it."""
    notebook.metadata["language_info"] = {"name": "python"}
    for cell in notebook.cells:
        cell.metadata = {}
        if cell.cell_type == "code":
            # Libraries tell there what they miss of the machine.
            cell.outputs = [each for each in cell.outputs if each.get("name") != "stderr"]
            for data in (each["data"] for each in cell.outputs if "data" in each):
                if "image/png" in data:
                    data["image/png"] = _small(data["image/png"])
    return notebook


def _small(png: str) -> str:
    kept = BytesIO()
    picture = Image.open(BytesIO(b64decode(png))).convert("RGB")
    picture.quantize(COLOURS).save(kept, "PNG", optimize=True)
    return b64encode(kept.getvalue()).decode()


def main(names: Iterable[str]) -> None:
    """Execute these notebooks, or all that can be, and write them."""
    import nbformat

    for path in NOTEBOOKS:
        if names and path.stem not in names:
            continue
        if path.stem in REAL and "FUNCLOC_DATA" not in os.environ:
            print(f"{path.name}: left as it is; it needs FUNCLOC_DATA")
            continue
        with TemporaryDirectory() as folder:
            nbformat.write(slim(executed(path, Path(folder))), path)
        print(f"{path.name}: executed")


if __name__ == "__main__":
    main(sys.argv[1:])
