"""The report: one self-contained HTML file, made from a run folder alone.

Every value goes through jinja2's autoescape; figures and pictures are embedded, so the file opens
without a network and can be sent around.
"""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined
from matplotlib.figure import Figure

from common import figures
from common.errors import RunError
from common.files import read_json, save_text
from common.masks import MATCHED, Mask, top_percent
from common.selectivity import SelectivityMap
from common.verdict import between, has_evidence, percent, points, top_of

LEAST_ITEMS = 5
LOSERS = 15
REFERENCES = (
    "AlKhamissi, B., Tuckute, G., Bosselut, A., & Schrimpf, M. (2024). The LLM Language Network. "
    "arXiv:2411.02280. (The localizer: |activation|, Welch’s t, the top 1 %, ablation by zero.)",
    "Welch, B. L. (1947). The generalization of ‘Student’s’ problem when several different "
    "population variances are involved. Biometrika, 34.",
    "Benjamini, Y., & Hochberg, Y. (1995). Controlling the false discovery rate. J. R. Stat. Soc. "
    "B, 57.",
    "Wilson, E. B. (1927). Probable inference, the law of succession, and statistical inference. "
    "J. Am. Stat. Assoc., 22.",
    "McNemar, Q. (1947). Note on the sampling error of the difference between correlated "
    "proportions. Psychometrika, 12.",
    "Phipson, B., & Smyth, G. K. (2010). Permutation p-values should never be zero. Stat. Appl. "
    "Genet. Mol. Biol., 9.",
)


@dataclass(frozen=True)
class Shown:
    """One figure of the report."""

    heading: str
    caption: str
    alt: str
    data: str


def make_report(folder: Path) -> Path:
    """Write ``report.html`` into a finished run folder, from what lies in it.

    Raises
    ------
    RunError
        If the folder holds no finished run.
    """
    if not (folder / "results.json").is_file():
        raise RunError(f"{folder}: holds no finished run (no results.json)")
    results, run = read_json(folder / "results.json"), read_json(folder / "run.json")
    found = SelectivityMap.load(_map_of(folder, run))
    items = pd.read_csv(folder / "items.csv", dtype={"item": str, "group": str, "mask": str})
    page = Environment(
        loader=PackageLoader("common"), autoescape=True, undefined=StrictUndefined
    ).get_template("report.html.j2")
    text = page.render(
        title=f"{results['model']['name']}: {results['localizer']['name']}",
        version=_own_version(),
        run=run,
        results=results,
        evidence=has_evidence(results),
        target=results["evaluation"]["target"],
        other=results["evaluation"]["other"],
        facts=_facts(results),
        rows=_rows(results),
        mcnemar=_mcnemar(results),
        figures=_figures(results, found),
        galleries=_galleries(folder),
        losers=_losers(results, items),
        headline=f"{results['headline_percent']:g}",
        least=LEAST_ITEMS,
        reliability=_reliability(results),
        method=_method(results, run),
        references=REFERENCES,
        versions=", ".join(f"{name} {number}" for name, number in run["versions"].items()),
    )
    path = folder / "report.html"
    save_text(path, text)
    return path


def _map_of(folder: Path, run: dict[str, Any]) -> Path:
    path = folder / "selectivity.safetensors"
    if not path.is_file():
        raise RunError(f"{folder}: its selectivity map is gone ({run['fingerprint'][:12]})")
    return path


def _own_version() -> str:
    try:
        return version("funcloc")
    except PackageNotFoundError:
        return "(not installed)"


