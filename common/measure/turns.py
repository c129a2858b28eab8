"""Modules that run several times in a pass: a path of its own for each of their calls.

A recurrent cell, one block whose weights all layers share (ALBERT), an activation that a block uses
twice. By its path alone such a module is several places at once; with the number of the call each
is one, as ``cell@2``. Inside a call, paths go on behind it: ``cell@2.gate`` is the gate of the
second step.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from common.base.errors import SiteError
from common.measure.attach import attach, before_pass, modules_of, part_of
from common.measure.sites import Site
from common.measure.trace import Call

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class Turn:
    """One call of a module in a pass.

    Attributes
    ----------
    module : str
        Path as in ``model.named_modules()``.
    step : int
        Which of its calls, from 1.
    steps : int
        How many there are.
    """

    module: str
    step: int
    steps: int

    @property
    def name(self) -> str:
        """``cell@2``, or the module's path where it is called once."""
        return self.module if self.steps == 1 else f"{self.module}@{self.step}"


def told_apart(calls: Sequence[Call]) -> tuple[list[Call], dict[str, Turn]]:
    """Every call of a pass under a path of its own.

    Parameters
    ----------
    calls : sequence of Call
        In order of completion, the whole last; from :func:`common.measure.trace.trace`.

    Returns
    -------
    (list of Call, dict of str to Turn)
        The same calls with these paths for modules, and by path whose call it is.
    """
    times, seen = Counter(call.module for call in calls), Counter[str]()
    found: list[Call] = []
    turns: dict[str, Turn] = {}

    def renamed(call: Call, path: str) -> Call:
        there, here = Counter(each.module for each in call.inner), Counter[str]()
        inner = []
        for each in call.inner:
            here[each.module] += 1
            step = here[each.module] if there[each.module] > 1 else None
            inner.append(renamed(each, behind(call, path, each, step)))
        seen[call.module] += 1
        turns[path] = Turn(call.module, seen[call.module], times[call.module])
        found.append(replace(call, module=path, inner=tuple(inner)))
        return found[-1]

    def behind(outer: Call, path: str, call: Call, step: int | None) -> str:
        start = f"{outer.module}." if outer.module else ""
        if not call.module.startswith(start):  # somebody else's part
            often = times[call.module] > 1
            return f"{call.module}@{seen[call.module] + 1}" if often else call.module
        own = call.module if not start else f"{path}.{call.module[len(start) :]}"
        return own if step is None else f"{own}@{step}"

    renamed(calls[-1], calls[-1].module)
    return found, turns


def called_apart(
    modules: Mapping[str, nn.Module], turns: Mapping[str, Turn]
) -> dict[str, nn.Module]:
    """Modules by the paths of their calls, and by their own where they are not called at all."""
    called = {turn.module for turn in turns.values()}
    never = {path: module for path, module in modules.items() if path not in called}
    return {path: modules[turn.module] for path, turn in turns.items()} | never


def attached_to(
    model: nn.Module,
    sites: Sequence[Site],
    act: Callable[[Site], Callable[[Any], Any]],
    *,
    reads: bool = True,
) -> list[Callable[[], Any]]:
    """Registrations of a hook at each site, at its own call where its module has several.

    Parameters
    ----------
    model : nn.Module
        The model.
    sites : sequence of Site
        Where.
    act : callable
        Gives the hook of a site; what that returns replaces what the site gave.
    reads : bool, default=True
        See :func:`common.measure.attach.attach`.

    Raises
    ------
    SiteError
        If a site does not exist. From a hook, if a module runs more often than when its sites were
        found.
    """
    hooks: list[Callable[[], Any]] = []
    for site, module in zip(sites, modules_of(model, sites), strict=True):
        own = act(site)
        if site.steps > 1:
            counted = _Counted(site, own)
            hooks += [before_pass(each, counted.under(path)) for path, each in _around(model, site)]
            own = counted
        hooks.append(attach(module, site.end, own, reads=reads))
    return hooks


def _around(model: nn.Module, site: Site) -> list[tuple[str, nn.Module]]:
    """The modules that hold a site's, the model first."""
    parts = site.module.split(".")
    paths = [".".join(parts[:n]) for n in range(len(parts))]
    return [(path, part_of(model, path)) for path in paths]


class _Counted:
    """A hook that acts at one call of its module in each pass.

    A pass begins where the outermost module is called that has been called so far: the model, or
    the part of it through which texts are read.
    """

    def __init__(self, site: Site, act: Callable[[Any], Any]) -> None:
        self.site, self.act = site, act
        self.calls = 0
        self.root: str | None = None

    def under(self, path: str) -> Callable[[], None]:
        def begin() -> None:
            if self.root is None or len(path) <= len(self.root):
                self.root, self.calls = path, 0

        return begin

    def __call__(self, value: Any) -> Any:
        self.calls += 1
        if self.calls > self.site.steps:
            raise SiteError(
                f"{self.site}: fires more than {self.site.steps} times in one pass, as often as "
                "when its sites were found"
            )
        return self.act(value) if self.calls == self.site.step else None
