"""A part of a benchmark's items, as many of each paradigm, for a quick first answer."""

from __future__ import annotations

from dataclasses import replace

from common.effects.subset import choose_items
from llm_loc.stimuli.benchmarks import Benchmark

OF_A_PART = (
    "Of a part of the facts an object need not be wrong as often as it is right: that holds for "
    "all of a relation."
)


def fewer(items: Benchmark, n: int, seed: int = 0) -> Benchmark:
    """Keep n items of each paradigm; see :func:`common.effects.subset.choose_items`.

    An item keeps all its texts, and a fact all its versions, so that groups ask for the same facts.
    Of running texts the same share of windows is kept, at least 30.

    Raises
    ------
    SettingError
        If a group is left without an item.
    """
    alone = [f"{place} {name}" for place, name in enumerate(items.names)]  # names may come twice
    own = [of or name for of, name in zip(items.whole or alone, alone, strict=True)]
    places, told = choose_items(n, "paradigm", own, items.labels, items.groups, seed)
    parted = items.whole is not None and told.n_left_out > 0
    return replace(
        items,
        names=tuple(items.names[place] for place in places),
        choices=tuple(items.choices[place] for place in places),
        levels={level: values[places] for level, values in items.levels.items()},
        groups=items.groups[places],
        texts=tuple(replace(text, share=len(places) / len(items.names)) for text in items.texts),
        whole=None if items.whole is None else tuple(items.whole[place] for place in places),
        warning=f"{items.warning or ''} {OF_A_PART}".strip() if parted else items.warning,
        subset=told,
    )
