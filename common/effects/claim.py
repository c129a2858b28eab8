"""A line of what a run establishes; the answers are in :mod:`common.effects.established`."""

from __future__ import annotations

from typing import Literal

from common.effects.parts import Part

Answer = Literal["yes", "no", "cannot tell"]
YES: Answer = "yes"
NO: Answer = "no"
UNTOLD: Answer = "cannot tell"


class Claim(Part):
    """Whether a run shows one thing of its top units."""

    name: str
    """In a word or two: ``specific``."""
    claim: str
    """What is claimed."""
    answer: Answer
    """``yes``, ``no`` or ``cannot tell``."""
    because: str
    """The numbers, or what would answer it."""
