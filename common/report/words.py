"""The report's words: facts, method, references, settings; all from the run's numbers."""

from __future__ import annotations

from typing import Any

from common.effects.described import DescribedModel, TokenLengths
from common.effects.localized import Selectivity
from common.effects.measured import ACCURACY, WORDS
from common.effects.nouns import all_in_words_of
from common.effects.results import Localized, Results
from common.effects.words import percent
from common.measure.control_rules import rule_named
from common.measure.sinks import AVERAGED
from common.measure.sites import WEIGHT

ACTIVATION = {
    "magnitude": "absolute activation",
    "signed": "signed activation",
    "mean-magnitude": "absolute activation, taken before positions were pooled,",
}
POOLED = {
    "none": "each position of a channel counting as a unit of its own",
    "last": "at the last position of each stimulus",
    "cls": "at the first position of each stimulus",
}
OF_MAPS = 2  # of the references behind the first: how a map is made and corrected
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
    "Bonett, D. G., & Price, R. M. (2012). Adjusted Wald confidence interval for a difference of "
    "binomial proportions based on paired data. J. Educ. Behav. Stat., 37, 479–488. (Drops.)",
    "Newcombe, R. G. (1998). Interval estimation for the difference between independent "
    "proportions: comparison of eleven methods. Stat. Med., 17, 873–890; Zou, G. Y., & Donner, A. "
    "(2008). Construction of confidence limits about effect measures: a general approach. Stat. "
    "Med., 27, 1693–1702. (MOVER: the interaction.)",
    "Bell, R. M., & McCaffrey, D. F. (2002). Bias reduction in standard errors for linear "
    "regression with multi-stage samples. Surv. Methodol., 28, 169–181. (The adjusted effect’s "
    "error and degrees of freedom, clustered.)",
    "Besag, J., & Clifford, P. (1991). Sequential Monte Carlo p-values. Biometrika, 78, 301–304. "
    "(When to stop drawing controls.)",
    "Westfall, P. H., & Young, S. S. (1993). Resampling-based multiple testing. Wiley. (One p over "
    "all doses: algorithm 4.1.)",
    "McNemar, Q. (1947). Note on the sampling error of the difference between correlated "
    "proportions or percentages. Psychometrika, 12, 153–157. (Here the exact, binomial test.)",
    "Phipson, B., & Smyth, G. K. (2010). Permutation p-values should never be zero: calculating "
    "exact p-values when permutations are randomly drawn. Stat. Appl. Genet. Mol. Biol., 9, 39.",
)


def facts(results: Results) -> list[tuple[str, str]]:
    """What to know of a run at a glance, by a word or two each."""
    return all_in_words_of(results.selectivity.unit, _facts(results))


def _facts(results: Results) -> list[tuple[str, str]]:
    tested, intact = results.evaluation, results.intact
    evaluated = [
        ("Evaluated on", f"{tested.name}: "
         + ", ".join(f"{intact[group].n:,} {group}" for group in results.groups)),
        ("Intact accuracy", ", ".join(
            f"{group} {percent(intact[group].accuracy)}" for group in results.groups
        )) if tested.measure == ACCURACY else
        ("Measure", "agreement: the intact model’s own predictions count as right"),
    ]  # fmt: skip
    facts = [*_who(results), *evaluated, *_read(results)]
    if area := results.area:
        share = area.at(results.headline_percent)
        within = f"{percent(share.of_top)} of the top units lie in it" if share else "see below"
        facts.append(("Built-in area", f"{area.n_units:,} units; {within}"))
    return facts


def map_facts(results: Localized) -> list[tuple[str, str]]:
    """What to know of a map at a glance."""
    return all_in_words_of(results.selectivity.unit, [*_who(results), *_read(results)])


def _who(results: Localized) -> list[tuple[str, str]]:
    """Model, localizer and units."""
    model, found, localizer = results.model, results.selectivity, results.localizer
    return [
        model_fact(model),
        ("Localizer", f"{localizer.name}: {localizer.n_target:,} target, "
         f"{localizer.n_control:,} control stimuli"),
        ("Units", f"{found.n_units:,} {found.unit}s at {n_sites(found.n_sites)}"),
        ("Selective", _selective(found)),
        *([("Units by effect size", found.effect_sizes)] if found.effect_sizes else []),
    ]  # fmt: skip


def model_fact(model: DescribedModel) -> tuple[str, str]:
    """Which model it is, and how large."""
    untrained = " (untrained)" if model.untrained else ""
    return "Model", f"{model.name}{untrained}, {model.n_parameters:,} parameters"


