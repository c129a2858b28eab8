"""The Language page of the browser app: find the units, and read what the model says without them.

Each handler calls the functions of the command line and puts what they return on the page. Models
are shared between visitors; a text grows token by token, and the model is held for one token of the
three texts at a time, so that visitors take turns on it. No ablation outlives the pass it is for.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import gradio as gr

from browser import pictures
from browser.address import Remembered
from browser.alone import alone_button, shown_alone, start_alone
from browser.events import BAR, QUIET, VISITORS, as_notice, session_of, start_run, stop_button, told
from browser.form import CONTROLS, QUICK, check_again, check_offered
from browser.outcome import Outcome, outcome, shown
from browser.page import Page
from common import figures, fragments, unit_fragments
from common.catalogue import bundled, on_this_machine
from common.errors import DataError, FunclocError, MaskError, RunError, SettingError
from common.files import read_json
from common.manifest import contrasts_here, manifests_here
from common.masks import Mask, control, top_percent
from common.one_unit import UnitRow, site_named, unit_ranked, units_at
from common.report import tables
from common.report.parts import profile_of
from common.report.sections import say_lost, say_profile
from common.selectivity import SelectivityMap
from common.unit_fragments import MOST_UNITS
from common.units import KINDS
from common.visitors import Shelf, Stopped
from llm_loc import phantom
from llm_loc.experiment import FRONT, Settings, localize_only, open_model, run
from llm_loc.generate import Sampling, stream

DEMO = Settings(
    model="phantom/lm", localizer="phantom-lm:language", evaluation="phantom-lm",
    top="1,5", controls=QUICK,
)  # fmt: skip
DOSES = ("0.5", "1", "2", "5", "10", "20")
STEPS = {
    "localize": "Step 1 of 2: reading the localizer's texts",
    "evaluate": "Step 2 of 2: evaluating mask by mask",
}
LONGEST_PROMPT = 2000  # letters
MOST_TOKENS = 100
LARGEST_SHARE = 20  # percent
HOTTEST = 2  # temperature
LARGEST_SEED = 2**31 - 1
WRITERS = 4  # events that let a model write at the same time, taking turns
MOST_PARTS = 20
PREDICTS = ("ForCausalLM", "LMHeadModel")
VOICES = ("Intact", "Without the top units", "Without layer-matched units")


# --- what a visitor can choose ---


def model_choices() -> list[tuple[str, str]]:
    """Labels and names of the models on offer: the phantom, folders, what the hub's cache holds."""
    here = (*bundled(phantom.NAMES), *on_this_machine(_predicts))
    return [(entry.label, entry.name) for entry in here]


def _predicts(config: Mapping[str, Any]) -> str | None:
    """What a causal language model is, as far as its configuration tells; nothing if it is none.

    By its names alone: transformers' own table of language models is slow to import.
    """
    names = map(str, config.get("architectures") or [])
    return next((name for name in names if name.endswith(PREDICTS)), None)


def localizer_choices() -> list[str]:
    """The contrasts of the manifests whose texts are here."""
    return contrasts_here("texts")


def evaluation_choices() -> list[str]:
    """The benchmarks of pairs that are here, alone and with each running text beside them."""
    here = manifests_here("texts")
    texts = [each.name for each in here if each.text is not None]
    pairs = [each.name for each in here if each.pairs is not None]
    return [name for pair in pairs for name in (pair, *(f"{pair},{text}" for text in texts))]


def chosen_settings(
    model: str,
    localizer: str,
    evaluation: str,
    statistic: str,
    kind: str,
    controls: str,
    doses: list[str],
) -> Settings:
    """The settings of the form.

    Raises
    ------
    SettingError
        If something is not on offer, or no dose was chosen.
    """
    check_offered(
        [
            ("model", model, [name for _, name in model_choices()]),
            ("localizer", localizer, localizer_choices()),
            ("evaluation", evaluation, evaluation_choices()),
            ("statistic", statistic, ["magnitude", "signed"]),
            ("kind", kind, KINDS),
            ("controls", controls, [*CONTROLS.values()]),
            *(("dose", dose, DOSES) for dose in doses or [""]),
        ]
    )
    return Settings(
        model=model,
        localizer=localizer,
        evaluation=evaluation,
        statistic=statistic,  # type: ignore[arg-type]
        kind=kind,  # type: ignore[arg-type]
        controls=controls,
        top=",".join(sorted(doses, key=float)),
    )


def owns(settings: Mapping[str, Any]) -> bool:
    """Whether a run's settings are of a language run: only these have a protocol."""
    return "protocol" in settings


