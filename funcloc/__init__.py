"""The one name under which funcloc is installed: ``from funcloc.common import ablate``.

A wheel holds all parts inside this package (``setup.py``), so that it puts no ``common`` and no
``app`` where others have theirs. In a checkout they lie beside this folder, and
``funcloc.common`` is ``common``: the same modules, whichever name they are asked for by.

The core's public names are here as well: ``from funcloc import ablate, record, sites``.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.metadata import version
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

PARTS = ("app", "browser", "common", "data_manifests", "llm_loc", "vision_loc")


class _Beside(MetaPathFinder, Loader):
    """Finds the parts that lie beside this folder, under their own names."""

    def __init__(self) -> None:
        self._own: dict[str, ModuleSpec | None] = {}

    def find_spec(
        self,
        name: str,
        path: Any = None,  # noqa: ARG002
        target: Any = None,  # noqa: ARG002
    ) -> ModuleSpec | None:
        own = _own_name(name)
        found = None if own is None else importlib.util.find_spec(own)
        if found is None:
            return None
        packed = found.submodule_search_locations is not None
        return ModuleSpec(name, self, origin=found.origin, is_package=packed)

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = importlib.import_module(spec.name.removeprefix(f"{__name__}."))
        self._own[spec.name] = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        # It has been run, under its own name; only what import has just told it is not its own.
        if module.__spec__ is not None and module.__spec__.name in self._own:
            module.__spec__ = self._own.pop(module.__spec__.name)

    def get_code(self, name: str) -> CodeType | None:  # for python -m
        own = str(_own_name(name))
        found = importlib.util.find_spec(own)
        loader: Any = None if found is None else found.loader
        return None if loader is None else loader.get_code(own)


def _own_name(name: str) -> str | None:
    """What a part is called beside this folder; nothing for what is no part."""
    first, _, rest = name.partition(".")
    return rest if first == __name__ and rest.partition(".")[0] in PARTS else None


if not (Path(__file__).parent / "common").is_dir():
    sys.meta_path.insert(0, _Beside())


def __getattr__(name: str) -> Any:
    """The public names of the core, once one is asked for."""
    if name == "__version__":
        return version(__name__)
    if name.startswith("__"):
        raise AttributeError(name)
    core = importlib.import_module(f"{__name__}.common")
    if name in core.__all__:
        return getattr(core, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
