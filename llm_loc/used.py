"""The texts that a map is made of, found again by its settings."""

from __future__ import annotations

from collections.abc import Collection

from common.measure.donors import Donors
from common.measure.scores import SelectivityMap
from common.study.localizers import chosen_localizer
from common.study.verbs import Source
from llm_loc.donors import text_donors
from llm_loc.match import matched
from llm_loc.models import LanguageModel
from llm_loc.settings import Settings
from llm_loc.stimuli import Localizer, localizer, localizer_of_files


def localizer_of(settings: Settings) -> Localizer:
    """The localizer that the settings name.

    Raises
    ------
    DataError
        If there is none, or its texts are missing.
    SettingError
        If the settings name no localizer, or two.
    """
    root = settings.data_root
    return chosen_localizer(settings, lambda name: localizer(name, root), localizer_of_files)


def used_by(settings: Settings, model: LanguageModel) -> Localizer:
    """The same, less what has no partner where the settings ask for pairs of one length."""
    return matched(model, localizer_of(settings), settings.match)[0]


def donors_of(
    made_by: Settings,
    model: LanguageModel,
    found: SelectivityMap,
    evaluated: Collection[str] = (),
    *,
    seed: int,
) -> Donors:
    """The donors of a run under ``resample``; see :func:`llm_loc.donors.text_donors`.

    Parameters
    ----------
    made_by : Settings
        Those that the map was made by.
    model, found, evaluated, seed
        As there.
    """
    stimuli, protocol = used_by(made_by, model), made_by.protocol
    return text_donors(model, stimuli, evaluated, found, protocol=protocol, seed=seed)


def donors_in(source: Source[Settings, LanguageModel]) -> Donors | None:
    """Those of an earlier map, where its units are to be resampled."""
    settings = source.settings
    if settings.ablation != "resample":
        return None
    return donors_of(source.made_by, source.model, source.found, seed=settings.seed)
