"""How numbers are written in sentences and tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from common.effects.described import (
    DescribedLocalizer,
    DescribedModel,
    Evaluation,
    SkippedStimulus,
)
from common.effects.parts import Interval

FEW = 30  # stimuli on one side of a localizer, below which it is told


def points(share: float) -> str:
    """A difference of shares in percentage points: ``+3.2``."""
    return f"{round(100 * share, 1) + 0.0:+.1f}"


def percent(share: float) -> str:
    """A share in percent: ``31.1 %``."""
    return f"{100 * share:.1f} %"


def between(ci: Interval) -> str:
    """An interval of differences in percentage points: ``[+0.4, +6.1]``."""
    return f"[{points(ci[0])}, {points(ci[1])}]"


def skipped_warning(part: str, skipped: Sequence[SkippedStimulus]) -> str:
    """How many stimuli were left out of the localizer or the evaluation, and the first three."""
    names = ", ".join(entry.name for entry in skipped[:3])
    more = ", …" if len(skipped) > 3 else ""
    were = "stimulus of the {} was" if len(skipped) == 1 else "stimuli of the {} were"
    return f"{len(skipped):,} {were.format(part)} broken or missing and left out: {names}{more}."


def few_stimuli(found: DescribedLocalizer) -> list[str]:
    """That a localizer has few stimuli on one of its sides, if it has."""
    if min(found.n_target, found.n_control) >= FEW:
        return []
    return [
        f"The localizer has {found.n_target:,} target and {found.n_control:,} control stimuli; "
        f"below {FEW} on a side, other stimuli may well find other units."
    ]


def of_model(found: DescribedModel) -> Iterator[str]:
    """That a model is a phantom, or untrained."""
    if found.phantom:
        yield (
            "The model is a phantom: the run shows that the instrument works, nothing about brains."
        )
    if found.untrained:
        yield "The weights are untrained."


def of_stimuli(localizer: DescribedLocalizer, tested: Evaluation) -> Iterator[str]:
    """That a localizer has few stimuli, what its data and the evaluation's warn of or left out."""
    yield from few_stimuli(localizer)
    for name, part in (("localizer", localizer), ("evaluation", tested)):
        if part.warning:
            yield part.warning
        if part.skipped:
            yield skipped_warning(name, part.skipped)


def matched_classes(model: str, tested: Evaluation) -> list[str]:
    """What a reader should know of how classes were matched, a sentence for each."""
    found, name = tested.class_match, tested.name
    if found is None:
        return []
    told = []
    if found.by != "number" and found.source == "number":
        told.append(
            f"{model} does not say which classes its {found.n_model:,} are: they were "
            f"taken for those of {found.listed}."
        )
    if found.n_unknown:
        told.append(
            f"{model} has {found.n_shared:,} of the "
            f"{found.n_shared + found.n_unknown:,} classes of {name}; {found.n_left_out:,} "
            "pictures of the others were left out."
        )
    if found.choices == "shared":
        told.append(
            f"The model chose among the {found.n_shared:,} classes that {name} has too, not among "
            f"all its {found.n_model:,}."
        )
    return told


def matched_texts(found: DescribedLocalizer) -> list[str]:
    """How the localizer's texts were paired by length, and how many are left, where they were."""
    if (pairs := found.matched) is None:
        return []
    target, control = (pairs.n_pairs + left for left in pairs.n_left_out)
    return [
        f"The localizer's texts were paired by their number of {pairs.by}: {pairs.n_pairs:,} of "
        f"{target:,} target and of {control:,} control texts are left, {pairs.length:.1f} "
        f"{pairs.by} long on either side."
    ]


def made_alike(tested: Evaluation) -> list[str]:
    """How the groups were made to differ in nothing else, a sentence for each way."""
    found = []
    if (by := tested.within_class) is not None:
        n_target, n_other = map(sum, zip(*by.classes.values(), strict=True))
        found.append(
            f"Groups were compared within {len(by.classes)} classes that have at least "
            f"{by.at_least} items of either: {n_target:,} of {tested.target}, {n_other:,} of "
            f"{tested.other}; {by.n_left_out:,} items of other classes were left out."
        )
    if (shown := tested.occlusion) is not None:
        found.append(
            f"{shown.n_pictures:,} pictures were shown three times: whole, with grey over the "
            f"faces ({tested.other}), and with as much grey elsewhere ({tested.target}). Left out "
            f"were {shown.n_without_box:,} without a box around a face and "
            f"{shown.n_without_room:,} without room for another."
        )
    found += _subset(tested)
    if (pairs := tested.within_margin) is not None:
        before, after = pairs.gap
        found.append(
            f"Groups were matched on their intact margin: {pairs.n_pairs:,} pairs within "
            f"{pairs.caliper:g} standard deviations, {pairs.n_left_out:,} items left out. The mean "
            f"margins were {before:+.2f} apart, and are {after:+.2f}."
        )
    return found


def _subset(tested: Evaluation) -> list[str]:
    """Which part of the items was evaluated, where not all were."""
    if (part := tested.subset) is None:
        return []
    names = {"class": "classes", "paradigm": "paradigms", "group": "groups"}[part.by]
    short = f" ({part.n_short:,} of them have fewer)" if part.n_short else ""
    return [
        f"Only a part of the items was evaluated: {part.each:,} of each of {part.n_parts:,} "
        f"{names}{short}, the groups as equal as can be, drawn by the seed; "
        f"{part.n_left_out:,} items were left out."
    ]


def read_twice(n: int, n_units: int) -> str:
    """That some units of a mask are others of it, at another site."""
    return (
        f"{n:,} of the {n_units:,} masked units {'is' if n == 1 else 'are'} another of them, read "
        "again at an operation that changes no number (pooling of a single place, flattening): the "
        "mask is of fewer units than it counts."
    )
