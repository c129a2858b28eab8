"""Let it write, on the Language page: a prompt continued intact, without units, and a control.

A text grows token by token, and the model is held for one token of the three texts at a time, so
that visitors take turns on it. No ablation outlives the pass it is for.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gradio as gr

from browser import fragments
from browser.events import QUIET, VISITORS, as_notice, session_of
from browser.offer import LARGEST_SEED
from common.base.errors import DataError, FunclocError, SettingError
from common.measure.masks import Mask, top_percent
from common.study.plan import say_ablation
from llm_loc import phantom
from llm_loc.app.unknown import say_unknown
from llm_loc.app.visit import MODELS, Found, phantom_found
from llm_loc.chat import in_template
from llm_loc.generate import Sampling, stream

LONGEST_PROMPT = 2000  # letters
MOST_TOKENS = 100
SMALLEST, LARGEST = 0.1, 20.0  # percent of all units
HOTTEST = 2  # temperature
WRITERS = 4  # events that let a model write at the same time, taking turns
VOICES = (
    ("Intact", "voice-intact", "As the model is."),
    ("Without the top units", "voice-top", "Its most selective units replaced."),
    ("Without layer-matched units", "voice-control", "As many others of the same layers replaced."),
)


def build(found: gr.State) -> dict[str, Any]:
    """Lay out the section.

    Parameters
    ----------
    found : gr.State
        The visitor's own map.

    Returns
    -------
    dict of str to component
        What the address remembers, by its name there.
    """
    gr.HTML("<h2>Let it write</h2>")
    prompt = gr.Textbox(
        _opening(), label="Prompt", lines=2, max_length=LONGEST_PROMPT, elem_id="prompt",
        info="The model goes on from here, three times, from the same draws.",
    )  # fmt: skip
    with gr.Row():
        percent = gr.Slider(
            SMALLEST, LARGEST, value=1, step=0.1, label="Units ablated (% of all)",
            elem_id="share", min_width=240,
            info="Top units, and as many others of the same layers.",
        )  # fmt: skip
        with gr.Column(min_width=120):
            talk = gr.Button("Write", variant="primary")
            hush = gr.Button("Stop writing", size="sm")
    with gr.Accordion("Sampling", open=False), gr.Row():
        sampling = _sampling_form()
        chat = gr.Checkbox(
            False, label="Chat template", elem_id="chat",
            info="The prompt is what a user says, in the model's own template.",
        )  # fmt: skip
    with gr.Row():
        texts = [
            gr.Textbox(label=label, lines=6, elem_id=name, min_width=240,
                       info=info, interactive=False)
            for label, name, info in VOICES
        ]  # fmt: skip
    note = gr.HTML(elem_id="voices-note")
    writing = gr.on(
        [talk.click, percent.release], write, [prompt, percent, *sampling.values(), found, chat],
        [*texts, note, found],
        concurrency_limit=WRITERS, concurrency_id="write", trigger_mode="always_last",
        api_name="write", show_progress="minimal",
    )  # fmt: skip
    hush.click(None, None, None, cancels=[writing], **QUIET)
    return {"percent": percent, **sampling}


def _opening() -> str:
    """The first words of a sentence that the phantom knows the words of."""
    (sentence,) = phantom.draw("sentence", 1, "eval")
    return " ".join(sentence.split()[:4])


def _sampling_form() -> dict[str, Any]:
    return {
        "temperature": gr.Slider(
            0, HOTTEST, value=0, step=0.1, label="Temperature",
            info="0 takes the likeliest token; more draws.",
        ),
        "top_p": gr.Slider(
            0.05, 1, value=1, step=0.05, label="Top p",
            info="Draw from the likeliest tokens of this share.",
        ),
        "tokens": gr.Slider(
            1, MOST_TOKENS, value=40, step=1, label="Max new tokens",
            info="The most tokens that are added.",
        ),
        # The address has "seed" for the run's own.
        "sampling_seed": gr.Number(
            0, label="Sampling seed", precision=0, minimum=0, maximum=LARGEST_SEED,
            info="Of the tokens that are drawn.",
        ),
    }  # fmt: skip


def write(
    prompt: str,
    percent: float,
    temperature: float,
    top_p: float,
    max_new_tokens: float,
    seed: float,
    found: Found | None,
    chat: bool = False,
    request: gr.Request | None = None,
) -> Iterator[tuple[str, str, str, str, Found]]:
    """A prompt continued three times, token by token, from the same draws.

    Parameters
    ----------
    prompt : str
        What the model goes on from.
    percent : float
        Share of all units to ablate.
    temperature, top_p, max_new_tokens, seed : float
        See :class:`llm_loc.generate.Sampling`.
    found : Found or None
        The visitor's own; left out, the phantom is localized first.
    chat : bool, default=False
        Whether the prompt is put into the model's chat template.

    Yields
    ------
    (str, str, str, str, Found)
        The text so far: intact, without the top units, without as many units of the same layers; a
        note; and the visitor's `found`.
    """
    try:
        sampling = Sampling(
            _number("temperature", temperature, 0, HOTTEST),
            _number("top p", top_p, 0, 1),
            int(_number("max new tokens", max_new_tokens, 1, MOST_TOKENS)),
            1,
            int(_number("sampling seed", seed, 0, LARGEST_SEED)),
        )
        share = _number("units ablated", percent, SMALLEST, LARGEST)
        words, here = _checked_prompt(prompt), found or phantom_found()
        for texts in voices(here, words, share, sampling, session_of(request), chat is True):
            yield (*texts, here)
    except FunclocError as error:
        # The last texts are of another prompt.
        yield "", "", "", fragments.note(error.plain), gr.skip()
        raise as_notice(error) from error


def _checked_prompt(prompt: Any) -> str:
    if not isinstance(prompt, str) or not prompt.strip():
        raise DataError("the prompt is empty: write a few words for the model to go on from")
    if len(prompt) > LONGEST_PROMPT:
        raise DataError(f"a prompt of {len(prompt):,} letters: give {LONGEST_PROMPT:,} at most")
    return prompt


def _number(what: str, value: Any, least: float, most: float) -> float:
    """A number of a slider; a request made by hand may hold anything."""
    if not isinstance(value, (int, float)) or not least <= value <= most:
        raise SettingError(f"{what} {str(value)[:20]}: give {least:g} to {most:,}")
    return float(value)


def voices(
    found: Found,
    prompt: str,
    percent: float,
    sampling: Sampling,
    session: str,
    chat: bool = False,
) -> Iterator[tuple[str, str, str, str]]:
    """The three texts as they grow; the model is held for one token of each at a time."""
    masks, note = masks_of(found, percent)
    settings = found.settings
    texts, writing = [""] * 3, {}
    with MODELS.held(settings) as model:
        unknown = say_unknown(model, prompt)
        note += fragments.note(unknown) if unknown else ""
        if chat:
            prompt, warning = in_template(model, prompt)
            note += fragments.note(warning) if warning else ""
        for number, mask in masks.items():
            writing[number] = stream(
                model, prompt, sampling, mask, by=found.by, found=found.map, special=not chat
            )
    with VISITORS.running(f"{session} writes"):
        while writing:
            VISITORS.check(f"{session} writes")
            with MODELS.held(settings):
                for number, growing in list(writing.items()):
                    text = next(growing, None)
                    if text is None:
                        del writing[number]
                    else:
                        texts[number] = text[0]
            yield (*texts, note)  # type: ignore[misc]


def masks_of(found: Found, percent: float) -> tuple[dict[int, Mask | None], str]:
    """The mask of each voice by its number, and a note on them; a control may be missing."""
    top = top_percent(found.map, percent)
    masks: dict[int, Mask | None] = {0: None, 1: top}
    rival, problem = found.layer_matched(percent)
    if rival is not None:
        masks[2] = rival
    said = f"{len(top):,} units for {found.title}, replaced by {say_ablation(found.by)}."
    return masks, fragments.note(f"{said} {problem}".strip())
