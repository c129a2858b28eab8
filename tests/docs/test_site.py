"""The pages as a site: each is in its navigation, and every anchor is there.

``make docs`` builds the site itself, and follows every link of it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

import common
from tests.docs.pages import CHANGES, PAGES, ROOT, anchors, links

SITE = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
LARGEST_NOTEBOOK = 100_000  # bytes, pictures among them


def entries(nav: Any) -> Iterator[str]:
    for each in nav:
        for value in each.values():
            if isinstance(value, str):
                yield value
            else:
                yield from entries(value)


def test_every_page_is_in_the_navigation_of_the_site() -> None:
    hooks = (ROOT / "docs" / "site" / "hooks.py").read_text(encoding="utf-8")
    elsewhere = dict(re.findall(r'^    "([\w/]+\.md)": "([\w.]+)",$', hooks, re.MULTILINE))
    assert all((ROOT / path).is_file() for path in elsewhere)
    left_out = SITE["exclude_docs"].split()
    own = {path.name for path in (ROOT / "docs").glob("*.md")} - {*left_out}
    notebooks = {f"notebooks/{path.stem}.md" for path in NOTEBOOKS}
    listed = [*entries(SITE["nav"])]
    assert len(listed) == len(set(listed))
    assert set(listed) == own | {*elsewhere.values()} | notebooks, "see nav in mkdocs.yml"


@pytest.mark.parametrize("page", [*PAGES, CHANGES], ids=lambda page: page.name)
def test_anchors_are_there(page: Path) -> None:
    gone = [
        f"{link}#{anchor}"
        for link, anchor in links(page)
        if anchor and anchor not in anchors((page.parent / link).resolve() if link else page)
    ]
    assert not gone


def test_the_page_of_the_python_names_has_all_of_them() -> None:
    text = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    assert "<!-- all of common -->" in text
    assert all(hasattr(common, name) for name in common.__all__)
    for path in re.findall(r"^::: ([\w.]+)$", text, re.MULTILINE):
        module, _, name = path.rpartition(".")
        assert hasattr(__import__(module, fromlist=[name]), name), path


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_are_small_and_were_executed_in_order(path: Path) -> None:
    assert path.stat().st_size <= LARGEST_NOTEBOOK
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    counts = [cell["execution_count"] for cell in cells if cell["cell_type"] == "code"]
    assert counts == [*range(1, len(counts) + 1)], "run: make notebooks"
    outputs = [output for cell in cells for output in cell.get("outputs", [])]
    assert not [output for output in outputs if output["output_type"] == "error"]
    assert not re.search(r"/(tmp|home|root|work|Users)/", json.dumps(cells))
