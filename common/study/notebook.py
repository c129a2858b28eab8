"""A whole experiment on a model that is at hand: in a notebook, without a name to load it by."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from common.base.device import choose_device, choose_dtype
from common.base.memory import keep_freed_memory
from common.base.progress import Progress, silent
from common.effects.described import DescribedModel
from common.effects.results import Localized, Results
from common.measure.scores import SelectivityMap
from common.models.load import LoadedModel, load
from common.models.own import NOTEBOOK, Own
from common.study import verbs
from common.study.declared import completed
from common.study.front import FrontEnd, Model, S
from common.study.repeat import Repeated, repeat
from common.study.settings import Settings

Loaded = TypeVar("Loaded", bound=LoadedModel)


def load_at_hand(
    own: Own, settings: Settings, loaded: Callable[[Own, bool], Loaded]
) -> tuple[Loaded, DescribedModel]:
    """A model that is at hand, or one like it with random weights.

    Parameters
    ----------
    own : Own
        What makes it.
    settings : Settings
        Where it is wanted, in which type, and whether with random weights.
    loaded : callable
        The front end's model of what was made; told whether weights are to be random.
    """
    model = load(
        own.name,
        {NOTEBOOK.rstrip("/"): lambda _name, _rest, untrained: loaded(own, untrained)},
        forms=NOTEBOOK,
        untrained=settings.untrained,
        seed=settings.seed,
        device=choose_device(settings.device),
        dtype=choose_dtype(settings.dtype),
    )
    return model, DescribedModel.model_validate(model.describe())


@dataclass(frozen=True)
class Experiment(Generic[S, Model]):
    """The verbs of the command line, on one model.

    Settings are those of the command line, by their names there with ``_`` for ``-`` and
    ``evaluation`` for ``--eval``, as text or as they are. As in the programs, memory that is
    freed stays with the process from here on (:mod:`common.base.memory`): passes take half the
    time on Linux.

    Attributes
    ----------
    front : FrontEnd
        Loads this model, whatever the settings say.
    name : str
        What the model is called.
    """

    front: FrontEnd[S, Model]
    name: str

    def __post_init__(self) -> None:
        keep_freed_memory()

    def run(
        self, *, out: Path | str | None = None, progress: Progress = silent, **given: Any
    ) -> tuple[Results, Path, bool]:
        """All of it: localize, ablate, evaluate, compare with the controls, report.

        The same call again goes on where it stopped.

        Returns
        -------
        (Results, Path, bool)
            See :func:`common.study.verbs.run`.
        """
        return verbs.run(self.front, self._settings(given), _path(out), progress)

    def localize(
        self, *, out: Path | str | None = None, progress: Progress = silent, **given: Any
    ) -> tuple[Localized, SelectivityMap, Path]:
        """The map alone; see :func:`common.study.verbs.localize_only`."""
        return verbs.localize_only(self.front, self._settings(given), _path(out), progress)

    def evaluate(
        self,
        source: Path | str,
        *,
        out: Path | str | None = None,
        progress: Progress = silent,
        **given: Any,
    ) -> tuple[Results, Path, bool]:
        """Masks of an earlier map of this model; see :func:`common.study.verbs.evaluate_map`."""
        return verbs.evaluate_map(self.front, Path(source), _path(out), progress, **given)

    def repeat(
        self, folder: Path | str, *, out: Path | str | None = None, within: float = 0.0
    ) -> Repeated:
        """An old run again, and whether each number agrees; see :mod:`common.study.repeat`."""
        return repeat(self.front, Path(folder), _path(out), within=within)

    def _settings(self, given: Mapping[str, Any]) -> S:
        settings: S = completed(self.front.settings, {"model": self.name, **given})
        return settings


def _path(place: Path | str | None) -> Path | None:
    return None if place is None else Path(place)
