"""Several people at one program: whose run shall stop, and who holds a model.

A visitor is told from another by a session's name. A model is loaded once, shared, and held by one
at a time, so an ablation that one visitor attaches is gone before another's picture or prompt
comes.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Generic

from common.base.errors import FunclocError, ModelError
from common.base.memory import give_back_freed_memory
from common.base.progress import KNOWN, LEFT, NOTE, PART, Progress, spoken_seconds
from common.measure.scores import SelectivityMap
from common.study.folder import other_config
from common.study.front import Model, S
from common.study.so_far import Known, read_known

MODELS_KEPT = 2
BAR_EVERY = 0.25  # seconds; a bar that moves more often takes its time from the work
NAMES_A_MODEL = ("model", "untrained", "seed", "device", "dtype", "device_map", "adapter")


class Stopped(FunclocError):
    """The visitor stopped the run."""


@dataclass
class Visitors:
    """Whose runs are under way, and which of them shall stop."""

    _asked: dict[str, bool] = field(default_factory=dict)
    _known: dict[str, str] = field(default_factory=dict)

    def begin(self, session: str) -> None:
        """Expect a run; an old wish to stop is forgotten."""
        self._asked[session] = False

    def stop(self, session: str) -> None:
        """Let the visitor's run stop at its next step, if there is one."""
        if session in self._asked:
            self._asked[session] = True

    def check(self, session: str) -> None:
        """Raise :class:`Stopped` if the visitor wants it."""
        if self._asked.get(session):
            raise Stopped("stopped; the same settings go on where this run stopped")

    def expects(self, session: str) -> bool:
        """Whether a run of the visitor is under way or about to begin."""
        return session in self._asked

    def end(self, session: str) -> None:
        """Forget the visitor's run."""
        self._asked.pop(session, None)
        self._known.pop(session, None)

    def known(self, session: str) -> list[Known]:
        """What the visitor's run knows so far."""
        told = self._known.get(session)
        return [] if told is None else read_known(told)

    @contextmanager
    def expecting(self, session: str) -> Iterator[None]:
        """Expect work for this block, if none was expected of the visitor already."""
        new = session not in self._asked
        if new:
            self.begin(session)
        try:
            self.check(session)
            yield
        finally:
            if new:
                self.end(session)

    @contextmanager
    def running(self, session: str) -> Iterator[None]:
        """While a visitor's run lasts; one that was stopped while it waited does not begin.

        Raises
        ------
        Stopped
            If the visitor asked for it before.
        """
        self._asked.setdefault(session, False)
        try:
            self.check(session)
            yield
        finally:
            self.end(session)

    def follow(self, session: str, bar: Callable[..., Any], steps: Mapping[str, str]) -> Progress:
        """A progress callback that fills a bar, and stops the run when the visitor asks.

        Parameters
        ----------
        session : str
            The visitor's.
        bar : callable
            Called with the share that is done and ``desc``, which names the step and the time
            left.
        steps : mapping of str to str
            What the steps are called on the page.
        """
        began: dict[str, float] = {}
        shown = ("", 0.0)  # the step that the bar shows, and since when
        whole = ("", 0, 1)  # the step that a part belongs to, how much is done, and of how much
        note = ""
        seconds: tuple[int, int] | None = None  # that are over, and of how many

        def show(step: str, done: int, total: int) -> None:
            nonlocal whole, shown, note, seconds
            self.check(session)
            if step.startswith(KNOWN):
                self._known[session] = step
                return
            if step.startswith(NOTE):
                note = f" ({step.removeprefix(NOTE).replace('`', '')})"
                return
            if step == LEFT:
                seconds = done, total
            elif step != PART:
                if whole[0] != step:
                    seconds = None
                whole = step, done, total
            name, before, of = whole
            share = (before + done / total) / of if step == PART else before / of
            now = time.monotonic()
            elapsed = now - began.setdefault(name, now)
            if seconds is not None and share < 1:
                share = seconds[0] / max(1, seconds[1])
                left = f", about {spoken_seconds(seconds[1] - seconds[0])} left"
            else:
                left = f", about {elapsed * (1 / share - 1):.0f} s left" if share else note
            if share < 1 and shown[0] == name and now - shown[1] < BAR_EVERY:
                return
            shown = name, now
            bar(share, desc=f"{steps.get(name, name)}{left}")

        return show


@dataclass
class _Place(Generic[Model]):
    lock: threading.Lock = field(default_factory=threading.Lock)
    model: Model | None = None
    told: dict[str, Any] | None = None  # what the model says it is, once somebody asked

    def put(self, model: Model | None) -> None:
        self.model, self.told = model, None

    def fits(self, found: SelectivityMap | None) -> bool:
        about = {} if found is None else found.about
        if not about.get("model_fingerprint"):
            return True
        if self.told is None:
            model: Any = self.model
            self.told = {**model.describe()}
        other = other_config(about.get("model_config"), self.told.get("config"))
        return about["model_fingerprint"] == self.told["fingerprint"] and not other


class Shelf(Generic[S, Model]):
    """The models in memory. Each is lent to one event at a time, and comes back without a hook.

    Parameters
    ----------
    load : callable
        Loads the model that settings name.
    kept : int
        How many stay in memory; one that is lent stays in any case.
    """

    def __init__(self, load: Callable[[S], Model], kept: int = MODELS_KEPT) -> None:
        self.kept = kept
        self._load = load
        self._guard = threading.Lock()
        self._places: OrderedDict[S, _Place[Model]] = OrderedDict()

    @contextmanager
    def held(self, settings: S, found: SelectivityMap | None = None) -> Iterator[Model]:
        """The model that the settings name, for this block alone.

        Parameters
        ----------
        settings : Settings
            A run's.
        found : SelectivityMap, optional
            The map whose units are looked up in the model. A folder may have been trained again
            under its name, since the model was loaded or since the map was made.

        Raises
        ------
        ModelError
            If what the name stands for now has other weights, or another configuration, than
            those of the map.
        """
        key = _naming(settings)
        place = self._place(key)
        with place.lock:
            if place.model is not None and not place.fits(found):
                place.put(None)
                give_back_freed_memory()
            if place.model is None:
                place.put(self._load(key))
                if not place.fits(found):
                    raise ModelError(
                        f"`model` {key.model}: has other weights or another config.json now than "
                        "this map was made of; run it again for a map of what it is now"
                    )
            model = place.model
            assert model is not None
            yield model

    def _place(self, key: S) -> _Place[Model]:
        with self._guard:
            place = self._places.setdefault(key, _Place())
            self._places.move_to_end(key)
            idle = [each for each, at in self._places.items() if not at.lock.locked()]
            for old in idle[: max(0, len(self._places) - self.kept)]:
                if old != key:
                    del self._places[old]
                    give_back_freed_memory()
            return place


def _naming(settings: S) -> S:
    """The settings that name a model, and defaults for all others."""
    given = {name: getattr(settings, name) for name in NAMES_A_MODEL if hasattr(settings, name)}
    return type(settings)(**given)
