"""Let it write, on the Language page: a prompt continued intact, under a mask, under its controls.

A model without a map gets a quick one first. A text grows token by token, and the model is held for
one token of all texts at a time, so that visitors take turns on it. No ablation outlives the pass
it is for. When the texts are written the intact one is read under each mask, token by token.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import gradio as gr

from browser import fragments
from browser.events import BAR, QUIET, VISITORS, as_notice, session_of
from browser.offer import LARGEST_SEED
from common.base.errors import DataError, FunclocError, SettingError
from common.measure.masks import Mask
from llm_loc import phantom
from llm_loc.app.token_fragments import coloured
from llm_loc.app.unknown import say_unknown
from llm_loc.app.visit import (
    ABOVE,
    MODELS,
    STEPS,
    Found,
    found_of,
    phantom_found,
    writers,
)
from llm_loc.chat import in_template
from llm_loc.generate import Sampling, stream
from llm_loc.models import LanguageModel
from llm_loc.tokens import token_changes

LONGEST_PROMPT = 2000  # letters
MOST_TOKENS = 100
SMALLEST, LARGEST = 0.1, 20.0  # percent of all units
HOTTEST = 2  # temperature
WRITERS = 4  # events that let a model write at the same time, taking turns
VOICES = {
    "intact": ("Intact", "As the model is."),
    "top": ("Without the top units", "Its most selective units replaced."),
    "loud": ("Without loudness-matched units", "Equally loud ones of the same layers replaced."),
    "control": ("Without layer-matched units", "As many others of the same layers replaced."),
    "quiet": ("Without the top units, massive ones left", "Those that drown all others stay."),
}
MASKED = [*VOICES][1:]


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
        info="The model goes on from here, once as it is and once under each mask, from the same "
        "draws.",
    )  # fmt: skip
    writer = gr.Dropdown(
        writers(), value=ABOVE, label="Who writes", elem_id="writer",
        info="A model without a map is localized first, with 60 texts of either side.",
    )  # fmt: skip
    with gr.Row():
        percent = gr.Slider(
            SMALLEST, LARGEST, value=1, step=0.1, label="Units ablated (% of all)",
            elem_id="share", min_width=240,
            info="Top units, and as many others of the same layers.",
        )  # fmt: skip
        with gr.Column(min_width=120):
            talk = gr.Button("Write", variant="primary", elem_id="write")
            hush = gr.Button("Stop writing", size="sm")
    with gr.Accordion("Sampling", open=False), gr.Row():
        sampling = _sampling_form()
        chat = gr.Checkbox(
            False, label="Chat template", elem_id="chat",
            info="The prompt is what a user says, in the model's own template.",
        )  # fmt: skip
    with gr.Row():
        texts = [
            gr.Textbox(label=label, lines=6, elem_id=f"voice-{name}", min_width=240,
                       info=info, interactive=False, visible=name != "quiet")
            for name, (label, info) in VOICES.items()
        ]  # fmt: skip
    note = gr.HTML(elem_id="voices-note")
    tokens = gr.HTML(elem_id="tokens")
    writing = gr.on(
        [talk.click, percent.release], write,
        [prompt, percent, *sampling.values(), found, chat, writer],
        [*texts, note, tokens, found],
        concurrency_limit=WRITERS, concurrency_id="write", trigger_mode="always_last",
        api_name="write", show_progress="minimal", show_progress_on=note,
    )  # fmt: skip
    hush.click(_hush, None, None, cancels=[writing], **QUIET)
    return {"percent": percent, **sampling, "writer": writer}


def _hush(request: gr.Request) -> None:
    """Stop what cannot be cancelled from outside, too: a map that is being made."""
    VISITORS.stop(f"{session_of(request)} writes")


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
    writer: str = ABOVE,
    request: gr.Request | None = None,
    progress: gr.Progress = BAR,
) -> Iterator[tuple[Any, ...]]:
    """A prompt continued once a voice, token by token, from the same draws; then read by tokens.

    Parameters
    ----------
    prompt : str
        What the model goes on from.
    percent : float
        Share of all units to ablate.
    temperature, top_p, max_new_tokens, seed : float
        See :class:`llm_loc.generate.Sampling`.
    found : Found or None
        The visitor's own; left out, the phantom's as it ships.
    chat : bool, default=False
        Whether the prompt is put into the model's chat template.
    writer : str
        A model by its name, or that of `found`.

    Yields
    ------
    tuple
        The text so far of each of :data:`VOICES`; a note; the coloured tokens; the visitor's
        `found`.
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
        words, session = _checked_prompt(prompt), session_of(request)
        if writer == ABOVE:
            found = here = found or phantom_found()
        else:
            here = _map_of(writer, session, progress)
        for *texts, note, tokens in voices(here, words, share, sampling, session, chat is True):
            yield *texts, note, tokens, found
    except FunclocError as error:
        # The last texts are of another prompt.
        yield *[""] * len(VOICES), fragments.note(error.plain), "", gr.skip()
        raise as_notice(error) from error


