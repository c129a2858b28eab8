"""GGUF files: unpacked by transformers, and then models like any other."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from importlib.util import find_spec
from typing import Any

from common.base.errors import ModelError

SUFFIX = ".gguf"
NEEDED = ("gguf", "accelerate")


def check_gguf() -> None:
    """Refuse to read GGUF where nothing can.

    Raises
    ------
    ModelError
        If a package that it takes is not there.
    """
    if missing := [name for name in NEEDED if find_spec(name) is None]:
        raise ModelError(
            f"GGUF files need the package {' and '.join(missing)}; pip install 'funcloc[gguf]'"
        )


@contextmanager
def unpacking(packed: bool) -> Iterator[dict[str, Any]]:
    """Inside this context weights are unpacked, and nothing is told of each of them.

    Parameters
    ----------
    packed : bool
        Whether they are packed at all.

    Yields
    ------
    dict
        What transformers is told besides: newer releases keep weights packed where they can.
    """
    if not packed:
        yield {}
        return
    import transformers

    kind = getattr(transformers, "GgufConfig", None)
    with redirect_stderr(io.StringIO()):
        yield {} if kind is None else {"quantization_config": kind(dequantize=True)}


def unmark(module: Any) -> None:
    """Take the marks of a quantised model off an unpacked one: it could not be moved or saved."""
    if (quantizer := getattr(module, "hf_quantizer", None)) is not None:
        quantizer.remove_quantization_config(module)
