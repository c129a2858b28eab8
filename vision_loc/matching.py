"""A benchmark's classes matched to a model's: by WordNet id, else by name, else by number."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from common.base.errors import DataError
from common.effects.described import ClassMatch
from common.effects.items import Outcome
from vision_loc.classes import Classes, words_of
from vision_loc.models import VisionModel
from vision_loc.stimuli import Benchmark

ENOUGH = 30  # pictures that a guess must be told from


def matched(items: Benchmark, model: VisionModel, choices: str = "all") -> Benchmark:
    """The benchmark with the model's own class numbers, without classes that the model lacks.

    Parameters
    ----------
    items : Benchmark
        Its pictures' labels are numbers of its own.
    model : VisionModel
        Knows what its classes are, or does not.
    choices : {"all", "shared"}, default="all"
        What the model may choose from: all its classes, or those that the benchmark has, too.

    Returns
    -------
    Benchmark
        With :attr:`Benchmark.match`, which says how.

    Raises
    ------
    DataError
        If the two contradict each other, share no class, or can only be matched by numbers that
        mean nothing.
    """
    known = model.classes
    by, pairs = _pairs(items, known)
    if by == "number":
        pairs = _by_number(items, model)
    _check_numbers(items, model, pairs)
    _check_names(items, model, by, pairs)
    kept = tuple(
        replace(picture, label=pairs[picture.label])
        for picture in items.pictures
        if picture.label in pairs
    )
    _check_groups(items, model, {picture.condition for picture in kept})
    if choices == "shared" and len(pairs) < 2:
        raise DataError(f"{items.name}: {model.name} has one of its classes, so there is no choice")
    told = ClassMatch(
        by=by,
        source=known.source,
        listed=known.listed or None,
        n_model=model.n_classes,
        n_shared=len(pairs),
        n_unknown=len(_numbers(items)) - len(pairs),
        n_left_out=len(items.pictures) - len(kept),
        choices=choices,
    )
    named = dict(enumerate(known.names)) if known.source != "none" else {}
    own = {pairs[number]: name for number, name in items.classes.items() if number in pairs}
    classes = {**{number: _first(name) for number, name in named.items() if name}, **own}
    choose_from = tuple(sorted(set(pairs.values()))) if choices == "shared" else ()
    return replace(
        items, pictures=kept, classes=classes, wnids={}, match=told, choose_from=choose_from
    )


def without_classes(items: Benchmark, model: VisionModel) -> Benchmark:
    """The benchmark for agreement: no picture has a class; the model's own have names."""
    pictures = tuple(replace(picture, label=-1) for picture in items.pictures)
    names = {number: _first(name) for number, name in enumerate(model.classes.names) if name}
    return replace(items, pictures=pictures, classes=names, wnids={})


def _first(name: str) -> str:
    """The first of a class's synonyms."""
    return name.split(",")[0].strip()


def _numbers(items: Benchmark) -> set[int]:
    """The benchmark's own class numbers."""
    return {*items.wnids, *items.classes, *(picture.label for picture in items.pictures)}


def _pairs(items: Benchmark, known: Classes) -> tuple[str, dict[int, int]]:
    """By what the two can be matched, and the model's number for each of the benchmark's."""
    labels = {picture.label for picture in items.pictures}
    if known.wnids and labels <= set(items.wnids):
        place = {wnid: number for number, wnid in enumerate(known.wnids) if wnid}
        return "wnid", {n: place[wnid] for n, wnid in items.wnids.items() if wnid in place}
    if items.numbered == "own" and any(known.names) and labels <= set(items.classes):
        return "name", _by_name(items.classes, known.names)
    return "number", {}


def _by_name(classes: Mapping[int, str], names: Sequence[str | None]) -> dict[int, int]:
    """Those classes of which one of the model's has the name, and no other two have it."""
    whole = _places((name and words_of(name), number) for number, name in enumerate(names))
    single = _places(
        (frozenset((word,)), number)
        for number, name in enumerate(names)
        for word in words_of(name or "")
    )
    found: dict[int, int] = {}
    for number, name in classes.items():
        words = words_of(name)
        fitting = whole.get(words) or set().union(
            *(single.get(frozenset((word,)), set()) for word in words)
        )
        if len(fitting) == 1:
            found[number] = next(iter(fitting))
    times = Counter(found.values())
    return {number: place for number, place in found.items() if times[place] == 1}