def fill(settings: Mapping[str, Any]) -> list[Any]:
    """A run's settings as values of the form.

    Raises
    ------
    SettingError
        If one of them is not on offer here, or the form has no place for it.
    """
    names = ("model", "localizer", "evaluation", "statistic", "kind", "controls")
    doses = str(settings["top"]).split(",")
    chosen = {name: settings[name] for name in names}
    check_again(settings, chosen_settings(**chosen, doses=doses), "llm-loc")
    return [*chosen.values(), doses]


# --- run and show ---


@dataclass(frozen=True, eq=False)  # held in a session, which asks for a hash
class Found:
    """What a visitor found: the map, and where it came from."""

    settings: Settings
    folder: Path
    map: SelectivityMap

    @property
    def title(self) -> str:
        """Localizer and model in words."""
        return f"{self.settings.localizer} in {self.settings.model}"


def found_in(folder: Path) -> Found:
    """What a run folder holds, for a page.

    Raises
    ------
    RunError
        If it is not of a language model.
    """
    entry = read_json(folder / "run.json")
    known = {each.name for each in fields(Settings)}
    try:
        given = {name: value for name, value in entry["settings"].items() if name in known}
        if not owns(given):
            raise RunError(f"{folder.name}: not a run of a language model")
        settings = Settings(**given)
    except (KeyError, TypeError, AttributeError) as error:
        raise RunError(f"{folder.name}: not a run of a language model") from error
    # The numbers of a run do not depend on the device, and this one is there.
    settings = replace(settings, device="auto", data_root=None)
    return Found(settings, folder, SelectivityMap.load(folder / "selectivity.safetensors"))


@told
def run_chosen(
    model: str,
    localizer: str,
    evaluation: str,
    statistic: str,
    kind: str,
    controls: str,
    doses: list[str],
    request: gr.Request | None = None,
    progress: gr.Progress = BAR,
) -> list[Any]:
    """The experiment with the settings of the form."""
    settings = chosen_settings(model, localizer, evaluation, statistic, kind, controls, doses)
    try:
        found = find(settings, session_of(request), progress)
    except Stopped as stopped:
        note = fragments.note(f"{str(stopped).capitalize()}.")
        return [gr.skip(), note, *[gr.skip()] * (Outcome.n_places() - 1 + N_OURS)]
    return [found, *shown(found.folder, str(found.settings.localizer)), *language_parts(found)]


def find(settings: Settings, session: str, bar: Callable[..., Any]) -> Found:
    """Run the experiment, or what is left of it, and hand over what it found.

    Raises
    ------
    Stopped
        If the visitor asked for it; the run folder can be resumed.
    """
    with VISITORS.running(session):
        bar(0, desc="Loading the model and looking at the texts")
        _, folder, _ = run(settings, progress=VISITORS.follow(session, bar, STEPS))
    return found_in(folder)


N_OURS = 3  # what language_parts returns


def language_parts(found: Found) -> list[Any]:
    """What only a language run has: response profile, what was lost most, all numbers."""
    results = read_json(found.folder / "results.json")
    numbers = [*tables.breakdown(results), *tables.perplexity(results)]
    numbers += tables.profile(found.folder)
    return [
        _profile(found.folder),
        _lost_most(results),
        "".join(map(fragments.report_table, numbers)),
    ]


def _profile(folder: Path) -> Any:
    answered = profile_of(folder)
    if answered is None:
        return pictures.drawn(None, "")
    return pictures.drawn(figures.response_profile(answered), say_profile(answered))


def _lost_most(results: dict[str, Any]) -> Any:
    """The parts that lost most, of the finest level that a figure can show."""
    levels: dict[str, list[dict[str, Any]]] = {}
    for entry in tables.headline_breakdown(results):
        levels.setdefault(entry["level"], []).append(entry)
    fit = [level for level, parts in levels.items() if 1 < len(parts) <= MOST_PARTS]
    if not fit:
        return pictures.drawn(None, "")
    parts = levels[fit[-1]]
    return pictures.drawn(figures.lost_parts(parts), say_lost(fit[-1], parts))


NO_UNITS: list[Any] = ["", gr.Radio(visible=False), gr.Button(visible=False), ""]


def list_layers(found: Found | None) -> list[Any]:
    """The layers that hold units of the top mask, to choose from."""
    if found is None:
        return [gr.Radio(visible=False), *NO_UNITS]
    names = unit_fragments.layer_choices(_headline_mask(found))
    return [gr.Radio(names, value=None, visible=True), *NO_UNITS]


def _headline_mask(found: Found) -> Mask:
    return top_percent(found.map, found.settings.plan.headline)


