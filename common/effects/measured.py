"""What counts as right, and how results speak of it.

With labels an item is right if the model gives its label (accuracy). Without, it is right if the
model gives what it gave intact (agreement): the label is then the intact model's own prediction.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

Measure = Literal["accuracy", "agreement"]
MEASURES: tuple[Measure, ...] = get_args(Measure)
ACCURACY, AGREEMENT = MEASURES


@dataclass(frozen=True)
class MeasureWords:
    """How results speak of a measure.

    Attributes
    ----------
    name : str
        Its own.
    lost : str
        Before what each group lost of it.
    loses_more : str
        Between the target and the other group.
    item, changed : str
        What is counted, one of it, and what it did.
    margin : str
        What the margin is of.
    cells : str
        What a table's shares are.
    """

    name: str
    lost: str
    loses_more: str
    item: str
    changed: str
    margin: str
    cells: str


WORDS: Mapping[Measure, MeasureWords] = {
    "accuracy": MeasureWords(
        name="accuracy",
        lost="Accuracy lost",
        loses_more="loses more accuracy than",
        item="item",
        changed="became right or wrong",
        margin="of the right answer over the best wrong one",
        cells="Accuracy in %",
    ),
    "agreement": MeasureWords(
        name="agreement",
        lost="Predictions that changed",
        loses_more="changes more of its predictions than",
        item="prediction",
        changed="changed",
        margin="of the intact model's prediction over its strongest rival",
        cells="Agreement (predictions that stay the intact model's) in %",
    ),
}

BY_DEFINITION = (
    "Nothing here is right or wrong: what counts is how many of the intact model's own predictions "
    "stay, which for the intact model are all of them by definition."
)


def changed_told(n: int, measure: Measure, of_text: bool) -> str:
    """How many items a mask changed; of running text, how many windows."""
    words = WORDS[measure]
    item, changed = ("window", "changed") if of_text else (words.item, words.changed)
    return f"{n:,} {item}{'' if n == 1 else 's'} {changed}"
