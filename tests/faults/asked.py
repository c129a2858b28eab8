"""The app's endpoints: whatever is sent, an answer or one line, and nothing of the server's."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from common.base.errors import FunclocError
from tests.e2e.server import served
from tests.faults.cases import Case, Maker, chance, pick
from tests.test_fuzz import BAD, SECRETS, call

TRIES = 5
LONG = ("run", "write", "repeat", "sweep", "continue")  # in the name of what would compute for long
ODD: tuple[Any, ...] = (
    *BAD.values(), "", " ", "x" * 5000, "\0", "🙂", "'; --", "{{7*7}}", "[/bold]", "../x", "%2e%2e",
    0, -1, 1e-300, 2**70, True, False, [], {}, [None], {"__class__": "x"}, "runs", "phantom/cnn",
    "NaN",
)  # fmt: skip


@contextmanager
def asking(folder: Path) -> Iterator[Maker]:
    """What makes requests to an app that is there as long as this context is."""
    with started(folder) as url:
        with urllib.request.urlopen(f"{url}/gradio_api/info") as answer:
            named = json.load(answer)["named_endpoints"]
        usual = {
            name: [each.get("parameter_default") for each in about["parameters"]]
            for name, about in named.items()
        }

        def make(rng: np.random.Generator, _: Path) -> Case:
            return request(rng, url, usual)

        yield make


@contextmanager
def started(folder: Path) -> Iterator[str]:
    """The address of an app; Gradio gives one up that takes three seconds for its first page."""
    with ExitStack() as stack:
        for attempt in range(TRIES):
            place = folder / str(attempt)
            place.mkdir(parents=True)
            try:
                url = stack.enter_context(served(place))
                break
            except RuntimeError as error:
                if attempt == TRIES - 1 or "localhost is not accessible" not in str(error):
                    raise
        yield url


def request(rng: np.random.Generator, url: str, usual: dict[str, list[Any]]) -> Case:
    """A request to any endpoint, some of whose values make no sense."""
    name = pick(rng, sorted(usual))
    sent = [pick(rng, ODD) if chance(rng, 0.4) else value for value in usual[name]]
    refused = any(word in name for word in LONG) and bool(sent)
    if refused:
        sent[int(rng.integers(len(sent)))] = {"a": 1}
    if chance(rng, 0.1):
        sent = sent[: int(rng.integers(len(sent) + 1))]

    def ask() -> str:
        answer = call(url, name, sent)
        if any(secret in answer for secret in SECRETS):
            raise RuntimeError(answer[:1000])
        for data in answer.split("event: error\ndata: ")[1:]:
            line = json.loads(data)["error"]
            raise FunclocError(line if len(str(line).split()) > 4 else f"\n{line}")
        return "answered"

    return Case(ask, "answered", "must" if refused else "may", about=f"{name} {str(sent)[:300]}")
