"""How settings are declared: what each is, how it is written, who knows it.

A field of a class of :class:`Declared` is declared by a :class:`Setting`. The command lines, the
forms of the app, ``run.json`` and the command that repeats a run are built from the declarations.
Text is read at the edge (:func:`read_settings`); what the core gets are numbers and plans. The
settings themselves are in :mod:`common.study.settings`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from difflib import get_close_matches
from typing import Annotated, Any, ClassVar, TypeVar, get_type_hints

from common.base.errors import SettingError

S = TypeVar("S", bound="Declared")

ONE_MAP = ("run", "localize")  # verbs of a single localizer
ONE_LOCALIZER = (*ONE_MAP, "compare-sites")
ONE_KIND = (*ONE_MAP, "dissociate")
ONE_VERDICT = ("run", "evaluate")
SEVERAL = ("dissociate", "compare-sites")
LOCALIZING = (*ONE_MAP, *SEVERAL)
EVALUATING = (*ONE_VERDICT, *SEVERAL)
MASKING = (*EVALUATING, "generate", "tokens", "lm-eval")
LISTED = ("evaluate", "generate", "tokens", "lm-eval")  # whose masks may be of a list of units
ALWAYS = ("run", "localize", "evaluate", *SEVERAL, "generate", "tokens", "lm-eval")
UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}  # of bytes
WITH_STIMULI = ("run", "localize", "evaluate", *SEVERAL)


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


@dataclass(frozen=True)
class Declared:
    """Settings, each of which is declared; a front end's are a class of these.

    Raises
    ------
    SettingError
        If one is not what it may be.
    """

    brought: ClassVar[Mapping[str, Brought]] = {}
    """What calibration models of the front end bring, by their names."""

    model: Annotated[
        str,
        Setting("Which model; see the command models", (*LOCALIZING, "sites"), label="Model",
                short="m", metavar="NAME"),
    ]  # fmt: skip

    def __post_init__(self) -> None:
        for name, declared in declarations(type(self)).items():
            value = getattr(self, name)
            if declared.among and value is not None and value not in declared.among:
                raise SettingError(f"`{name}` {value}: choose one of {', '.join(declared.among)}")


_DECLARED: dict[type[Declared], dict[str, Setting]] = {}


def declarations(kind: type[Declared]) -> dict[str, Setting]:
    """The declaration of every setting, by name and in order."""
    if kind not in _DECLARED:
        hints = get_type_hints(kind, include_extras=True)
        _DECLARED[kind] = {
            each.name: next(m for m in hints[each.name].__metadata__ if isinstance(m, Setting))
            for each in fields(kind)
        }
    return _DECLARED[kind]


def defaults(kind: type[Declared]) -> dict[str, Any]:
    """What the settings are where nothing is said; all but the model."""
    bare = kind("")
    return {name: getattr(bare, name) for name in declarations(kind) if name != "model"}


def known_to(kind: type[Declared], verb: str) -> dict[str, Setting]:
    """The settings that a verb knows."""
    return {name: each for name, each in declarations(kind).items() if verb in each.verbs}


# --- text and back ---


def read_bytes(name: str, text: str) -> int:
    """A number of bytes from text, as in ``2G``, ``512M`` or ``1000000``: units of 1024.

    Raises
    ------
    SettingError
        If it is none.
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?", text.strip(), re.IGNORECASE)
    if found is None or found[1].count("0") + found[1].count(".") == len(found[1]):
        raise SettingError(f"`{name}` {text}: give bytes above 0, as in 512M or 2G")
    return int(float(found[1]) * UNITS[found[2].upper()])


def say_bytes(value: int) -> str:
    """A number of bytes as :func:`read_bytes` reads it."""
    whole = [unit for unit, size in UNITS.items() if value % size == 0]
    return f"{value // UNITS[whole[-1]]}{whole[-1]}"


def read_setting(kind: type[Declared], name: str, value: Any) -> Any:
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
    kind : type of Declared
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


def check_names(kind: type[Declared], given: Iterable[str]) -> None:
    """Settings that somebody names are settings.

    Raises
    ------
    SettingError
        If there is none of a name, with the one that is meant, or with all.
    """
    known = [field.name for field in fields(kind)]
    called = {option(name).lstrip("-").replace("-", "_"): name for name in known}
    for name in given:
        if name not in known:
            meant = called.get(name) or next(iter(get_close_matches(name, known, 1)), None)
            which = f"is it `{meant}`?" if meant else f"there are {', '.join(sorted(known))}"
            raise SettingError(f"no setting is called {name!r}; {which}")


def say_settings(settings: Declared) -> dict[str, Any]:
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
    kind : type of Declared
        The front end's.
    given : mapping of str to object
        By name; ``None`` for what is left open.

    Raises
    ------
    SettingError
        If one makes no sense, or there is none of that name.
    """
    check_names(kind, given)
    said = {name: value for name, value in given.items() if value is not None}
    own = kind.brought.get(str(said.get("model")))
    brought = {} if own is None else vars(own).copy()
    if "target" in said or "control" in said:
        brought.pop("localizer", None)
    return read_settings(kind, {**brought, **said})


def option(name: str) -> str:
    """What the command lines call a setting."""
    return "--" + {"evaluation": "eval"}.get(name, name).replace("_", "-")
