"""The report's tables: masks and groups, what was lost where, perplexity."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from common.effects.words import between, points, top_of
from common.measure.masks import MATCHED
from common.report.figures import kind_name
from common.report.parts import Cell, Table, part_of, profile_of

LEAST_ITEMS = 5
LOSERS = 15


def columns(results: dict[str, Any]) -> list[tuple[str, str]]:
    """Title and style of each column after the mask's name."""
    target, other = results["evaluation"]["target"], results["evaluation"]["other"]
    return [
        (target, "target"),
        (f"drop, {target}", "target"),
        (other, "other"),
        (f"drop, {other}", "other"),
        ("interaction", ""),
        ("p", ""),
    ]


def intact_row(results: dict[str, Any]) -> list[Cell]:
    target, other = results["evaluation"]["target"], results["evaluation"]["other"]
    of = results["intact"]
    return [_rate(of[target]), Cell(), _rate(of[other]), Cell(), Cell(), Cell()]


def doses(results: dict[str, Any]) -> list[dict[str, Any]]:
    """The rows of every dose: the top mask first, then each control rule."""
    doses = []
    for dose in dict.fromkeys(entry["percent"] for entry in results["ablations"]):
        entries = [entry for entry in results["ablations"] if entry["percent"] == dose]
        p_of = {e["rule"]: e["p"] for e in results["permutations"] if e["percent"] == dose}
        rows = []
        for rule in dict.fromkeys(entry["rule"] for entry in entries):
            same = [entry for entry in entries if entry["rule"] == rule]
            rows.append(_row(results, rule, same, p_of))
        n_units = entries[0]["n_units"]
        size = f"{dose:g} %: {n_units:,} {'unit' if n_units == 1 else 'units'} a mask"
        doses.append({"size": size, "headline": dose == results["headline_percent"], "rows": rows})
    return doses


def _row(
    results: dict[str, Any], rule: str, same: list[dict[str, Any]], p_of: dict[str, float]
) -> dict[str, Any]:
    cells = []
    for group in (results["evaluation"]["target"], results["evaluation"]["other"]):
        effects = [entry["groups"][group] for entry in same]
        cells.append(_rate(effects[0]) if len(same) == 1 else _mean_rate(effects))
        cells.append(_spread(effects, "drop"))
    cells.append(_spread(same, "interaction"))
    cells.append(Cell(f"{p_of[rule]:.3f}" if rule in p_of and len(same) > 1 else ""))
    return {"rule": rule, "draws": len(same), "cells": cells, "top": rule == "top"}


def _rate(entry: dict[str, Any]) -> Cell:
    low, high = entry["ci"]
    return Cell(f"{100 * entry['accuracy']:.1f}", f"[{100 * low:.1f}, {100 * high:.1f}]")


def _mean_rate(entries: list[dict[str, Any]]) -> Cell:
    values = [100 * entry["accuracy"] for entry in entries]
    return Cell(f"{sum(values) / len(values):.1f}", f"({min(values):.1f} to {max(values):.1f})")


def _spread(entries: list[dict[str, Any]], name: str) -> Cell:
    if len(entries) == 1:
        return Cell(points(entries[0][name]), between(entries[0][f"{name}_ci"]))
    values = [entry[name] for entry in entries]
    mean = points(sum(values) / len(values))
    return Cell(mean, f"({points(min(values))} to {points(max(values))})")


def mcnemar(results: dict[str, Any]) -> str:
    groups = top_of(results)["groups"]
    return ", ".join(f"{name} {_p(effect['mcnemar_p'])}" for name, effect in groups.items())


def _p(p: float) -> str:
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def losers(results: dict[str, Any], folder: Path) -> list[dict[str, Any]]:
    """The classes that lost most items under the top mask, where items have classes."""
    names = results["evaluation"].get("classes")
    if not names:
        return []
    columns = ["group", "mask", "label", "correct"]
    items = pd.read_csv(
        part_of(folder, "items.csv"), usecols=columns, dtype={"group": str, "mask": str}
    )
    dose = results["headline_percent"]
    masks = {e["mask"]: e["rule"] for e in results["ablations"] if e["percent"] == dose}
    items = items.assign(rule=items["mask"].map({**masks, "intact": "intact"}))
    items = items[items["rule"].isin(["intact", "top", *MATCHED])]
    items = items.assign(rule=items["rule"].replace(dict.fromkeys(MATCHED, "matched")))
    rates = items.pivot_table(index=["group", "label"], columns="rule", values="correct")
    sizes = items[items["rule"] == "intact"].groupby(["group", "label"]).size()
    rates = rates.assign(n=sizes, lost=sizes * (rates["intact"] - rates["top"]))
    rates = rates[(rates["n"] >= LEAST_ITEMS) & (rates["lost"] > 0)]
    worst = rates.sort_values(["lost", "n"], ascending=False, kind="stable").head(LOSERS)
    rows: list[dict[str, Any]] = worst.reset_index().to_dict("records")  # type: ignore[assignment]
    return [
        {
            "name": names.get(str(row["label"]), str(row["label"])),
            "group": row["group"],
            "side": "target" if row["group"] == results["evaluation"]["target"] else "other",
            "n": int(row["n"]),
            "intact": f"{100 * row['intact']:.0f}",
            "ablated": f"{100 * row['top']:.0f}",
            "controls": f"{100 * row['matched']:.0f}" if "matched" in row else "",
        }
        for row in rows
    ]


