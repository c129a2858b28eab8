"""The report's words: facts, method, references, settings; all from the run's numbers."""

from __future__ import annotations

from typing import Any

from common.effects.described import TokenLengths
from common.effects.localized import Selectivity
from common.effects.paired import RESAMPLES
from common.effects.results import Results
from common.effects.words import percent
from common.measure.control_rules import rule_named

POOLED = {
    "none": "each position of a channel counting as a unit of its own",
    "last": "at the last position of each stimulus",
    "cls": "at the first position of each stimulus",
}
REFERENCES = (
    "AlKhamissi, B., Tuckute, G., Bosselut, A., & Schrimpf, M. (2024). The LLM Language Network. "
    "arXiv:2411.02280. (The localizer: |activation|, contrasted unit by unit, the top 1 %, "
    "ablation by zero.)",
    "Benjamini, Y., & Hochberg, Y. (1995). Controlling the false discovery rate: a practical "
    "and powerful approach to multiple testing. J. R. Stat. Soc. B, 57, 289–300.",
    "Chan, T. F., Golub, G. H., & LeVeque, R. J. (1979). Updating formulae and a pairwise "
    "algorithm for computing sample variances. STAN-CS-79-773, Stanford University; reviewed in "
    "Am. Stat., 37, 242–247 (1983). (How means and variances are streamed.)",
    "Wilson, E. B. (1927). Probable inference, the law of succession, and statistical inference. "
    "J. Am. Stat. Assoc., 22, 209–212.",
    "Efron, B., & Tibshirani, R. J. (1993). An introduction to the bootstrap. Chapman & Hall. "
    "(Percentile intervals: ch. 13.)",
    "McNemar, Q. (1947). Note on the sampling error of the difference between correlated "
    "proportions or percentages. Psychometrika, 12, 153–157. (Here the exact, binomial test.)",
    "Phipson, B., & Smyth, G. K. (2010). Permutation p-values should never be zero: calculating "
    "exact p-values when permutations are randomly drawn. Stat. Appl. Genet. Mol. Biol., 9, 39.",
)


def facts(results: Results) -> list[tuple[str, str]]:
    model, found = results.model, results.selectivity
    localizer, tested = results.localizer, results.evaluation
    target, other = results.groups
    intact = results.intact
    facts = [
        ("Model", f"{model.name}{' (untrained)' if model.untrained else ''}, "
         f"{model.n_parameters:,} parameters"),
        ("Localizer", f"{localizer.name}: {localizer.n_target:,} target, "
         f"{localizer.n_control:,} control stimuli"),
        ("Units", f"{found.n_units:,} {found.unit}s at {n_sites(found.n_sites)}"),
        ("Selective", _selective(found)),
        ("Evaluated on", f"{tested.name}: {intact[target].n:,} {target}, "
         f"{intact[other].n:,} {other}"),
        ("Intact accuracy", f"{target} {percent(intact[target].accuracy)}, "
         f"{other} {percent(intact[other].accuracy)}"),
    ]  # fmt: skip
    if tokens := localizer.tokens:
        facts.append(
            ("Tokens a text", ", ".join(f"{side} {_tokens(tokens[side])}" for side in tokens))
        )
    if half := found.split_half:
        facts.append(("Split-half reliability", f"r = {half.correlation:.3f} over units"))
    if area := results.area:
        share = area.at(results.headline_percent)
        within = f"{percent(share.of_top)} of the top units lie in it" if share else "see below"
        facts.append(("Built-in area", f"{area.n_units:,} units; {within}"))
    return facts


def _selective(found: Selectivity) -> str:
    symbol = found.words.symbol
    highest = f"highest {symbol} {found.t_max:.1f}"
    if found.n_selective_q05 is None:
        return highest
    return f"{found.n_selective_q05:,} units with {symbol} > 0 and q < 0.05; {highest}"


def references(results: Results) -> tuple[str, ...]:
    """The sources, that of the score's rule among them."""
    first, *rest = REFERENCES
    return (first, *results.selectivity.words.references, *rest)


