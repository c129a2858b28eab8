"""Units by layer on the Faces page: the pictures of a unit's page."""

from __future__ import annotations

import gradio as gr

from browser import pictures
from browser.units import UnitPages
from common.study.single_unit import Answers
from vision_loc.app.unit import answers
from vision_loc.app.visit import MODELS, STEPS
from vision_loc.experiment import FRONT, Settings
from vision_loc.models import VisionModel
from vision_loc.stimuli import Picture


def _place(word: str) -> gr.Gallery:
    return gr.Gallery(
        label=f"Pictures of the localizer that drive it {word}", columns=3, height="auto",
        object_fit="contain", interactive=False, visible=False, buttons=["download"],
        elem_id=f"{word}-driving", elem_classes=["fl-few"],
    )  # fmt: skip


def _fill(_word: str, known: Answers[Picture], unit: int, numbers: list[int]) -> gr.Gallery:
    responses = known.of(unit)
    driving = [(known.stimuli[i], responses[i]) for i in numbers]
    shown = [
        (pictures.kept(each.open()), f"{each.condition}: {response:.3g}")
        for each, response in driving
    ]
    return gr.Gallery(shown, visible=True)


PAGES: UnitPages[VisionModel, Settings] = UnitPages(
    page="face",
    tab="faces",
    suffix="",
    front=FRONT,
    models=MODELS,
    steps=STEPS,
    answers=answers,
    place=_place,
    fill=_fill,
)