@told
def units_of(site: str | None, found: Found | None) -> list[Any]:
    """The selected units of one layer, the most selective first, as a table and to choose from."""
    if found is None:
        return NO_UNITS
    every = _selected(found, site)
    rows = every[:MOST_UNITS]
    units = gr.Radio(unit_fragments.unit_choices(rows), value=None, visible=True)
    return [unit_fragments.units_table(rows, len(every)), units, gr.Button(visible=False), ""]


def _selected(found: Found, site: str | None) -> list[UnitRow]:
    return units_at(found.map, _headline_mask(found), site_named(found.map, site))


@told
def ablate_alone(
    site: str | None,
    rank: str | None,
    found: Found | None,
    request: gr.Request | None = None,
    progress: gr.Progress = BAR,
) -> str:
    """The effect of ablating the chosen unit and nothing else, beside equally loud ones."""
    if found is None:
        raise MaskError("there is no map yet; run something first")
    unit = unit_ranked(_selected(found, site)[:MOST_UNITS], rank).unit
    return shown_alone(FRONT, MODELS, found.settings, found.map, unit, request, progress, STEPS)


# --- three voices ---


MODELS = Shelf(open_model)
_LOCALIZING = threading.Lock()


def write(
    prompt: str,
    percent: float,
    temperature: float,
    top_p: float,
    max_new_tokens: float,
    seed: float,
    found: Found | None,
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
            int(_number("seed", seed, 0, LARGEST_SEED)),
        )
        share = _number("units silenced", percent, 0.1, LARGEST_SHARE)
        words, here = _checked_prompt(prompt), found or phantom_found()
        for texts in voices(here, words, share, sampling, session_of(request)):
            yield (*texts, here)
    except FunclocError as error:
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


def phantom_found() -> Found:
    """The phantom's map, for a visitor who has run nothing yet."""
    with _LOCALIZING:
        *_, folder = localize_only(DEMO)
    return found_in(folder)


def voices(
    found: Found, prompt: str, percent: float, sampling: Sampling, session: str
) -> Iterator[tuple[str, str, str, str]]:
    """The three texts as they grow; the model is held for one token of each at a time."""
    masks, problem = _masks(found, percent)
    settings = found.settings
    texts, writing = [""] * 3, {}
    with MODELS.held(settings) as model:
        for number, mask in masks.items():
            writing[number] = stream(
                model, prompt, sampling, mask, by=settings.plan.ablation, found=found.map
            )
    note = _note(found, masks, problem)
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


def _masks(found: Found, percent: float) -> tuple[dict[int, Mask | None], str]:
    """The mask of each voice by its number, and what to know of a control that is missing."""
    top = top_percent(found.map, percent)
    masks: dict[int, Mask | None] = {0: None, 1: top}
    try:
        masks[2] = control(found.map, "layer-matched", percent, seed=found.settings.seed)
    except MaskError as error:
        return masks, f" No control of this size: {error}."
    return masks, ""


def _note(found: Found, masks: Mapping[int, Mask | None], problem: str) -> str:
    top = masks[1]
    n = 0 if top is None else len(top)
    return fragments.note(f"{n:,} units for {found.title}, replaced by "
                          f"{found.settings.ablation}.{problem}")  # fmt: skip


# --- the page ---


def build() -> Page:
    """Put the page into the tabs that are open."""
    with gr.Tab("Language", id="language") as tab:
        found = gr.State(None, time_to_live=6 * 3600)
        gr.HTML(
            "<div class='fl-intro'><p>Let a model read sentences and strings of non-words, find "
            "the units that prefer sentences, silence them, and see which grammar it loses, beside "
            "units of the same layers. Then let it write without them.</p></div>"
        )
        form = _form()
        with gr.Row():
            go = gr.Button("Find the units", variant="primary", size="lg", scale=3)
            stop = stop_button()
        places = outcome("language-")
        with gr.Row():
            profile = pictures.place("Response profile", "profile")
            worst = pictures.place("What lost most", "worst")
        with gr.Accordion("All numbers: losses by part, perplexity, responses", open=False):
            lost = gr.HTML(fragments.note("Nothing has been run yet."), elem_id="lost")
        _units_page(found, stop)
        spoken = _voices_page(found)
    start_run(
        go, run_chosen, [*form.values()], [found, *places.all, profile, worst, lost],
        starters=[go], stop=stop, api_name="run_language", show_progress_on=places.finding,
    )  # fmt: skip
    remembered = Remembered({"language": tab}, {**form, **spoken})
    return Page("language", [*form.values()], found, owns, fill, found_in, remembered)


