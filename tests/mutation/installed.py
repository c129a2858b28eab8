"""A changed module in the place of the one that is loaded, without loading anything anew."""

from __future__ import annotations

import sys
from functools import cached_property
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

from tests.mutation.mutants import Mutant

PLAIN = (int, float)


def loaded(path: Path) -> ModuleType:
    """The module of a file."""
    return sys.modules[".".join(path.with_suffix("").parts)]


def install(mutant: Mutant) -> None:
    """Give the functions of the loaded module the changed code, and all who have it the constant.

    The functions stay the objects that others have imported; only what they do is another.
    """
    old = loaded(mutant.path)
    new = ModuleType(old.__name__)
    new.__dict__.update(__file__=old.__file__, __package__=old.__package__)
    exec(compile(mutant.tree(), str(mutant.path.absolute()), "exec"), new.__dict__)
    if not mutant.function:
        _hand_out(old, new)
    for name, value in vars(new).items():
        if getattr(value, "__module__", None) == old.__name__:
            _renew(vars(old).get(name), value)


def _hand_out(old: ModuleType, new: ModuleType) -> None:
    changed = {
        name: value
        for name, value in vars(new).items()
        if type(value) in PLAIN and vars(old)[name] != value
    }
    for name, value in changed.items():
        was = vars(old)[name]
        for module in [*sys.modules.values()]:
            if getattr(module, "__dict__", {}).get(name) is was:
                setattr(module, name, value)


def _renew(old: Any, new: Any) -> None:
    if isinstance(new, type) and isinstance(old, type):
        for name, value in vars(new).items():
            if name in vars(old):
                _renew(vars(old)[name], value)
        return
    one, other = _function(old), _function(new)
    if one is None or other is None or one.__code__.co_freevars != other.__code__.co_freevars:
        return
    one.__code__, one.__defaults__ = other.__code__, other.__defaults__
    one.__kwdefaults__ = other.__kwdefaults__
    if hasattr(old, "cache_clear"):
        old.cache_clear()


def _function(of: Any) -> FunctionType | None:
    if isinstance(of, property):
        of = of.fget
    elif isinstance(of, cached_property):
        of = of.func
    of = getattr(of, "__func__", of)
    of = getattr(of, "__wrapped__", of)
    return of if isinstance(of, FunctionType) else None
