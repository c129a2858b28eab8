"""The report's tables below the main one: what was lost where, perplexity, responses."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from common.effects.baseline import Peaks, beside_untrained
from common.effects.breakdown import LostPart
from common.effects.measured import AGREEMENT
from common.effects.perplexity import Nats, TextNats, TextPerplexity, TextUnderMask
from common.effects.results import Localized, Results
from common.effects.words import between, points
from common.measure.control_rules import closest, is_matched
from common.report.figures import kind_name
from common.report.outcome_table import rate
from common.report.parts import Cell, Table, part_of, profile_of

LEAST_ITEMS = 5
LOSERS = 15


def mcnemar(results: Results) -> str:
    groups = results.top().groups
    return ", ".join(f"{name} {_p(groups[name].mcnemar_p)}" for name in results.groups)


def _p(p: float) -> str:
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def losers(results: Results, folder: Path) -> list[dict[str, Any]]:
    """The classes that lost most items under the top mask, where items have classes."""
    names = results.evaluation.classes
    if not names:
        return []
    columns = ["group", "mask", "label", "correct"]
    items = pd.read_csv(
        part_of(folder, "items.csv"), usecols=columns, dtype={"group": str, "mask": str}
    )
    dose = results.headline_percent
    masks = {entry.mask: entry.rule for entry in results.ablations if entry.percent == dose}
    items = items.assign(rule=items["mask"].map({**masks, "intact": "intact"}))
    matched = [rule for rule in dict.fromkeys(masks.values()) if is_matched(rule)]
    items = items[items["rule"].isin(["intact", "top", *matched])]
    items = items.assign(rule=items["rule"].replace(dict.fromkeys(matched, "matched")))
    rates = items.pivot_table(index=["group", "label"], columns="rule", values="correct")
    sizes = items[items["rule"] == "intact"].groupby(["group", "label"]).size()
    rates = rates.assign(n=sizes, lost=sizes * (rates["intact"] - rates["top"]))
    rates = rates[(rates["n"] >= LEAST_ITEMS) & (rates["lost"] > 0)]
    worst = rates.sort_values(["lost", "n"], ascending=False, kind="stable").head(LOSERS)
    agreed = results.evaluation.measure == AGREEMENT  # all, by definition
    rows: list[dict[str, Any]] = worst.reset_index().to_dict("records")  # type: ignore[assignment]
    return [
        {
            "name": names.get(str(row["label"]), str(row["label"])),
            "group": row["group"],
            "side": "target" if row["group"] == results.evaluation.target else "other",
            "n": int(row["n"]),
            "intact": "all" if agreed else f"{100 * row['intact']:.0f}",
            "ablated": f"{100 * row['top']:.0f}",
            "controls": f"{100 * row['matched']:.0f}" if "matched" in row else "",
        }
        for row in rows
    ]


def baseline(results: Localized) -> list[Table]:
    """The model beside untrained networks of its architecture, where there are any."""
    found = results.baseline
    if found is None or not found.untrained:
        return []
    symbol = results.selectivity.words.symbol
    scales = [symbol, *(["d′"] if found.trained.d_prime else [])]
    scales += ["index"] if found.trained.index else []
    counts = ["q < 0.05", *results.selectivity.thresholds]
    columns = ["weights", *counts, *(f"highest {name}" for name in scales)]
    note = (
        f"{beside_untrained(found, results.selectivity.words)} First numbers of units, then the "
        "highest of all units, in brackets the mean over the 1 % that have most of it. All were "
        "shown the same stimuli."
    )
    digits = results.selectivity.words.digits
    rows = [_peaks_row(each, digits) for each in (found.trained, *found.untrained)]
    return [Table("Beside untrained networks", note, columns, rows)]


def _peaks_row(peaks: Peaks, digits: str) -> list[Cell]:
    name = "trained" if peaks.seed is None else f"random, seed {peaks.seed}"
    scales = [(peaks.score, digits), (peaks.d_prime, ".2f"), (peaks.index, ".2f")]
    return [
        Cell(name),
        *(
            Cell("" if n is None else f"{n:,}")
            for n in (peaks.n_selective_q05, peaks.n_d_prime, peaks.n_index)
        ),
        *(
            Cell(format(peak.largest, form), f"({format(peak.top, form)})")
            for peak, form in scales
            if peak is not None
        ),
    ]


def breakdown(results: Results) -> list[Table]:
    """What the parts of every level lost, where the evaluation has levels."""
    tables = []
    for level, parts in results.lost_parts().items():
        rows = [_part_row(entry) for entry in sorted(parts, key=lambda entry: -entry.drop)]
        tables.append(
            Table(
                f"Accuracy by {level}" if level != "all" else "Accuracy on all items",
                f"Under the top {results.headline_percent:g} %, in percent and percentage "
                "points, what lost most first. Controls: mean drop over the draws, with the "
                "largest in brackets, and the rank p of the top mask’s drop among them. No p is "
                "corrected for the number of parts.",
                [level, "items", "intact", "ablated", "drop", "drop under controls", "p"],
                rows,
            )
        )
    return tables


def _part_row(entry: LostPart) -> list[Cell]:
    rules = entry.controls
    rule = closest(rules, lambda each: each.matched) or next(iter(rules), None)
    control, p = Cell(), Cell()
    if rule is not None:
        drawn = rules[rule]
        control = Cell(points(drawn.drop_mean), f"{rule} (max {points(drawn.drop_max)})")
        p = Cell("" if drawn.p is None else f"{drawn.p:.3f}")
    return [
        Cell(entry.part),
        Cell(f"{entry.n:,}"),
        rate(entry.intact),
        rate(entry.top),
        Cell(points(entry.drop), between(entry.drop_ci)),
        control,
        p,
    ]


def perplexity(results: Results) -> list[Table]:
    """Perplexity of each text, where texts were measured."""
    return [_perplexity(text) for text in results.perplexity]


def _perplexity(text: TextPerplexity) -> Table:
    bytes_too = text.intact.per_byte is not None
    rows = [[Cell("intact"), *_perplexities([text.intact], bytes_too), Cell()]]
    for dose in text.doses:
        for rule, drawn in text.drawn(dose).items():
            draws = f", {len(drawn)} draws" if len(drawn) > 1 else ""
            name = Cell(f"{rule} {dose:g} %{draws}")
            rows.append([name, *_perplexities(drawn, bytes_too), _rise(drawn)])
    note = (
        f"{text.n:,} windows of {text.window} tokens. Rise: nats a token above intact. "
        "In brackets 95 % bootstrap intervals over windows, or the range over draws."
    )
    scales = ["perplexity a token", *(["perplexity a byte"] if bytes_too else [])]
    return Table(f"Perplexity of {text.text}", note, ["mask", *scales, "rise"], rows)


def _perplexities(drawn: Sequence[TextNats], bytes_too: bool) -> list[Cell]:
    """Perplexity on each scale: with its interval, or the mean over draws with their range."""
    by_byte = [entry.per_byte for entry in drawn if entry.per_byte is not None]
    return [_drawn_perplexity(scale) for scale in (drawn, by_byte if bytes_too else []) if scale]


def _drawn_perplexity(entries: Sequence[Nats]) -> Cell:
    values = [entry.perplexity for entry in entries]
    low, high = entries[0].perplexity_ci
    beside = f"[{low:.4g}, {high:.4g}]"
    if len(values) > 1:
        beside = f"({min(values):.4g} to {max(values):.4g})"
    return Cell(f"{sum(values) / len(values):.4g}", beside)


def _rise(drawn: Sequence[TextUnderMask]) -> Cell:
    rises = [entry.rise for entry in drawn]
    low, high = drawn[0].rise_ci
    beside = f"[{low:+.3f}, {high:+.3f}]"
    if len(rises) > 1:
        beside = f"({min(rises):+.3f} to {max(rises):+.3f})"
    return Cell(f"{sum(rises) / len(rises):+.3f}", beside)


def profile(folder: Path) -> list[Table]:
    """The numbers of the response profile."""
    found = profile_of(folder)
    if found is None:
        return []
    rows = [_kind_row(same) for _, same in found.groupby(["set", "condition"], sort=False)]
    note = (
        "Mean response of the top units with its 95 % bootstrap interval over texts, and the mean "
        "over control masks with their range. Tokens: the mean number that a text has."
    )
    columns = ["condition", "texts", "tokens", "top", "controls"]
    return [Table("Response profile in numbers", note, columns, rows)]


def _kind_row(same: pd.DataFrame) -> list[Cell]:
    top, drawn = same[same["rule"] == "top"].iloc[0], same[same["rule"] != "top"]["response"]
    control = Cell()
    if not drawn.empty:
        control = Cell(f"{drawn.mean():.3f}", f"({drawn.min():.3f} to {drawn.max():.3f})")
    own = "the localizer’s own" if top["own"] else ""
    return [
        Cell(kind_name(top["set"], top["condition"]), own),
        Cell(f"{top['n']:,}"),
        Cell(f"{top['tokens']:.1f}"),
        Cell(f"{top['response']:.3f}", f"[{top['low']:.3f}, {top['high']:.3f}]"),
        control,
    ]
