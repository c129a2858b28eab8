"""Every command of the pages is one: its verb, options, values and names are there.

Lines go through the real parsers, which then do nothing. What stands for something of the reader's
is a word in capitals, begins with ``my`` or ``mine``, is a run folder ``runs/…``, or is made by
another line of the page (``docs/commands.md`` says so).
"""

from __future__ import annotations

import importlib.util
import re
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer

import llm_loc.cli
import vision_loc.cli
from common.data.manifest import known_manifests, load_manifest
from common.study.declared import ALWAYS, completed, declarations
from llm_loc.packages import PACKAGES as OF_TEXT
from llm_loc.settings import Settings as Language
from tests.docs.pages import PAGES, ROOT, Command, commands, spans
from vision_loc.packages import PACKAGES as OF_PICTURES
from vision_loc.settings import Settings as Vision

PROGRAMS: dict[str, tuple[typer.Typer, Any]] = {
    "vision-loc": (vision_loc.cli.app, Vision),
    "llm-loc": (llm_loc.cli.app, Language),
}
MODULES = {"vision_loc": "vision-loc", "llm_loc": "llm-loc"}
OTHERS = ("cd", "cp", "export", "find", "git", "head", "mkdir", "rm", "sort", "source", "xargs")
YOURS = re.compile(r"(\./)?(my|mine)\b.*|runs/.*|[A-Z][A-Z_]*(\.[a-z]+)?|-")
PATHS = ("--target", "--control", "--units", "--adapter", "--map", "--with")
READING = ("compare", "judge", "repeat", "report", "sweep")  # whose arguments are files and folders
FOREIGN = ("--no-deps",)  # pip's


# --- the real parsers, without what they call ---


@cache
def group(program: str) -> Any:
    """A command line whose commands do nothing and hand back what they were given."""

    def silence(command: Any) -> None:
        for each in getattr(command, "commands", {}).values():
            silence(each)
        if command.callback is not None:
            command.callback = lambda **given: given

    command = typer.main.get_command(PROGRAMS[program][0])
    silence(command)
    return command


def parsed(program: str, words: tuple[str, ...]) -> dict[str, Any]:
    return group(program).main([*words], prog_name=program, standalone_mode=False)


def verb(program: str, *words: str) -> Any:
    """The command that words begin with, or ``None``."""
    command = group(program)
    for word in words:
        if word not in getattr(command, "commands", {}):
            break
        command = command.commands[word]
    return None if command is group(program) else command


def options(command: Any) -> set[str]:
    own = {word for each in command.params for word in (*each.opts, *each.secondary_opts)}
    return own.union({"--help"}, *map(options, getattr(command, "commands", {}).values()))


def called(words: tuple[str, ...]) -> tuple[str, tuple[str, ...]] | None:
    """The program that a command starts, and its words; ``None`` if it is none of ours."""
    for number, word in enumerate(words):
        if word in PROGRAMS and number in (0, 1):  # `srun vision-loc …`
            return word, words[number + 1 :]
        if word == "-m" and words[number + 1] in MODULES:
            return MODULES[words[number + 1]], words[number + 2 :]
    return None


# --- names ---


def yours(value: object, made: frozenset[str] = frozenset()) -> bool:
    text = str(value).rstrip("/")
    return bool(YOURS.fullmatch(text)) or text in made


def check_model(program: str, name: str) -> None:
    source, _, rest = name.partition("/")
    if yours(name) or source in ("hf", "local"):
        return
    if name.startswith("python:"):
        assert yours(name.split(":")[1])
    elif source == "pip":
        offered = (OF_PICTURES if program == "vision-loc" else OF_TEXT).offered
        assert name in [f"pip/{each.name.removeprefix('pip/')}" for each in offered]
    elif source == "phantom":
        assert name in PROGRAMS[program][1].brought
    elif source == "timm":
        from timm.models import is_model_pretrained

        assert is_model_pretrained(rest), rest
    else:
        from torchvision.models import get_model_weights

        arch, _, weights = rest.partition(".")
        assert weights in get_model_weights(arch).__members__, rest


def check_localizer(name: str) -> None:
    manifest, _, contrast = name.partition(":")
    load_manifest(manifest).contrast(contrast or next(iter(load_manifest(manifest).contrasts)))


def check_evaluation(name: str, made: frozenset[str]) -> None:
    for part in name.split(","):
        part = part.split("=")[-1].removeprefix("occlusion:")
        if not yours(part, made):
            assert part in known_manifests(), part
            told = load_manifest(part)
            assert told.evaluation or told.pairs or told.text or told.bundled or told.conditions


