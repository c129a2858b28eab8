"""A model of one's own: a function in somebody's file, or in a notebook, that returns a module.

``python:FILE.py:FUNCTION`` runs the file, so it needs the consent of whoever runs it: naming it on
a command line is that (:func:`consent`); a map or a file of a sweep that names it is not, and the
app gives none. The function is called anew for each network with random weights, with torch's seed
set. One that loads weights takes a parameter ``untrained``; of one that does not, every layer draws
its weights anew, where all layers can.
"""

from __future__ import annotations

import copy
import importlib.util
import inspect
import random
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from common.base.errors import FunclocError, ModelError
from common.base.files import digest_of, digest_of_file
from common.base.heavy import torch
from common.models.structure import structure_of

if TYPE_CHECKING:
    from torch import nn

OWN = "python:"
NOTEBOOK = "notebook/"
FORM = "python:FILE.py:FUNCTION"
UNTRAINED = "untrained"  # the parameter that a function may take
EVERY = "*"

_consented: set[str] = set()
_run: dict[str, ModuleType] = {}


def is_own(name: str) -> bool:
    """Whether a model's name is that of a function in somebody's file."""
    return name.startswith(OWN)


def consent(name: str = EVERY) -> None:
    """Let this process run the code that a model's name stands for; by default of every one.

    Parameters
    ----------
    name : str
        A model's, as in :data:`FORM`; any other does no harm.
    """
    _consented.add(name)


def short_name(name: str) -> str:
    """The last part of any model's name, which may be that of a folder."""
    if not is_own(name):
        return name.split("/")[-1]
    file, _, function = name.removeprefix(OWN).rpartition(":")
    return f"{Path(file).stem}-{function}"


@dataclass(frozen=True)
class Own:
    """What makes a model of one's own.

    Attributes
    ----------
    name : str
        What it is called.
    make : callable
        Gives a module, or a tuple or a mapping with one, or what a front end makes of that.
    code : str
        Fingerprint of the code, as far as it is known: weights do not say what is done with them.
    """

    name: str
    make: Callable[..., Any]
    code: str = ""

    def call(self, untrained: bool = False) -> Any:
        """What the function returns, its weights random if that is asked for.

        Raises
        ------
        ModelError
            If the function fails, or nobody knows how its weights are drawn; in one line, with the
            line of the code.
        """
        takes, seed = UNTRAINED in self._takes, torch.initial_seed()
        made = self._made(**({UNTRAINED: untrained} if takes else {}))
        if not untrained or takes:
            return made
        torch.manual_seed(seed + 1)
        if _drawn(module_in(self.name, made), module_in(self.name, self._made())):
            return made  # by the seed alone
        torch.manual_seed(seed)
        return _with_module(made, redrawn(self.name, module_in(self.name, made)))

    def _made(self, **how: bool) -> Any:
        with told_of_code(self.name), _seeded():
            return self.make(**how)

    def made_of(self, module: nn.Module) -> str:
        """Fingerprint of the code, and of what it set the parts of this module to."""
        return digest_of([self.code, structure_of(module)])

    @property
    def _takes(self) -> list[str]:
        """The parameters of the function.

        Raises
        ------
        ModelError
            If it needs one that nobody knows.
        """
        known = inspect.signature(self.make).parameters
        for name, each in known.items():
            variadic = each.kind in (each.VAR_POSITIONAL, each.VAR_KEYWORD)
            if name != UNTRAINED and each.default is each.empty and not variadic:
                raise ModelError(
                    f"`model` {self.name}: its function wants {name!r}; it is called without "
                    f"anything, or with {UNTRAINED}=True or False where it takes that"
                )
        return [*known]


@contextmanager
def _seeded() -> Iterator[None]:
    """Seed the generators that torch does not, by its own, for this block."""
    states = random.getstate(), np.random.get_state()
    seed = torch.initial_seed() % (1 << 32)
    random.seed(seed)
    np.random.seed(seed)
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])


@contextmanager
def told_of_code(name: str) -> Iterator[None]:
    """Turn whatever code of somebody's own raises into one line with the line of the code.

    Raises
    ------
    ModelError
        If anything went wrong inside this context.
    """
    try:
        yield
    except FunclocError:
        raise
    except (Exception, SystemExit) as error:
        frames = traceback.extract_tb(error.__traceback__)
        theirs = [each for each in frames if "torch" not in each.filename.split("/")][1:]
        at = f"{Path(theirs[-1].filename).name} line {theirs[-1].lineno}: " if theirs else ""
        if isinstance(error, SyntaxError):
            at = f"{Path(str(error.filename)).name} line {error.lineno}: "
        said = " ".join(str(error).split())[:200]
        raise ModelError(f"`model` {name}: {at}{type(error).__name__} {said}".rstrip()) from error


