"""How the maps of a run are made: what the settings say, told to the localizer."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from common.base.errors import SettingError
from common.base.progress import Progress
from common.effects.described import MatchedTexts
from common.measure.contrasts import Place
from common.measure.scores import SelectivityMap
from common.measure.sinks import AVERAGED, FIRST
from llm_loc.localize import check_protocol, localize_all
from llm_loc.models import LanguageModel
from llm_loc.settings import Settings
from llm_loc.stimuli import Localizer


def check_localizing(settings: Settings, pooling: str) -> None:
    """Refuse what texts cannot be asked.

    Raises
    ------
    SettingError
        If the settings ask for it.
    """
    check_protocol(settings.protocol, pooling)
    if settings.unit != "channel":
        raise SettingError(f"`unit` {settings.unit}: texts differ in length; a unit is a channel")
    if settings.adapter is not None and settings.untrained:
        raise SettingError("`adapter`: is of trained weights; leave it or `untrained` out")


def map_maker(
    settings: Settings, localizers: Sequence[Localizer], own: Sequence[Place]
) -> Callable[[LanguageModel, Progress], list[SelectivityMap]]:
    """What makes the maps of localizers in a model, each at its own sites, in one pass."""

    def make_maps(reader: LanguageModel, progress: Progress) -> list[SelectivityMap]:
        return localize_all(
            reader,
            localizers,
            (),
            own=own,
            pooling=settings.pooling or "last",
            statistic=settings.statistic,
            score=settings.score,
            effort=settings.effort,
            splits=settings.splits,
            exclude_massive=settings.exclude_massive,
            protocol=settings.protocol,
            seed=settings.seed,
            batch_size=settings.batch_size,
            progress=progress,
        )

    return make_maps


def besides(model: LanguageModel, settings: Settings, pairs: MatchedTexts | None) -> dict[str, str]:
    """What a map of texts depends on besides, where it does; others keep their identity."""
    means = settings.pooling in AVERAGED or settings.ablation == "mean"
    return {
        "protocol": settings.protocol,
        **({} if model.adapter is None else {"adapter": model.adapter}),
        **({} if pairs is None else {"match": pairs.by}),
        **({"left_out": FIRST} if means else {}),
    }
