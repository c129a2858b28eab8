"""What a run knows while it lasts, in one line and as a dose curve that grows.

The curve is drawn as SVG: a figure of the report's takes half a second, which the run would lose.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from browser.fragments import escape, note, so_far
from common.effects.finding import EQUALS
from common.effects.paired import rate
from common.measure.control_rules import closest
from common.measure.shares import headline_of
from common.study.so_far import INTACT, Known

WIDTH, HEIGHT = 360, 200
LEFT, RIGHT, TOP, BOTTOM = 34, 12, 10, 34  # what lies around the axes
SHARES = (0, 25, 50, 75, 100)
KINDS = ("target", "other")  # of the two groups that are drawn: colour and mark


@dataclass(frozen=True)
class Point:
    """A share of right answers at a dose, in percent, with its interval."""

    dose: float
    share: float
    low: float
    high: float


def growing(known: Sequence[Known]) -> str:
    """The line, the curve and the table of what is known so far; nothing before there is any."""
    if not known:
        return ""
    return plain_so_far(known) + curve(known) + so_far(known)


def plain_so_far(known: Sequence[Known]) -> str:
    """The finding as far as it is known, in one line.

    ``So far, under the top 1 %: face 100 → 14 % right; object 98 → 98 % right (the first 40 of
    192). Without as many equally loud units instead: face 94 %.``
    """
    dose = _headline(known)
    if dose is None:
        return note("So far the intact model alone answers; the masks follow.")
    tops, rule = _at("top", known), matched_rule(known)
    changes = [
        f"{group} {before.share:.0f} → {after.share:.0f} % right{_of_how_many(known, dose, group)}"
        for group in _groups(known)
        if (before := _intact(known, group)) and (after := _point(tops[dose], group))
    ]
    said = f"So far, under the top {dose:g} %: {'; '.join(changes)}."
    target = _groups(known)[0]
    rival = _at(rule, known).get(dose) if rule else None
    if rule and rival and (drawn := _point(rival, target)):
        said += f" {EQUALS[rule]}: {target} {drawn.share:.0f} %."
    return f"<p class='fl-growing'>{escape(said)}</p>"


def _of_how_many(known: Sequence[Known], dose: float, group: str) -> str:
    """Items come in an order, and the first are no sample: a part is told to be one."""
    n = _at("top", known)[dose].groups[group][1]
    every = next((each.groups[group][1] for each in known if each.rule == INTACT), n)
    return "" if n >= every else f" (the first {n:,} of {every:,})"


def matched_rule(known: Sequence[Known]) -> str | None:
    """The control rule nearest to the top mask among those with any answer."""
    answered = (each.rule for each in known if _at(each.rule, known))
    return closest(answered, lambda rule: rule.name in EQUALS)


def curve(known: Sequence[Known]) -> str:
    """Right answers by dose: intact, under the top masks, and under matched ones."""
    doses = sorted({each.percent for each in known if each.percent is not None})
    if not doses:
        return ""
    parts = [*_axes(doses)]
    for kind, group in zip(KINDS, _groups(known), strict=False):
        parts += _of_group(known, group, kind, doses)
    rule = matched_rule(known)
    beside = f"; hollow, dashed: {rule}" if rule else ""
    told = f"Right answers (%) by dose so far. Filled: top units{beside}; dotted: intact."
    marks = zip(("●", "■"), KINDS, _groups(known), strict=False)
    key = "".join(f"<span class='fl-{kind}'>{mark} {escape(g)}</span> " for mark, kind, g in marks)
    return (
        f"<figure class='fl-curve'><svg viewBox='0 0 {WIDTH} {HEIGHT}' role='img' "
        f"aria-label='{escape(told)} Its numbers are in the table below.'>{''.join(parts)}</svg>"
        f"<figcaption class='fl-note'>{key}{escape(told)}</figcaption></figure>"
    )


def _headline(known: Sequence[Known]) -> float | None:
    doses = [*_at("top", known)]
    return headline_of(doses) if doses else None


def _groups(known: Sequence[Known]) -> list[str]:
    """The two groups, or the one, that the verdict is about: they come first."""
    return [*known[0].groups][: len(KINDS)]


def _at(rule: str, known: Sequence[Known]) -> dict[float, Known]:
    """A rule's masks by dose, as far as there is an answer under them."""
    some = [each for each in known if each.rule == rule and each.percent is not None]
    return {each.percent or 0.0: each for each in some if any(n for _, n in each.groups.values())}


