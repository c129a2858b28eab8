"""The texts whose values a masked unit takes under ``resample``."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import partial
from typing import Any

from common.measure.donors import Donors, offered, read_donors
from common.measure.scores import SelectivityMap
from llm_loc.localize import tokenized
from llm_loc.models import Ids, LanguageModel
from llm_loc.stimuli import Localizer


def text_donors(
    model: LanguageModel,
    stimuli: Localizer,
    evaluated: Collection[str],
    found: SelectivityMap,
    *,
    protocol: str = "full",
    seed: int = 0,
) -> Donors:
    """Show the model texts of the localizer's control condition, one by one.

    Parameters
    ----------
    model, stimuli, protocol
        As for :func:`llm_loc.localize.localize`.
    evaluated : collection of str
        Fingerprints of texts that are evaluated on, of which none is a donor.
    found : SelectivityMap
        The map: its sites are read.
    seed : int, default=0
        Of the choice.

    Raises
    ------
    RunError
        If the control condition is not that of the map.
    SettingError
        If none is left.
    """
    control = stimuli.control
    ids: Sequence[Ids] = tokenized(model, stimuli, protocol)[len(stimuli.target) :]

    def read(tokens: Ids) -> Any:
        return model.base(**model.batch([tokens]), **model.quiet)

    chosen = offered([text.digest() for text in control], evaluated, found, seed)
    texts = ((control[at].name, partial(read, ids[at])) for at in chosen)
    return read_donors(model.module, found.sites, texts, texts=True, seed=seed)
