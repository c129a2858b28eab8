"""Everything that a user can set, declared once: what it is, how it is written, who knows it.

A field of :class:`Settings` is declared by a :class:`Setting`. The command lines, the forms of the
app, ``run.json`` and the command that repeats a run are built from the declarations. Text is read
at the edge (:func:`read_settings`); what the core gets are numbers and plans.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self, TypeVar, get_args, get_type_hints

from common.base.errors import SettingError
from common.data.manifest import DATA_VARIABLE
from common.measure.ablate import Ablation
from common.measure.control_rules import CONTROL_RULES, ControlPlan, parse_controls
from common.measure.moments import Statistic
from common.measure.scores import DEFAULT_SCORE, LEAST_D_PRIME, LEAST_INDEX, SCORE_RULES
from common.measure.sites import KINDS, UNITS, Kind, Pooling, Unit
from common.study.plan import (
    DEFAULT_CONTROLS,
    Plan,
    parse_ablation,
    parse_percents,
    parse_seeds,
    parse_threshold,
    say_ablation,
    say_controls,
    say_percents,
    say_threshold,
)

LOCALIZING = ("run", "localize")
EVALUATING = ("run", "evaluate")
MASKING = (*EVALUATING, "generate", "lm-eval")
ALWAYS = ("run", "localize", "evaluate", "generate", "lm-eval")
WITH_STIMULI = ("run", "localize", "evaluate")
ON_ERROR = ("stop", "skip")
WITHIN = ("class", "margin")
UNTRAINED_SEEDS = 5
LARGEST_UNTRAINED = 500_000_000  # numbers that a model was trained in
STATISTICS: tuple[Statistic, ...] = get_args(Statistic)


@dataclass(frozen=True)
class Setting:
    """How a setting is explained, read and written, and which verbs know it.

    Attributes
    ----------
    help : str
        One sentence without its stop, for command lines and forms.
    verbs : sequence of str
        The verbs that know it.
    among : collection of str
        What it may be; empty where that is not a short list.
    read, say : callable
        From text, as a command line or ``run.json`` has it, and back.
    label : str
        What a form calls it; left out, its name.
    short : str
        One letter for the command line.
    metavar : str
        What the command line calls a value.
    least : int, optional
        The smallest number.
    unset : str
        What a command line's help says in place of a default that depends on other settings.
    """

    help: str
    verbs: Sequence[str]
    among: Collection[str] = ()
    read: Callable[[str], Any] = str
    say: Callable[[Any], str] = str
    label: str = ""
    short: str = ""
    metavar: str | None = None
    least: int | None = None
    unset: str = ""

    @property
    def choices(self) -> str:
        """The help with what there is to choose from, for where that is not seen otherwise."""
        if not self.among:
            return f"{self.help}."
        *others, last = self.among
        return f"{self.help}: {', '.join(others)}{' or ' if others else ''}{last}."


@dataclass(frozen=True)
class Brought:
    """What a calibration model brings: how it is run where nothing else is said.

    Attributes
    ----------
    localizer, evaluation : str
        What it was made for.
    top : tuple of float
        Doses that show what is known of it, in percent.
    """

    localizer: str
    evaluation: str
    top: tuple[float, ...]


BROUGHT = tuple(each.name for each in fields(Brought))


def read_controls(text: str) -> tuple[ControlPlan, ...]:
    """Control rules and their draws; see :func:`~common.measure.control_rules.parse_controls`."""
    return tuple(parse_controls(text))


@dataclass(frozen=True)
class Settings:
    """Everything that a user can set.

    Raises
    ------
    SettingError
        If one is not what it may be.
    """

    brought: ClassVar[Mapping[str, Brought]] = {}
    """What calibration models of the front end bring, by their names."""

    model: Annotated[
        str,
        Setting("Which model; see the command models", ("run", "localize", "sites"), label="Model",
                short="m", metavar="NAME"),
    ]  # fmt: skip
    localizer: Annotated[
        str | None,
        Setting("A contrast, MANIFEST:CONTRAST, or MANIFEST:CONTRAST:CONDITIONS for its target "
                "against these conditions alone, as in floc:faces:scrambled", LOCALIZING,
                label="Localizer", short="l", metavar="NAME", unset="a phantom's own"),
    ] = None  # fmt: skip
    target: Annotated[
        Path | None,
        Setting("Your own target stimuli, instead of a localizer", LOCALIZING, read=Path,
                metavar="PATH"),
    ] = None  # fmt: skip
    control: Annotated[
        Path | None,
        Setting("Your own control stimuli, instead of a localizer", LOCALIZING, read=Path,
                metavar="PATH"),
    ] = None  # fmt: skip
    evaluation: Annotated[
        str,
        Setting("What to evaluate on: a manifest, or your own folder or table", EVALUATING,
                label="Evaluate on", short="e", metavar="NAME", unset="a phantom's own"),
    ] = ""  # fmt: skip
    top: Annotated[
        tuple[float, ...],
        Setting("Doses: shares of all units in percent, with commas between them", ALWAYS,
                read=parse_percents, say=say_percents, label="Doses (% of all units)",
                metavar="PERCENTS", unset="1, or a phantom's own"),
    ] = (1.0,)  # fmt: skip
    controls: Annotated[
        tuple[ControlPlan, ...],
        Setting("Control masks of the same size, RULE:DRAWS with commas between them; rules: "
                f"{', '.join(rule.written for rule in CONTROL_RULES.values())}; empty for none",
                MASKING, read=read_controls, say=say_controls, label="Controls", metavar="RULES"),
    ] = field(default_factory=lambda: read_controls(DEFAULT_CONTROLS))  # fmt: skip
    kind: Annotated[
        Kind,
        Setting("Which modules are read and ablated", LOCALIZING, KINDS, label="Sites"),
    ] = "block"  # fmt: skip
    sites: Annotated[
        str | None,
        Setting("Module paths instead of a kind: globs with commas between them, MODULE or "
                "MODULE:input", LOCALIZING, metavar="GLOBS"),
    ] = None  # fmt: skip
    unit: Annotated[
        Unit,
        Setting("What a unit is, a channel over all positions or a neuron at each",
                LOCALIZING, UNITS, label="Unit"),
    ] = "channel"  # fmt: skip
    pooling: Annotated[
        Pooling | None,
        Setting("How a channel's positions become one number; a neuron keeps its one (none)",
                LOCALIZING, ("mean", "max", "cls", "none"), unset="mean, or none of a neuron"),
    ] = None  # fmt: skip
    statistic: Annotated[
        Statistic,
        Setting("What is compared, the absolute activation (the paper's) or the signed one",
                LOCALIZING, STATISTICS, label="Statistic"),
    ] = "magnitude"  # fmt: skip
    score: Annotated[
        str,
        Setting("What ranks the units, so that the highest are the mask", LOCALIZING, SCORE_RULES,
                label="Score"),
    ] = DEFAULT_SCORE  # fmt: skip
    least_d_prime: Annotated[
        float,
        Setting("Units are counted from this d′ on, the difference of the means in standard "
                "deviations", LOCALIZING, metavar="X",
                read=partial(parse_threshold, "least_d_prime"), say=say_threshold),
    ] = LEAST_D_PRIME  # fmt: skip
    least_index: Annotated[
        float,
        Setting("Units are counted from this selectivity index on, (target - control) / (target + "
                "control) of the means", LOCALIZING, metavar="X",
                read=partial(parse_threshold, "least_index"), say=say_threshold),
    ] = LEAST_INDEX  # fmt: skip
    ablation: Annotated[
        Ablation,
        Setting("What replaces a unit: zero, mean (its own over the control condition) or scale:X",
                MASKING, read=parse_ablation, say=say_ablation, metavar="HOW"),
    ] = "zero"  # fmt: skip
    seed: Annotated[
        int,
        Setting("Seed of halves, control masks, bootstrap and random weights", ALWAYS, read=int,
                label="Seed", metavar="N", least=0),
    ] = 0  # fmt: skip
    untrained: Annotated[
        bool, Setting("Random weights of the same architecture", LOCALIZING)
    ] = False  # fmt: skip
    untrained_seeds: Annotated[
        int | None,
        Setting("Networks of the same architecture with random weights that the localizer is shown "
                "too, to say what training added; 0 for none. Each takes as long as localizing",
                LOCALIZING, read=parse_seeds, label="Untrained networks", metavar="N",
                unset=f"{UNTRAINED_SEEDS}, or 0 for models above "
                f"{LARGEST_UNTRAINED // 1_000_000} M parameters"),
    ] = None  # fmt: skip
    allow_overlap: Annotated[
        bool, Setting("Evaluate even on stimuli that the localizer used", EVALUATING)
    ] = False  # fmt: skip
    device: Annotated[
        str,
        Setting("Where to compute: auto, cpu, cuda, cuda:1 or mps", (*ALWAYS, "sites"),
                metavar="NAME"),
    ] = "auto"  # fmt: skip
    dtype: Annotated[
        str,
        Setting("Numbers that the model computes with: float32, float16 or bfloat16", LOCALIZING,
                metavar="NAME"),
    ] = "float32"  # fmt: skip
    batch_size: Annotated[
        int,
        Setting("Stimuli a pass", (*WITH_STIMULI, "lm-eval"), read=int, metavar="N",
                least=1),
    ] = 64  # fmt: skip
    data_root: Annotated[
        Path | None,
        Setting(f"Folder that holds the manifests' folders (or {DATA_VARIABLE})", WITH_STIMULI,
                read=Path, metavar="FOLDER"),
    ] = None  # fmt: skip
    on_error: Annotated[
        str,
        Setting("At a stimulus that is broken or missing stop, or leave it out and report it",
                WITH_STIMULI, ON_ERROR),
    ] = "stop"  # fmt: skip
    within: Annotated[
        str | None,
        Setting("Make the groups alike: of the same classes, or in pairs of equal intact margin",
                EVALUATING, WITHIN, unset="as they are"),
    ] = None  # fmt: skip

    def __post_init__(self) -> None:
        for name, declared in declarations(type(self)).items():
            value = getattr(self, name)
            if declared.among and value is not None and value not in declared.among:
                raise SettingError(f"`{name}` {value}: choose one of {', '.join(declared.among)}")
        if (self.untrained_seeds or 0) < 0:
            raise SettingError(f"`untrained_seeds` {self.untrained_seeds}: give 0 or more")
        for name in ("least_d_prime", "least_index"):
            if not 0 < (least := getattr(self, name)) < math.inf:
                raise SettingError(f"`{name}` {least:g}: give a number above 0")

    @property
    def plan(self) -> Plan:
        """The masks to try."""
        return Plan(self.top, self.controls, self.seed, self.ablation, self.within)

    def to_evaluate(self) -> Self:
        """These settings, with the evaluation that the model brings where none is named.

        Raises
        ------
        SettingError
            If none is named and the model brings none.
        """
        if self.evaluation:
            return self
        if (own := self.brought.get(self.model)) is None:
            raise SettingError(
                f"`evaluation` is missing, and {self.model} brings none: say what to evaluate on "
                "(localize needs none)"
            )
        return replace(self, evaluation=own.evaluation)


S = TypeVar("S", bound=Settings)


_DECLARED: dict[type[Settings], dict[str, Setting]] = {}


def declarations(kind: type[Settings]) -> dict[str, Setting]:
    """The declaration of every setting, by name and in order."""
    if kind not in _DECLARED:
        hints = get_type_hints(kind, include_extras=True)
        _DECLARED[kind] = {
            each.name: next(m for m in hints[each.name].__metadata__ if isinstance(m, Setting))
            for each in fields(kind)
        }
    return _DECLARED[kind]


def defaults(kind: type[Settings]) -> dict[str, Any]:
    """What the settings are where nothing is said; all but the model."""
    bare = kind("")
    return {name: getattr(bare, name) for name in declarations(kind) if name != "model"}


def known_to(kind: type[Settings], verb: str) -> dict[str, Setting]:
    """The settings that a verb knows."""
    return {name: each for name, each in declarations(kind).items() if verb in each.verbs}


# --- text and back ---


def read_setting(kind: type[Settings], name: str, value: Any) -> Any:
    """A setting from text; what is no text is taken as it is.

    Raises
    ------
    SettingError
        If it makes no sense.
    """
    return declarations(kind)[name].read(value) if isinstance(value, str) else value


def read_settings(kind: type[S], given: Mapping[str, Any]) -> S:
    """Settings from what a command line or ``run.json`` says.

    Parameters
    ----------
    kind : type of Settings
        The front end's.
    given : mapping of str to object
        By name, as text or as it is.

    Raises
    ------
    SettingError
        If one makes no sense.
    TypeError
        If there is no such setting, or the model is not named.
    """
    known = declarations(kind)
    read = {n: read_setting(kind, n, v) if n in known else v for n, v in given.items()}
    return kind(**read)


def say_settings(settings: Settings) -> dict[str, Any]:
    """Settings as ``run.json`` holds them: text, numbers, true, false and null."""
    return {
        name: value if value is None or isinstance(value, bool | int) else declared.say(value)
        for name, declared in declarations(type(settings)).items()
        for value in [getattr(settings, name)]
    }


def completed(kind: type[S], given: Mapping[str, Any]) -> S:
    """Settings from what was given; the rest as the model brings it, or by default.

    Parameters
    ----------
    kind : type of Settings
        The front end's.
    given : mapping of str to object
        By name; ``None`` for what is left open.
    """
    said = {name: value for name, value in given.items() if value is not None}
    own = kind.brought.get(str(said.get("model")))
    brought = {} if own is None else vars(own).copy()
    if "target" in said or "control" in said:
        brought.pop("localizer", None)
    return read_settings(kind, {**brought, **said})


def option(name: str) -> str:
    """What the command lines call a setting."""
    return "--" + {"evaluation": "eval"}.get(name, name).replace("_", "-")