def headline_breakdown(results: dict[str, Any]) -> list[dict[str, Any]]:
    """The breakdown at the dose of the finding; empty where the evaluation has no levels."""
    dose = results["headline_percent"]
    return [entry for entry in results.get("breakdown", []) if entry["percent"] == dose]


def breakdown(results: dict[str, Any]) -> list[Table]:
    """What the parts of every level lost, where the evaluation has levels."""
    tables = []
    entries = headline_breakdown(results)
    for level in dict.fromkeys(entry["level"] for entry in entries):
        parts = [entry for entry in entries if entry["level"] == level]
        rows = [_part_row(entry) for entry in sorted(parts, key=lambda entry: -entry["drop"])]
        tables.append(
            Table(
                f"Accuracy by {level}" if level != "all" else "Accuracy on all items",
                f"Under the top {results['headline_percent']:g} %, in percent and percentage "
                "points, what lost most first. Controls: mean drop over the draws, with the "
                "largest in brackets, and the rank p of the top mask’s drop among them. No p is "
                "corrected for the number of parts.",
                [level, "items", "intact", "ablated", "drop", "drop under controls", "p"],
                rows,
            )
        )
    return tables


def _part_row(entry: dict[str, Any]) -> list[Cell]:
    rules = entry["controls"]
    rule = next((name for name in reversed((*MATCHED,)) if name in rules), next(iter(rules), None))
    control, p = Cell(), Cell()
    if rule is not None:
        drawn = rules[rule]
        control = Cell(points(drawn["drop_mean"]), f"{rule} (max {points(drawn['drop_max'])})")
        p = Cell("" if drawn["p"] is None else f"{drawn['p']:.3f}")
    drop = Cell(points(entry["drop"]), between(entry["drop_ci"]))
    return [
        Cell(entry["part"]),
        Cell(f"{entry['n']:,}"),
        _rate(entry["intact"]),
        _rate(entry["top"]),
        drop,
        control,
        p,
    ]


def perplexity(results: dict[str, Any]) -> list[Table]:
    """Perplexity of each text, where texts were measured."""
    tables = []
    for text in results.get("perplexity", []):
        intact = text["intact"]
        scales: list[tuple[str, str | None]] = [("perplexity a token", None)]
        if "per_byte" in intact:
            scales.append(("perplexity a byte", "per_byte"))
        keys = [key for _, key in scales]
        rows = [[Cell("intact"), *_perplexities([intact], keys), Cell()]]
        for dose in dict.fromkeys(entry["percent"] for entry in text["ablations"]):
            same = [entry for entry in text["ablations"] if entry["percent"] == dose]
            for rule in dict.fromkeys(entry["rule"] for entry in same):
                drawn = [entry for entry in same if entry["rule"] == rule]
                draws = f", {len(drawn)} draws" if len(drawn) > 1 else ""
                name = Cell(f"{rule} {dose:g} %{draws}")
                rows.append([name, *_perplexities(drawn, keys), _rise(drawn)])
        note = (
            f"{text['n']:,} windows of {text['window']} tokens. Rise: nats a token above intact. "
            "In brackets 95 % bootstrap intervals over windows, or the range over draws."
        )
        columns = ["mask", *(name for name, _ in scales), "rise"]
        tables.append(Table(f"Perplexity of {text['text']}", note, columns, rows))
    return tables


def _perplexities(drawn: list[dict[str, Any]], keys: list[str | None]) -> list[Cell]:
    """Perplexity on each scale: with its interval, or the mean over draws with their range."""
    cells = []
    for key in keys:
        entries = drawn if key is None else [entry[key] for entry in drawn]
        values = [entry["perplexity"] for entry in entries]
        low, high = entries[0]["perplexity_ci"]
        beside = f"[{low:.4g}, {high:.4g}]"
        if len(values) > 1:
            beside = f"({min(values):.4g} to {max(values):.4g})"
        cells.append(Cell(f"{sum(values) / len(values):.4g}", beside))
    return cells


def _rise(drawn: list[dict[str, Any]]) -> Cell:
    rises = [entry["rise"] for entry in drawn]
    low, high = drawn[0]["rise_ci"]
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
