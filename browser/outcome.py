"""A finished run on a page: the finding, the table, the figures, the files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from browser import fragments, pictures
from browser.shipped import Shipped
from common.measure.masks import top_percent
from common.measure.scores import SelectivityMap
from common.report import figures
from common.report.draws import adjusted_effects
from common.report.sections import say_adjusted, say_doses, say_sites
from common.report.strip import strip_of
from common.study.dissociation_file import NAME as DISSOCIATION
from common.study.listing import file_of
from common.study.results import NAME as RESULTS
from common.study.results import load_results
from common.study.sites_file import NAME as SITES

FILES = {
    "Report": "report.html",
    "Numbers (results.json)": RESULTS,
    "Masks": "masks.safetensors",
}


@dataclass(frozen=True)
class Outcome:
    """The places on a page where a run is shown, from top to bottom."""

    finding: gr.HTML
    table: gr.HTML
    curve: gr.Image
    rivals: gr.Image
    units: gr.Image
    downloads: gr.Row
    strip: gr.HTML
    files: list[gr.DownloadButton]

    @property
    def all(self) -> list[Any]:
        """All of them, in the order of :func:`shown`."""
        places = [self.finding, self.table, self.curve, self.rivals, self.units, self.downloads]
        return [*places, self.strip, *self.files]

    @staticmethod
    def n_places() -> int:
        """How many they are."""
        return 7 + len(FILES)


def outcome(shipped: Shipped, name: str = "") -> Outcome:
    """Lay out the places for a run, filled with the finding that ships until there is one.

    Parameters
    ----------
    shipped : Shipped
        That finding.
    name : str
        Before the elements' ids, where a page has several.
    """
    results = shipped.results
    told = fragments.finding(results) + fragments.words(results)
    finding = gr.HTML(told, min_height=96, elem_id=f"{name}finding")
    strip = gr.HTML(fragments.strip(shipped.strip), elem_id=f"{name}strip")
    with gr.Row():
        curve = pictures.place("Dose curve", "", shipped.curve, say_doses(results))
        rivals = pictures.place("Adjusted effect")
    table = gr.HTML(fragments.outcome_tables(results), elem_id=f"{name}table")
    units = pictures.place("Units by site")
    row, files = downloads()
    return Outcome(finding, table, curve, rivals, units, row, strip, files)


def downloads() -> tuple[gr.Row, list[gr.DownloadButton]]:
    """Buttons for the files of a run, hidden until there is one."""
    with gr.Row(visible=False) as row:
        files = [gr.DownloadButton(name, size="sm", min_width=140) for name in FILES]
    return row, files


def shown(folder: Path) -> list[Any]:
    """What :class:`Outcome` shows of a finished run.

    Parameters
    ----------
    folder : Path
        The run folder.
    """
    results = load_results(folder)
    found = SelectivityMap.load(folder / "selectivity.safetensors")
    top = top_percent(found, results.headline_percent)
    effects = adjusted_effects(folder, results)
    curve = figures.dose_curve(results) if len(results.doses) > 1 else None
    return [
        fragments.finding(results) + fragments.words(results),
        fragments.outcome_tables(results),
        pictures.drawn(curve, say_doses(results)),
        pictures.drawn(figures.adjusted(results, effects), say_adjusted(results)),
        pictures.drawn(
            figures.units_by_site(found, top, results.localizer.name), say_sites(found, top)
        ),
        gr.Row(visible=True),
        fragments.strip(strip_of(folder, results)),
        *files_of(folder),
    ]


def nothing_shown(said: str) -> list[Any]:
    """The same places where there is no result, but a line that says so."""
    no_figure = [pictures.drawn(None, "")] * 3
    none = [gr.Row(visible=False), "", *[gr.skip()] * len(FILES)]
    return [fragments.note(said), "", *no_figure, *none]


def files_of(folder: Path) -> list[Any]:
    """The download buttons, filled with what the folder has."""
    # The numbers, where there are several maps.
    several = file_of(folder, DISSOCIATION) or file_of(folder, SITES)
    there = [file_of(folder, n) or (several if n == RESULTS else None) for n in FILES.values()]
    return [
        gr.DownloadButton(value=path and str(path), interactive=path is not None) for path in there
    ]
