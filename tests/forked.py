"""Processes to be killed, watched or talked to, forked from one that has imported everything once.

A fresh interpreter takes ten seconds to import torch, the zoos and Gradio; a fork of one that has
done it, none.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any
from unittest.mock import patch

CONTEXT = multiprocessing.get_context("forkserver")
SLOW = ["torch._dynamo", "scipy.stats", "sklearn.preprocessing", "transformers", "timm"]
CONTEXT.set_forkserver_preload(["app", *SLOW])


def forked(
    target: Callable[..., Any],
    *args: Any,
    log: Path | None = None,
    folder: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> BaseProcess:
    """A process that has begun to call `target`.

    Parameters
    ----------
    target : callable
        Of a module's own level, so that the process finds it.
    *args
        What it is called with.
    log : Path, optional
        The file that takes what it prints.
    folder : Path, optional
        Where it works.
    env : mapping of str to str, optional
        Variables of its environment besides those of the first process.
    """
    process = CONTEXT.Process(target=_call, args=(target, args, log, folder, dict(env or {})))
    process.start()
    return process


@contextmanager
def dying_at(number: int, before: bool) -> Iterator[None]:
    """Within it this process dies at a point of its work that `number` fixes.

    Every file is put in its place by ``Path.replace``: before the n-th, the file is written but not
    in place, after it, it is.
    """
    count, real = 0, Path.replace

    def replace(self: Path, target: Path) -> Path:
        nonlocal count
        count += 1
        if count == number and before:
            os.kill(os.getpid(), signal.SIGKILL)
        moved = real(self, target)
        if count == number:
            os.kill(os.getpid(), signal.SIGKILL)
        return moved

    with patch.object(Path, "replace", replace):
        yield


def _call(
    target: Callable[..., Any],
    args: tuple[Any, ...],
    log: Path | None,
    folder: Path | None,
    env: Mapping[str, str],
) -> None:
    os.environ.update(env)
    if log is not None:
        sink = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(sink, 1)
        os.dup2(sink, 2)
        sys.stdout = os.fdopen(1, "w", buffering=1)
        sys.stderr = os.fdopen(2, "w", buffering=1)
    if folder is not None:
        os.chdir(folder)
    target(*args)
