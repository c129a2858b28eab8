"""A part of a benchmark's pictures, as many of each class, for a quick first answer."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from common.effects.subset import choose_items
from vision_loc.stimuli.benchmarks import Benchmark


def fewer(items: Benchmark, n: int, seed: int = 0) -> Benchmark:
    """Keep n pictures of each class; see :func:`common.effects.subset.choose_items`.

    Pictures without a class are kept by their group.
    The versions of one picture stay together and count once.

    Raises
    ------
    SettingError
        If a group is left without a picture.
    """
    every = items.pictures
    names = [picture.whole or picture.name for picture in every]
    labels = [picture.label for picture in every]
    groups = [picture.condition for picture in every]
    known = any(label >= 0 for label in labels)
    by, parts = ("class", labels) if known else ("group", groups)
    places, told = choose_items(n, by, names, parts, groups, seed)
    kept = tuple(every[place] for place in places)
    counts = Counter((picture.label, picture.condition) for picture in kept)
    within, occlusion = items.within_class, items.occlusion
    if within is not None:
        named = {items.class_name(label): label for label in labels}
        sides = {name: _sides(counts, label, items) for name, label in named.items()}
        classes = {name: sides[name] for name in within.classes}
        within = within.model_copy(update={"classes": classes})
    if occlusion is not None:
        n_pictures = sum(picture.condition == items.target for picture in kept)
        occlusion = occlusion.model_copy(update={"n_pictures": n_pictures})
    return replace(items, pictures=kept, within_class=within, occlusion=occlusion, subset=told)


def _sides(counts: Counter[tuple[int, str]], label: int, items: Benchmark) -> tuple[int, int]:
    assert items.other is not None  # within classes there are two groups
    return counts[label, items.target], counts[label, items.other]
