"""The form of a run, as every front end's page has it: what is on offer, its fields, its check."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import gradio as gr

from browser.events import QUIET
from common.base.errors import SettingError
from common.measure.ablate import NAMED
from common.measure.control_rules import CONTROL_RULES, default_controls, parse_controls
from common.measure.loudness import THRESHOLD
from common.measure.scores import DEFAULT_SCORE, SCORE_RULES
from common.study.declared import (
    Setting,
    declarations,
    defaults,
    known_to,
    read_settings,
    say_settings,
)
from common.study.plan import say_percents
from common.study.settings import Settings

DRAWS = 19  # the fewest that let p fall to 0.05
QUICK = f"magnitude-matched:{DRAWS}"
LARGEST_SEED = 2**31 - 1
FREE = ("device", "batch_size", "cache_memory", "plain", "data_root", "top")
"""What a form need not say: the numbers do not depend on them, or it says them otherwise."""

STIMULI = ("model", "localizer", "evaluation")
CHOSEN = (
    "statistic",
    "score",
    "kind",
    "unit",
    "controls",
    "exclude_massive",
    "ablation",
    "untrained_seeds",
    "items",
    "match",
    "measure",
)
REPLACEMENTS = NAMED  # those that need no number
COUNTS = {
    "exclude_massive": {
        "all units": "",
        f"no massive ones ({THRESHOLD:g} ×)": f"{THRESHOLD:g}",
    },
    "untrained_seeds": {"as fits the model": "", "none": "0", "5": "5", "10": "10"},
    "items": {"all": "", **{n: n for n in ("5", "10", "20", "50")}},
}
"""What is offered of settings that count something: by label, as text."""

INFO = {
    "exclude_massive": "Units that many times as loud as their site’s median may explain a loss.",
    "untrained_seeds": "Random weights that are shown the localizer too: what did training add?",
    "items": "A part is evaluated sooner, with wider intervals; drawn by the seed.",
}


def controls_offered() -> dict[str, str]:
    """What the form offers as controls, by label: the quick one, the matched rules, all of them."""
    matched = [rule.name for rule in CONTROL_RULES.values() if rule.matched]
    every = parse_controls(default_controls())
    drawn = sum(plan.draws for plan in every if CONTROL_RULES[plan.rule].random)
    each = "either matched rule" if len(matched) == 2 else "every matched rule"
    return {
        f"{DRAWS} magnitude-matched (quick)": QUICK,
        f"{DRAWS} of {each}": ",".join(f"{rule}:{DRAWS}" for rule in matched),
        **{f"{DRAWS} {rule}": f"{rule}:{DRAWS}" for rule in reversed(matched[:-1])},
        f"all rules, {drawn} masks and the bottom one": default_controls(),
    }


S = TypeVar("S", bound=Settings)
Names = Sequence[str | tuple[str, str]]


@dataclass(frozen=True)
class Offer(Generic[S]):
    """What a front end lets a visitor choose.

    Attributes
    ----------
    settings : type of Settings
        The front end's.
    program : str
        The command that can say all settings.
    model : str
        The one to begin with.
    models : callable
        Labels and names of the models that are here. Like the two that follow it is asked anew
        whenever a page is opened or a run begins, so what is downloaded meanwhile appears.
    localizers, evaluations : callable
        Names of what can be shown and evaluated on here.
    fitting : callable
        The localizer and the evaluation that go with a model.
    doses : sequence of str
        Shares of all units, in percent.
    help : mapping of str to str
        A line each on ``model``, ``localizer`` and ``evaluation``.
    """

    settings: type[S]
    program: str
    model: str
    models: Callable[[], list[tuple[str, str]]]
    localizers: Callable[[], list[str]]
    evaluations: Callable[[], list[str]]
    fitting: Callable[[str], tuple[str, str]]
    doses: Sequence[str]
    help: Mapping[str, str] = field(default_factory=dict)

    @property
    def here(self) -> dict[str, Callable[[], Names]]:
        """By the field's name: gives the models, localizers and evaluations that are here now."""
        return {
            "model": self.models,
            "localizer": self.localizers,
            "evaluation": self.evaluations,
        }

    def chosen(self, doses: Sequence[str], seed: float | None, **names: str) -> S:
        """The settings that a visitor chose; a request made by hand may hold anything.

        Parameters
        ----------
        doses : sequence of str
            In percent.
        seed : float
            Of the split halves, the control masks and the bootstrap.
        **names
            All other fields by their names.

        Raises
        ------
        SettingError
            If something is not on offer, no dose was chosen, or the seed is no seed.
        """
        for name, value in names.items():
            check_offered(name, value, self._offered(name))
        for dose in doses or [""]:
            check_offered("dose", dose, self.doses)
        if seed is None or not 0 <= seed <= LARGEST_SEED or seed != int(seed):
            raise SettingError(f"`seed` {seed}: give a whole number from 0 to {LARGEST_SEED}")
        rising = tuple(sorted(map(float, doses)))
        return read_settings(self.settings, {**names, "top": rising, "seed": int(seed)})

    @property
    def choices(self) -> list[str]:
        """The settings with a choice of their own beside the stimuli, as far as there is one."""
        return [name for name in CHOSEN if name in known_to(self.settings, "run")]

    def _offered(self, name: str) -> Collection[str]:
        if name in self.here:
            names = self.here[name]()
            return [each if isinstance(each, str) else each[1] for each in names]
        if name == "controls":
            return controls_offered().values()
        if name == "ablation":
            return REPLACEMENTS
        if name in COUNTS:
            return COUNTS[name].values()
        return declarations(self.settings)[name].among if name in self.choices else ()

    def filled(self, settings: Mapping[str, Any]) -> list[Any]:
        """A run's settings as values of the form's fields, in their order.

        Raises
        ------
        SettingError
            If one of them is not on offer here, or the form has no place for it.
        """
        known = declarations(self.settings)
        given = read_settings(self.settings, {n: v for n, v in settings.items() if n in known})
        said = say_settings(given)
        chosen = {name: said[name] for name in (*STIMULI, *self.choices)}
        for name in COUNTS:
            chosen[name] = "" if chosen[name] is None else str(chosen[name])
        doses = say_percents(given.top).split(",")
        check_again(given, self.chosen(doses, given.seed, **chosen), self.program)
        return [*chosen.values(), doses, given.seed]

    def fill(self, settings: Mapping[str, Any]) -> list[Any]:
        """Updates of the fields to a run's settings, with what there is to choose from now.

        Raises
        ------
        SettingError
            As :meth:`filled`.
        """
        values = self.filled(settings)
        fresh = [
            gr.update(choices=list(names()), value=value)
            for names, value in zip(self.here.values(), values, strict=False)
        ]
        return [*fresh, *values[len(fresh) :]]


