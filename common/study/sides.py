"""Whether the two sides of a comparison are two: what is on both is told, and one side is none."""

from __future__ import annotations

from collections.abc import Sequence

from common.base.errors import DataError


def on_both_sides(
    name: str, word: str, one: Sequence[object], two: Sequence[object], known: str | None = None
) -> str | None:
    """What to tell of stimuli that are on both sides, after what is known already.

    Parameters
    ----------
    name : str
        Whose sides.
    word : str
        What a stimulus is: ``pictures``.
    one, two : sequence
        The content of each stimulus of the target and of the other side, or a fingerprint of it.
    known : str, optional
        Another warning; it comes first.

    Raises
    ------
    DataError
        If both sides are alike: nothing could differ between them.
    """
    first, second = set(one), set(two)
    shared = len(first & second)
    if shared and first == second:
        raise DataError(f"{name}: both sides are the same {word}, so there is nothing to compare")
    told = f"{shared:,} {word} are on both sides of {name}." if shared else None
    return " ".join(each for each in (known, told) if each) or None
