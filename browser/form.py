"""The form of a run, as every front end's page has it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gradio as gr

from browser.events import QUIET
from browser.offer import (
    COUNTS,
    LARGEST_SEED,
    QUICK,
    REPLACEMENTS,
    Offer,
    controls_offered,
    value_of,
)
from common.measure.scores import DEFAULT_SCORE, SCORE_RULES
from common.study.declared import Setting, declarations, defaults

INFO = {
    "exclude_massive": "Units that many times as loud as their site’s median may explain a loss.",
    "untrained_seeds": "Random weights that are shown the localizer too: what did training add?",
    "items": "A part is evaluated sooner, with wider intervals; drawn by the seed.",
}


def form(offer: Offer[Any]) -> dict[str, Any]:
    """Lay out the fields.

    Returns
    -------
    dict of str to component
        By the names that the address has for them, in the order of :meth:`Offer.filled`.
    """
    fields = _stimuli(offer)
    known, default = declarations(offer.settings), defaults(offer.settings)
    with gr.Row():
        fields |= {name: _field(name, known[name], default[name]) for name in offer.choices}
    with gr.Row():
        fields["doses"] = gr.CheckboxGroup(
            list(offer.doses), value=["1"], label=known["top"].label, scale=3,
            info="How many units to ablate.",
        )  # fmt: skip
        fields["seed"] = gr.Number(
            0, label=known["seed"].label, precision=0, minimum=0, maximum=LARGEST_SEED,
            min_width=140, info=f"{known['seed'].help}.",
        )  # fmt: skip
    _keep_fitting(offer, fields)
    return fields


def _field(name: str, declared: Setting, default: Any) -> Any:
    """A setting with a short list of values; the controls come as plans with a name."""
    if name == "controls":
        return gr.Dropdown(
            list(controls_offered().items()), value=QUICK, label=declared.label, min_width=240,
            info="Masks of the same size to hold the top units against.",
        )  # fmt: skip
    if name == "score":
        return score_choice()
    if name == "ablation":
        return gr.Radio(
            list(REPLACEMENTS), value=default, label=declared.label, min_width=240,
            info="What a unit is set to: 0, its mean, its value on another control stimulus.",
        )  # fmt: skip
    if name in COUNTS:
        return gr.Dropdown(
            list(COUNTS[name].items()), value="", label=declared.label, min_width=240,
            info=INFO[name],
        )  # fmt: skip
    component = gr.Radio if len(declared.among) == 2 else gr.Dropdown
    return component(
        list(declared.among), value=default, label=declared.label, min_width=240,
        info=f"{declared.help}.",
    )  # fmt: skip


def score_choice() -> Any:
    """The score; seen only where there is a choice."""
    every = [rule for rule in SCORE_RULES.values() if rule.level == "unit"]  # what a form can ask
    choices = [(rule.words.title, rule.name) for rule in every]
    return gr.Dropdown(
        choices, value=DEFAULT_SCORE, label="Score", min_width=240, visible=len(choices) > 1,
        info="What ranks the units: the highest are the mask.",
    )  # fmt: skip


def _stimuli(offer: Offer[Any]) -> dict[str, Any]:
    """Model, localizer and evaluation.

    All that can be run is taken; what is proposed is looked up when the page is opened.
    """
    known, proposed = declarations(offer.settings), offer.choices_beside({})
    with gr.Row():
        return {
            name: gr.Dropdown(
                list(offer.here[name]()),
                value=offer.model if name == "model" else value_of(choices[0]),
                label=known[name].label, min_width=240, info=offer.help[name],
            )
            for name, choices in proposed.items()
        }  # fmt: skip


def _keep_fitting(offer: Offer[Any], fields: Mapping[str, Any]) -> None:
    """Let a model bring what goes with it, and what is measured the benchmarks to choose from.

    Only by a visitor's own choice: a link that names all three must not lose two of them.
    """

    def of_model(model: str, measure: str = "accuracy") -> list[Any]:
        proposed = offer.choices_beside({"model": model, "measure": measure})
        return [
            gr.update(choices=proposed[name], value=value_of(proposed[name][0]))
            for name in ("localizer", "evaluation")
        ]

    def of_measure(model: str, measure: str, evaluation: str) -> Any:
        names = offer.choices_beside({"model": model, "measure": measure})["evaluation"]
        value = evaluation if evaluation in map(value_of, names) else value_of(names[0])
        return gr.update(choices=names, value=value)

    asked = [fields[name] for name in ("model", "measure") if name in fields]
    model, evaluation = fields["model"], fields["evaluation"]
    model.input(of_model, asked, [fields["localizer"], evaluation], **QUIET)
    if "measure" in fields:
        fields["measure"].input(of_measure, [*asked, evaluation], evaluation, **QUIET)
