"""What the forms of both front ends have in common: the controls on offer, and running again."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import fields
from typing import Any

from common.errors import SettingError
from common.experiment import DEFAULT_CONTROLS
from common.study import Settings

QUICK = "magnitude-matched:19"
CONTROLS = {
    "19 magnitude-matched (quick)": QUICK,
    "19 of either matched rule": "layer-matched:19,magnitude-matched:19",
    "all rules, 50 masks and the bottom one": DEFAULT_CONTROLS,
}
FREE = ("device", "batch_size", "data_root", "top")
"""What a form need not say: the numbers do not depend on them, or it says them otherwise."""


def check_offered(offered: Sequence[tuple[str, object, Collection[str]]]) -> None:
    """Refuse a value that the form does not offer; a request made by hand may hold anything.

    Parameters
    ----------
    offered : sequence of (str, object, collection of str)
        What is set, to what, and what there is to choose from.

    Raises
    ------
    SettingError
        If something is not on offer; names it.
    """
    for what, value, known in offered:
        if value not in known:
            raise SettingError(f"{what} {value or '(none)'}: choose from {', '.join(known)}")


def check_again(settings: Mapping[str, Any], again: Settings, program: str) -> None:
    """Refuse to repeat a run that the form would start as another one.

    Parameters
    ----------
    settings : mapping of str to object
        The run's.
    again : Settings
        What the form makes of them, with all that it leaves as it is.
    program : str
        The command that can say all of them.

    Raises
    ------
    SettingError
        If they differ; names the setting.
    """
    for name in (each.name for each in fields(again) if each.name not in FREE):
        if settings.get(name, getattr(again, name)) != getattr(again, name):
            raise SettingError(
                f"{name} {settings[name]}: the form cannot say that; repeat it with {program} "
                "run, by the command at the end of its report"
            )
