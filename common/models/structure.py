"""What a module of somebody's own computes besides its weights, as far as the module says it.

Two networks of the same weights may differ in an activation, a stride, a temperature. The text of
the code does not tell them apart where these come from outside it: from an argument, a variable of
a notebook, a file that is imported.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from common.base.files import digest_of, digest_of_module
from common.base.heavy import torch

if TYPE_CHECKING:
    from torch import nn

ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")  # in the usual text of an object, another each time
PLAIN = (bool, int, float, str, type(None))
OF_TRAINING = ("training", "dump_patches", "call_super_init")


def structure_of(module: nn.Module) -> str:
    """Fingerprint of the parts of a module: their classes, what they are set to, fixed buffers.

    Parameters
    ----------
    module : nn.Module
        A wrapper says what it wraps as `whole`.
    """
    whole = getattr(module, "whole", None)
    parts = [("", whole)] if isinstance(whole, torch.nn.Module) else []
    told = [_told(path, part) for path, part in (*parts, *module.named_modules())]
    kept = module.state_dict().keys()
    fixed = [(name, each) for name, each in module.named_buffers() if name not in kept]
    return digest_of([told, digest_of_module(module, fixed)])


def without_address(text: str) -> str:
    """The text of an object without the place in memory where it lies."""
    return ADDRESS.sub("", text)


def _told(path: str, part: nn.Module) -> list[Any]:
    # Not the module that a class is of: that of a file would say where the file lies.
    return [path, type(part).__qualname__, without_address(part.extra_repr()), [*_set_to(part)]]


def _set_to(part: nn.Module) -> Iterator[list[Any]]:
    """Plain attributes of a class of somebody's own; torch's say theirs in `extra_repr`."""
    if type(part).__module__.startswith("torch."):
        return
    for name, value in sorted(vars(part).items()):
        if name.startswith("_") or name in OF_TRAINING:
            continue
        if isinstance(value, PLAIN):
            yield [name, value]
        elif isinstance(value, (tuple, list)) and all(isinstance(each, PLAIN) for each in value):
            yield [name, [*value]]
        elif callable(value):
            yield [name, getattr(value, "__qualname__", type(value).__qualname__)]
