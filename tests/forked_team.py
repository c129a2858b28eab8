"""Processes that work together, as torchrun starts them."""

from __future__ import annotations

import socket
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch

from common.base import team
from common.study import verbs
from common.study.front import FrontEnd
from common.study.settings import Settings
from tests.forked import forked


def teamed(target: Callable[..., Any], *args: Any, n: int = 2) -> list[BaseProcess]:
    """Processes that have begun to call `target`, each with its rank."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    where = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": str(n)}
    return [forked(target, *args, env={**where, "RANK": str(rank)}) for rank in range(n)]


def run_in(
    front: FrontEnd[Any, Any], settings: Settings, out: Path, dies_at: int | None = None
) -> None:
    """A run in as many processes as there are; it stops at a step of the evaluation, if it must."""
    torch.set_num_threads(1)
    told = 0

    def progress(step: str, _done: int, _total: int) -> None:
        nonlocal told
        told += step == "part"
        if told == dies_at:
            raise KeyboardInterrupt

    with patch("common.study.verbs.make_report"), team.joined():
        own = out if team.rank() == 0 else out.with_name("none")
        verbs.run(front, settings, own, progress)