def _tokens(entry: TokenLengths) -> str:
    """Mean and range as they were read, and the mean of whole texts where any was cut."""
    low, high = entry.range
    whole = f" of {entry.whole_mean:.1f} whole" if entry.n_cut else ""
    return f"{entry.mean:.1f}{whole} ({low}–{high})"


def n_sites(n: int) -> str:
    return f"{n:,} site" if n == 1 else f"{n:,} sites"


def reliability(results: Results) -> list[str]:
    half = results.selectivity.split_half
    if half is None:
        return []
    told = [
        f"{percent(share)} at {dose} % ({percent(half.dice_chance[dose])} expected of random masks)"
        for dose, share in half.dice.items()
    ]
    return [
        "Each condition was split in two random halves and a map made from each. "
        f"{results.selectivity.words.symbol} of the two maps "
        f"correlates with r = {half.correlation:.3f} over units. Their top masks share (Dice): "
        f"{'; '.join(told)}."
    ]


def area(results: Results) -> list[str]:
    """How much of a phantom's built-in area the localizer found."""
    area = results.area
    if area is None:
        return []
    told = [
        f"of the top {dose} %, {percent(share.of_top)} lie in it, and they are "
        f"{percent(share.of_area)} of it"
        for dose, share in area.share.items()
    ]
    return [
        f"The phantom was built with an area of {area.n_units:,} units "
        f"({area.percent:.1f} % of all), so the right answer is known: {'; '.join(told)}."
    ]


def settings(run: dict[str, Any]) -> list[tuple[str, str]]:
    told = {**run["settings"], "platform": run.get("platform")}
    return [(name.replace("_", " "), str(v)) for name, v in told.items() if v is not None]


def method(results: Results, run: dict[str, Any]) -> list[str]:
    found, localizer = results.selectivity, results.localizer
    what = "absolute activation" if found.statistic == "magnitude" else "signed activation"
    pooled = POOLED.get(found.pooling, f"positions pooled by {found.pooling}")
    rules = {entry.rule: entry.draws for entry in results.rivals(results.headline_percent)}
    doses = ", ".join(f"{dose:g} %" for dose in results.doses)
    replaced = {
        "zero": "by zero",
        "mean": "by each unit’s own mean over the control condition",
    }.get(results.ablation, f"by {results.ablation.removeprefix('scale:')} times itself")
    return [
        f"The model ({results.model.name}, {results.model.dtype}, its own "
        f"preprocessing) was shown {localizer.n_target} target stimuli "
        f"({', '.join(localizer.target)}) and {localizer.n_control} control stimuli "
        f"({', '.join(localizer.control)}). At {n_sites(found.n_sites)} the {what} of "
        f"{found.n_units:,} units was recorded, {pooled}. {found.words.method}",
        f"The units with the highest {found.words.symbol} ({doses} of all) were ablated, their "
        f"output replaced {replaced}. {_controls_told(rules)}",
        f"Accuracy was measured on {results.evaluation.n_items:,} items of "
        f"{results.evaluation.name}, which the localizer had "
        + ("partly seen" if results.evaluation.overlap else "not seen")
        + ". Effects are paired by item. Accuracies have Wilson intervals; drops and "
        f"interactions have percentile bootstrap intervals over {RESAMPLES:,} resamples of items; "
        f"each drop has an exact McNemar test{_p_told(results)}. Seed {run['settings']['seed']}.",
    ]


def _p_told(results: Results) -> str:
    if results.permutation_p is None:
        return ""
    return (
        "; the p of the interaction is its rank among the control masks’, and the one in the "
        "finding is the largest over the matched rules where such were drawn"
    )


def _controls_told(rules: dict[str, int]) -> str:
    if not rules:
        return "No control masks were drawn."
    told = [f"Control masks of the same size: {', '.join(f'{r} ({n})' for r, n in rules.items())}."]
    told += [rule.sentence for rule in map(rule_named, rules) if rule is not None and rule.sentence]
    return " ".join(told)
