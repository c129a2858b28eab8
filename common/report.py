"""The report: one self-contained HTML file, made from a run folder alone.

Every value goes through jinja2's autoescape; figures and pictures are embedded, so the file opens
without a network and can be sent around. Made again from the same folder, it has the same bytes.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined
from matplotlib.figure import Figure

from common import figures
from common.effects import RESAMPLES
from common.errors import RunError
from common.files import read_json, save_text
from common.masks import MATCHED, Mask, top_percent
from common.selectivity import SelectivityMap
from common.verdict import between, has_evidence, percent, points, top_of

LEAST_ITEMS = 5
LOSERS = 15
OPEN_ROWS = 24  # longer tables are folded
REFERENCES = (
    "AlKhamissi, B., Tuckute, G., Bosselut, A., & Schrimpf, M. (2024). The LLM Language Network. "
    "arXiv:2411.02280. (The localizer: |activation|, Welch’s t, the top 1 %, ablation by zero.)",
    "Welch, B. L. (1947). The generalization of ‘Student’s’ problem when several different "
    "population variances are involved. Biometrika, 34.",
    "Benjamini, Y., & Hochberg, Y. (1995). Controlling the false discovery rate. J. R. Stat. Soc. "
    "B, 57.",
    "Chan, T. F., Golub, G. H., & LeVeque, R. J. (1983). Algorithms for computing the sample "
    "variance. Am. Stat., 37. (How means and variances are streamed.)",
    "Wilson, E. B. (1927). Probable inference, the law of succession, and statistical inference. "
    "J. Am. Stat. Assoc., 22.",
    "Efron, B. (1979). Bootstrap methods: another look at the jackknife. Ann. Stat., 7.",
    "McNemar, Q. (1947). Note on the sampling error of the difference between correlated "
    "proportions. Psychometrika, 12.",
    "Phipson, B., & Smyth, G. K. (2010). Permutation p-values should never be zero. Stat. Appl. "
    "Genet. Mol. Biol., 9.",
)


@dataclass(frozen=True)
class Shown:
    """One figure of the report."""

    caption: str
    alt: str
    data: str


@dataclass(frozen=True)
class Section:
    """Figures under one heading, with paragraphs beside them."""

    heading: str
    figures: list[Shown]
    text: Sequence[str] = ()


@dataclass(frozen=True)
class Cell:
    """One number of a table, and its interval or range."""

    value: str = ""
    beside: str = ""


@dataclass(frozen=True)
class Table:
    """A table of numbers below the main one."""

    heading: str
    note: str
    columns: list[str]
    rows: list[list[Cell]]

    @property
    def folded(self) -> bool:
        """Whether it is too long to lie open."""
        return len(self.rows) > OPEN_ROWS


def make_report(folder: Path) -> Path:
    """Write ``report.html`` into a finished run folder, from what lies in it.

    Raises
    ------
    RunError
        If the folder holds no finished run, or a part of one is gone.
    """
    if not (folder / "results.json").is_file():
        raise RunError(f"{folder}: holds no finished run (no results.json)")
    results, run = read_json(folder / "results.json"), read_json(folder / "run.json")
    found = SelectivityMap.load(_part_of(folder, "selectivity.safetensors"))
    page = Environment(
        loader=PackageLoader("common"), autoescape=True, undefined=StrictUndefined
    ).get_template("report.html.j2")
    text = page.render(
        title=f"{results['localizer']['name']} in {results['model']['name']}",
        run=run,
        results=results,
        evidence=has_evidence(results),
        target=results["evaluation"]["target"],
        other=results["evaluation"]["other"],
        facts=_facts(results),
        columns=_columns(results),
        intact=_intact(results),
        doses=_doses(results),
        mcnemar=_mcnemar(results),
        sections=_sections(results, found),
        galleries=_galleries(folder),
        losers=_losers(results, folder),
        tables=[*_perplexity(results), *_breakdown(results)],
        headline=f"{results['headline_percent']:g}",
        least=LEAST_ITEMS,
        method=_method(results, run),
        references=REFERENCES,
        words=run["command"].split(" "),
        settings=_settings(run),
        versions=", ".join(f"{name} {number}" for name, number in run["versions"].items()),
    )
    path = folder / "report.html"
    save_text(path, text)
    return path


def _part_of(folder: Path, name: str) -> Path:
    path = folder / name
    if not path.is_file():
        raise RunError(f"{path}: this part of the run is gone; run it again in a new folder")
    return path


def _facts(results: dict[str, Any]) -> list[tuple[str, str]]:
    model, found = results["model"], results["selectivity"]
    localizer, tested = results["localizer"], results["evaluation"]
    target, other = tested["target"], tested["other"]
    intact = results["intact"]
    facts = [
        ("Model", f"{model['name']}{' (untrained)' if model['untrained'] else ''}, "
         f"{model['n_parameters']:,} parameters"),
        ("Localizer", f"{localizer['name']}: {localizer['n_target']:,} target, "
         f"{localizer['n_control']:,} control stimuli"),
        ("Units", f"{found['n_units']:,} {found['unit']}s at {_sites(found['n_sites'])}"),
        ("Selective", f"{found['n_selective_q05']:,} units with t > 0 and q < 0.05; "
         f"highest t {found['t_max']:.1f}"),
        ("Evaluated on", f"{tested['name']}: {intact[target]['n']:,} {target}, "
         f"{intact[other]['n']:,} {other}"),
        ("Intact accuracy", f"{target} {percent(intact[target]['accuracy'])}, "
         f"{other} {percent(intact[other]['accuracy'])}"),
    ]  # fmt: skip
    if tokens := localizer.get("tokens"):
        facts.append(
            ("Tokens a text", ", ".join(f"{side} {_tokens(tokens[side])}" for side in tokens))
        )
    if half := found.get("split_half"):
        facts.append(("Split-half reliability", f"r = {half['correlation']:.3f} over units"))
    if area := results.get("area"):
        share = _by_dose(area["share"], results["headline_percent"])
        within = f"{percent(share['of_top'])} of the top units lie in it" if share else "see below"
        facts.append(("Built-in area", f"{area['n_units']:,} units; {within}"))
    return facts


def _tokens(entry: dict[str, Any]) -> str:
    """Mean and range as they were read, and the mean of whole texts where any was cut."""
    low, high = entry["range"]
    whole = f" of {entry['whole_mean']:.1f} whole" if entry["n_cut"] else ""
    return f"{entry['mean']:.1f}{whole} ({low}–{high})"


def _sites(n: int) -> str:
    return f"{n:,} site" if n == 1 else f"{n:,} sites"


def _by_dose(entries: dict[str, Any], dose: float) -> Any:
    """The entry of a dose: JSON knows only strings as keys."""
    return next((entry for key, entry in entries.items() if float(key) == dose), None)


# --- tables ---


def _columns(results: dict[str, Any]) -> list[tuple[str, str]]:
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


def _intact(results: dict[str, Any]) -> list[Cell]:
    target, other = results["evaluation"]["target"], results["evaluation"]["other"]
    of = results["intact"]
    return [_rate(of[target]), Cell(), _rate(of[other]), Cell(), Cell(), Cell()]


def _doses(results: dict[str, Any]) -> list[dict[str, Any]]:
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


def _mcnemar(results: dict[str, Any]) -> str:
    groups = top_of(results)["groups"]
    return ", ".join(f"{name} {_p(effect['mcnemar_p'])}" for name, effect in groups.items())


def _p(p: float) -> str:
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def _breakdown(results: dict[str, Any]) -> list[Table]:
    """What the parts of every level lost, where the evaluation has levels."""
    tables = []
    entries = [
        entry
        for entry in results.get("breakdown", [])
        if entry["percent"] == results["headline_percent"]
    ]
    for level in dict.fromkeys(entry["level"] for entry in entries):
        rows = [_part_row(entry) for entry in entries if entry["level"] == level]
        tables.append(
            Table(
                f"Accuracy by {level}" if level != "all" else "Accuracy on all items",
                f"Under the top {results['headline_percent']:g} %, in percent and percentage "
                "points. Controls: mean drop over the draws, with the largest in brackets, and the "
                "rank p of the top mask’s drop among them. No p is corrected for the number of "
                "parts.",
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


def _perplexity(results: dict[str, Any]) -> list[Table]:
    """Perplexity of each text, where texts were measured."""
    tables = []
    for text in results.get("perplexity", []):
        rows = [[Cell("intact"), _perplexed(text["intact"]), Cell()]]
        for dose in dict.fromkeys(entry["percent"] for entry in text["ablations"]):
            same = [entry for entry in text["ablations"] if entry["percent"] == dose]
            for rule in dict.fromkeys(entry["rule"] for entry in same):
                drawn = [entry for entry in same if entry["rule"] == rule]
                rows.append(_text_row(f"{rule} {dose:g} %", drawn))
        note = (
            f"{text['n']:,} windows of {text['window']} tokens. Rise: nats a token above intact. "
            "In brackets 95 % bootstrap intervals over windows, or the range over draws."
        )
        tables.append(
            Table(f"Perplexity of {text['text']}", note, ["mask", "perplexity", "rise"], rows)
        )
    return tables


def _perplexed(entry: dict[str, Any]) -> Cell:
    low, high = entry["perplexity_ci"]
    return Cell(f"{entry['perplexity']:.4g}", f"[{low:.4g}, {high:.4g}]")


def _text_row(name: str, drawn: list[dict[str, Any]]) -> list[Cell]:
    if len(drawn) == 1:
        low, high = drawn[0]["rise_ci"]
        rise = Cell(f"{drawn[0]['rise']:+.3f}", f"[{low:+.3f}, {high:+.3f}]")
        return [Cell(name), _perplexed(drawn[0]), rise]
    values = [entry["perplexity"] for entry in drawn]
    rises = [entry["rise"] for entry in drawn]
    return [
        Cell(f"{name}, {len(drawn)} draws"),
        Cell(f"{sum(values) / len(values):.4g}", f"({min(values):.4g} to {max(values):.4g})"),
        Cell(f"{sum(rises) / len(rises):+.3f}", f"({min(rises):+.3f} to {max(rises):+.3f})"),
    ]


# --- figures and pictures ---


def _sections(results: dict[str, Any], found: SelectivityMap) -> list[Section]:
    target = results["localizer"]["name"]
    doses = sorted({entry["percent"] for entry in results["ablations"]})
    top: Mask = top_percent(found, results["headline_percent"])
    compared = _shown(
        figures.interactions(results),
        "The interaction under the top mask with its 95 % interval"
        + (
            ", and under each control draw (bar: mean of a rule)."
            if results["permutations"]
            else "; no control masks were drawn to hold it against."
        ),
        _say_interactions(results),
    )
    where = _shown(
        figures.units_by_site(found, top, target),
        f"{len(top):,} {'unit' if len(top) == 1 else 'units'} in all (numbers: units of a site).",
        _say_sites(found, top),
    )
    every = _shown(
        figures.selectivity_by_site(found),
        "All units of each site, not only the chosen ones.",
        "Heat map: Welch’s t of every site’s units, sorted within the site.",
    )
    spread = _shown(
        figures.t_distribution(found, doses),
        "The threshold of every dose is marked: units to its right are in the mask.",
        f"Histogram of Welch’s t over {found.n_units:,} units, from {found.t.min():.1f} to "
        f"{found.t.max():.1f}.",
    )
    left = Section("Against the controls" if results["permutations"] else "Effect", [compared])
    if len(doses) > 1:
        left = Section("Dose, and the controls", [_dose_curve(results), compared])
    return [
        left,
        Section("Where the units lie", [where, every]),
        Section("How selective, how reliable", [spread], [*_reliability(results), *_area(results)]),
    ]


def _dose_curve(results: dict[str, Any]) -> Shown:
    return _shown(
        figures.dose_curve(results),
        "What is left as more units are ablated. Dashed: mean of the control draws; band: their "
        "range.",
        _say_doses(results),
    )


def _say_doses(results: dict[str, Any]) -> str:
    tops = [entry for entry in results["ablations"] if entry["rule"] == "top"]
    tops.sort(key=lambda entry: entry["percent"])
    told = []
    for group in (results["evaluation"]["target"], results["evaluation"]["other"]):
        at = [f"{percent(e['groups'][group]['accuracy'])} at {e['percent']:g} %" for e in tops]
        told.append(f"{group} {', '.join(at)}")
    return f"Accuracy by dose of the top mask: {'; '.join(told)}."


def _say_interactions(results: dict[str, Any]) -> str:
    top = top_of(results)
    drawn = [e for e in results["permutations"] if e["percent"] == results["headline_percent"]]
    rest = "".join(f"; {e['rule']} {points(e['control_mean'])} on average" for e in drawn)
    return f"Interaction in percentage points: top {points(top['interaction'])}{rest}."


def _say_sites(found: SelectivityMap, top: Mask) -> str:
    counts = sorted(top.counts().items(), key=lambda pair: -pair[1])[:3]
    most = ", ".join(f"{count:,} in {site}" for site, count in counts if count)
    return f"Bar chart of the top mask’s units over {_sites(len(found.sites))}; most are {most}."


def _shown(figure: Figure, caption: str, alt: str) -> Shown:
    return Shown(caption, alt, _png(figure))


def _png(figure: Figure) -> str:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=190)
    return base64.b64encode(buffer.getvalue()).decode()


def _galleries(folder: Path) -> list[dict[str, Any]]:
    """What the front end kept to show: ``gallery/gallery.json`` and the pictures beside it."""
    index = folder / "gallery" / "gallery.json"
    if not index.is_file():
        return []
    galleries: list[dict[str, Any]] = read_json(index)
    for gallery in galleries:
        for entry in gallery["pictures"]:
            # Only the name counts: an index made by somebody else cannot reach outside the folder.
            picture = _part_of(index.parent, Path(entry["file"]).name)
            entry["data"] = base64.b64encode(picture.read_bytes()).decode()
    return [gallery for gallery in galleries if gallery["pictures"]]


# --- words ---


def _losers(results: dict[str, Any], folder: Path) -> list[dict[str, Any]]:
    """The classes that lost most items under the top mask, where items have classes."""
    names = results["evaluation"].get("classes")
    if not names:
        return []
    columns = ["group", "mask", "label", "correct"]
    items = pd.read_csv(
        _part_of(folder, "items.csv"), usecols=columns, dtype={"group": str, "mask": str}
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


def _reliability(results: dict[str, Any]) -> list[str]:
    half = results["selectivity"].get("split_half")
    if half is None:
        return []
    told = [
        f"{percent(share)} at {dose} % ({percent(half['dice_chance'][dose])} expected of random "
        "masks)"
        for dose, share in half["dice"].items()
    ]
    return [
        "Each condition was split in two random halves and a map made from each. t of the two maps "
        f"correlates with r = {half['correlation']:.3f} over units. Their top masks share (Dice): "
        f"{'; '.join(told)}."
    ]


def _area(results: dict[str, Any]) -> list[str]:
    """How much of a phantom's built-in area the localizer found."""
    area = results.get("area")
    if area is None:
        return []
    told = [
        f"of the top {dose} %, {percent(share['of_top'])} lie in it, and they are "
        f"{percent(share['of_area'])} of it"
        for dose, share in area["share"].items()
    ]
    return [
        f"The phantom was built with an area of {area['n_units']:,} units "
        f"({area['percent']:.1f} % of all), so the right answer is known: {'; '.join(told)}."
    ]


