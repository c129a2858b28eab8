"""What the model answers to a few items: intact, without the top units, without a control.

A front end names the items and shows them, in ``gallery/strip.json``; the answers are those of
``items.csv``. A folder that goes without its items, as the findings do that come with the program,
has ``answers.json`` in their place.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from common.base.errors import RunError
from common.base.files import read_json, save_json
from common.effects.measured import AGREEMENT
from common.effects.nouns import in_words_of
from common.effects.results import Results
from common.measure.control_rules import closest
from common.report.draws import INTACT
from common.report.parts import found_part, part_of

SHOWN = "gallery/strip.json"
KEPT = "answers.json"


@dataclass(frozen=True)
class Answer:
    """What the model made of an item.

    Attributes
    ----------
    when : str
        Intact, or without which units.
    said : str
        The class, or which of the texts.
    right : bool
        Whether that counts as right.
    """

    when: str
    said: str
    right: bool

    @property
    def mark(self) -> str:
        """Right or wrong by a sign."""
        return "✓" if self.right else "✗"


@dataclass(frozen=True)
class Card:
    """An item with its answers.

    Attributes
    ----------
    name, group : str
        Which item, of which group.
    data : str
        A JPEG of it in base64; empty where it is a text.
    answers : tuple of Answer
        Intact first.
    """

    name: str
    group: str
    data: str
    answers: tuple[Answer, ...]


@dataclass(frozen=True)
class Strip:
    """Items beside each other, and how they were chosen."""

    heading: str
    note: str
    cards: tuple[Card, ...]


def strip_of(folder: Path, results: Results) -> Strip | None:
    """A few items of a run with what the model answered; nothing where it kept none.

    Parameters
    ----------
    folder : Path
        The run folder.
    results : Results
        Of the run.

    Raises
    ------
    RunError
        If its items are gone, or are not those of the run.
    """
    shown = _shown(folder)
    if shown is None:
        return None
    told = _answers_of(folder, results, shown["cards"])
    cards = tuple(
        Card(str(entry["item"]), told[entry["item"]]["group"], _picture(folder, entry), answers)
        for entry in shown["cards"]
        if (answers := _read(told.get(entry["item"])))
    )
    counted = "as intact" if results.evaluation.measure == AGREEMENT else "right"
    marks = f"✓ {counted}, ✗ {'another' if counted != 'right' else 'wrong'}"
    lacking = "" if all(len(card.answers) > 2 for card in cards) else " No control was drawn."
    unit = results.selectivity.unit
    note = in_words_of(unit, f"What the model answers ({marks}). {shown['note']}{lacking}")
    return Strip("Before, after, and under a control mask instead", note, cards) if cards else None


def keep_answers(folder: Path, results: Results) -> None:
    """Write ``answers.json``, for a folder that is to go without its items."""
    shown = _shown(folder)
    if shown is not None:
        save_json(folder / KEPT, _answers_of(folder, results, shown["cards"]))


def _shown(folder: Path) -> dict[str, Any] | None:
    path = found_part(folder, SHOWN)
    shown: dict[str, Any] | None = None if path is None else read_json(path)
    return shown if shown and shown["cards"] else None


def _picture(folder: Path, entry: Mapping[str, Any]) -> str:
    if "file" not in entry:
        return ""
    # Only the name counts: an index made by somebody else cannot reach outside the folder.
    picture = part_of(folder, f"gallery/{Path(entry['file']).name}")
    return base64.b64encode(picture.read_bytes()).decode()


def _read(told: Mapping[str, Any] | None) -> tuple[Answer, ...]:
    each = () if told is None else told["answers"]
    return tuple(Answer(str(a["when"]), str(a["said"]), bool(a["right"])) for a in each)


def _answers_of(
    folder: Path, results: Results, cards: Sequence[Mapping[str, Any]]
) -> dict[str, dict[str, Any]]:
    """By item, its group and the answers to it, as ``answers.json`` holds them."""
    if (kept := found_part(folder, KEPT)) is not None:
        return dict(read_json(kept))
    masks = dict(_masks(results))
    choices = {str(entry["item"]): entry.get("choices") for entry in cards}
    path = part_of(folder, "items.csv")
    kinds: dict[str, Any] = {"item": str, "group": str, "mask": str, "prediction": str}
    try:
        items = pd.read_csv(path, usecols=[*kinds, "correct"], dtype=kinds, keep_default_na=False)
        items = items[items["item"].isin(choices) & items["mask"].isin(masks)]
        found: dict[str, dict[str, Any]] = {}
        for row in items.to_dict("records"):
            named = choices[row["item"]] or results.evaluation.classes or {}
            answer = {
                "when": masks[row["mask"]],
                "said": _named(named, row["prediction"]),
                "right": bool(row["correct"]),
            }
            entry = found.setdefault(row["item"], {"group": row["group"], "answers": []})
            entry["answers"].append(answer)
    except (OSError, ValueError, KeyError, IndexError) as error:
        raise RunError(f"{path}: damaged ({error}); run it again in a new folder") from error
    return found


def _named(names: Sequence[str] | Mapping[str, str], index: str) -> str:
    """A class, or one of the texts that there were to choose from."""
    if isinstance(names, Mapping):
        return names.get(index, f"class {index}")
    return names[int(index)]


def _masks(results: Results) -> Iterator[tuple[str, str]]:
    """The masks whose answers are shown, and when that is: of a control the first draw."""
    dose = results.headline_percent
    yield INTACT, "intact"
    yield results.top(dose).mask, f"without the top {dose:g} %"
    rule = closest(results.rules(dose), lambda each: each.matched or each.curve)
    if rule is not None:
        said = in_words_of(results.selectivity.unit, f"without as many {rule} units")
        yield results.at(dose, rule)[0].mask, said
