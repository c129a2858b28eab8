"""The verdict, from the table of items alone. This is the only place that decides.

Evidence that units serve a group needs all of this: 30 items in each group and ten that changed; a
matched control rule, with enough draws, among which the top mask's adjusted effect is one of the
largest 5 %, over all doses and for every matched rule that was drawn; an interval of that effect
above 0; and an interval of what it is beyond the mean control above 0. The rank alone would not do:
a top mask that merely harms more than its controls also scatters more.
"""

from __future__ import annotations

import pandas as pd

from common.effects.bench import Bench, MatchedRanks
from common.effects.cautions import cautions
from common.effects.judgement import (
    DIFFICULTY,
    EVIDENCE,
    NONE,
    UNKNOWN,
    Comparison,
    Estimate,
    Judgement,
    Outcome,
    Verdict,
)
from common.effects.measured import changed_told
from common.effects.resample import Resampler
from common.effects.table import read_table
from common.measure.shares import headline_of

ALPHA = 0.05
FEWEST_ITEMS = 30  # in each group
FEWEST_CHANGED = 10
LEAST_TOLERANCE = 0.05  # share of the group's variance that the intact margin must leave


def judge(
    items: pd.DataFrame,
    target: str,
    other: str | None = None,
    resampler: Resampler | None = None,
) -> Judgement:
    """Judge whether the top masks single out a group of items.

    Parameters
    ----------
    items : DataFrame
        One row an item and mask with the columns ``item``, ``group``, ``label`` (class or paradigm,
        may be empty), ``mask`` (``intact`` for the intact pass), ``rule`` (``top``,
        ``matched-part``, ``unmatched-part``, or a control rule), ``percent``, ``correct`` (may be
        empty for running text) and ``margin``. A column ``measure`` that says ``agreement`` tells
        that labels are the intact model's predictions; words go by it, numbers do not.
    target : str
        The group that the units are said to serve.
    other : str, optional
        The group to compare it with. Left out, the question is how much the target group loses,
        and more than under the controls.
    resampler : Resampler, optional
        Source of all resampling; by default always the same.

    Returns
    -------
    Judgement
        The same for the same table, whatever the order of its items.

    Raises
    ------
    DataError
        If the table is not such a table, naming what is wrong with it.

    Examples
    --------
    >>> judged = judge(items, target="face", other="object")
    >>> judged.percent, judged.outcome in ("no evidence", "cannot tell")
    (25.0, True)
    """
    table = read_table(items, target, other)
    return judge_bench(Bench(table, target, other, resampler or Resampler()))


def judge_bench(bench: Bench) -> Judgement:
    """:func:`judge` for a table that is laid out already."""
    table = bench.table
    whole = bench.ranks("top")
    doses = tuple(_verdict(bench, whole, percent) for percent in table.percents)
    partial = bench.ranks("matched-part")
    parts = tuple(_verdict(bench, partial, percent) for percent in partial.percents)
    percent = headline_of(table.percents)
    head = next(verdict for verdict in doses if verdict.percent == percent)
    return Judgement(
        outcome=head.outcome,
        reason=head.reason,
        adjusted=head.adjusted,
        interaction=head.interaction,
        smallest_visible=head.smallest_visible,
        warnings=tuple(cautions(bench, head, doses)),
        target=bench.target,
        other=bench.other,
        measure=table.measure,
        percent=percent,
        doses=doses,
        matched_part=next((part for part in parts if part.percent == percent), None),
        matched_parts=parts,
    )


def _verdict(bench: Bench, ranks: MatchedRanks, percent: float) -> Verdict:
    column = bench.column(ranks.part, percent)
    comparisons = ranks.comparisons(percent)
    matched = [entry for entry in comparisons if entry.matched]
    adjusted = bench.adjusted(column, _largest([entry.p for entry in matched]))
    interaction = bench.interaction(column, _largest([entry.interaction_p for entry in matched]))
    changed = bench.n_changed(column)
    reason = _reason(bench, matched, changed)
    return Verdict(
        percent=percent,
        mask=str(bench.table.masks["mask"].iloc[column]),
        outcome=UNKNOWN if reason else _outcome(bench, adjusted, interaction, matched),
        reason=reason,
        adjusted=adjusted,
        plain=bench.plain(column),
        interaction=interaction,
        smallest_visible=bench.smallest_visible(column, matched),
        comparisons=comparisons,
        groups=bench.groups(column),
        n_changed=changed,
    )


def _outcome(
    bench: Bench, adjusted: Estimate, interaction: Estimate | None, matched: list[Comparison]
) -> Outcome:
    beyond = all(entry.excess.ci[0] > 0 for entry in matched)
    if _shown(adjusted) and beyond:
        return EVIDENCE
    # Of one group nothing is compared, so no difference in difficulty can explain it; and where the
    # target loses more at equal margin, but controls do as well, it is the controls that say no.
    alike = bench.other is not None and adjusted.ci[0] <= 0
    if alike and interaction is not None and _shown(interaction):
        return DIFFICULTY
    return NONE


def _shown(estimate: Estimate) -> bool:
    return estimate.p is not None and estimate.p <= ALPHA and estimate.ci[0] > 0


def _reason(bench: Bench, matched: list[Comparison], changed: int) -> str:
    """Why nothing can be told, or nothing."""
    for group, n in bench.sizes.items():
        if n < FEWEST_ITEMS:
            return f"{group} has {n} items, and {FEWEST_ITEMS} are needed"
    if changed < FEWEST_CHANGED:
        told = changed_told(changed, bench.table.measure, of_text=not bench.has_accuracy)
        return f"{told}, and {FEWEST_CHANGED} are needed"
    if bench.design.tolerance < LEAST_TOLERANCE:
        return "hardly any intact margin occurs in both groups, so none can be held equal"
    if not matched:
        return "no matched control was drawn"
    for entry in matched:
        if not entry.settled and entry.least > ALPHA:
            return (
                f"{entry.draws} {entry.rule} draws cannot give a p of {ALPHA:g}; "
                f"{round(1 / ALPHA) - 1} are needed"
            )
    return ""


def _largest(ps: list[float | None] | list[float]) -> float | None:
    known = [p for p in ps if p is not None]
    return max(known) if known else None
