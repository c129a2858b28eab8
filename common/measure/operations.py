"""What kind of operation each site of a map is: the class of its module."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from common.measure.sites import Site

if TYPE_CHECKING:
    from torch import nn

OPERATIONS = "operations"  # what a map calls them, by site


def operations(module: nn.Module, sites: Iterable[Site]) -> dict[str, Any]:
    """For a map's description, by site the class of its module; nothing but for operations.

    Parameters
    ----------
    module : nn.Module
        The model.
    sites : iterable of Site
        Those of the map.
    """
    own = {str(site): type(module.get_submodule(site.module)).__name__
           for site in sites if site.kind == "op"}  # fmt: skip
    return {OPERATIONS: own} if own else {}
