"""Control rules: how a mask of the same size is chosen otherwise.

Random units are a weak control: the top units lie in certain layers and are loud, and zeroing any
equally loud units of the same layers may do the same harm. So beside `random` there are masks with
the same count in every site (`layer-matched`) and, within that, the same loudness
(`magnitude-matched`, see :mod:`common.measure.matching`). These three are drawn from all units, the
top's own among them: where the top mask is nothing special, it is one draw among others, and its
rank among them is a p whatever share of a site is masked.

Each rule is one entry of :data:`CONTROL_RULES`: the parser, the figures, the sentences and the form
read it there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from common.base.errors import MaskError, SettingError
from common.measure.masks import Mask, mask_of, mask_size, top_percent
from common.measure.matching import (
    CALIPER,
    MATCHED_PART,
    by_site,
    has_partner,
    matched_part,
    matched_units,
    unmatched_part,
)
from common.measure.scores import SelectivityMap


@dataclass(frozen=True)
class Draw:
    """What a rule draws from.

    Attributes
    ----------
    found : SelectivityMap
        The map.
    top : array of int of shape (k,)
        The units that the control stands against, best first.
    rng : Generator
        Of the draw's seed and the rule.
    given : str
        What stands after the rule's name and its colon: the bounds of a range.
    """

    found: SelectivityMap
    top: np.ndarray
    rng: np.random.Generator
    given: str = ""


@dataclass(frozen=True)
class ControlRule:
    """One way to choose a mask of the same size as the top one.

    Attributes
    ----------
    name : str
        In settings, files, tables and figures.
    draw : callable
        Gives k units of the map, indices of shape (k,).
    matched : bool
        Whether it keeps what the top units are besides selective: a verdict rests on such rules.
    draws : int
        How often it is drawn by default, of a matched rule at most; 0 for a rule that only comes
        where it is asked for.
    random : bool
        Whether draws differ; a rule without chance gives one mask.
    takes : str
        What stands after the name, as told to a user: ``LO-HI``.
    check : callable, optional
        Refuses such a text.
    mark, line : str
        Marker and line style in figures.
    curve : bool
        Whether figures may hold the top mask's curve against this rule alone.
    sentence : str
        What the report's method says of it; nothing for a rule whose name says all.
    against : str
        Rule of the mask that its draws stand against: ``top``, or ``matched-part`` for a rule that
        leaves out units without a partner.
    """

    name: str
    draw: Callable[[Draw], np.ndarray]
    matched: bool = False
    draws: int = 0
    random: bool = True
    takes: str = ""
    check: Callable[[str], object] | None = None
    mark: str = "x"
    line: str = ":"
    curve: bool = False
    sentence: str = ""
    against: str = "top"

    @property
    def written(self) -> str:
        """How it is written in a setting."""
        return f"{self.name}:{self.takes}" if self.takes else self.name


def _random(draw: Draw) -> np.ndarray:
    pool = np.flatnonzero(~draw.found.excluded)
    return draw.rng.choice(pool, len(draw.top), replace=False)


def _layer_matched(draw: Draw) -> np.ndarray:
    parts = by_site(draw.found, draw.top)
    return np.concatenate(
        [draw.rng.choice(part.every, len(part.chosen), replace=False) for part in parts]
    )


def _magnitude_matched(draw: Draw) -> np.ndarray:
    inside = draw.top[has_partner(draw.found, draw.top)]
    if not len(inside):
        raise MaskError(
            "magnitude-matched control: no masked unit has an equally loud partner in its site"
        )
    return matched_units(draw.found, inside, draw.rng)


def _bottom(draw: Draw) -> np.ndarray:
    rising = _rising(draw.found)
    k, n_units = len(draw.top), len(rising)
    if 2 * k > n_units:
        raise MaskError(f"bottom control: {k:,} of {n_units:,} units would overlap the top")
    return rising[:k]


def _rising(found: SelectivityMap) -> np.ndarray:
    """Units by rising score, without those that no mask is chosen from."""
    return found.ranking[: int((~found.excluded).sum())][::-1]


def _bounds(given: str) -> tuple[float, float]:
    try:
        low, high = (float(part) for part in given.split("-"))
    except ValueError:
        low = high = -1
    if not 0 <= low < high <= 100:
        raise SettingError(
            f"control {f'range:{given}'!r}: write range:LO-HI with 0 <= LO < HI <= 100"
        )
    return low, high


def _between(draw: Draw) -> np.ndarray:
    found, top = draw.found, draw.top
    low, high = _bounds(draw.given)
    rising = _rising(found)
    first, last = round(len(rising) * low / 100), round(len(rising) * high / 100)
    between = np.setdiff1d(rising[first:last], top)
    if len(between) < len(top):
        raise MaskError(
            f"control range:{low:g}-{high:g}: holds {len(between)} units, {len(top)} are wanted"
        )
    return draw.rng.choice(between, len(top), replace=False)


MOST_DRAWS = 10_000  # of one rule at one dose

_RULES = (
    ControlRule("random", _random, draws=10, mark="o", line=":", curve=True),
    ControlRule(
        "layer-matched", _layer_matched, matched=True, draws=199, mark="s", line="--", curve=True,
        sentence="Layer-matched masks hold as many units of every site as the top mask.",
    ),
    ControlRule(
        "magnitude-matched", _magnitude_matched, matched=True, draws=199, mark="D", line="-.",
        curve=True, against=MATCHED_PART,
        sentence="Magnitude-matched masks give each top unit that has an equally loud partner one "
        "unit of its site whose log mean |activation| differs from its own by at most "
        f"{CALIPER:g}, and stand against these top units.",
    ),
    ControlRule("bottom", _bottom, draws=1, random=False, mark="v"),
    ControlRule("range", _between, takes="LO-HI", check=_bounds),
)  # fmt: skip

CONTROL_RULES: dict[str, ControlRule] = {rule.name: rule for rule in _RULES}
"""All control rules by name, the closest match last among the matched ones."""


def rule_named(rule: str) -> ControlRule | None:
    """The rule of a mask or a setting (``range:40-60`` is the rule ``range``), if it is one."""
    return CONTROL_RULES.get(rule.partition(":")[0])


def is_matched(rule: str) -> bool:
    """Whether a mask's rule keeps what the top units are besides selective."""
    known = rule_named(rule)
    return known is not None and known.matched