def _facts(results: dict[str, Any]) -> list[tuple[str, str]]:
    model, found = results["model"], results["selectivity"]
    localizer, tested = results["localizer"], results["evaluation"]
    target, other = tested["target"], tested["other"]
    intact = results["intact"]
    return [
        ("Model", f"{model['name']}{' (untrained)' if model['untrained'] else ''}, "
         f"{model['n_parameters']:,} parameters"),
        ("Localizer", f"{localizer['name']}: {localizer['n_target']} target, "
         f"{localizer['n_control']} control stimuli"),
        ("Units", f"{found['n_units']:,} {found['unit']}s at {found['n_sites']} sites"),
        ("Selective", f"{found['n_selective_q05']:,} units with q < 0.05 and t > 0; "
         f"highest t {found['t_max']:.1f}"),
        ("Evaluated on", f"{tested['name']}: {intact[target]['n']:,} {target}, "
         f"{intact[other]['n']:,} {other}"),
        ("Intact accuracy", f"{target} {percent(intact[target]['accuracy'])}, "
         f"{other} {percent(intact[other]['accuracy'])}"),
    ]  # fmt: skip


# --- the table ---


def _rows(results: dict[str, Any]) -> list[dict[str, Any]]:
    groups = (results["evaluation"]["target"], results["evaluation"]["other"])
    cells = []
    for group in groups:
        cells += [_rate(results["intact"][group]), ""]
    rows = [{"name": "intact", "units": "", "cells": [*cells, "", ""], "style": ""}]
    for dose in dict.fromkeys(entry["percent"] for entry in results["ablations"]):
        entries = [entry for entry in results["ablations"] if entry["percent"] == dose]
        p_of = {e["rule"]: e["p"] for e in results["permutations"] if e["percent"] == dose}
        for rule in dict.fromkeys(entry["rule"] for entry in entries):
            same = [entry for entry in entries if entry["rule"] == rule]
            rows.append(_row(rule, dose, same, groups, p_of))
    return rows


def _row(
    rule: str,
    dose: float,
    same: list[dict[str, Any]],
    groups: tuple[str, str],
    p_of: dict[str, float],
) -> dict[str, Any]:
    cells = []
    for group in groups:
        effects = [entry["groups"][group] for entry in same]
        cells.append(_rate(effects[0]) if len(same) == 1 else _mean_rate(effects))
        cells.append(_spread(effects, "drop"))
    cells.append(_spread(same, "interaction"))
    cells.append(f"{p_of[rule]:.3f}" if rule in p_of and len(same) > 1 else "")
    draws = f", {len(same)} draws" if len(same) > 1 else ""
    style = "top first" if rule == "top" else ""
    name = f"{rule} {dose:g} %{draws}"
    return {"name": name, "units": same[0]["n_units"], "cells": cells, "style": style}


def _rate(entry: dict[str, Any]) -> str:
    low, high = entry["ci"]
    return f"{100 * entry['accuracy']:.1f} [{100 * low:.1f}, {100 * high:.1f}]"


def _mean_rate(entries: list[dict[str, Any]]) -> str:
    return f"{100 * sum(e['accuracy'] for e in entries) / len(entries):.1f}"


def _spread(entries: list[dict[str, Any]], name: str) -> str:
    if len(entries) == 1:
        return f"{points(entries[0][name])} {between(entries[0][f'{name}_ci'])}"
    values = [entry[name] for entry in entries]
    mean = points(sum(values) / len(values))
    return f"{mean} ({points(min(values))} to {points(max(values))})"


def _mcnemar(results: dict[str, Any]) -> str:
    groups = top_of(results)["groups"]
    return ", ".join(f"{name} p = {effect['mcnemar_p']:.3g}" for name, effect in groups.items())


# --- figures and pictures ---


def _figures(results: dict[str, Any], found: SelectivityMap) -> list[Shown]:
    target = results["localizer"]["name"]
    doses = sorted({entry["percent"] for entry in results["ablations"]})
    top: Mask = top_percent(found, results["headline_percent"])
    shown = []
    if len(doses) > 1:
        shown.append(
            _shown("Dose", figures.dose_curve(results), "What is left as more units are ablated.")
        )
    shown += [
        _shown(
            "" if shown else "Against the controls",
            figures.interactions(results),
            "The interaction under the top mask with its 95 % interval, and under each control "
            "draw (bar: mean of a rule).",
        ),
        _shown(
            "Where the units lie",
            figures.units_by_site(found, top, target),
            f"Sites in running order; {len(top)} units in all.",
        ),
        _shown("", figures.selectivity_by_site(found), "All units, not only the chosen ones."),
        _shown("", figures.t_distribution(found, doses), "The threshold of every dose is marked."),
    ]
    return shown