def _point(known: Known, group: str) -> Point | None:
    right, n = known.groups[group]
    if not n:
        return None
    found = rate(np.arange(n) < right)
    low, high = found.ci
    return Point(known.percent or 0.0, 100 * found.accuracy, 100 * low, 100 * high)


def _intact(known: Sequence[Known], group: str) -> Point | None:
    own = next((each for each in known if each.rule == INTACT), None)
    return None if own is None else _point(own, group)


def _of_group(
    known: Sequence[Known], group: str, kind: str, doses: Sequence[float]
) -> Iterator[str]:
    if (intact := _intact(known, group)) is not None:
        y = _y(intact.share)
        yield f"<path class='fl-{kind} fl-intact' d='M{LEFT} {y}H{WIDTH - RIGHT}'/>"
    if rule := matched_rule(known):
        yield from _line(_points(known, rule, group), f"fl-{kind} fl-drawn", kind, doses)
    tops = _points(known, "top", group)
    for each in tops:
        x = _x(each.dose, doses)
        yield f"<path class='fl-{kind}' d='M{x} {_y(each.low)}V{_y(each.high)}'/>"
    yield from _line(tops, f"fl-{kind}", kind, doses)


def _points(known: Sequence[Known], rule: str, group: str) -> list[Point]:
    made = (_point(each, group) for _, each in sorted(_at(rule, known).items()))
    return [each for each in made if each is not None]


def _line(points: Sequence[Point], style: str, kind: str, doses: Sequence[float]) -> Iterator[str]:
    places = [(_x(each.dose, doses), _y(each.share)) for each in points]
    if len(places) > 1:
        yield f"<path class='{style}' d='M{'L'.join(f'{x} {y}' for x, y in places)}'/>"
    for x, y in places:
        shape = (
            f"circle cx='{x}' cy='{y}' r='4'"
            if kind == KINDS[0]
            else f"rect x='{x - 3.5:.1f}' y='{y - 3.5:.1f}' width='7' height='7'"
        )
        yield f"<{shape} class='{style} fl-mark'/>"


def _axes(doses: Sequence[float]) -> Iterator[str]:
    end = WIDTH - RIGHT
    for share in SHARES:
        y = _y(share)
        yield f"<path class='fl-grid' d='M{LEFT} {y}H{end}'/>"
        yield f"<text x='{LEFT - 5}' y='{y + 3.5:.1f}' text-anchor='end'>{share}</text>"
    for dose in doses:
        x, y = _x(dose, doses), HEIGHT - BOTTOM + 13
        yield f"<text x='{x}' y='{y}' text-anchor='middle'>{dose:g}</text>"
    middle = (LEFT + end) / 2
    yield (
        f"<text x='{middle:g}' y='{HEIGHT - 6}' text-anchor='middle'>"
        "ablated (% of all, log scale)</text>"
    )


def _x(dose: float, doses: Sequence[float]) -> float:
    """Where a dose lies: on a log scale, a little inside of the axes."""
    low, high = math.log(doses[0]), math.log(doses[-1])
    share = (math.log(dose) - low) / (high - low) if high > low else 0.5
    inside = WIDTH - LEFT - RIGHT
    return round(LEFT + inside * (0.06 + 0.88 * share), 1)


def _y(share: float) -> float:
    return round(TOP + (HEIGHT - TOP - BOTTOM) * (1 - share / 100), 1)
