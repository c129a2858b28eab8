"""How a program of this project begins and ends: what goes wrong is one line, and status 1."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import typer

from common.base.errors import FunclocError


def run_command(command: Callable[..., Any], name: str) -> None:
    """Call a command line; what goes wrong becomes one line on standard error and status 1."""
    try:
        status = command(prog_name=name, standalone_mode=False)
    except FunclocError as error:
        _fail(name, str(error))
    except KeyboardInterrupt:
        _fail(name, "stopped; the same command goes on where it stopped")
    except typer.Abort:
        _fail(name, "aborted")
    except Exception as error:
        # typer keeps its usage errors private; they are told by the method that formats them.
        if not hasattr(error, "format_message"):
            raise
        if message := error.format_message():
            _fail(name, f"{message} (see {name} --help)")
        sys.exit(0)  # called without a command: the help was printed
    else:
        sys.exit(status if isinstance(status, int) else 0)


def _fail(name: str, message: str) -> None:
    print(f"{name}: {' '.join(message.split())}", file=sys.stderr)
    sys.exit(1)
