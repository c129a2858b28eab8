"""A whole experiment on a model that is at hand: in a notebook, without a name to load it by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic

from common.base.progress import Progress, silent
from common.effects.results import Localized, Results
from common.measure.scores import SelectivityMap
from common.study import verbs
from common.study.declared import completed
from common.study.front import FrontEnd, Model, S


@dataclass(frozen=True)
class Experiment(Generic[S, Model]):
    """The verbs of the command line, on one model.

    Settings are those of the command line, by their names there with ``_`` for ``-`` and
    ``evaluation`` for ``--eval``, as text or as they are.

    Attributes
    ----------
    front : FrontEnd
        Loads this model, whatever the settings say.
    name : str
        What the model is called.
    """

    front: FrontEnd[S, Model]
    name: str

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

    def _settings(self, given: Mapping[str, Any]) -> S:
        settings: S = completed(self.front.settings, {"model": self.name, **given})
        return settings


def _path(place: Path | str | None) -> Path | None:
    return None if place is None else Path(place)