def _places(named: Iterable[tuple[Any, int]]) -> dict[frozenset[str], set[int]]:
    found: dict[frozenset[str], set[int]] = {}
    for words, number in named:
        if words:
            found.setdefault(words, set()).add(number)
    return found


def _by_number(items: Benchmark, model: VisionModel) -> dict[int, int]:
    """The same numbers, where they mean something."""
    if items.numbered == "wnid":
        raise DataError(
            f"{items.name}: its classes are told by WordNet ids, and {model.name} does not say "
            f"which its {model.n_classes:,} classes are; give the column class_index, or the model "
            "WordNet ids (label_names in its config.json)"
        )
    wrong = [each for each in items.pictures if not 0 <= each.label < model.n_classes]
    if wrong:
        raise DataError(
            f"{items.name}: {wrong[0].name} has class index {wrong[0].label}, but {model.name} has "
            f"{model.n_classes} classes ({len(wrong)} such pictures)"
        )
    return {number: number for number in _numbers(items) if 0 <= number < model.n_classes}


def _check_numbers(items: Benchmark, model: VisionModel, pairs: Mapping[int, int]) -> None:
    """Refuse a table of which most numbers are the model's own, and some are of other ids there.

    Where most are not, the table numbers its classes otherwise, and ids alone count.
    """
    odd = [number for number, place in pairs.items() if number != place]
    if items.numbered == "model" and odd and len(odd) <= len(pairs) / 2:
        there = model.classes.wnids[odd[0]] if odd[0] < model.n_classes else "none"
        raise DataError(
            f"{items.name}: class index {odd[0]} is {items.wnids[odd[0]]}, but {there} in "
            f"{model.name}, while most of its indices are those of the model; mend the table, or "
            "leave its column class_index out"
        )


def _check_names(items: Benchmark, model: VisionModel, by: str, pairs: Mapping[int, int]) -> None:
    """Refuse a table that calls a class what another one of the model's is called.

    By number, most of them: there a single one may be but another word.
    """
    names, odd = model.classes.names, []
    if not any(names):
        return
    whose: dict[str, int] = {}
    for number, name in enumerate(names):
        for word in words_of(name or ""):
            whose.setdefault(word, number)
    for number, place in pairs.items():
        words, own = words_of(items.classes.get(number, "")), words_of(names[place] or "")
        others = [whose[word] for word in words if word in whose]
        if own and others and not words & own:
            odd.append((number, place, others[0]))
    if odd and (by == "wnid" or len(odd) > len(pairs) / 2):
        number, place, other = odd[0]
        raise DataError(
            f"{items.name}: its class {items.wnids.get(number, number)} is called "
            f"{items.classes[number]!r}, which is class {other} of {model.name}, but there it is "
            f"class {place}, {names[place]!r} ({len(odd)} such classes): numbers, WordNet ids and "
            "names of the table do not belong together"
        )


def _check_groups(items: Benchmark, model: VisionModel, there: set[str]) -> None:
    for group in dict.fromkeys(picture.condition for picture in items.pictures):
        if group not in there:
            lost = next(each for each in items.pictures if each.condition == group)
            example = f"{items.wnids.get(lost.label, lost.label)} ({items.class_name(lost.label)})"
            raise DataError(
                f"{items.name}: {model.name} has none of the classes of its group {group}, such as "
                f"{example}; there is nothing to evaluate"
            )


def check_intact(items: Benchmark, model: VisionModel, intact: Outcome) -> None:
    """Refuse numbers that are matched blindly, and with which the model is right by chance alone.

    Raises
    ------
    DataError
        If only one of the two names its classes, and the model does no better than a guess.
    """
    found, n = items.match, len(intact.correct)
    blind = found is not None and found.by == "number" and items.numbered == "own"
    if not blind or model.untrained or n < ENOUGH:
        return
    right = int(intact.correct.sum())
    if right <= n / model.n_classes:
        raise DataError(
            f"{items.name}: {model.name} gets {right:,} of {n:,} pictures right, no more than a "
            "guess: classes could only be matched by number, and the numbers are likely of other "
            "classes; give the model WordNet ids or names (label_names in its config.json)"
        )
