"""A seeded subset of the evaluation's items: as many of each class or paradigm."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Sequence
from hashlib import blake2b
from typing import Any

import numpy as np
import numpy.typing as npt

from common.base.errors import SettingError
from common.effects.described import Subset


def choose_items(
    n: int,
    by: str,
    names: Sequence[str],
    labels: Sequence[Any] | np.ndarray,
    groups: Sequence[str] | np.ndarray,
    seed: int = 0,
) -> tuple[npt.NDArray[np.intp], Subset]:
    """Choose n of each label, of every group as many as can be.

    What has one name belongs together (versions of a picture) and counts once. The seed and its
    name alone say whether one comes before another of its label and group, so a larger subset
    differs from a smaller one by what is added.

    Parameters
    ----------
    n : int
        How many of each label; where there are fewer, all.
    by : str
        What the labels are: ``class``, ``paradigm`` or ``group``.
    names, labels, groups : sequence of shape (n_items,)
        Of each item.
    seed : int, default=0
        Of the choice.

    Returns
    -------
    (array of int of shape (n_chosen,), Subset)
        Places of the chosen items, rising, and what the results say of the choice.

    Raises
    ------
    SettingError
        If a group is left without an item.
    """
    members: dict[str, list[int]] = defaultdict(list)
    for place, name in enumerate(names):
        members[name].append(place)
    parts: dict[Hashable, dict[tuple[str, ...], list[str]]] = defaultdict(lambda: defaultdict(list))
    for name in sorted(members, key=lambda name: (_order(name, seed), name)):
        own = members[name]
        parts[str(labels[own[0]])][tuple(str(groups[place]) for place in own)].append(name)
    taken: Counter[tuple[str, ...]] = Counter()  # so far, of what is of the same groups
    chosen: list[int] = []
    for label in sorted(parts, key=str):
        kinds = parts[label]
        for kind, share in _shares(n, {kind: len(kinds[kind]) for kind in kinds}, taken).items():
            taken[kind] += share
            chosen += [place for name in kinds[kind][:share] for place in members[name]]
    places = np.sort(np.array(chosen, dtype=np.intp))
    left = {str(groups[place]) for place in places}
    if lost := [group for group in map(str, groups) if group not in left]:
        raise SettingError(f"`items` {n}: leaves no item of the group {lost[0]}; give more")
    sizes = [sum(map(len, kinds.values())) for kinds in parts.values()]
    return places, Subset(
        each=n,
        by=by,
        n_parts=len(parts),
        n_short=sum(size < n for size in sizes),
        n_left_out=len(names) - len(places),
    )


def _order(name: str, seed: int) -> bytes:
    return blake2b(f"{seed} {name}".encode(), digest_size=16).digest()


def _shares(
    n: int, sizes: dict[tuple[str, ...], int], taken: Counter[tuple[str, ...]]
) -> dict[tuple[str, ...], int]:
    """How many of each kind make n, as equal as their sizes allow.

    One that is over goes to the kind that has the fewest in the parts before.
    """
    shares = dict.fromkeys(sorted(sizes), 0)
    for _ in range(min(n, sum(sizes.values()))):
        free = [kind for kind in shares if shares[kind] < sizes[kind]]
        shares[min(free, key=lambda kind: (shares[kind], taken[kind]))] += 1
    return shares
