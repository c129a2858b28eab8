"""Whose units Try it looks at: a run and its model, chosen there, and pictures that fit it."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import gradio as gr
from PIL import Image

from browser import pictures
from browser.events import QUIET, told
from browser.shipped import CALLED
from common.base.errors import FunclocError
from common.effects.measured import AGREEMENT
from common.study.listing import list_runs, run_named
from vision_loc import phantom
from vision_loc.app.visit import SHIPPED, Found, evaluation_choices, found_in, phantom_found
from vision_loc.experiment import FRONT
from vision_loc.stimuli import Picture, benchmark

EXAMPLES = (5, 0, 3, 9, 12, 16, 19, 22, 26, 30)  # classes of the phantom
OF_GROUP = len(EXAMPLES) // 2
DRAWN = "phantom"  # the benchmark of the pictures that the phantom draws
SMALL = 192  # points of a picture in the list
KEPT = 8  # lists of pictures that are kept
OWN = ""  # the finding that ships, as a choice


def place() -> gr.Dropdown:
    """Where the run is chosen."""
    return gr.Dropdown(
        _names(), value=OWN, label="Model and its units", elem_id="which",
        info="The units that a run found in its model. What you ran or opened last is chosen.",
    )  # fmt: skip


def follow(
    which: gr.Dropdown, trying: gr.Tab, found: gr.State, picture: gr.Image, gallery: gr.Gallery
) -> None:
    """Keep choice, examples and the visitor's map together, and answer one example at once.

    Parameters
    ----------
    which : gr.Dropdown
        From :func:`place`.
    trying : gr.Tab
        Of the page.
    found : gr.State
        The visitor's own map.
    picture, gallery
        The picture that is looked at, and those to choose from.
    """
    trying.select(entered, [found, picture], [which, gallery, picture], **QUIET)
    found.change(fitted, found, [which, gallery], **QUIET)
    which.input(told(chosen), which, [found, picture], **QUIET)
    gallery.select(told(pick_example), found, picture, **QUIET)


def entered(found: Found | None, picture: str | None) -> list[Any]:
    """The page is opened: what there is to choose from, and a first picture where there is none."""
    found = found or phantom_found()
    return [*fitted(found), _first(found) if picture is None else gr.skip()]


def fitted(found: Found | None) -> list[Any]:
    """The run that is chosen, and pictures that fit its model."""
    found = found or phantom_found()
    shown, names = examples(found), _names()
    whose = OWN if found.folder == SHIPPED.folder else found.folder.name
    there = any(name == whose for _, name in names)  # a run may have been deleted since
    return [
        gr.Dropdown(choices=names, value=whose if there else None),
        gr.Gallery(shown, visible=bool(shown), label=f"Examples for {found.settings.model}"),
    ]


def chosen(name: str | None) -> list[Any]:
    """Another run's map, and a picture that fits its model.

    Raises
    ------
    RunError
        If the list has no such run, or it has no map.
    """
    found = found_in(run_named(name).folder) if name else phantom_found()
    return [found, _first(found)]


def pick_example(event: gr.SelectData, found: Found | None) -> str:
    """The file of the example that was clicked, as large as it is."""
    settings = (found or phantom_found()).settings
    clicked = _pictures(settings.evaluation, settings.measure)[int(event.index)]
    return pictures.kept(clicked.open())


def examples(found: Found) -> list[tuple[str, str]]:
    """Files of small pictures that fit a run's model, with their classes."""
    small = _small(_pictures(found.settings.evaluation, found.settings.measure))
    return [(pictures.kept(picture), name) for picture, name in small]


def _names() -> list[tuple[str, str]]:
    about = phantom_found().settings
    runs = [
        (f"{entry.model}, {entry.localizer} ({entry.name})", entry.name)
        for entry in list_runs()
        if entry.front == FRONT.program
        and not entry.several
        and (entry.folder / "selectivity.safetensors").is_file()
    ]
    return [(f"{about.model}, {about.localizer} ({CALLED})", OWN), *runs]


def _first(found: Found) -> str | None:
    fitting = _pictures(found.settings.evaluation, found.settings.measure)
    return pictures.kept(fitting[0].open()) if fitting else None


@lru_cache(KEPT)
def _small(fitting: tuple[Picture, ...]) -> tuple[tuple[Image.Image, str], ...]:
    shown = []
    for picture in fitting:
        small = picture.open()
        small.thumbnail((SMALL, SMALL))
        shown.append((small, picture.name))
    return tuple(shown)


def _pictures(evaluation: str, measure: str) -> tuple[Picture, ...]:
    """A few pictures of each group of a benchmark that is here; none of somebody's own folder."""
    if evaluation == DRAWN:
        return tuple(map(_drawn, EXAMPLES))
    if evaluation not in evaluation_choices():
        return ()
    try:
        return _some_of(evaluation, measure)
    except FunclocError:
        return ()


@lru_cache(KEPT)
def _some_of(evaluation: str, measure: str) -> tuple[Picture, ...]:
    tested = benchmark(evaluation, labelled=measure != AGREEMENT)
    groups = [
        [each for each in tested.pictures if each.condition == group]
        for group in (tested.target, tested.other)
    ]
    few = [each for own in groups for each in own[:: max(1, len(own) // OF_GROUP)][:OF_GROUP]]
    named = tested.classes
    return tuple(
        Picture(named.get(each.label, each.condition), each.condition, each.open) for each in few
    )


def _drawn(label: int) -> Picture:
    """A picture of the stream that no localizer has seen."""
    return Picture(phantom.CLASSES[label], "", lambda: phantom.draw(label, 0, "eval"))