def check_ours(program: str, words: tuple[str, ...], made: frozenset[str]) -> None:
    """A command of one of the programs: it parses, and what it names is there."""
    given = parsed(program, words)
    if not isinstance(given, dict):  # --version, which ends at once
        assert given == 0
        return
    kind = PROGRAMS[program][1]
    known = {name: value for name, value in given.items() if name in declarations(kind)}
    read = {name: value for name, value in known.items() if not isinstance(value, tuple | list)}
    if words[0] in ALWAYS:
        completed(kind, {"model": "NAME", **read})
    if (model := given.get("model")) is not None:
        check_model(program, model)
    asked = given.get("localizer") or given.get("localizers") or ()
    for name in (asked,) if isinstance(asked, str) else asked:
        check_localizer(name)
    if given.get("evaluation"):
        check_evaluation(given["evaluation"], made)
    for name in places(program, words):
        value = given[name]
        for each in value if isinstance(value, tuple | list) else [value]:
            assert each is None or yours(each, made), f"{name} {each}"


def places(program: str, words: tuple[str, ...]) -> list[str]:
    """The parameters of a command that are files or folders which must be there."""
    every = verb(program, *words).params
    arguments = [each.name for each in every if each.param_type_name == "argument"]
    named = [each.name for each in every if {*each.opts} & {*PATHS}]
    return [*named, *(arguments if words[0] in READING else [])]


# --- all other commands ---


@cache
def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def check_other(words: tuple[str, ...]) -> None:
    """A command of somebody else's, as far as it names something of this project."""
    first, *rest = words
    targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    if first == "make":
        assert rest[0] in targets
    elif first in ("python", ".venv/bin/python") and rest[0] == "-m":
        assert importlib.util.find_spec(rest[1]) is not None
    elif first == "python":
        assert rest[0] == "-c" or (ROOT / rest[0]).is_file()
    elif first == "pip":
        for extra in re.findall(r"funcloc\[([\w-]+)\]", " ".join(rest)):
            assert extra in project()["optional-dependencies"]
    else:
        assert first in OTHERS, first


def made_by(path: Path) -> frozenset[str]:
    """What lines of a page write, and the files that its blocks are."""
    words = [word for command in commands(path) for word in command.words]
    written = {words[n + 1] for n, word in enumerate(words[:-1]) if word in ("--csv", "--out")}
    text = path.read_text(encoding="utf-8")
    return frozenset({*written, *re.findall(r"^# ([\w.]+\.(?:py|yaml))$", text, re.MULTILINE)})


EVERY = [(path, command) for path in PAGES for command in commands(path)]


def test_there_are_commands_of_every_kind() -> None:
    ours = [found for _, command in EVERY if (found := called(command.words))]
    assert len(ours) > 50
    verbs = {(program, words[0]) for program, words in ours}
    assert verbs >= {("vision-loc", "run"), ("llm-loc", "run"), ("vision-loc", "units")}


@pytest.mark.parametrize(("path", "command"), EVERY, ids=lambda each: str(each)[-60:])
def test_a_command_is_one(path: Path, command: Command) -> None:
    found = called(command.words)
    if found is None:
        check_other(command.words)
    else:
        check_ours(*found, made_by(path))


# --- what stands in the text ---


def told(path: Path) -> Iterator[tuple[str, list[str]]]:
    """Spans that are a command or its options, each with its words."""
    for span in spans(path):
        words = span.replace("'", "").split()
        if words[0] in PROGRAMS or words[0].startswith("--") or verb("vision-loc", words[0]):
            yield span, words


def check_span(words: list[str]) -> None:
    programs = [words.pop(0)] if words[0] in PROGRAMS else [*PROGRAMS]
    if not words or words[0].isupper():
        return
    commands = [found for each in programs if (found := verb(each, *words))]
    assert commands or words[0].startswith("-")
    known = set().union(*map(options, commands or map(group, programs)))
    asked = [word.split("=")[0] for word in words if re.match(r"--\w", word)]
    assert not {*asked} - known


@pytest.mark.parametrize("path", PAGES, ids=lambda page: page.name)
def test_options_in_the_text_are_there(path: Path) -> None:
    wrong = []
    for span, words in told(path):
        try:
            check_span(words)
        except AssertionError:
            if not (path.name == "app.md" and span in ("--host", "--port", "--share")):
                wrong.append(span)
    assert not wrong


@pytest.mark.parametrize("path", PAGES, ids=lambda page: page.name)
def test_targets_and_modules_in_the_text_are_there(path: Path) -> None:
    for span in spans(path):
        words = tuple(span.split())
        if words[0] == "make" or words[:2] == ("python", "-m") or words[:2] == ("pip", "install"):
            check_other(tuple(word.strip("'") for word in words))