def _map_of(writer: str, session: str, bar: Any) -> Found:
    """The map that a writer's units are chosen from, made first where there is none."""
    key = f"{session} writes"
    with VISITORS.running(key):
        return found_of(writer, VISITORS.follow(key, bar, STEPS))


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
) -> Iterator[tuple[Any, ...]]:
    """The texts as they grow, each with the note and the tokens, which come with the last.

    The model is held for one token of each text at a time.
    """
    masks, told = found.voices(percent)
    words = f"{len(masks['top']):,} units for {found.title}, replaced by {found.replaced}."
    note = fragments.note(" ".join([words, *told, _of_a_part(found)]).strip())
    texts: dict[str, Any] = dict.fromkeys(VOICES, "")
    if "quiet" not in masks:
        texts["quiet"] = gr.Textbox("", visible=False)
    writing, settings = {}, found.settings
    with MODELS.held(settings, found.map) as model:
        unknown = say_unknown(model, prompt)
        note += fragments.note(unknown) if unknown else ""
        if chat:
            prompt, warning = in_template(model, prompt)
            note += fragments.note(warning) if warning else ""
        for name, mask in {"intact": None, **masks}.items():
            writing[name] = stream(
                model, prompt, sampling, mask, by=found.by, found=found.map, special=not chat
            )
    with VISITORS.running(f"{session} writes"):
        while writing:
            VISITORS.check(f"{session} writes")
            with MODELS.held(settings):
                for name, growing in list(writing.items()):
                    text = next(growing, None)
                    if text is None:
                        del writing[name]
                    else:
                        texts[name] = _shown(name, text[0])
            yield *texts.values(), note, ""
    with MODELS.held(settings, found.map) as model:
        tokens = _read(model, found, prompt, texts["intact"], masks, not chat)
    yield *texts.values(), note, tokens


def _read(
    model: LanguageModel,
    found: Found,
    prompt: str,
    written: str,
    masks: Mapping[str, Mask],
    special: bool,
) -> str:
    """What the intact model wrote, read once more under each mask."""
    how: dict[str, Any] = {"by": found.by, "found": found.map, "special": special}
    try:
        read = token_changes(model, prompt + written, masks, **how)
    except DataError as error:  # one token, or one more than the model reads
        return fragments.note(error.plain)
    return coloured(read, {name: VOICES[name][0] for name in masks}, len(prompt))


def _shown(name: str, text: str) -> Any:
    """A text in its place; one of the places is there only where it has something to say."""
    return gr.Textbox(text, visible=True) if name == "quiet" else text


def _of_a_part(found: Found) -> str:
    """That a map is of a part of the localizer's texts, if it is."""
    n = found.settings.stimuli
    if n is None:
        return ""
    return (
        f"This map was made quickly, of {n} texts of either side: run the model above for one of "
        "all of them, with a finding."
    )
