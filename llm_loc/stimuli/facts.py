"""Facts to be recalled, the same facts to be repeated, and sentences that need neither.

Of every fact two items are made. In *recall* the right object stands against a wrong one; in
*restated* a sentence before says the fact in other words, so that nothing has to be recalled:

* The capital of Nepal is Kathmandu. / The capital of Nepal is Riga.
* Kathmandu is the capital of Nepal. The capital of Nepal is Kathmandu. / … is Riga.

A wrong object is the right one of another subject of the relation, and within a relation each
object is wrong as often as it is right: how likely, long or well known an object is cancels.
*neutral* items are pairs of a sentence that is right and one that is not, without names or facts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from common.base.errors import DataError
from common.base.tables import read_table
from common.data.manifest import bundled_folder

ASKED, NEUTRAL = "facts-asked.csv", "neutral.csv"
RECALL, RESTATED, PLAIN = "recall", "restated", "neutral"
PATIENCE = 10_000  # orders of a relation's objects that are tried

RELATIONS = {
    "capital": ("{object} is the capital of {subject}.", "The capital of {subject} is {object}."),
    "symbol": (
        "{object} is the chemical symbol of {subject}.",
        "The chemical symbol of {subject} is {object}.",
    ),
    "language": (
        "{object} is the main language of {subject}.",
        "The main language of {subject} is {object}.",
    ),
    "currency": (
        "The {object} is the currency of {subject}.",
        "The currency of {subject} is the {object}.",
    ),
    "author": ("{object} is the author of {subject}.", "The author of {subject} is {object}."),
    "composer": (
        "{object} is the composer of {subject}.",
        "The composer of {subject} is {object}.",
    ),
    "landmark": (
        "The city of {object} is where {subject} is.",
        "{subject} is in the city of {object}.",
    ),
    "country": ("{object} is where the city of {subject} is.",
                "The city of {subject} is in {object}."),
}  # fmt: skip
"""By relation how a fact is said so that it can be repeated, and how it is asked for."""


@dataclass(frozen=True)
class FactItem:
    """A pair of texts, of which one is right.

    Attributes
    ----------
    task : {"recall", "restated", "neutral"}
        What the model has to do.
    relation : str
        Between subject and object; of a neutral item what is wrong with the other text.
    name : str
        What the item is called.
    good, bad : str
        The right text and the wrong one.
    """

    task: str
    relation: str
    name: str
    good: str
    bad: str

    @property
    def fact(self) -> str:
        """What it asks for, whatever the task."""
        return self.name.partition("/")[2] if self.task in (RECALL, RESTATED) else self.name

    @property
    def asked(self) -> str:
        """Task and relation: ``recall capital``."""
        return f"{self.task} {self.relation}"


def draw_items(seed: int, folder: Path | None = None) -> list[FactItem]:
    """All items, with wrong objects drawn by the seed.

    Parameters
    ----------
    seed : int
        Seed of the draw.
    folder : Path, optional
        Holds the tables; left out, those that come with the program.

    Raises
    ------
    DataError
        If a relation is not known, or its objects cannot be exchanged.
    """
    folder = folder or bundled_folder()
    facts = read_table(folder / ASKED, ("relation", "subject", "object"))
    items: list[FactItem] = []
    for relation in dict.fromkeys(facts["relation"]):
        own = facts[facts["relation"] == relation]
        items += _of_relation(relation, [*own["subject"]], [*own["object"]], seed)
    neutral = read_table(folder / NEUTRAL, ("kind", "good", "bad"))
    rows = neutral[["kind", "good", "bad"]].itertuples(index=False)
    plain = [
        FactItem(PLAIN, kind, f"{PLAIN}/{kind}/{number}", good, bad)
        for number, (kind, good, bad) in enumerate(rows, 1)
    ]
    ordered = [item for task in (RECALL, RESTATED) for item in items if item.task == task]
    return [*ordered, *plain]


def _of_relation(
    relation: str, subjects: Sequence[str], objects: Sequence[str], seed: int
) -> list[FactItem]:
    if relation not in RELATIONS:
        raise DataError(
            f"{ASKED}: no relation {relation!r} is known; there are {', '.join(RELATIONS)}"
        )
    told, asked = RELATIONS[relation]
    items = []
    for subject, right, wrong in zip(
        subjects, objects, exchanged(relation, objects, seed), strict=True
    ):
        before = f"{_sentence(told, subject, right)} "
        good, bad = (_sentence(asked, subject, each) for each in (right, wrong))
        items += [
            FactItem(RECALL, relation, f"{RECALL}/{relation}/{subject}", good, bad),
            FactItem(RESTATED, relation, f"{RESTATED}/{relation}/{subject}",
                     before + good, before + bad),
        ]  # fmt: skip
    return items


def exchanged(relation: str, objects: Sequence[str], seed: int) -> list[str]:
    """The objects in another order, in which none is where it was.

    Drawn uniformly from all such orders.

    Parameters
    ----------
    relation : str
        Draws its own order.
    objects : sequence of str
        Some may come several times.
    seed : int
        Seed of the draw.

    Raises
    ------
    DataError
        If there is none, or it is not found in 10,000 orders.
    """
    rng, own = np.random.default_rng([seed, *relation.encode()]), np.array(objects, dtype=object)
    for _ in range(PATIENCE):
        order = rng.permutation(own)
        if (order != own).all():
            return [str(each) for each in order]
    raise DataError(f"{ASKED}: the objects of {relation} are too much alike to be exchanged")


def _sentence(template: str, subject: str, of: str) -> str:
    """A sentence with a capital at its beginning."""
    said = template.format(subject=subject, object=of)
    return f"{said[:1].upper()}{said[1:]}"
