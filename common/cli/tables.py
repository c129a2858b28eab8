"""Tables of what is there already: runs side by side, the units of a map."""

from __future__ import annotations

import pandas as pd
from rich import box
from rich.markup import escape
from rich.table import Table

from common.cli.printing import results_console
from common.effects.finding import amount, between_amounts
from common.effects.words import percent
from common.measure.scores import SelectivityMap
from common.report.verdicts import BADGES
from common.study.side_by_side import Side, SideBySide

LEFT = ("run", "model", "localizer", "outcome", "site", "masks", "position")
HEADS = {"d_prime": "d′", "times_median": "× median"}
ON_SCREEN = ("rank", "site", "unit", "position")


def print_sides(sides: SideBySide) -> None:
    """Print runs side by side, and the mean over models."""
    table = _blank("run", "model", "localizer", "units", "intact", "r", "outcome",
                   "adjusted effect", "p")  # fmt: skip
    for side in sides.sides:
        table.add_row(*map(escape, _cells(side)))
    console = results_console()
    console.print(table)
    console.print(
        "intact: accuracy of the target group, and of the other; r: correlation of the maps of two "
        "halves of the stimuli.",
        highlight=False,
    )
    if (mean := sides.pooled) is not None:
        console.print(
            f"Mean over {mean.n} models (random effects): {amount(mean.effect)} "
            f"{escape(between_amounts(mean.ci))}; sd between models {mean.between:.3g}, "
            f"{percent(mean.share)} of the variance.",
            highlight=False,
        )


def _cells(side: Side) -> list[str]:
    row, judged = side.row, side.results.judgement
    rates = [row["intact_target"], row["intact_other"]]
    return [
        side.folder.name,
        row["model"],
        row["localizer"],
        f"{row['units']:,} ({row['percent']:g} %)",
        " / ".join(percent(rate) for rate in rates if rate is not None),
        "" if row["reliability"] is None else f"{row['reliability']:.2f}",
        str(BADGES[judged.outcome]),
        f"{amount(judged.adjusted.effect)} {between_amounts(judged.adjusted.ci)}",
        "" if row["p"] is None else f"{row['p']:.3f}",
    ]


def print_units(listed: pd.DataFrame, found: SelectivityMap) -> None:
    """Print a table of units: what tells them apart, not all that is known of them."""
    symbol = found.score.words.symbol
    wanted = (*ON_SCREEN, symbol, "q", "d_prime", "index", "loudness", "times_median", "masks")
    names = [name for name in wanted if name in listed]
    table = _blank(*(HEADS.get(name, name) for name in names))
    for row in listed[names].itertuples(index=False):
        table.add_row(*(escape(_told(value)) for value in row))
    console = results_console()
    console.print(table)
    console.print(
        f"{len(listed):,} of {found.n_units:,} units, by {found.score.words.prose}; channels are "
        "counted from 0.",
        highlight=False,
    )


def _told(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _blank(*names: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD)
    for name in names:
        table.add_column(name, justify="left" if name in LEFT else "right", overflow="fold")
    return table
