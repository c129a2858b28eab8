"""Every message has cause and cure in ``docs/errors.yaml``, and the page is made of these."""

from __future__ import annotations

import ast
from collections import Counter

import pytest

from common.base.errors import FunclocError
from tests import messages
from tests.messages import PAGE, Message, page, told

ENTRIES = [entry for area in told() for entry in area["messages"]]


@pytest.fixture(scope="module")
def every() -> list[Message]:
    """All messages of the code; every worker imports this module, and one needs them."""
    return messages.messages()


def test_every_message_has_its_cause_and_its_cure(every: list[Message]) -> None:
    known = {entry["says"] for entry in ENTRIES}
    missing = [each for each in every if each.words not in known]
    lines = [f"  says: {each.words!r}  ({', '.join(each.files)})" for each in missing]
    todo = "docs/errors.yaml lacks these messages: add cause and cure, then `make errors`\n"
    assert not missing, todo + "\n".join(lines)


def test_every_entry_is_of_a_message_that_there_is(every: list[Message]) -> None:
    there = {each.words for each in every}
    gone = [entry["says"] for entry in ENTRIES if entry["says"] not in there]
    assert not gone, f"docs/errors.yaml has messages that nobody says any more: {gone}"
    assert max(Counter(entry["says"] for entry in ENTRIES).values()) == 1


def test_an_entry_says_something() -> None:
    for entry in ENTRIES:
        assert set(entry) == {"says", "cause", "cure"}
        for part in ("cause", "cure"):
            assert len(entry[part].split()) > 1, entry
            assert entry[part].endswith("."), entry
            assert "|" not in entry[part], entry


def test_the_page_is_made_of_the_table(every: list[Message]) -> None:
    assert PAGE.read_text(encoding="utf-8") == page(told(), every), "run: make errors"


CODE = """
def why(path):
    return f"{path}: holds no {path.name}; is it whole?"

def fail(path, n):
    raise DataError("plain")
    raise DataError(f"{path}: has {n:,} rows, " "and no more")
    raise RunError("the first: " + ", ".join(names))
    raise errors.DataError(f"`top` {n}: one" if n else "two")
    raise DataError(why(path)) from None
    raise DataError(f"{path}: {n!r}".rstrip())
    raise DataError(str(error))
    raise ValueError("nobody sees it")
"""


def test_messages_are_read_off_the_code() -> None:
    tree = ast.parse(CODE)
    helpers = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    found = list(messages._raised(tree, {"DataError", "RunError"}, helpers))
    assert found == [
        ("DataError", "plain"),
        ("DataError", "…: has … rows, and no more"),
        ("RunError", "the first: …"),
        ("DataError", "`top` …: one"),
        ("DataError", "two"),
        ("DataError", "…: holds no …; is it whole?"),
        ("DataError", "…: …"),
    ]


def test_all_kinds_of_errors_are_looked_for() -> None:
    def below(kind: type) -> set[str]:
        own = {kind.__name__} if kind.__module__.split(".")[0] in messages.PACKAGES else set()
        return own.union(*map(below, kind.__subclasses__()))

    from browser.visitors import Stopped  # one that lies elsewhere

    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in messages._sources()]
    found = messages._names_of_errors(trees)
    assert {Stopped.__name__, "ManifestError", "BusyError"} <= found
    assert below(FunclocError) <= found


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        ("`top` …: say {a} | b", r"--top …: say \{a\} \| b"),
        ("leave all of `correct` empty", "leave all of correct empty"),
        ("`max_new_tokens` and `n`", "--max-new-tokens and --n"),
    ],
)
def test_a_message_is_shown_as_the_command_line_says_it(words: str, shown: str) -> None:
    assert messages._shown(words) == shown
