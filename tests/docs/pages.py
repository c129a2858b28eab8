"""Reading the pages: their fences, commands, code spans, headings and links."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "benchmarks/RESULTS.md")),
    *sorted((ROOT / "docs").glob("*.md")),
]
CHANGES = ROOT / "CHANGELOG.md"  # says what was true of older commands, too
FENCE = re.compile(r"^```([\w-]*)[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SHELL = ("sh", "bash", "shell", "console")


@dataclass(frozen=True)
class Fence:
    """A block of code on a page."""

    page: str
    line: int
    language: str
    text: str


@dataclass(frozen=True)
class Command:
    """One command of a page, as words, with where it stands."""

    page: str
    line: int
    words: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.page}:{self.line} {shlex.join(self.words)}"


@cache
def text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def fences(path: Path) -> list[Fence]:
    """All blocks of code of a page."""
    text, name = text_of(path), path.relative_to(ROOT).as_posix()
    return [
        Fence(name, text[: found.start()].count("\n") + 2, found[1], found[2])
        for found in FENCE.finditer(text)
    ]


def spans(path: Path) -> list[str]:
    """What stands between single backticks, outside of blocks."""
    return re.findall(r"(?<!`)`([^`\n]+)`(?!`)", FENCE.sub("", text_of(path)))


def commands(path: Path) -> list[Command]:
    """The commands of a page's blocks: shell, and what follows a prompt in printed text."""
    return [each for fence in fences(path) for each in _commands(fence)]


def _commands(fence: Fence) -> Iterator[Command]:
    lines = fence.text.split("\n")
    for number, line in _joined(lines):
        if fence.language not in SHELL:
            if not line.startswith("$ "):
                continue
            line = line.removeprefix("$ ")
        for words in _parted(shlex.split(line, comments=True)):
            yield Command(fence.page, fence.line + number, tuple(words))


def _joined(lines: list[str]) -> Iterator[tuple[int, str]]:
    """Lines, those that end in a backslash with what follows."""
    start, held = 0, ""
    for number, line in enumerate(lines):
        start = start if held else number
        held += line
        if held.endswith("\\"):
            held = held[:-1] + " "
            continue
        yield start, held
        held = ""


def _parted(words: list[str]) -> Iterator[list[str]]:
    """The commands of a line: what ``&&`` and ``|`` part, without where the output goes."""
    own: list[str] = []
    for word in [*words, "&&"]:
        if word in ("&&", "|"):
            if own:
                yield own[: own.index(">")] if ">" in own else own
            own = []
        else:
            own.append(word)


# --- headings and links ---


@cache
def anchors(path: Path) -> frozenset[str]:
    """The anchors of a page's headings, as forges make them."""
    text = FENCE.sub("", text_of(path))
    return frozenset(map(slug, re.findall(r"^#+ +(.+?) *$", text, re.MULTILINE)))


def slug(heading: str) -> str:
    """A heading as an anchor: small letters, without signs, a hyphen for each space."""
    said = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading)
    return re.sub(r"[^\w\- ]", "", said.replace("_", "_").lower()).replace(" ", "-")


def links(path: Path) -> list[tuple[str, str]]:
    """Where a page leads, within the repository: a path (empty for itself), and an anchor."""
    found = re.findall(r"\]\(([^)#\s]*)(?:#([^)\s]*))?\)", FENCE.sub("", text_of(path)))
    return [(link, anchor) for link, anchor in found if "://" not in link]