def against(rule: str) -> str:
    """Rule of the mask that a control rule's draws stand against."""
    known = rule_named(rule)
    return "top" if known is None else known.against


def closest(rules: Iterable[str], of: Callable[[ControlRule], bool]) -> str | None:
    """The rule nearest to the top mask among those drawn that are so; ``None`` without any."""
    drawn = {*rules}
    fitting = [rule.name for rule in CONTROL_RULES.values() if of(rule) and rule.name in drawn]
    return fitting[-1] if fitting else None


def default_controls() -> str:
    """The control masks of a run that asks for no others, as the setting is written."""
    return ",".join(f"{r.name}:{r.draws}" for r in CONTROL_RULES.values() if r.draws)


def control(found: SelectivityMap, rule: str, percent: float, seed: int | None = None) -> Mask:
    """A mask of the same size as the top one, chosen by another rule.

    Parameters
    ----------
    found : SelectivityMap
        The map.
    rule : str
        ``random`` (any units of the model), ``layer-matched`` (as many of each site as the top
        has), ``magnitude-matched`` (an equally loud one of its site for each top unit that has
        one), ``bottom`` (lowest score), ``range:LO-HI`` (drawn between two percentiles of the
        score, top excluded), or another of :data:`CONTROL_RULES`.
    percent : float
        Share of all units.
    seed : int, optional
        Seed of the draw; ``bottom`` draws nothing.

    Raises
    ------
    MaskError
        If there are too few units, or no top unit has an equally loud partner.

    Examples
    --------
    >>> mask = control(found, "layer-matched", 25, seed=1)
    >>> mask.name, mask.counts() == top_percent(found, 25).counts()
    ('layer-matched-25-s01', True)
    """
    return _against(found, rule, found.ranking[: mask_size(found, percent)], percent, seed)


