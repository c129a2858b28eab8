"""The report of a map alone: what the localizer found, before anything was ablated."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from common.base.called import called
from common.base.files import read_json, save_text
from common.effects.nouns import all_in_words_of, in_words_of
from common.effects.results import Localized
from common.effects.words import few_stimuli, matched_texts, percent, skipped_warning
from common.measure.masks import top_percent
from common.measure.scores import SelectivityMap
from common.report import sections, tables, words
from common.report.page import rendered
from common.report.parts import Cell, Table, found_part, part_of
from common.report.unit_list import own_masks, top_units

ONE = 1.0  # the dose that is shown, where it is one of them


def make_map_report(folder: Path, told: Localized) -> Path:
    """Write ``report.html`` into the folder of a map, from what lies in it.

    Parameters
    ----------
    folder : Path
        Of the map.
    told : Localized
        What its ``map.json`` holds.

    Raises
    ------
    RunError
        If a part of it is gone.
    """
    run = read_json(part_of(folder, "run.json"))
    found = SelectivityMap.load(part_of(folder, "selectivity.safetensors"))
    doses = sorted(mask.percent for mask in own_masks(folder, found)) or [ONE]
    headline = ONE if ONE in doses else doses[0]
    top = top_percent(found, headline)
    figures = [
        sections.selective(told, found, doses, headline, _decodable(told)),
        sections.lying(told, found, top),
    ]
    text = rendered(
        "map",
        title=f"{told.localizer.name} in {told.model.name}: the map",
        run=run,
        called=called(folder),
        sentences=all_in_words_of(found.unit, map_said(told, headline)),
        warnings=map_warnings(told),
        facts=words.map_facts(told),
        sections=all_in_words_of(found.unit, figures),
        tables=[*tables.baseline(told), *all_in_words_of(found.unit, top_units(found, folder))],
        galleries=sections.galleries(folder, "driving"),
        texts=_texts(folder),
        method=in_words_of(found.unit, words.map_method(told)),
        seed=run["settings"]["seed"],
        references=words.map_references(told),
        **words.repeated(run),
        model=told.model.fingerprint,
    )
    path = folder / "report.html"
    save_text(path, text)
    return path


def map_said(told: Localized, dose: float) -> list[str]:
    """What a map shows, in sentences."""
    found, name = told.selectivity, told.localizer.name
    symbol = found.words.symbol
    highest = f"the highest {symbol} is {found.words.said(found.t_max)}"
    if (n := found.n_selective_q05) is None:
        said = f"Of {found.n_units:,} units {highest}."
    else:
        said = (
            f"{n:,} of {found.n_units:,} units answer more to the target of {name} than to its "
            f"control ({symbol} > 0, q < 0.05); {highest}."
        )
    half = found.split_half
    if half is not None and (share := half.dice.get(f"{dose:g}")) is not None:
        said += (
            f" The maps of two halves of the stimuli correlate by {half.correlation:.2f}, and "
            f"their top {dose:g} % share {percent(share)} "
            f"({percent(half.dice_chance[f'{dose:g}'])} by chance)."
        )
    return [said]


def map_warnings(told: Localized) -> list[str]:
    """What a reader should know of a model and a localizer."""
    own = [each for each in (told.model.unsaid, told.localizer.warning) if each]
    found = [*own, *few_stimuli(told.localizer), *matched_texts(told.localizer)]
    if skipped := told.localizer.skipped:
        found.append(skipped_warning("localizer", skipped))
    return found


def _decodable(told: Localized) -> list[str]:
    own = told.selectivity.decodable
    return [] if own is None else [own.said]


def _texts(folder: Path) -> list[Table]:
    """The texts that drive units, where a front end of texts kept them."""
    index = found_part(folder, "gallery/driving.json")
    kept: list[dict[str, Any]] = [] if index is None else read_json(index)
    return [
        Table(
            each["heading"],
            each["caption"],
            ["text", "condition", "answer"],
            [[Cell(str(row[name])) for name in ("text", "condition", "answer")]
             for row in each["texts"]],
        )
        for each in kept
        if "texts" in each
    ]  # fmt: skip
