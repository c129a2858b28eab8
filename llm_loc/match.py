"""Texts of equal length: a localizer cut down to pairs, so that its contrast is none of length.

Non-words fall into more tokens than words, so the last token of a string of them lies further back
and a sum over tokens is larger for that alone. Of each length as many texts are kept on either side
as the side with fewer of them has; the distributions of length are then the same, to the last text.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

from common.base.errors import DataError
from common.effects.described import MatchedTexts
from llm_loc.models import LanguageModel
from llm_loc.stimuli import Localizer, Text
from llm_loc.stimuli.localizers import LEAST_TEXTS

MATCHES = ("none", "tokens", "words")


def matched(
    model: LanguageModel, stimuli: Localizer, by: str
) -> tuple[Localizer, MatchedTexts | None]:
    """A localizer whose two sides have texts of the same lengths.

    Which texts are left where one side has more of a length does not depend on any seed: those
    whose fingerprints come first, which have nothing to do with the order of the texts.

    Parameters
    ----------
    model : LanguageModel
        Whose tokens are counted; of whole texts, whatever the protocol cuts.
    stimuli : Localizer
        All of it.
    by : {"none", "tokens", "words"}
        What is counted; words are what spaces separate.

    Returns
    -------
    (Localizer, MatchedTexts or None)
        What is left of it, in its order, and what the results say of that.

    Raises
    ------
    DataError
        If too few pairs are left for a contrast.
    """
    if by == "none":
        return stimuli, None
    sides = (stimuli.target, stimuli.control)
    lengths = [_lengths(model, side, by) for side in sides]
    by_length = [_by_length(side, long) for side, long in zip(sides, lengths, strict=True)]
    kept: list[set[int]] = [set(), set()]
    for long in set(by_length[0]) & set(by_length[1]):
        n = min(len(places[long]) for places in by_length)
        for chosen, places in zip(kept, by_length, strict=True):
            chosen.update(places[long][:n])
    n_pairs = len(kept[0])
    if n_pairs < LEAST_TEXTS:
        raise DataError(
            f"{stimuli.name}: only {n_pairs} pairs of texts have as many {by} as each other; a "
            f"contrast with its split halves needs {LEAST_TEXTS} at least (leave `match` out)"
        )
    target, control = (
        tuple(text for place, text in enumerate(side) if place in chosen)
        for side, chosen in zip(sides, kept, strict=True)
    )
    told = MatchedTexts(
        by=by,
        n_pairs=n_pairs,
        n_left_out=(len(sides[0]) - n_pairs, len(sides[1]) - n_pairs),
        length=sum(lengths[0][place] for place in kept[0]) / n_pairs,
    )
    return replace(stimuli, target=target, control=control), told


def _lengths(model: LanguageModel, texts: Sequence[Text], by: str) -> list[int]:
    said = [text.text for text in texts]
    return (
        [len(text.split()) for text in said] if by == "words" else [*map(len, model.tokens(said))]
    )


def _by_length(texts: Sequence[Text], lengths: Sequence[int]) -> dict[int, list[int]]:
    """Places of the texts of each length, in the order of their fingerprints."""
    found: dict[int, list[int]] = defaultdict(list)
    for place in sorted(range(len(texts)), key=lambda place: (texts[place].digest(), place)):
        found[lengths[place]].append(place)
    return found