def _shown(heading: str, figure: Figure, caption: str) -> Shown:
    alt = figure.axes[0].get_title() or caption
    return Shown(heading, caption, alt, _png(figure))


def _png(figure: Figure) -> str:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=140)
    return base64.b64encode(buffer.getvalue()).decode()


def _galleries(folder: Path) -> list[dict[str, Any]]:
    """What the front end kept to show: ``gallery/gallery.json`` and the pictures beside it."""
    index = folder / "gallery" / "gallery.json"
    if not index.is_file():
        return []
    galleries: list[dict[str, Any]] = read_json(index)
    for gallery in galleries:
        for entry in gallery["pictures"]:
            data = (index.parent / Path(entry["file"]).name).read_bytes()
            entry["data"] = base64.b64encode(data).decode()
    return [gallery for gallery in galleries if gallery["pictures"]]


# --- words ---


def _losers(results: dict[str, Any], items: pd.DataFrame) -> list[dict[str, Any]]:
    names = results["evaluation"].get("classes")
    if not names:
        return []
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


def _reliability(results: dict[str, Any]) -> str:
    half = results["selectivity"]["split_half"]
    dose = next(iter(half["dice"]))
    return (
        f"Each condition was split in two random halves and the map made from each. t of the two "
        f"maps correlates with r = {half['correlation']:.3f} over units. Their top {dose} % share "
        f"{percent(half['dice'][dose])} of their units (Dice; "
        f"{percent(half['dice_chance'][dose])} would be expected of random masks)."
    )


def _method(results: dict[str, Any], run: dict[str, Any]) -> list[str]:
    found, localizer = results["selectivity"], results["localizer"]
    what = "absolute activation" if found["statistic"] == "magnitude" else "signed activation"
    pooled = (
        "each position of a channel counting as a unit of its own"
        if found["unit"] == "neuron"
        else f"positions pooled by {found['pooling']}"
    )
    rules: dict[str, int] = {}
    for entry in results["ablations"]:
        if entry["percent"] == results["headline_percent"] and entry["rule"] != "top":
            rules[entry["rule"]] = rules.get(entry["rule"], 0) + 1
    drawn = ", ".join(f"{rule} ({n})" for rule, n in rules.items()) or "none"
    replaced = {
        "zero": "by zero",
        "mean": "by each unit’s own mean over the control condition",
    }.get(results["ablation"], f"by {results['ablation'].removeprefix('scale:')} times itself")
    return [
        f"The model ({results['model']['name']}, {results['model']['dtype']}, its own "
        f"preprocessing) was shown {localizer['n_target']} target stimuli "
        f"({', '.join(localizer['target'])}) and {localizer['n_control']} control stimuli "
        f"({', '.join(localizer['control'])}). At {found['n_sites']} sites the {what} of "
        f"{found['n_units']:,} units was recorded, {pooled}. For each unit Welch’s t between "
        f"target and control was computed from streamed moments in float64, with a two-sided p and "
        f"a q after Benjamini and Hochberg over all units.",
        f"The units with the highest t were ablated, their output replaced {replaced}, and beside "
        f"them control masks of the same size: {drawn}. Layer-matched masks hold as many units of "
        f"every site as the top mask; magnitude-matched ones are drawn, besides, from the same "
        f"tenth of the site’s units by mean |activation|.",
        f"Accuracy was measured on {results['evaluation']['n_items']:,} items of "
        f"{results['evaluation']['name']}, which the localizer had "
        + ("partly seen" if results["evaluation"]["overlap"] else "not seen")
        + ". Effects are paired by item. Accuracies have Wilson intervals; drops and "
        "interactions have percentile bootstrap intervals over items; each drop has an exact "
        "McNemar test; the p of the interaction is its rank among the control masks’, and the one "
        f"in the finding is the largest over the matched rules. Seed {run['settings']['seed']}.",
    ]
