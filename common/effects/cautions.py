"""What a reader should know before believing a verdict, in plain sentences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from common.effects.bench import FEWEST_LABELS, Bench
from common.effects.finding import amount_within
from common.effects.judgement import EVIDENCE, Verdict
from common.measure.control_rules import CONTROL_RULES

PILED = 0.1  # share of a group's items at one and the same extreme margin
OTHER_END = "bottom"
NARROW = 0.5  # tolerance below which the adjustment rests on few comparable items


def cautions(bench: Bench, head: Verdict, doses: Sequence[Verdict]) -> Iterator[str]:
    """Sentences about the groups, the controls and the adjustment.

    Parameters
    ----------
    bench : Bench
        The numbers.
    head : Verdict
        The verdict at the headline dose.
    doses : sequence of Verdict
        At every dose.
    """
    yield from _about_groups(bench)
    yield from _about_controls(head)
    yield from _about_adjustment(bench, head)
    if head.outcome == EVIDENCE:
        yield from _about_the_other_end(bench, head.percent)
    if len(doses) > 1:
        yield (
            f"{len(doses)} doses were tried; each p is corrected for that, and the p of a dose "
            "alone stands beside it."
        )


def _about_groups(bench: Bench) -> Iterator[str]:
    for group, n in bench.n_labels.items():
        if n < min(FEWEST_LABELS, bench.sizes[group]):
            labels = "label" if n == 1 else "labels"
            yield (
                f"The items of {group} have only {n} {labels}, so the intervals treat items as "
                "independent and speak of these labels alone."
            )
    for group, inside in bench.inside.items():
        margin = bench.table.margin[inside]
        for end, name in ((margin.max(), "highest"), (margin.min(), "lowest")):
            share = float(np.mean(margin == end))
            if share > PILED and len(margin) > 1 / PILED:
                yield (
                    f"{100 * share:.0f} % of the items of {group} share the {name} intact margin: "
                    "what lies beyond such a ceiling cannot be held equal between groups."
                )


def _about_controls(head: Verdict) -> Iterator[str]:
    matched = [entry.rule for entry in head.comparisons if entry.matched]
    for rule in (each.name for each in CONTROL_RULES.values() if each.matched):
        if matched and rule not in matched:
            yield f"No {rule} control was drawn, so the verdict rests on {matched[0]} ones alone."


def _about_the_other_end(bench: Bench, percent: float) -> Iterator[str]:
    """Whether the units that the score ranks last are needed, and as much as its first."""
    draws, column = bench.table.at(OTHER_END, percent), bench.column("top", percent)
    if not len(draws):
        return
    ahead, last = bench.excess(column, draws), bench.estimate(bench.losses[:, draws].mean(axis=1))
    if ahead.ci[0] > 0 or last.ci[0] <= 0:
        return
    more = "" if bench.other is None else f" more than {bench.other}"
    yield (
        f"The units that the score ranks last ({OTHER_END}) cost {bench.target} "
        f"{amount_within(last)}{more}, and the top is not shown to cost more than that "
        f"({amount_within(ahead)}): {bench.target} needs either, so that it needs the top says "
        "little of what the score ranks by."
    )


def _about_adjustment(bench: Bench, head: Verdict) -> Iterator[str]:
    if bench.other is None:
        return
    if bench.design.tolerance < NARROW:
        yield (
            "The groups differ so much in intact margin that only "
            f"{100 * bench.design.tolerance:.0f} % of the difference between them is left to "
            "compare at equal margin."
        )
    if head.outcome == EVIDENCE and head.plain.ci[0] <= 0:
        yield (
            f"Without holding the intact margin equal, {bench.target} did not lose more margin "
            f"than {bench.other}: the evidence rests on the adjustment, which says too much where "
            "intact margins are noisy and the target is the harder group."
        )
