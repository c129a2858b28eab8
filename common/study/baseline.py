"""The untrained baseline of a run: the localizer is shown to networks with random weights, too.

They are measured one after the other, and kept in ``untrained.json`` as they come, so that a run
that is killed goes on with the next one. Of each, numbers are kept and no map.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from common.base.errors import DataError, ModelError, RunError, SettingError, SiteError
from common.base.files import read_sealed, save_sealed
from common.base.progress import PART, Progress
from common.effects.baseline import Baseline, Peaks, peaks_of
from common.effects.described import DescribedModel
from common.measure.scores import SelectivityMap, score_rule
from common.measure.weights import PARAMETER
from common.study.folder import UNTRAINED, RunFolder
from common.study.front import FrontEnd, Localizing, Model, S
from common.study.results import checked
from common.study.settings import LARGEST_UNTRAINED, UNTRAINED_SEEDS, Settings

CANNOT = (ModelError, SettingError, DataError, SiteError)  # what an architecture may refuse


@dataclass(frozen=True)
class Asked:
    """How many untrained networks a run has.

    Attributes
    ----------
    seeds : tuple of int
        Of their weights.
    left_out : str
        Why there are none although nobody said so; empty otherwise.
    wanted : bool
        Whether somebody asked for this very number.
    """

    seeds: tuple[int, ...]
    left_out: str = ""
    wanted: bool = False

    @classmethod
    def of(cls, settings: Settings, model: DescribedModel) -> Asked:
        """Those that the settings want of a model.

        Raises
        ------
        SettingError
            If some are asked for beside a model that is untrained itself.
        """
        n = settings.untrained_seeds
        if model.untrained:
            if n:
                raise SettingError(
                    f"`untrained_seeds` {n}: the model is itself untrained; leave `untrained` out"
                )
            return cls(())
        if settings.level == PARAMETER:
            return cls(())
        if n is None and model.n_parameters > LARGEST_UNTRAINED:
            large = f"the model has more than {LARGEST_UNTRAINED // 1_000_000} M parameters"
            return cls((), f"{large}; ask for them with untrained_seeds")
        if n is None and score_rule(settings.score).effort is not None:
            costly = f"each would take as many passes by the score {settings.score} as the model"
            return cls((), f"{costly}; ask for them with untrained_seeds")
        chosen = UNTRAINED_SEEDS if n is None else n
        seeds = range(settings.seed, settings.seed + chosen)
        return cls(tuple(seeds), wanted=n is not None)

    @property
    def identity(self) -> dict[str, Any]:
        """What a run's identity says of them: nothing where there are none."""
        return {"untrained_seeds": len(self.seeds)} if self.seeds else {}


def keep_baseline(
    folder: RunFolder,
    front: FrontEnd[S, Model],
    at_hand: Localizing[Model],
    asked: Asked,
    found: SelectivityMap,
    progress: Progress,
) -> Baseline | None:
    """Measure the networks that are asked for, as far as the folder does not hold them yet.

    Parameters
    ----------
    folder : RunFolder
        Open.
    front, at_hand
        Load a network, and localize in it.
    asked : Asked
        Which.
    found : SelectivityMap
        Of the trained model.
    progress : Progress
        Told of every network, and within it of every batch; may raise to stop.

    Returns
    -------
    Baseline or None
        ``None`` where none was wanted.

    Raises
    ------
    FunclocError
        If networks were asked for that cannot be had. Where nobody asked, it is noted instead.
    """
    if not asked.seeds and not asked.left_out:
        return None
    kept = _begun(folder) or Baseline(trained=peaks_of(found), left_out=asked.left_out)
    for number, seed in enumerate(asked.seeds):
        if kept.left_out:
            break
        if number >= len(kept.untrained):
            progress("untrained", number, len(asked.seeds))
            kept = _with(kept, front, at_hand, seed, asked.wanted, progress)
            save_sealed(folder.untrained, kept.as_json())
    if asked.seeds:
        progress("untrained", len(asked.seeds), len(asked.seeds))
    else:
        save_sealed(folder.untrained, kept.as_json())
    return kept


def _begun(folder: RunFolder) -> Baseline | None:
    """What was measured so far; of a damaged file nothing."""
    try:
        return kept_baseline(folder.path)
    except RunError:
        return None


def kept_baseline(folder: Path) -> Baseline | None:
    """What a folder holds of its baseline so far.

    Raises
    ------
    RunError
        If the file is damaged.
    """
    path = folder / UNTRAINED
    return checked(Baseline, read_sealed(path), path) if path.is_file() else None


def _with(
    kept: Baseline,
    front: FrontEnd[S, Model],
    at_hand: Localizing[Model],
    seed: int,
    wanted: bool,
    progress: Progress,
) -> Baseline:
    """The baseline with one more network, or with the reason why there is none."""
    try:
        more = _measured(front, at_hand, seed, progress)
    except CANNOT as error:
        if wanted:
            raise
        return Baseline(trained=kept.trained, left_out=error.plain)
    return kept.model_copy(update={"untrained": (*kept.untrained, more)})


def _measured(
    front: FrontEnd[S, Model], at_hand: Localizing[Model], seed: int, progress: Progress
) -> Peaks:
    settings: Any = replace(at_hand.settings, untrained=True, seed=seed)
    model, described = front.load(settings)
    if described.fingerprint == at_hand.described.fingerprint:
        raise ModelError(f"{described.name} is the same without training")

    def part(step: str, done: int, total: int) -> None:  # noqa: ARG001
        progress(PART, done, total)

    return peaks_of(at_hand.map_of(model, part), seed)
