"""The options of the command lines, built from the settings' declarations."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

import typer

from common.base.errors import SettingError
from common.models.own import consent
from common.study.declared import Setting, declarations, defaults, known_to, option, read_setting
from common.study.settings import Settings

Given = dict[str, Any]
"""The values of the settings that a verb knows, by name; ``None`` for what is left open."""

MAPPED = ("evaluate", "generate", "tokens", "lm-eval")  # verbs whose model is that of a map

Out = Annotated[
    Path | None,
    typer.Option("--out", "-o", help="The run folder; left out, a new one under runs/."),
]
MapFolder = Annotated[
    Path, typer.Option("--map", help="The folder with selectivity.safetensors and run.json.")
]
ModelsRoot = Annotated[
    Path | None,
    typer.Option(
        "--models-root", help="Folder that holds models' folders (or FUNCLOC_MODELS; ./models)."
    ),
]
OwnCode = Annotated[
    bool,
    typer.Option(
        "--own-code", help="Run the code of a model python:FILE.py:FUNCTION that is not named here."
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print results.json instead of a table.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress bars.")]


def _option(name: str, declared: Setting, shown: bool | str) -> Any:
    words = [option(name), *([f"-{declared.short}"] if declared.short else [])]
    metavar = declared.metavar or ("WORD" if declared.among else None)
    return typer.Option(
        *words, help=declared.choices, metavar=metavar, min=declared.least, show_default=shown
    )


def _shown(kind: type[Settings], name: str) -> bool:
    """Whether there is a default that the help can show."""
    default = defaults(kind)[name]
    return default not in (None, "", ())


def told(name: str, kind: type[Settings] = Settings) -> Any:
    """The option of a setting, for a command that is not of a model's settings."""
    return _option(name, declarations(kind)[name], _shown(kind, name))


DataRoot = Annotated[Path | None, told("data_root")]
OnError = Annotated[str, told("on_error")]


def takes(
    kind: type[Settings], verb: str, **own: str
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command the options of a verb, from the declarations of the settings.

    Parameters
    ----------
    kind : type of Settings
        The front end's.
    verb : str
        Knows some of them.
    **own : str
        Defaults of this verb, as text.

    Returns
    -------
    callable
        Decorates a function whose parameter ``given`` takes the values, read from text. Its other
        parameters stay options of their own: those without a default before the settings, the
        others after them.
    """
    known = known_to(kind, verb)

    def decorate(function: Callable[..., None]) -> Callable[..., None]:
        @wraps(function)
        def command(**words: Any) -> None:
            consent(words.get("model") or "")  # whoever names code of their own has it run
            given = {name: read_setting(kind, name, words.pop(name)) for name in known}
            function(given=given, **words)

        others = [*inspect.signature(function, eval_str=True).parameters.values()]
        others = [each.replace(kind=each.KEYWORD_ONLY) for each in others if each.name != "given"]
        settings = [_parameter(kind, verb, name, own.get(name)) for name in known]
        first = [each for each in others if each.default is each.empty]
        last = [each for each in others if each.default is not each.empty]
        every = [*first, *settings, *last]
        command.__signature__ = inspect.Signature(every)  # type: ignore[attr-defined]
        command.__annotations__ = {each.name: each.annotation for each in every}
        return command

    return decorate


def _parameter(kind: type[Settings], verb: str, name: str, own: str | None) -> inspect.Parameter:
    """An option as typer reads it: of text, but for numbers and switches."""
    declared = declarations(kind)[name]
    if name == "model":
        info = _option(name, declared, False)
        return _keyword(name, Annotated[str, info], inspect.Parameter.empty)
    default, shown = defaults(kind)[name], own is not None or _shown(kind, name)
    if isinstance(default, bool | int):
        return _keyword(name, Annotated[type(default), _option(name, declared, True)], default)
    # What is left open is filled in by the model that is run, or the map that is evaluated.
    if declared.unset and own is None and not (verb in MAPPED and name == "top"):
        unset = f"the map's run's, or {declared.unset}" if verb in MAPPED else declared.unset
        return _keyword(name, Annotated[str | None, _option(name, declared, unset)], None)
    text = own or (None if default is None else declared.say(default))
    words: bool | str = shown
    if shown and text and "," in text:  # a list without a space would be cut at the table's edge
        words = text.replace(",", ", ")
    return _keyword(name, Annotated[str | None, _option(name, declared, words)], text)


def _keyword(name: str, annotation: Any, default: Any) -> inspect.Parameter:
    kind = inspect.Parameter.KEYWORD_ONLY
    return inspect.Parameter(name, kind, default=default, annotation=annotation)


def one_of(name: str, value: str | None, known: tuple[str, ...]) -> Any:
    """The value of an option, if it is left out or one of those that there are.

    Raises
    ------
    SettingError
        If it is not.
    """
    if value is not None and value not in known:
        raise SettingError(f"`{name}` {value}: choose one of {', '.join(known)}")
    return value