def check_offered(what: str, value: object, known: Collection[str]) -> None:
    """Refuse a value that the form does not offer.

    Parameters
    ----------
    what : str
        What is set.
    value : object
        What to.
    known : collection of str
        What there is to choose from.

    Raises
    ------
    SettingError
        If it is none of them.
    """
    if value not in known:
        raise SettingError(f"{what} {value or '(none)'}: choose from {', '.join(known)}")


def check_again(settings: Settings, again: Settings, program: str) -> None:
    """Refuse to repeat a run that the form would start as another one.

    Parameters
    ----------
    settings : Settings
        The run's.
    again : Settings
        What the form makes of them, with all that it leaves as it is.
    program : str
        The command that can say all of them.

    Raises
    ------
    SettingError
        If they differ; names the setting.
    """
    said, made = say_settings(settings), say_settings(again)
    for name in (name for name in said if name not in FREE):
        if said[name] != made[name]:
            raise SettingError(
                f"`{name}` {said[name]}: the form cannot say that; repeat it with {program} "
                "run, by the command at the end of its report"
            )


def belonging(model: str, names: Sequence[str]) -> list[str]:
    """The stimulus sets that go with a model: those drawn for the phantoms, or all others.

    All of them where none is of that kind.
    """
    drawn = model.startswith("phantom/")
    return [name for name in names if name.startswith("phantom") == drawn] or [*names]


def form(offer: Offer[Any]) -> dict[str, Any]:
    """Lay out the fields.

    Returns
    -------
    dict of str to component
        By the names that the address has for them, in the order of :meth:`Offer.filled`.
    """
    stimuli = _stimuli(offer)
    known, default = declarations(offer.settings), defaults(offer.settings)
    with gr.Row():
        how = {name: _field(name, known[name], default[name]) for name in offer.choices}
    with gr.Row():
        how["doses"] = gr.CheckboxGroup(
            list(offer.doses), value=["1"], label=known["top"].label, scale=3,
            info="How many units to ablate.",
        )  # fmt: skip
        how["seed"] = gr.Number(
            0, label=known["seed"].label, precision=0, minimum=0, maximum=LARGEST_SEED,
            min_width=140, info=f"{known['seed'].help}.",
        )  # fmt: skip
    return {**stimuli, **how}


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
    choices = [(rule.words.title, rule.name) for rule in SCORE_RULES.values()]
    return gr.Dropdown(
        choices, value=DEFAULT_SCORE, label="Score", min_width=240, visible=len(choices) > 1,
        info="What ranks the units: the highest are the mask.",
    )  # fmt: skip


def _stimuli(offer: Offer[Any]) -> dict[str, Any]:
    """Model, localizer and evaluation; a model that is chosen brings what goes with it."""
    localizer, evaluation = offer.fitting(offer.model)
    known = declarations(offer.settings)
    with gr.Row():
        made = {
            name: gr.Dropdown(
                list(offer.here[name]()), value=value, label=known[name].label, min_width=240,
                info=offer.help[name],
            )
            for name, value in zip(
                STIMULI, (offer.model, localizer, evaluation), strict=True
            )
        }  # fmt: skip
    # Only a visitor's own choice: a link that names all three must not lose two of them.
    made["model"].input(
        offer.fitting, made["model"], [made["localizer"], made["evaluation"]], **QUIET
    )
    return made