def _read(results: Localized) -> list[tuple[str, str]]:
    """The length of texts, and how reliable the map is."""
    told = []
    if tokens := results.localizer.tokens:
        said = ", ".join(f"{side} {_tokens(tokens[side])}" for side in tokens)
        told.append(("Tokens a text", said))
    if half := results.selectivity.split_half:
        told.append(("Split-half reliability", f"r = {half.correlation:.3f} over units"))
    return told


def _selective(found: Selectivity) -> str:
    symbol = found.words.symbol
    highest = f"highest {symbol} {found.words.said(found.t_max)}"
    if found.n_selective_q05 is None:
        return highest
    by_category = (
        ""
        if found.n_selective_category is None
        else f" ({found.n_selective_category:,} with a condition as the case)"
    )
    return f"{found.n_selective_q05:,} units with {symbol} > 0 and q < 0.05{by_category}; {highest}"


def references(results: Results) -> tuple[str, ...]:
    """The sources, that of the score's rule among them."""
    first, *rest = REFERENCES
    return (first, *results.selectivity.words.references, *rest)


def map_references(results: Localized) -> tuple[str, ...]:
    """The sources of what a map alone needs."""
    first, *rest = REFERENCES
    return (first, *results.selectivity.words.references, *rest[:OF_MAPS])


def _tokens(entry: TokenLengths) -> str:
    """Mean and range as they were read, and the mean of whole texts where any was cut."""
    low, high = entry.range
    whole = f" of {entry.whole_mean:.1f} whole" if entry.n_cut else ""
    return f"{entry.mean:.1f}{whole} ({low}–{high})"


def n_sites(n: int) -> str:
    return f"{n:,} site" if n == 1 else f"{n:,} sites"


