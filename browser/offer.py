"""What a front end offers to choose from for a run, and the check of what was chosen."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Generic, TypeVar

import gradio as gr

from common.base.errors import SettingError
from common.measure.ablate import NAMED
from common.measure.control_rules import CONTROL_RULES, default_controls, parse_controls
from common.measure.loudness import THRESHOLD
from common.models.places import name_in_roots
from common.study.declared import declarations, known_to, read_settings, say_settings
from common.study.plan import say_percents
from common.study.settings import Settings

DRAWS = 19  # the fewest that let p fall to 0.05
QUICK = f"magnitude-matched:{DRAWS}"
MORE_DRAWS = 59  # of 19, one that comes near the top at any dose already hides an effect
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
    "items": {"all": "", **{n: n for n in ("1", "2", "5", "10", "20", "50")}},
}
"""What is offered of settings that count something: by label, as text."""


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
        **{f"{n} of {each}, 5 random": as_in_the_demo(n) for n in (DRAWS, MORE_DRAWS)},
        f"all rules, {drawn} masks and the bottom one": default_controls(),
    }


def as_in_the_demo(draws: int) -> str:
    """The controls that ``make demo`` draws: five random masks, and so many of each matched rule.

    Its findings are the ones that ship, so that the first screen says what the terminal does.
    """
    matched = [rule.name for rule in CONTROL_RULES.values() if rule.matched]
    return ",".join(["random:5", *(f"{rule}:{draws}" for rule in matched)])


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
    fit : callable
        The localizers and the evaluations that go with a model, the best first; asked with the
        measure, too, where there is a choice of one. What else is here can be run, by a link or as
        a run's repetition, but is not proposed.
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
    fit: Callable[..., tuple[list[str], list[str]]]
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

    def choices_beside(self, values: Mapping[str, Any]) -> dict[str, list[Any]]:
        """What to propose beside the values that are chosen, which are among it.

        Parameters
        ----------
        values : mapping
            Of the fields by name, as far as known.

        Returns
        -------
        dict of str to list
            Models, localizers and evaluations, by the field's name.
        """
        asked = [values.get("model") or self.model]
        if "measure" in self.choices:
            asked.append(values.get("measure") or "accuracy")
        localizers, evaluations = self.fit(*asked)
        proposed: dict[str, list[Any]] = {
            "model": self.models(),
            "localizer": localizers,
            "evaluation": evaluations,
        }
        for name, every in self.here.items():
            if (value := values.get(name)) not in {*map(value_of, proposed[name])}:
                proposed[name] += [each for each in every() if value_of(each) == value]
        return proposed

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
            return [*map(value_of, self.here[name]())]
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
        given = replace(given, model=name_in_roots(given.model))
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
        named = dict(zip((*STIMULI, *self.choices), values, strict=False))
        proposed = self.choices_beside(named)
        fresh = [gr.update(choices=proposed[name], value=named[name]) for name in STIMULI]
        return [*fresh, *values[len(fresh) :]]

    def fill_if_offered(self, settings: Mapping[str, Any]) -> list[Any]:
        """The same, or nothing where the form cannot say them."""
        try:
            return self.fill(settings)
        except SettingError:
            return [gr.skip()] * (len(STIMULI) + len(self.choices) + 2)


def value_of(choice: str | tuple[str, str]) -> str:
    """The value that a choice stands for, which may have a label."""
    return choice if isinstance(choice, str) else choice[1]


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


def belonging(model: str, names: Sequence[str], own: str | None = None) -> list[str]:
    """The stimulus sets that go with a model: those drawn for that phantom, or all others.

    All of them where none is of that kind.

    Parameters
    ----------
    model : str
        Its name.
    names : sequence of str
        Of localizers or benchmarks.
    own : str, optional
        The one that a phantom is run with; those beside it are of the same set.
    """
    drawn = model.startswith("phantom/")
    fit = [name for name in names if name.startswith("phantom") == drawn]
    if own is not None:
        beside = [name for name in fit if _set_of(name) == _set_of(own)]
        fit = sorted(beside, key=lambda name: name != own)
    return fit or [*names]


def _set_of(name: str) -> str:
    """The manifest of a localizer or a benchmark."""
    return name.partition(":")[0].partition(",")[0]
