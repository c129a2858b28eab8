"""The command line that repeats what was done, made from the settings' declarations."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from pathlib import Path

from common.data.manifest import DATA_VARIABLE
from common.study.declared import BROUGHT, defaults, known_to, option
from common.study.settings import Settings


def command(
    program: str,
    verb: str,
    settings: Settings,
    out: Path,
    source: Path | None = None,
    more: Sequence[str] = (),
) -> str:
    """The command line that does this again, whoever asked for it: a shell, the app, a notebook.

    Parameters
    ----------
    program : str
        The front end's.
    verb : str
        ``run``, ``localize``, ``evaluate`` or ``dissociate``.
    settings : Settings
        What was set; what is as by default is not said.
    out : Path
        The run folder.
    source : Path, optional
        The folder whose map is evaluated; the model is then the map's.
    more : sequence of str, optional
        Further words, for what is no setting.
    """
    words = [program, verb]
    words += [] if source is None else ["--map", str(source)]
    kind = type(settings)
    default = {"model": None, **defaults(kind)}
    if settings.model in kind.brought:
        default |= dict.fromkeys(BROUGHT)  # left out, they would be the model's own
    for name, declared in known_to(kind, verb).items():
        value = getattr(settings, name)
        if value is None or value == default[name]:
            continue
        words += [option(name)] if value is True else [option(name), declared.say(value)]
    root = os.environ.get(DATA_VARIABLE) if settings.data_root is None else None
    return shlex.join(
        [*([f"{DATA_VARIABLE}={root}"] if root else []), *words, *more, "--out", str(out)]
    )