def matched_control(found: SelectivityMap, mask: Mask, seed: int) -> Mask:
    """Equally loud units of the same sites as those of any mask of a map, none of it among them.

    Raises
    ------
    MaskError
        If not all units of the mask have a partner at once, naming the site.
    """
    rule = "magnitude-matched"
    units = matched_units(found, mask.units, _rng(rule, seed), apart=True)
    return mask_of(found, rule, mask.percent, seed, units)


def _against(
    found: SelectivityMap, rule: str, top: np.ndarray, percent: float, seed: int | None
) -> Mask:
    known = rule_named(rule)
    if known is None or (":" in rule) != bool(known.takes):
        names = ", ".join(each.written for each in CONTROL_RULES.values())
        raise SettingError(f"no control is called {rule!r}; choose from {names}")
    units = known.draw(Draw(found, top, _rng(rule, seed), rule.partition(":")[2]))
    return mask_of(found, rule, percent, seed if known.random else None, units)


def _rng(rule: str, seed: int | None) -> np.random.Generator:
    return np.random.default_rng([0 if seed is None else seed, *rule.encode()])


@dataclass(frozen=True)
class ControlPlan:
    """One rule and how often it is drawn."""

    rule: str
    draws: int


def parse_controls(text: str) -> list[ControlPlan]:
    """Read ``random:10,layer-matched:20,bottom:1,range:40-60:5``.

    Raises
    ------
    SettingError
        If a rule is unknown or comes twice, or a count is no positive whole number.
    """
    plans: list[ControlPlan] = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        plan = _plan(part)
        if plan.rule in (each.rule for each in plans):
            raise SettingError(f"`controls` {text}: {plan.rule} comes twice")
        plans.append(plan)
    return plans


def _plan(part: str) -> ControlPlan:
    """One rule with its draws, 1 where none are said."""
    rule = rule_named(part)
    given, count = "", "1"
    if rule is not None:
        words = part.split(":")[1:]
        if rule.takes:
            given, *words = words or [""]
        count, *rest = words or ["1"]
        if rest:
            rule = None
    if rule is None or not count.isdecimal() or len(count) > 18 or int(count) < 1:
        names = ", ".join(each.written for each in CONTROL_RULES.values())
        raise SettingError(f"`controls` {part!r}: write RULE:DRAWS, with a rule of {names}")
    if int(count) > MOST_DRAWS:
        raise SettingError(f"`controls` {part!r}: a rule draws {MOST_DRAWS:,} masks at most")
    if rule.check is not None:
        rule.check(given)
    name = f"{rule.name}:{given}" if rule.takes else rule.name
    return ControlPlan(name, int(count) if rule.random else 1)


def plan_masks(
    found: SelectivityMap, percents: Sequence[float], controls: Sequence[ControlPlan], seed: int
) -> list[Mask]:
    """All masks of a run, numbered from `seed`: draw j of a rule has the same seed at every dose.

    For each percent the top; where some of its units are unmatched, its matched and its unmatched
    part; and then its controls. A rule that stands against the matched part has none where there is
    no such part.
    """
    masks = []
    for percent in percents:
        top = top_percent(found, percent)
        parts = {MATCHED_PART: matched_part(found, top)}
        masks.append(top)
        if (unmatched := unmatched_part(found, top)) is not None:
            masks += [part for part in (parts[MATCHED_PART], unmatched) if part is not None]
        for plan in controls:
            if parts.get(against(plan.rule), top) is None:
                continue
            masks += [control(found, plan.rule, percent, seed + i) for i in range(plan.draws)]
    return masks
