"""Both programs say the same where they mean the same: options, words and order."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import pytest
import typer

import llm_loc.cli
import vision_loc.cli
from common.base.errors import SettingError
from common.cli.main import run_command, spoken
from common.study.commands import command
from common.study.declared import completed, declarations, known_to, read_settings
from common.study.settings import Settings as Common
from common.study.verbs import open_source
from llm_loc.settings import Settings as Language
from vision_loc.experiment import FRONT
from vision_loc.settings import Settings as Vision

VERBS = (
    "run", "localize", "evaluate", "dissociate", "compare-sites", "sweep", "repeat", "report",
    "sites", "models",
)  # fmt: skip
GROUPS = {"data": ("list", "check", "fetch"), "models": ("list", "fetch")}
READING = ("judge", "report", "compare", "units", "repeat")
OTHER_WORDS = {"evaluation", "pooling"}
"""Pictures and texts are evaluated and pooled in other ways."""


def group(app: typer.Typer) -> Any:
    return typer.main.get_command(app)


def options(app: typer.Typer, *verbs: str) -> dict[str, tuple[Any, ...]]:
    """What the help of a verb says of every option, by name."""
    found = group(app)
    for verb in verbs:
        found = found.commands[verb]
    return {
        each.name: (each.opts, getattr(each, "help", None), each.default, each.required,
                    each.metavar, getattr(each, "show_default", None))
        for each in found.params
    }  # fmt: skip


@pytest.mark.parametrize(
    "verb", [*((verb,) for verb in VERBS), *((g, v) for g, verbs in GROUPS.items() for v in verbs)]
)
def test_a_verb_is_the_same_in_both_programs(verb: tuple[str, ...]) -> None:
    one, two = options(vision_loc.cli.app, *verb), options(llm_loc.cli.app, *verb)
    shared = [name for name in one if name in two]
    assert shared == [name for name in two if name in one]
    for name in shared:
        if name not in OTHER_WORDS:
            assert one[name] == two[name], name
    own = {*one, *two} - {*shared}
    assert own <= {
        "unit", "on_error", "classes", "protocol", "target_group", "other_group", "device_map",
        "match", "measure", "adapter",
    }  # fmt: skip
    helps = [group(app) for app in (vision_loc.cli.app, llm_loc.cli.app)]
    for word in verb:
        helps = [each.commands[word] for each in helps]
    assert helps[0].help == helps[1].help


@pytest.mark.parametrize(("kind", "app"), [
    (Vision, vision_loc.cli.app), (Language, llm_loc.cli.app),
])  # fmt: skip
def test_every_setting_is_an_option_of_the_verbs_that_know_it(
    kind: type[Common], app: typer.Typer
) -> None:
    for verb, one in group(app).commands.items():
        if verb not in ("data", *READING, "models", "sweep"):
            names = [each.name for each in one.params]
            known = [*known_to(kind, verb)]
            assert [name for name in names if name in known] == known
            settings = {name for name in names if name in declarations(kind)}
            assert settings - {*known} <= {"kind", "untrained"}  # of sites, where they differ


def test_the_order_of_the_verbs_is_the_same() -> None:
    one, two = (list(group(app).commands) for app in (vision_loc.cli.app, llm_loc.cli.app))
    assert [verb for verb in two if verb in one] == one


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ("`top` 0: give more", "--top 0: give more"),
        ("`evaluation` x: or `data_root`, `allow_overlap`", "--eval x: or --data-root, "
         "--allow-overlap"),
        ("`meadow` is none", "meadow is none"),
        ("see `data list`", "see `data list`"),
    ],
)  # fmt: skip
def test_the_command_line_says_settings_as_options(message: str, said: str) -> None:
    assert spoken(message, vision_loc.cli.app) == said


def test_a_setting_that_is_wrong_is_told_as_its_option(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["run", "--model", "phantom/cnn", "--top", "1,1"]
    monkeypatch.setattr(sys, "argv", ["vision-loc", *words])
    with pytest.raises(SystemExit):
        run_command(vision_loc.cli.app, "vision-loc")
    assert capsys.readouterr().err == (
        "vision-loc: --top 1,1: the same percentage comes twice\n"
    )  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "model"),
    [*((Vision, model) for model in Vision.brought), *((Language, m) for m in Language.brought)],
)
def test_a_phantom_brings_its_stimuli_and_doses_and_what_is_said_wins(
    kind: type[Common], model: str
) -> None:
    bare = completed(kind, {"model": model, "top": None})
    own = kind.brought[model]
    assert (bare.localizer, bare.evaluation, bare.top) == (*vars(own).values(),)
    said = completed(kind, {"model": model, "localizer": "a:b", "evaluation": "c", "top": "3"})
    assert (said.localizer, said.evaluation, said.top) == ("a:b", "c", (3,))
    mine = completed(kind, {"model": model, "target": "x", "control": "y"})
    assert (mine.localizer, mine.target) == (None, Path("x"))
    # Whatever the phantom brings, the command says, so that it repeats the run at any time.
    assert f"--localizer {own.localizer} --eval {own.evaluation} --top" in command(
        "some-loc", "run", bare, Path("runs/a")
    )


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("eval", "no setting is called 'eval'; is it `evaluation`?"),
        ("zzz", "no setting is called 'zzz'; there are ablation, "),
        ("seeed", "no setting is called 'seeed'; is it `seed`?"),
    ],
)
def test_what_is_no_setting_is_named(name: str, says: str) -> None:
    with pytest.raises(SettingError, match=f"^{re.escape(says)}"):
        completed(Vision, {"model": "phantom/cnn", name: "x"})
    # A folder of a map is not looked into: the word is wrong, whatever the folder is.
    with pytest.raises(SettingError, match=f"^{re.escape(says)}"):
        open_source(FRONT, Path("no-folder"), **{name: "x"})


def test_what_brings_no_evaluation_needs_one() -> None:
    with pytest.raises(SettingError, match=r"`evaluation` is missing.*localize needs none"):
        Vision("local/net", localizer="floc:faces").to_evaluate()
    assert Vision("phantom/cnn").to_evaluate().evaluation == "phantom"


def test_settings_that_older_runs_wrote_are_read() -> None:
    older = {
        "model": "phantom/lm", "localizer": "phantom-lm", "target": None, "control": None,
        "evaluation": "phantom-lm", "top": "1,5", "controls": "random:10,bottom", "kind": "block",
        "sites": None, "unit": "channel", "pooling": "last", "statistic": "magnitude",
        "ablation": "scale:0.5", "seed": 0, "untrained": False, "allow_overlap": False,
        "device": "auto", "dtype": "float32", "batch_size": 64, "data_root": "/data",
        "on_error": "stop", "protocol": "full", "target_group": None, "other_group": None,
        "device_map": None,
    }  # fmt: skip
    found = read_settings(Language, older)
    assert (found.top, found.ablation, found.data_root) == ((1, 5), 0.5, Path("/data"))
    assert [(plan.rule, plan.draws) for plan in found.controls] == [("random", 10), ("bottom", 1)]
