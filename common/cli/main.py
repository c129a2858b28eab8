"""How a program of this project begins and ends: what goes wrong is one line, and status 1."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from typing import Any

import typer

from common.base.errors import FunclocError
from common.base.memory import keep_freed_memory
from common.base.quiet import hush_libraries
from common.study.declared import option

STOPPED = "stopped; the same command goes on where it stopped"
INTERRUPTED = 130
SETTING = re.compile(r"`([a-z_]+)`")


def run_command(command: Callable[..., Any], name: str) -> None:
    """Call a command line; what goes wrong becomes one line on standard error and status 1."""
    hush_libraries()
    keep_freed_memory()
    try:
        status = command(prog_name=name, standalone_mode=False)
    except FunclocError as error:
        _fail(name, spoken(str(error), command))
    except UnicodeEncodeError as error:
        _fail(name, f"{ascii(error.object)[:200]}: is not UTF-8; rename it")
    except OSError as error:
        place = "" if error.filename is None else f"{str(error.filename)[:200]}: "
        _fail(name, f"{place}{error.strerror or error}")
    except KeyboardInterrupt:
        _fail(name, STOPPED)
    except typer.Abort:
        _fail(name, "aborted")
    except Exception as error:
        # typer keeps its usage errors private; they are told by the method that formats them.
        if not hasattr(error, "format_message"):
            raise
        if message := _wrong_call(name, error, command):
            _fail(name, message)
        sys.exit(0)  # called without a command: the help was printed
    else:
        if status == INTERRUPTED:  # what typer makes of Ctrl-C
            _fail(name, STOPPED)
        sys.exit(status if isinstance(status, int) else 0)


def _wrong_call(name: str, error: Any, command: Callable[..., Any]) -> str:
    """What typer says of a wrong call, and which help to read; nothing where help was printed."""
    message = error.format_message()
    asked = getattr(getattr(error, "ctx", None), "command_path", None) or name
    if type(error).__name__ == "NoSuchOption" and isinstance(command, typer.Typer):
        verbs = getattr(typer.main.get_command(command), "commands", {})
        own = [verb for verb, each in verbs.items() if error.option_name in options_of(each)]
        if own:  # similar options of this one would be no help
            message = f"{error.message}; it is of {', '.join(own)}"
    return f"{message} (see {asked} --help)" if message else ""


def spoken(message: str, command: Callable[..., Any]) -> str:
    """A message with its settings, which the core writes as `name`, as this program's options."""
    if not isinstance(command, typer.Typer):
        return message
    options = options_of(typer.main.get_command(command))
    return SETTING.sub(lambda found: _spoken(found[1], options), message)


def _spoken(name: str, options: set[str]) -> str:
    return option(name) if option(name) in options else name


def options_of(command: Any) -> set[str]:
    """The options of a command line, and of all its verbs."""
    own = {word for parameter in command.params for word in parameter.opts}
    return own.union(*map(options_of, getattr(command, "commands", {}).values()))


def _fail(name: str, message: str) -> None:
    print(f"{name}: {' '.join(message.split())}", file=sys.stderr)
    sys.exit(1)
