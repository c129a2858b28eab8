"""The report: one self-contained HTML file, made from a run folder alone.

Every value goes through jinja2's autoescape; figures and pictures are embedded, so the file opens
without a network and can be sent around. Made again from the same folder, it has the same bytes.
What it says is in :mod:`words`, its numbers in :mod:`tables`, its figures in :mod:`sections`.
"""

from __future__ import annotations

from pathlib import Path

from common.base.called import called
from common.base.files import read_json, save_text
from common.effects.established import established
from common.effects.nouns import all_in_words_of
from common.effects.results import Results
from common.measure.scores import SelectivityMap
from common.report import outcome_table, sections, tables, verdicts, words
from common.report.decodable import decodable
from common.report.glossary import explained
from common.report.likeness import likeness
from common.report.page import rendered
from common.report.parts import part_of
from common.report.strip import strip_of
from common.report.unit_list import top_units

__all__ = ["make_report"]

EXCHANGEABLE = 2  # the schema from which on controls are drawn from all units of a site


def make_report(folder: Path, results: Results) -> Path:
    """Write ``report.html`` into a finished run folder, from what lies in it.

    Parameters
    ----------
    folder : Path
        The run folder.
    results : Results
        What its ``results.json`` holds.

    Raises
    ------
    RunError
        If a part of the run is gone.
    """
    run = read_json(part_of(folder, "run.json"))
    exchangeable = read_json(part_of(folder, "results.json")).get("schema", 0) >= EXCHANGEABLE
    found = SelectivityMap.load(part_of(folder, "selectivity.safetensors"))
    text = rendered(
        "report",
        title=f"{results.localizer.name} in {results.model.name}",
        run=run,
        called=called(folder),
        results=results,
        said=verdicts.verdict_said(results),
        beside=verdicts.beside(results),
        facts=words.facts(results),
        strip=strip_of(folder, results),
        glossary=explained(results),
        claims=established(results),
        note=outcome_table.note(results),
        columns=outcome_table.columns(results),
        intact=outcome_table.intact_row(results),
        doses=outcome_table.doses(results),
        verdict_tables=verdicts.verdict_tables(results),
        mcnemar=tables.mcnemar(results),
        sections=sections.sections(results, found, folder),
        galleries=all_in_words_of(found.unit, sections.galleries(folder)),
        continuations=sections.continuations(folder),
        losers=tables.losers(results, folder),
        tables=[
            *tables.baseline(results),
            *decodable(results, found),
            *likeness(results),
            *tables.perplexity(results),
            *tables.breakdown(results),
            *tables.profile(folder),
            *all_in_words_of(found.unit, top_units(found, folder)),
        ],
        headline=f"{results.headline_percent:g}",
        least=tables.LEAST_ITEMS,
        method=words.method(results, run, exchangeable),
        references=words.references(results),
        **words.repeated(run),
        model=results.model.fingerprint,
    )
    path = folder / "report.html"
    save_text(path, text)
    return path