def _settings(run: dict[str, Any]) -> list[tuple[str, str]]:
    told = {**run["settings"], "platform": run.get("platform")}
    return [(name.replace("_", " "), str(v)) for name, v in told.items() if v is not None]


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
    doses = ", ".join(f"{d:g} %" for d in dict.fromkeys(e["percent"] for e in results["ablations"]))
    replaced = {
        "zero": "by zero",
        "mean": "by each unit’s own mean over the control condition",
    }.get(results["ablation"], f"by {results['ablation'].removeprefix('scale:')} times itself")
    return [
        f"The model ({results['model']['name']}, {results['model']['dtype']}, its own "
        f"preprocessing) was shown {localizer['n_target']} target stimuli "
        f"({', '.join(localizer['target'])}) and {localizer['n_control']} control stimuli "
        f"({', '.join(localizer['control'])}). At {_sites(found['n_sites'])} the {what} of "
        f"{found['n_units']:,} units was recorded, {pooled}. For each unit Welch’s t between "
        f"target and control was computed from streamed moments in float64, with a two-sided p and "
        f"a q after Benjamini and Hochberg over all units.",
        f"The units with the highest t ({doses} of all) were ablated, their output replaced "
        f"{replaced}. {_controls_told(rules)}",
        f"Accuracy was measured on {results['evaluation']['n_items']:,} items of "
        f"{results['evaluation']['name']}, which the localizer had "
        + ("partly seen" if results["evaluation"].get("overlap") else "not seen")
        + ". Effects are paired by item. Accuracies have Wilson intervals; drops and "
        f"interactions have percentile bootstrap intervals over {RESAMPLES:,} resamples of items; "
        f"each drop has an exact McNemar test{_p_told(results)}. Seed {run['settings']['seed']}.",
    ]


def _p_told(results: dict[str, Any]) -> str:
    if results["permutation_p"] is None:
        return ""
    return (
        "; the p of the interaction is its rank among the control masks’, and the one in the "
        "finding is the largest over the matched rules where such were drawn"
    )


def _controls_told(rules: dict[str, int]) -> str:
    if not rules:
        return "No control masks were drawn."
    told = [f"Control masks of the same size: {', '.join(f'{r} ({n})' for r, n in rules.items())}."]
    if "layer-matched" in rules:
        told.append("Layer-matched masks hold as many units of every site as the top mask.")
    if "magnitude-matched" in rules:
        told.append(
            "Magnitude-matched masks do so too, and their units come from the same tenth of the "
            "site’s units by mean |activation|."
        )
    return " ".join(told)
