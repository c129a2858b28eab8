"""What is written down of texts: of a localizer's, and of a benchmark's."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from common.effects.described import DescribedLocalizer, MatchedTexts, TokenLengths
from common.study.front import stimuli_table
from common.study.localizers import describe_localizer
from common.study.sides import on_both_sides
from llm_loc.localize import lengths
from llm_loc.models import LanguageModel
from llm_loc.stimuli import Benchmark, Localizer


def texts_table(stimuli: Localizer) -> pd.DataFrame:
    """``stimuli.csv``: the localizer's texts, their sides and fingerprints."""
    texts = [*stimuli.target, *stimuli.control]
    return stimuli_table(
        stimuli.target,
        stimuli.control,
        [text.digest() for text in texts],
        text=[text.text for text in texts],
    )


def describe_texts(
    model: LanguageModel, stimuli: Localizer, protocol: str, pairs: MatchedTexts | None
) -> DescribedLocalizer:
    tokens = lengths(model, stimuli, protocol)
    return describe_localizer(
        stimuli.name,
        stimuli.target,
        stimuli.control,
        protocol=protocol,
        tokens=tokens,
        warning=on_both_sides(
            stimuli.name,
            "texts",
            [text.text for text in stimuli.target],
            [text.text for text in stimuli.control],
            length_warning(tokens),
        ),
        **({} if pairs is None else {"matched": pairs}),
    )


def items_warning(read: Benchmark) -> str | None:
    """What a reader should know of the items of a benchmark."""
    if read.other is None:
        return read.warning
    target, other = (
        [
            item
            for item, group in zip(read.choices, read.groups.tolist(), strict=True)
            if group == side
        ]
        for side in (read.target, read.other)
    )
    return on_both_sides(read.name, "items", target, other, read.warning)


def length_warning(tokens: Mapping[str, TokenLengths]) -> str | None:
    """What a reader should know of the lengths of the two sides, or of what was cut."""
    one, two = tokens["target"], tokens["control"]
    if one.n_cut or two.n_cut:
        return (
            f"The paper's protocol cut texts at 12 tokens: {one.n_cut} target texts (on average "
            f"{one.whole_mean:.1f} tokens long) and {two.n_cut} control texts "
            f"({two.whole_mean:.1f}), so the last token is rarely the last word."
        )
    ratio = max(one.mean, two.mean) / min(one.mean, two.mean)
    if ratio < 1.2:
        return None
    return (
        f"Target texts have {one.mean:.1f} tokens on average, control texts {two.mean:.1f}: "
        "the contrast is one of length too."
    )
