"""Units by layer on the Language page: the texts of a unit's page."""

from __future__ import annotations

import gradio as gr

from browser import fragments
from browser.units import UnitPages
from common.study.single_unit import Answers
from llm_loc.app.unit import answers
from llm_loc.app.visit import MODELS, STEPS
from llm_loc.driving import short
from llm_loc.experiment import FRONT, Settings
from llm_loc.models import LanguageModel
from llm_loc.stimuli import Text


def _place(word: str) -> gr.HTML:
    return gr.HTML(visible=False, elem_id=f"{word}-driving-texts")


def _fill(word: str, known: Answers[Text], unit: int, numbers: list[int]) -> gr.HTML:
    responses = known.of(unit)
    rows = [
        (short(known.stimuli[i].text), known.stimuli[i].condition, f"{responses[i]:.3g}")
        for i in numbers
    ]
    caption = f"Texts of the localizer that drive it {word}"
    shown = fragments.table(("text", "condition", "response"), rows, caption, "fl-texts")
    return gr.HTML(shown, visible=True)


PAGES: UnitPages[LanguageModel, Settings] = UnitPages(
    page="language",
    tab="language",
    suffix="_language",
    front=FRONT,
    models=MODELS,
    steps=STEPS,
    answers=answers,
    place=_place,
    fill=_fill,
)
