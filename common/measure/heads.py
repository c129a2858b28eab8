"""How many heads an attention has, and where each of them gives what it makes.

Just before an attention's output projection the heads lie beside each other, each a slice of as
many channels. The projection is the last linear layer inside the attention; how many heads there
are is said by the attention itself or by its configuration. With grouped queries, heads are the
queries': each has a slice of its own, though several share keys and values.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from common.measure.sites import Site

if TYPE_CHECKING:
    from torch import nn

COUNTS = ("num_heads", "num_attention_heads", "n_heads", "n_head", "num_head")
DEPTHS = ("head_dim", "head_size", "attention_head_size", "v_head_dim")


def n_heads(modules: Iterable[nn.Module]) -> int | None:
    """How many heads an attention says that it has.

    Parameters
    ----------
    modules : iterable of nn.Module
        The attention and what lies in it: the first to say it is believed, and one that does not
        say it itself may have a configuration.

    Returns
    -------
    int or None
        Nothing, where nobody says it.
    """
    every = list(modules)
    said = (_number(part, COUNTS) for part in (*every, *_configurations(every)))
    return next((count for count in said if count is not None), None)


def head_depths(modules: Iterable[nn.Module]) -> set[int]:
    """How many channels a head has, by all that say it: of values, or of queries and keys."""
    every = list(modules)
    return {
        depth
        for part in (*every, *_configurations(every))
        for name in DEPTHS
        if (depth := _number(part, (name,))) is not None
    }


def _configurations(modules: Iterable[nn.Module]) -> Iterator[Any]:
    for module in modules:
        config = getattr(module, "config", None)
        if config is not None:
            # Of a model of several parts, the one that reads text.
            yield config.get_text_config() if hasattr(config, "get_text_config") else config


def _number(part: Any, names: Iterable[str]) -> int | None:
    found = (getattr(part, name, None) for name in names)
    return next(
        (n for n in found if isinstance(n, int) and not isinstance(n, bool) and n > 0), None
    )


def in_heads(site: Site | None, modules: Iterable[nn.Module]) -> Site | str:
    """The input of an attention's output projection, with its heads as units.

    Parameters
    ----------
    site : Site or None
        The input of the last linear layer of the attention, if it is one.
    modules : iterable of nn.Module
        As in :func:`n_heads`.

    Returns
    -------
    Site or str
        The site, or why its heads cannot be told apart.
    """
    if site is None:
        return "no linear layer of its own projects what its heads give"
    every = list(modules)
    count, depths = n_heads(every), head_depths(every)
    if count is None:
        return f"says nowhere how many heads it has ({', '.join(COUNTS)})"
    width, rest = divmod(site.channels, count)
    if rest or (depths and width not in depths):
        of = f" of {' or '.join(map(str, sorted(depths)))} channels" if depths else ""
        return f"says that it has {count} heads{of}, and gives {site.channels} channels"
    return replace(site, width=width)
