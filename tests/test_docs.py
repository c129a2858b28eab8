"""What the docs name is there: files, links, and the floors of the core."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
OURS = ("common", "browser", "vision_loc", "llm_loc", "tests", "docs", "data_manifests")
ROOMS = (*OURS, "benchmarks", "funcloc")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files(page: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text(encoding="utf-8"))
    gone = [link for link in links if "://" not in link and not (page.parent / link).exists()]
    assert not gone


ATOM = re.compile(r"`[^`]+`|!?\[[^\]]*\]\([^)]*\)|\$[^$]+\$")  # what is one word on a page
FENCED = re.compile(r"^ *(```|\$\$).*?^ *(```|.*\$\$)$", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", [*PAGES, ROOT / "CHANGELOG.md"], ids=lambda page: page.name)
def test_lines_of_pages_are_short(page: Path) -> None:
    """But for tables, quotes, code, and links that alone are longer."""
    text = FENCED.sub("", page.read_text(encoding="utf-8"))
    long = [line for line in text.splitlines() if len(line) > 100 and line.lstrip()[0] not in "|>"]
    words = [re.sub(r"^\s*[-*] +", "", ATOM.sub("WORD", line)).strip() for line in long]
    assert not [line for line, said in zip(long, words, strict=True) if " " in said]


@pytest.mark.parametrize("name", ["CONTRIBUTING.md", "docs/architecture.md"])
def test_files_that_are_named_are_there(name: str) -> None:
    said = re.findall(r"`([\w./-]+)`", (ROOT / name).read_text(encoding="utf-8"))
    files = [each for each in said if each.split("/")[0] in OURS and "/" in each]
    assert len(files) > 10
    assert not [each for each in files if "NAME" not in each and not (ROOT / each).exists()]


def test_the_table_of_floors_is_that_of_the_contract() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    told = re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE)
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    floors = next(each for each in contracts["contracts"] if each.get("containers") == ["common"])
    assert told == [room for floor in floors["layers"] for room in floor.split(" | ")]


def test_no_module_is_longer_than_contributing_says() -> None:
    said = re.search(r"in at most (\d+) lines", (ROOT / "CONTRIBUTING.md").read_text("utf-8"))
    assert said is not None
    files = [*ROOT.glob("*.py"), *(f for room in ROOMS for f in (ROOT / room).rglob("*.py"))]
    assert len(files) > 500
    lines = {str(f.relative_to(ROOT)): len(f.read_text("utf-8").splitlines()) for f in files}
    assert {name: n for name, n in lines.items() if n > int(said[1])} == {}


def test_every_package_is_installed_and_typed() -> None:
    setup = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    there = {
        ".".join(file.parent.relative_to(ROOT).parts)
        for root in ("funcloc", "common", "browser", "vision_loc", "llm_loc", "data_manifests")
        for file in (ROOT / root).rglob("*.py")
    }
    assert set(setup["packages"]) == there
    for name in ("funcloc", "common", "browser", "vision_loc", "llm_loc"):
        assert (ROOT / name / "py.typed").is_file()
        assert "py.typed" in setup["package-data"][name]


def test_the_citation_has_the_version_of_the_package() -> None:
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert cited["version"] == project["version"]
    assert cited["license"] == project["license"]
    page = (ROOT / "docs" / "install.md").read_text(encoding="utf-8")
    assert f"version = {{{project['version']}}}" in page  # of the BibTeX entry
    assert f"title   = {{{cited['title'].replace(',', ':', 1)}}}" in page
    assert [*project["optional-dependencies"]] == re.findall(
        r"^\| `([\w-]+)` \|", page, re.MULTILINE
    )
