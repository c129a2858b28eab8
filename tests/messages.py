"""Every message of an error that a user can meet, read off the code, and the page that has them.

``docs/errors.yaml`` says of each what causes it and what to do; ``docs/errors.md`` is made of both
by ``python -m tests.messages`` (``make errors``). ``tests/test_messages.py`` holds them together.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import typer
import yaml

import llm_loc.cli
import vision_loc.cli
from common.cli.main import SETTING, options_of
from common.study.declared import option

ROOT = Path(__file__).parents[1]
TABLE, PAGE = ROOT / "docs" / "errors.yaml", ROOT / "docs" / "errors.md"
PACKAGES = ("common", "browser", "vision_loc", "llm_loc", "app.py")
BASE = "FunclocError"
CHECKS = ("common/data/manifest", "common/data/download.py")  # whose ValueErrors a manifest's are
GAP = "…"
RULE = "| --- | --- | --- | --- |"
ABOUT = """# Messages

Whatever goes wrong by what was given is one line, exit status 1, and no traceback. This page has
every such line, its cause and its cure. Search it for a few words of yours that are no name or
number of your own: where a message has one of these, a line here has …. Settings stand as the
command line has them; a notebook and the app call them the same, without dashes.

Made by `make errors` from the code and `docs/errors.yaml`; a message without an entry there fails a
test.
"""


@dataclass(frozen=True)
class Message:
    """One message: its words, with … for what differs, the kinds of its errors, and its places."""

    words: str
    kinds: tuple[str, ...]
    files: tuple[str, ...]


def messages() -> list[Message]:
    """All messages of the code, each once, in the order of the files."""
    trees = {path: ast.parse(path.read_text(encoding="utf-8")) for path in _sources()}
    known = _names_of_errors(trees.values())
    helpers = {
        node.name: node
        for tree in trees.values()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef)
    }
    found: dict[str, tuple[dict[str, None], dict[str, None]]] = {}
    for path, tree in trees.items():
        file = path.relative_to(ROOT).as_posix()
        kinds = {*known, "ValueError"} if file.startswith(CHECKS) else known
        for kind, words in _raised(tree, kinds, helpers):
            told, files = found.setdefault(words, ({}, {}))
            told[kind], files[file] = None, None
    return [Message(words, (*kinds,), (*files,)) for words, (kinds, files) in found.items()]


def _sources() -> Iterator[Path]:
    for name in PACKAGES:
        path = ROOT / name
        yield from [path] if path.is_file() else sorted(path.rglob("*.py"))


def _names_of_errors(trees: Iterable[ast.Module]) -> set[str]:
    """The base of all errors, and every class that is built on it, wherever it is."""
    nodes = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    known = {BASE}
    while more := {
        node.name for node in nodes
        if node.name not in known and known & {getattr(base, "id", "") for base in node.bases}
    }:  # fmt: skip
        known |= more
    return known


def _raised(
    tree: ast.Module, kinds: set[str], helpers: dict[str, ast.FunctionDef]
) -> Iterator[tuple[str, str]]:
    """Kind and words of each error that is made."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and node.args:
            kind = getattr(node.func, "id", getattr(node.func, "attr", ""))
            if kind in kinds:
                for words in map(_tidy, _words(node.args[0], helpers)):
                    if words != GAP:  # what another error said
                        yield kind, words


def _tidy(words: str) -> str:
    return re.sub(rf"{GAP}[{GAP}, ]*{GAP}", GAP, " ".join(words.split()))


def _words(node: ast.expr, helpers: dict[str, ast.FunctionDef]) -> list[str]:
    """What an expression may say, with … for what is only known when it is said."""
    if isinstance(node, ast.Constant):
        return [str(node.value)]
    if isinstance(node, ast.JoinedStr):
        return ["".join(_part(value) for value in node.values)]
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return [a + b for a in _words(node.left, helpers) for b in _words(node.right, helpers)]
    if isinstance(node, ast.IfExp):
        return [*_words(node.body, helpers), *_words(node.orelse, helpers)]
    if isinstance(node, ast.Call):
        if isinstance(node.func, ast.Name) and node.func.id in helpers:
            returns = [n for n in ast.walk(helpers[node.func.id]) if isinstance(n, ast.Return)]
            return [words for each in returns if each.value for words in _words(each.value, {})]
        if isinstance(node.func, ast.Attribute) and isinstance(node.func.value, ast.JoinedStr):
            return _words(node.func.value, helpers)  # a text that is stripped
    return [GAP]


def _part(value: ast.expr) -> str:
    if isinstance(value, ast.Constant):
        return str(value.value)
    assert isinstance(value, ast.FormattedValue)
    if isinstance(value.value, ast.Constant):
        return str(value.value.value)
    if isinstance(value.value, ast.JoinedStr):
        return "".join(map(_part, value.value.values))
    return GAP


def told() -> list[dict[str, Any]]:
    """What ``docs/errors.yaml`` holds: areas, each with its entries."""
    found: list[dict[str, Any]] = yaml.safe_load(TABLE.read_text(encoding="utf-8"))
    return found


def page(areas: Sequence[dict[str, Any]], every: Sequence[Message]) -> str:
    """The page, from the entries and from what the code says of their places."""
    by_words = {message.words: message for message in every}
    parts = [ABOUT]
    for area in areas:
        lines = [f"## {area['area']}", "", "| message | cause | cure | from |", RULE]
        for entry in area["messages"]:
            message = by_words.get(entry["says"])
            files = " ".join(f"`{file}`" for file in message.files) if message else ""
            cells = (_shown(entry["says"]), entry["cause"], entry["cure"], files)
            lines.append(f"| {' | '.join(cells)} |")
        parts.append("\n".join(lines) + "\n")
    return "\n".join(parts)


def _shown(words: str) -> str:
    """A message as a cell of a table, as the command line says it."""
    plain = SETTING.sub(lambda found: _option(found[1]), words)
    return re.sub(r"([|<>*_{}\[\]])", r"\\\1", plain)


def _option(name: str) -> str:
    """A setting as the programs call it, if one of them does."""
    return option(name) if option(name) in _options_of_both() else name


@cache
def _options_of_both() -> set[str]:
    apps = (vision_loc.cli.app, llm_loc.cli.app)
    return set().union(*(options_of(typer.main.get_command(app)) for app in apps))


def main() -> None:
    """Write the page."""
    PAGE.write_text(page(told(), messages()), encoding="utf-8")
    print(f"{PAGE.relative_to(ROOT)}: {sum(len(area['messages']) for area in told())} messages")


if __name__ == "__main__":
    main()
