"""The form of a run, as every front end's page has it: what is on offer, its fields, its check."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Generic, TypeVar, get_args

import gradio as gr

from browser.events import QUIET
from common.base.errors import SettingError
from common.measure.control_rules import CONTROL_RULES, default_controls, parse_controls
from common.measure.moments import Statistic
from common.measure.scores import DEFAULT_SCORE, SCORE_RULES
from common.measure.sites import KINDS
from common.study.settings import Settings

DRAWS = 19  # the fewest that allow p = 0.05
QUICK = f"magnitude-matched:{DRAWS}"
STATISTICS = get_args(Statistic)
LARGEST_SEED = 2**31 - 1
FREE = ("device", "batch_size", "data_root", "top")
"""What a form need not say: the numbers do not depend on them, or it says them otherwise."""


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
    units : sequence of str
        What a unit may be; empty where there is no choice.
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
    units: Sequence[str] = ()
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
        offered: dict[str, Collection[str]] = {
            "model": [name for _, name in self.models()],
            "localizer": self.localizers(),
            "evaluation": self.evaluations(),
            "statistic": STATISTICS,
            "score": SCORE_RULES,
            "kind": KINDS,
            "unit": self.units,
            "controls": controls_offered().values(),
        }
        for what, value in names.items():
            check_offered(what, value, offered[what])
        for dose in doses or [""]:
            check_offered("dose", dose, self.doses)
        if seed is None or not 0 <= seed <= LARGEST_SEED or seed != int(seed):
            raise SettingError(f"seed {seed}: give a whole number from 0 to {LARGEST_SEED}")
        settings: dict[str, Any] = {**names, "top": ",".join(sorted(doses, key=float))}
        return self.settings(**settings, seed=int(seed))

    def filled(self, settings: Mapping[str, Any]) -> list[Any]:
        """A run's settings as values of the form's fields, in their order.

        Raises
        ------
        SettingError
            If one of them is not on offer here, or the form has no place for it.
        """
        unit = ["unit"] if self.units else []
        asked = ["model", "localizer", "evaluation", "statistic", "score", "kind", *unit]
        # Runs from before there were other scores name none.
        known = {"score": DEFAULT_SCORE, **settings}
        chosen = {name: known[name] for name in (*asked, "controls")}
        doses, seed = str(settings["top"]).split(","), settings["seed"]
        check_again(settings, self.chosen(doses, seed, **chosen), self.program)
        return [*chosen.values(), doses, seed]

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


def check_again(settings: Mapping[str, Any], again: Settings, program: str) -> None:
    """Refuse to repeat a run that the form would start as another one.

    Parameters
    ----------
    settings : mapping of str to object
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
    for name in (each.name for each in fields(again) if each.name not in FREE):
        if settings.get(name, getattr(again, name)) != getattr(again, name):
            raise SettingError(
                f"{name} {settings[name]}: the form cannot say that; repeat it with {program} "
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
    with gr.Row():
        how = {
            "statistic": gr.Radio(
                list(STATISTICS), value="magnitude", label="Statistic", min_width=240,
                info="Units are scored on the absolute or on the signed activation.",
            ),
            "score": score_choice(),
            "kind": gr.Dropdown(
                list(KINDS), value="block", label="Sites", min_width=240,
                info="Which modules are read: blocks, attention, MLPs, or all operations.",
            ),
        }  # fmt: skip
        if offer.units:
            how["unit"] = gr.Radio(
                list(offer.units), value=offer.units[0], label="Unit", min_width=240,
                info="A channel over all positions, or each position by itself.",
            )  # fmt: skip
        how["controls"] = gr.Dropdown(
            list(controls_offered().items()), value=QUICK, label="Controls", min_width=240,
            info="Masks of the same size to hold the top units against.",
        )  # fmt: skip
    with gr.Row():
        how["doses"] = gr.CheckboxGroup(
            list(offer.doses), value=["1"], label="Doses (% of all units)", scale=3,
            info="How many units to ablate.",
        )  # fmt: skip
        how["seed"] = gr.Number(
            0, label="Seed", precision=0, minimum=0, maximum=LARGEST_SEED, min_width=140,
            info="Of the split halves, the control masks and the bootstrap.",
        )  # fmt: skip
    return {**stimuli, **how}


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
    with gr.Row():
        made = {
            name: gr.Dropdown(
                list(offer.here[name]()), value=value, label=label, min_width=240,
                info=offer.help[name],
            )
            for name, label, value in (
                ("model", "Model", offer.model),
                ("localizer", "Localizer", localizer),
                ("evaluation", "Evaluate on", evaluation),
            )
        }  # fmt: skip
    # Only a visitor's own choice: a link that names all three must not lose two of them.
    made["model"].input(
        offer.fitting, made["model"], [made["localizer"], made["evaluation"]], **QUIET
    )
    return made