def own_model(name: str) -> Own:
    """The function that a name stands for; its file is run.

    Raises
    ------
    ModelError
        If nobody consented, or there is no such file or function.
    """
    if not {name, EVERY} & _consented:
        raise ModelError(
            f"`model` {name}: is code of somebody's own, which is run only where a command line "
            "names it as its `model` (or says `own_code`, where a map or a file names it)"
        )
    file, _, function = name.removeprefix(OWN).rpartition(":")
    path = Path(file).expanduser()
    if not file or not function.isidentifier():
        raise ModelError(f"`model` {name}: write {FORM}")
    if not path.is_file():
        raise ModelError(f"`model` {name}: there is no file {path}")
    with told_of_code(name):
        there = _imported(path)
    made = getattr(there, function, None)
    if not callable(made):
        raise ModelError(f"`model` {name}: {path} has no function called {function}")
    return Own(name, made, digest_of_file(path))


def _imported(path: Path) -> ModuleType:
    """A file as a module, run once while it is as it is; it may import what lies beside it."""
    key = f"_own_{digest_of([str(path.resolve()), digest_of_file(path)])[:16]}"
    if key not in _run:
        spec = importlib.util.spec_from_file_location(key, path)
        assert spec is not None  # of a file that is there
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[key] = module  # dataclasses and pickles look for their module there
        sys.path.insert(0, str(path.resolve().parent))
        try:
            spec.loader.exec_module(module)
        except BaseException:
            del sys.modules[key]
            raise
        finally:
            sys.path.remove(str(path.resolve().parent))
        _run[key] = module
    return _run[key]


def own_of(made: Any, name: str | None = None) -> Own:
    """A model of one's own from a notebook: a function that makes it, or the model itself.

    Parameters
    ----------
    made : nn.Module, a front end's model or callable
        A model is copied, and stays as it is. The networks with random weights are made by the
        function; of a model, by its layers.
    name : str, optional
        What it is called; left out, as its class or function is.
    """
    module = made if isinstance(made, torch.nn.Module) else getattr(made, "module", None)
    if isinstance(module, torch.nn.Module):
        called = name or type(module).__name__
        return Own(f"{NOTEBOOK}{called}", lambda: copy.deepcopy(made), _code_of(module))
    called = name or getattr(made, "__name__", type(made).__name__).strip("<>")
    return Own(f"{NOTEBOOK}{called}", made, _code_of(made))


def _code_of(made: Any) -> str:
    """Fingerprint of a function's code, or of the classes of a module's parts."""
    parts = [*made.modules()] if isinstance(made, torch.nn.Module) else [made]
    parts += [made.whole] if hasattr(made, "whole") else []  # a wrapper keeps what it wraps there
    kinds = {type(each) if isinstance(each, torch.nn.Module) else each for each in parts}
    own = [each for each in kinds if not str(each.__module__).startswith("torch.")]
    texts = []
    for each in own:
        try:
            texts.append(inspect.getsource(each))
        except (OSError, TypeError):  # typed where no text of it was kept
            texts.append(getattr(each, "__qualname__", ""))
    return digest_of(sorted(texts))


# --- modules ---


def module_in(name: str, made: Any) -> nn.Module:
    """The module in what a function returned.

    Raises
    ------
    ModelError
        If there is none.
    """
    found = made
    if isinstance(made, tuple | list) and made:
        found = made[0]
    elif isinstance(made, dict):
        found = made.get("module")
    elif hasattr(made, "module") and not isinstance(made, torch.nn.Module):
        found = made.module
    if not isinstance(found, torch.nn.Module):
        raise ModelError(
            f"`model` {name}: its function returns {type(made).__name__}; let it return an "
            "nn.Module, or a tuple or a dict that begins with one"
        )
    if next(found.parameters(), None) is None:
        raise ModelError(f"`model` {name}: its module has no parameters")
    return found


def _with_module(made: Any, module: nn.Module) -> Any:
    """What a function returned, with another module in it."""
    if isinstance(made, tuple | list):
        return (module, *made[1:])
    if isinstance(made, dict):
        return {**made, "module": module}
    if isinstance(made, torch.nn.Module):
        return module
    changed = copy.copy(made)
    object.__setattr__(changed, "module", module)
    return changed


def _drawn(one: nn.Module, two: nn.Module) -> bool:
    """Whether all weight matrices of two networks differ: then the seed has drawn them."""
    pairs = zip(one.parameters(), two.parameters(), strict=True)
    matrices = [(a, b) for a, b in pairs if a.ndim >= 2 and a.is_floating_point()]
    return bool(matrices) and not any(torch.equal(a.cpu(), b.cpu()) for a, b in matrices)


def redrawn(name: str, module: nn.Module) -> nn.Module:
    """A copy whose layers have drawn their weights anew, by torch's generator.

    Raises
    ------
    ModelError
        If a part has parameters and no way to draw them; names it.
    """
    if hasattr(module, "_from_config"):  # transformers' know the whole of it
        with told_of_code(name):
            kind: Any = type(module)
            again: nn.Module = kind._from_config(module.config)
            return again
    fresh = copy.deepcopy(module)
    for path, part in fresh.named_modules():
        draw = getattr(part, "reset_parameters", None) or getattr(part, "_reset_parameters", None)
        own = [parameter for parameter, _ in part.named_parameters(recurse=False)]
        if callable(draw):
            draw()
        elif own:
            raise ModelError(
                f"`model` {name}: nobody knows how {'.'.join(filter(None, (path, own[0])))} is "
                f"drawn without training; let its function take {UNTRAINED}, which is True then"
            )
    return fresh