def reliability(results: Localized, headline: float) -> list[str]:
    """How well the maps of halves of the stimuli agree."""
    half, splits = results.selectivity.split_half, results.selectivity.splits
    if half is None:
        return []
    told = [
        f"{percent(share)} at {dose} % ({percent(half.dice_chance[dose])} expected of random masks)"
        for dose, share in half.dice.items()
    ]
    return [
        "Each condition was split in two random halves and a map made from each. "
        f"{results.selectivity.words.symbol} of the two maps "
        f"correlates with r = {half.correlation:.3f} over units."
        + (f" Their top masks share (Dice): {'; '.join(told)}." if told else ""),
        *([] if splits is None else [splits.said(f"{headline:g}")]),
        *results.selectivity.told_beside,
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


def repeated(run: dict[str, Any]) -> dict[str, Any]:
    """How a run is repeated: the words of its command, its settings, and the versions it had."""
    return {
        "words": run["command"].split(" "),
        "settings": settings(run),
        "versions": ", ".join(f"{name} {number}" for name, number in run["versions"].items()),
    }


def settings(run: dict[str, Any]) -> list[tuple[str, str]]:
    told = {**run["settings"], "platform": run.get("platform")}
    return [(name.replace("_", " "), str(v)) for name, v in told.items() if v is not None]


def method(results: Results, run: dict[str, Any], exchangeable: bool = True) -> list[str]:
    """The method in the words of a paper.

    Parameters
    ----------
    results : Results
        Of a run.
    run : dict
        Its ``run.json``.
    exchangeable : bool, default True
        Whether controls were drawn from all units of a site, as they are today.
    """
    found = results.selectivity
    doses = ", ".join(f"{dose:g} %" for dose in results.doses)
    over = f" {found.means_over}" if found.means_over else ""
    replaced = {
        "zero": "by zero",
        "mean": f"by each unit’s own mean over the control condition{over and ','}{over}"
        + (", and there by its mean over first tokens" if found.left_out else ""),
        "resample": "by its value on another stimulus, for each item one of "
        f"{len(results.donors)} of the control condition, by the seed; {_same_place(found)}",
    }.get(results.ablation, f"by {results.ablation.removeprefix('scale:')} times itself")
    done = f"their output replaced {replaced}."
    if found.unit == WEIGHT:
        done = "set to zero in place, and got their bits back afterwards."
    told = [
        map_method(results),
        f"The units with the highest {found.words.symbol} ({doses} of all) were ablated, {done} "
        f"{_controls_told(_draws(results), exchangeable)}",
        f"{_measured(results)} on "
        f"{results.evaluation.n_items:,} items of {results.evaluation.name}, which the localizer "
        f"had {'partly seen' if results.evaluation.overlap else 'not seen'}. Effects are paired by "
        "item. Shares have Wilson’s interval, drops that of Bonett and Price, interactions "
        "MOVER on these; each drop has an exact McNemar test. "
        f"Seed {run['settings']['seed']}.",
        f"{_headline(results)}{_p_told(results)} Evidence needs 30 items in each group, ten that "
        "changed, a matched rule, p of at most 0.05 against each of them, and intervals above 0 of "
        "the effect and of what it is beyond the mean control.",
    ]
    return all_in_words_of(found.unit, told)


def map_method(results: Localized) -> str:
    """How a map was made, in the words of a paper."""
    found, localizer = results.selectivity, results.localizer
    what = ACTIVATION.get(found.statistic, found.statistic)
    pooled = POOLED.get(found.pooling, f"positions pooled by {found.pooling}")
    if found.pooling in AVERAGED:
        pooled += f" {found.means_over}" if found.means_over else ""
    if found.unit.startswith("head"):
        what = f"root mean square, over the channels of each head’s slice, of the {what}"
    read = f"the {what} of {found.n_units:,} units was recorded, {pooled}."
    if found.unit == WEIGHT:
        read = f"{found.n_units:,} weights were scored."
    return (
        f"The model ({results.model.name}, {results.model.dtype}, its own "
        f"preprocessing) was shown {localizer.n_target} target stimuli "
        f"({', '.join(localizer.target)}) and {localizer.n_control} control stimuli "
        f"({', '.join(localizer.control)}). At {n_sites(found.n_sites)} {read} "
        f"{found.words.method}"
    )


def _measured(results: Results) -> str:
    words = WORDS[results.evaluation.measure]
    if results.evaluation.measure == ACCURACY:
        return f"Accuracy and margin ({words.margin}) were measured"
    return (
        "Items have no label. Agreement (the share of the intact model’s predictions that stay) "
        f"and margin ({words.margin}) were measured"
    )


def _same_place(found: Selectivity) -> str:
    if found.protocol is not None:
        return (
            "at each token by the value at the same place of that text, which is read again from "
            "its second token on where it is the shorter one"
        )
    return "a channel by its whole map" if found.unit == "channel" else "a neuron at its own place"


def _headline(results: Results) -> str:
    target, other = results.evaluation.target, results.evaluation.other
    interval = (
        "its interval is a studentized bootstrap, clustered by class or paradigm where there are "
        "enough of them, with the error and degrees of freedom of Bell and McCaffrey."
    )
    if other is None:
        return f"The verdict rests on the margin that {target} lost; {interval}"
    return (
        f"The verdict rests on the adjusted effect: the margin that {target} lost more than "
        f"{other} at equal intact margin, so that a group is not singled out for being harder or "
        "easier. The loss of margin is regressed on the group and a cubic spline of the intact "
        f"margin; {interval}"
    )


def _p_told(results: Results) -> str:
    if not any(verdict.comparisons for verdict in results.judgement.doses):
        return ""
    told = (
        " p is the rank of the effect among that of the draws, counting the top mask itself, which "
        "were made until ten reached it or the most allowed were made (Besag and Clifford); the "
        "one of the verdict is the largest over the matched rules."
    )
    if len(results.judgement.doses) > 1:
        told += " It is over all doses, by the maximum over doses (Westfall and Young)."
    return told


def _draws(results: Results) -> dict[str, list[int]]:
    """By rule, how many masks were drawn at the doses; a rule without chance has one."""
    drawn: dict[str, list[int]] = {}
    for dose in results.doses:
        for rule in results.rules(dose):
            if rule_named(rule) is not None:
                drawn.setdefault(rule, []).append(len(results.at(dose, rule)))
    return drawn


def _controls_told(drawn: dict[str, list[int]], exchangeable: bool) -> str:
    if not drawn:
        return "No control masks were drawn."
    counts = ", ".join(f"{rule} ({_range(numbers)})" for rule, numbers in drawn.items())
    known = [rule for rule in map(rule_named, drawn) if rule is not None]
    told = [f"Control masks of the same size: {counts}."]
    told += [rule.sentence for rule in known if rule.sentence]
    if any(rule.random for rule in known):
        told.append(
            "Draws come from all units of the site, the top mask’s own among them, so that a top "
            "mask that is nothing special is one of them."
            if exchangeable
            else "This run drew them from the units that the top mask left, which makes p too "
            "small where much of a site is masked."
        )
    return " ".join(told)


def _range(numbers: list[int]) -> str:
    low, high = min(numbers), max(numbers)
    return f"{low}" if low == high else f"{low} to {high}"
