"""A finished run on a page: the finding, the table, the figures, the files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from browser import fragments, pictures
from common.measure.masks import top_percent
from common.measure.scores import SelectivityMap
from common.report import figures
from common.report.draws import adjusted_effects
from common.report.sections import say_adjusted, say_doses, say_sites
from common.study.listing import file_of
from common.study.results import load_results

FILES = {
    "Report": "report.html",
    "Numbers (results.json)": "results.json",
    "Masks": "masks.safetensors",
}
YET_TO_COME = "What a run finds stands here: one plain line, the table of all masks, and figures."


@dataclass(frozen=True)
class Outcome:
    """The places on a page where a run is shown, from top to bottom."""

    finding: gr.HTML
    table: gr.HTML
    curve: gr.Image
    rivals: gr.Image
    units: gr.Image
    downloads: gr.Row
    files: list[gr.DownloadButton]

    @property
    def all(self) -> list[Any]:
        """All of them, in the order of :func:`shown`."""
        places = [self.finding, self.table, self.curve, self.rivals, self.units, self.downloads]
        return [*places, *self.files]

    @staticmethod
    def n_places() -> int:
        """How many they are."""
        return 6 + len(FILES)


def outcome(name: str = "") -> Outcome:
    """Lay out the places for a run that is yet to come.

    Parameters
    ----------
    name : str
        Before the elements' ids, where a page has several.
    """
    finding = gr.HTML(fragments.note(YET_TO_COME), min_height=96, elem_id=f"{name}finding")
    table = gr.HTML(elem_id=f"{name}table")
    with gr.Row():
        curve = pictures.place("Dose curve")
        rivals = pictures.place("Adjusted effect")
    units = pictures.place("Units by site")
    row, files = downloads()
    return Outcome(finding, table, curve, rivals, units, row, files)


def downloads() -> tuple[gr.Row, list[gr.DownloadButton]]:
    """Buttons for the files of a run, hidden until there is one."""
    with gr.Row(visible=False) as row:
        files = [gr.DownloadButton(name, size="sm", min_width=140) for name in FILES]
    return row, files


def shown(folder: Path, target: str) -> list[Any]:
    """What :class:`Outcome` shows of a finished run.

    Parameters
    ----------
    folder : Path
        The run folder.
    target : str
        What the units prefer, in a word.
    """
    results = load_results(folder)
    found = SelectivityMap.load(folder / "selectivity.safetensors")
    top = top_percent(found, results.headline_percent)
    effects = adjusted_effects(folder, results)
    curve = figures.dose_curve(results) if len(results.doses) > 1 else None
    return [
        fragments.finding(results),
        fragments.outcome_tables(results),
        pictures.drawn(curve, say_doses(results)),
        pictures.drawn(figures.adjusted(results, effects), say_adjusted(results)),
        pictures.drawn(figures.units_by_site(found, top, target), say_sites(found, top)),
        gr.Row(visible=True),
        *files_of(folder),
    ]


def nothing_shown(said: str) -> list[Any]:
    """The same places where there is no result, but a line that says so."""
    no_figure = [pictures.drawn(None, "")] * 3
    return [fragments.note(said), "", *no_figure, gr.Row(visible=False), *[gr.skip()] * len(FILES)]


def files_of(folder: Path) -> list[Any]:
    """The download buttons, filled with what the folder has."""
    there = [file_of(folder, name) for name in FILES.values()]
    return [
        gr.DownloadButton(value=path and str(path), interactive=path is not None) for path in there
    ]
