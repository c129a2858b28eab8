"""Mathematical notation and program text: what the units of a language network should ignore.

Both are strings of symbols with rules of their own, and no language: control conditions of the
response profile (after Fedorenko et al. 2011 and Ivanova et al. 2020, who showed them to people). A
text is a pattern filled with drawn names and numbers; every mathematical statement is true.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import cycle

import numpy as np

from common.base.errors import ManifestError

Rng = np.random.Generator

LETTERS = "abhkmnptxyz"
NAMES = ("count", "data", "items", "key", "left", "limit", "node", "rows", "size", "total", "value")
ATTEMPTS = 1000


def _number(rng: Rng, low: int = 2, high: int = 12) -> int:
    return int(rng.integers(low, high + 1))


def _letters(rng: Rng, n: int) -> list[str]:
    return [LETTERS[i] for i in rng.choice(len(LETTERS), n, replace=False)]


def _names(rng: Rng, n: int) -> list[str]:
    return [NAMES[i] for i in rng.choice(len(NAMES), n, replace=False)]


# --- mathematics ---


def _linear(rng: Rng) -> str:
    (x,), a, b, root = _letters(rng, 1), _number(rng), _number(rng), _number(rng)
    return f"{a}{x} + {b} = {a * root + b}, {x} = {root}"


def _square(rng: Rng) -> str:
    (x,), a = _letters(rng, 1), _number(rng)
    return f"({x} + {a})^2 = {x}^2 + {2 * a}{x} + {a * a}"


def _difference_of_squares(rng: Rng) -> str:
    (x,), a = _letters(rng, 1), _number(rng)
    return f"({x} - {a})({x} + {a}) = {x}^2 - {a * a}"


def _derivative(rng: Rng) -> str:
    (x,), a, n = _letters(rng, 1), _number(rng), _number(rng, 3)
    return f"d/d{x} ({a}{x}^{n}) = {a * n}{x}^{n - 1}"


def _integral(rng: Rng) -> str:
    (x,), n = _letters(rng, 1), _number(rng)
    return f"∫ {x}^{n} d{x} = {x}^{n + 1}/{n + 1} + C"


def _powers(rng: Rng) -> str:
    (x,), m, n = _letters(rng, 1), _number(rng), _number(rng)
    return f"{x}^{m} * {x}^{n} = {x}^{m + n}"


def _fractions(rng: Rng) -> str:
    a, b, c, d = (_number(rng, 1), _number(rng), _number(rng, 1), _number(rng))
    return f"{a}/{b} + {c}/{d} = {a * d + b * c}/{b * d}"


def _logarithms(rng: Rng) -> str:
    x, y = _letters(rng, 2)
    n = _number(rng)
    return f"log({x}^{n} {y}) = {n} log {x} + log {y}"


def _series(rng: Rng) -> str:
    n = _number(rng, 5, 30)
    return f"1 + 2 + 3 + ... + {n} = {n * (n + 1) // 2}"


def _root(rng: Rng) -> str:
    a, b = _number(rng), _number(rng)
    return f"√({a * a * b}) = {a}√{b}"


# --- code ---


def _loop(rng: Rng) -> str:
    a, b = _names(rng, 2)
    return f"for {a} in range({_number(rng, 2, 99)}):\n    {b} += {a} * {_number(rng)}"


def _function(rng: Rng) -> str:
    name, a, b = _names(rng, 3)
    return f"def {name}({a}, {b}={_number(rng)}):\n    return {a} % {b} == 0"


def _condition(rng: Rng) -> str:
    a, b = _names(rng, 2)
    return f"if {a} > {_number(rng, 2, 99)} and {b} is not None:\n    {b}.append({a})"


def _comprehension(rng: Rng) -> str:
    a, b, c = _names(rng, 3)
    return f"{a} = [{b} ** {_number(rng, 2, 4)} for {b} in {c} if {b} < {_number(rng, 5, 99)}]"


def _dictionary(rng: Rng) -> str:
    a, b, c = _names(rng, 3)
    return f"{a} = {{{b}: len({b}) - {_number(rng)} for {b} in {c}.keys()}}"


def _while(rng: Rng) -> str:
    a, b = _names(rng, 2)
    return f"while {a} < {_number(rng, 5, 99)}:\n    {a}, {b} = {b}, {a} + {b}"


def _raise(rng: Rng) -> str:
    a, b = _names(rng, 2)
    return f"try:\n    {a} = int({b}[{_number(rng)}])\nexcept ValueError:\n    {a} = None"


def _sorted(rng: Rng) -> str:
    a, b, c = _names(rng, 3)
    return f"{a} = sorted({b}, key=lambda {c}: {c}[{_number(rng, 0, 4)}])[:{_number(rng)}]"


def _class(rng: Rng) -> str:
    a, b = _names(rng, 2)
    return (
        f"class {a.title()}:\n    def __init__(self, {b}={_number(rng)}):\n        self.{b} = {b}"
    )


def _with(rng: Rng) -> str:
    a, b, c = _names(rng, 3)
    return f"with open({a}) as {b}:\n    {c} = {b}.read().split()[{_number(rng)}:]"


PATTERNS: dict[str, tuple[Callable[[Rng], str], ...]] = {
    "math": (
        _linear, _square, _difference_of_squares, _derivative, _integral, _powers, _fractions,
        _logarithms, _series, _root,
    ),
    "code": (
        _loop, _function, _condition, _comprehension, _dictionary, _while, _raise, _sorted, _class,
        _with,
    ),
}  # fmt: skip


def draw(what: str, n: int, seed: int) -> list[str]:
    """`n` different texts, from all patterns in turn.

    Parameters
    ----------
    what : {"math", "code"}
        Mathematical statements, or pieces of Python.
    n : int
        How many.
    seed : int
        Seed of the draw.

    Raises
    ------
    ManifestError
        If nothing of that name is drawn, or the patterns do not give so many different texts.
    """
    if what not in PATTERNS:
        raise ManifestError(f"nothing called {what!r} can be drawn; known: {', '.join(PATTERNS)}")
    rng = np.random.default_rng([seed, *what.encode()])
    found: dict[str, None] = {}
    patterns, in_vain = cycle(PATTERNS[what]), 0
    while len(found) < n:
        text = next(patterns)(rng)
        in_vain = in_vain + 1 if text in found else 0
        if in_vain == ATTEMPTS:
            raise ManifestError(f"{what}: its patterns do not give {n} different texts")
        found[text] = None
    return [*found]