def _units_page(found: gr.State, stop: gr.Button) -> None:
    """Layers, their units, and the effect of one alone; filled whenever the map changes."""
    with gr.Accordion("Units by layer", open=False):
        layers = gr.Radio(
            [], label="Layer", visible=False, elem_id="layers",
            info="The layers that hold chosen units, and how many; choose one to see them.",
        )  # fmt: skip
        listed = gr.HTML(elem_id="units")
        units = gr.Radio(
            [], label="Unit", visible=False, elem_id="language-units",
            info="Units of the layer by falling t; choose one to see what is lost without it.",
        )  # fmt: skip
        ablate = alone_button()
        effect = gr.HTML(elem_id="language-effect")
    below = [listed, units, ablate, effect]
    found.change(list_layers, found, [layers, *below], **QUIET)
    layers.input(units_of, [layers, found], below, api_name="units", show_progress_on=listed)
    units.input(lambda: [gr.Button(visible=True), ""], None, [ablate, effect], **QUIET)
    start_alone(
        ablate, ablate_alone, [layers, units, found], effect, stop, api_name="alone_language"
    )


def _form() -> dict[str, Any]:
    models, localizers, evaluations = model_choices(), localizer_choices(), evaluation_choices()
    with gr.Row():
        model = gr.Dropdown(
            models, value=models[0][1] if models else None, label="Model",
            min_width=240, info="Folders come from FUNCLOC_MODELS; downloads from the hub's cache.",
        )  # fmt: skip
        contrast = gr.Dropdown(
            localizers, value=next(iter(_fitting(localizers)), None), label="Localizer",
            min_width=240, info="Which texts against which; the sets that are here.",
        )  # fmt: skip
        items = gr.Dropdown(
            evaluations, value=next(iter(_fitting(evaluations)), None), label="Evaluate on",
            min_width=240, info="Pairs of a good and a bad sentence, and running text beside them.",
        )  # fmt: skip
    with gr.Row():
        statistic = gr.Radio(
            ["magnitude", "signed"], value="magnitude", label="Statistic",
            min_width=240, info="Welch's t on the absolute or on the signed activation.",
        )  # fmt: skip
        kind = gr.Dropdown(
            list(KINDS), value="block", label="Sites", min_width=240,
            info="Which modules are read: blocks, attention, MLPs, or all operations.",
        )  # fmt: skip
        controls = gr.Dropdown(
            list(CONTROLS.items()), value=QUICK, label="Controls",
            min_width=240, info="Masks of the same size to hold the top units against.",
        )  # fmt: skip
    doses = gr.CheckboxGroup(
        list(DOSES), value=["1", "5"], label="Doses (% of all units)",
        info="How many units to silence.",
    )  # fmt: skip
    return {
        "model": model,
        "localizer": contrast,
        "evaluation": items,
        "statistic": statistic,
        "kind": kind,
        "controls": controls,
        "doses": doses,
    }


def _fitting(names: list[str]) -> list[str]:
    """The phantom's own first, as long as the phantom is the model to begin with."""
    return sorted(names, key=lambda name: not name.startswith("phantom"))


def _voices_page(found: gr.State) -> dict[str, Any]:
    """The prompt and the three texts; gives the controls that the address remembers."""
    gr.HTML("<h2 class='fl-heading'>Let it write</h2>")
    prompt = gr.Textbox(
        _opening(), label="Prompt", lines=2, max_length=LONGEST_PROMPT, elem_id="prompt",
        info="The model goes on from here, three times, from the same draws.",
    )  # fmt: skip
    with gr.Row():
        percent = gr.Slider(
            0.1, LARGEST_SHARE, value=1, step=0.1, label="Units silenced (% of all)",
            elem_id="share", min_width=240,
            info="Top units by t, and as many others of the same layers.",
        )  # fmt: skip
        with gr.Column(min_width=120):
            talk = gr.Button("Write", variant="primary")
            hush = gr.Button("Stop writing", size="sm")
    with gr.Accordion("Sampling", open=False), gr.Row():
        sampling = _sampling_form()
    with gr.Row():
        texts = [
            gr.Textbox(label=label, lines=6, buttons=["copy"], elem_id=name, min_width=240,
                       info=info, interactive=False)
            for label, name, info in zip(
                VOICES,
                ("voice-intact", "voice-top", "voice-control"),
                ("As the model is.", "Its most selective units replaced.",
                 "As many others of the same layers replaced."), strict=True,
            )
        ]  # fmt: skip
    note = gr.HTML(elem_id="voices-note")
    writing = gr.on(
        [talk.click, percent.release], write, [prompt, percent, *sampling.values(), found],
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
        "seed": gr.Number(
            0, label="Seed", precision=0, minimum=0, maximum=LARGEST_SEED, info="Of the draws."
        ),
    }  # fmt: skip
