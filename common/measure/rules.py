"""What a score is, and what a score rule is: the extension point for another way to rank units.

A *score* is one number a unit that ranks units. A *score rule* says how it is made: what it
accumulates while the model is shown the localizer's stimuli, whether these passes need gradients,
and how it ends. All words that a reader meets (axes, heads of tables, the method's sentence, the
reference) belong to the rule and stand nowhere else.

Each rule is one entry of :data:`common.measure.scores.SCORE_RULES`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from common.base.errors import RunError
from common.base.progress import Progress, silent
from common.measure.batch import Batch
from common.measure.moments import Array, Moments, Statistic
from common.measure.sinks import LeftOut
from common.measure.sites import Pooling, Site, Unit
from common.measure.weights import Level

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass(frozen=True)
class ScoreWords:
    """How a score is spoken of.

    Attributes
    ----------
    name : str
        In settings and files: ``welch``.
    symbol : str
        The shortest: heads of tables, *highest t*; also the column of the value in files.
    label : str
        On axes, with what it compares.
    prose : str
        Within a sentence.
    title : str
        As a choice in a form, one line.
    method : str
        The sentence of a report's method.
    references : tuple of str
        Sources of the formula.
    digits : str, default=".1f"
        How a value is written.
    scale : float, default=1.0
        The least half-width of an axis: what is smaller than this is small.
    beside : tuple of str
        Columns of the score that tables show beside the value: other rankings of the same units.
    """

    name: str
    symbol: str
    label: str
    prose: str
    title: str
    method: str
    references: tuple[str, ...] = ()
    digits: str = ".1f"
    scale: float = 1.0
    beside: tuple[str, ...] = ()

    def said(self, value: float) -> str:
        """A value as it is written."""
        return format(value, self.digits)


@dataclass(frozen=True)
class Score:
    """One number a unit that ranks units, and what the rule says beside it.

    Attributes
    ----------
    words : ScoreWords
        Of its rule.
    value : array of shape (n_units,)
        The higher, the more a unit is the target's own.
    p, q : array of shape (n_units,) or None
        Where the rule has a test: two-sided p, and q over all units.
    columns : mapping of str to array of shape (n_units,)
        Whatever else the rule says of a unit.
    about : mapping
        Whatever it says of all of them; kept with the map.
    """

    words: ScoreWords
    value: Array
    p: Array | None = None
    q: Array | None = None
    columns: Mapping[str, Array] = field(default_factory=dict)
    about: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Name in settings and files."""
        return self.words.name

    @property
    def arrays(self) -> dict[str, Array]:
        """All columns by their names in files, the value first."""
        tests = {"p": self.p, "q": self.q}
        told = {name: values for name, values in tests.items() if values is not None}
        return {self.words.symbol: self.value, **told, **self.columns}

    @classmethod
    def of(cls, words: ScoreWords, arrays: Mapping[str, Array]) -> Score:
        """The score whose :attr:`arrays` these are."""
        rest = dict(arrays)
        value, p, q = rest.pop(words.symbol), rest.pop("p", None), rest.pop("q", None)
        return cls(words, value, p, q, rest)

    def column(self, name: str) -> Array:
        """One column by its name in files.

        Raises
        ------
        RunError
            If the rule has no such column.
        """
        if name not in self.arrays:
            known = ", ".join(self.arrays)
            raise RunError(f"the score {self.name} has no column {name!r}, only {known}")
        return self.arrays[name]

    def selective(self, level: float = 0.05) -> np.ndarray | None:
        """Which units prefer the target at q below `level`; ``None`` where the rule has no q."""
        return None if self.q is None else (self.q < level) & (self.value > 0)


BySite = Mapping[Site, Moments]


@dataclass(frozen=True)
class Contrast:
    """What was gathered of the target and of the control: of all stimuli, or of a half of each.

    Attributes
    ----------
    target, control : mapping of Site to Moments
        Of the recorded statistic.
    groups : tuple of (tuple of int, tuple of int)
        The groups of :func:`common.measure.halves.assign_groups` on either side, for what a rule
        has accumulated by group.
    conditions : tuple of two sequences, or None
        Moments by site of each condition of the target and of the control, where they were kept.
    watched : object
        What the rule's own watcher has accumulated; ``None`` for a rule that lives on moments.
    """

    target: Mapping[Site, Moments]
    control: Mapping[Site, Moments]
    groups: tuple[tuple[int, ...], tuple[int, ...]] = ((0,), (1,))
    watched: Any = None
    conditions: tuple[Sequence[BySite], Sequence[BySite]] | None = None


@dataclass(frozen=True)
class Watching:
    """Where and how units are read: what a watcher needs to hook in.

    Attributes
    ----------
    module : nn.Module
        The model.
    sites : sequence of Site
        Where units are read.
    unit, pooling : str
        What a unit is, and how its positions become one number.
    through : str
        Path of the part whose calls are the batches; see :func:`common.measure.record.record`.
    statistic, left_out : str
        How activations are made one number; see there, too.
    groups : array of int of shape (n_stimuli,)
        The group of every stimulus, as in :class:`Contrast`.
    batches : callable
        All stimuli once more, in batches.
    effort : int, optional
        How much the rule may take, where somebody said so; see :attr:`ScoreRule.effort`.
    seed : int, default=0
        For what a rule draws.
    progress : Progress
        Told how far it is.
    """

    module: nn.Module
    sites: Sequence[Site]
    unit: Unit
    pooling: Pooling
    through: str = ""
    statistic: Statistic = "magnitude"
    left_out: LeftOut | None = None
    groups: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=int))
    batches: Callable[[], Iterable[Batch]] = tuple
    effort: int | None = None
    seed: int = 0
    progress: Progress = silent

    @property
    def n_units(self) -> int:
        """Units of all sites."""
        return sum(site.n_units(self.unit) for site in self.sites)


class Watcher(Protocol):
    """Accumulates more than moments while the model runs, in bounded memory."""

    def expect(self, groups: np.ndarray, tokens: Tensor | None) -> None:
        """The next pass is of stimuli of these groups; `tokens` marks the real ones in text."""
        ...

    def after(self, output: Any) -> None:
        """The pass gave this output, with its graph where the rule needs gradients.

        The loss of each stimulus, shape (n_stimuli,), where the rule needs it.
        """
        ...


@dataclass(frozen=True)
class ScoreRule:
    """One way to score units.

    Attributes
    ----------
    words : ScoreWords
        How the score is spoken of.
    end : callable
        Makes the score from all that was gathered.
    value : callable, optional
        Only the value, for the maps of the two halves; left out, that of `end`.
    watch : callable, optional
        Opens a :class:`Watcher` around the passes, for a rule that needs more than moments.
    by_condition : bool, default=False
        Whether it cannot do without the moments of each condition.
    needs_gradients : bool, default=False
        Whether passes are run with a graph, so that a watcher can go backwards through them.
    needs_loss : bool, default=False
        Whether the whole model is run, and the watcher given the loss of each stimulus.
    later : callable, optional
        Shows the stimuli again, as often as the rule has to, after the pass in which activations
        were recorded; gives what :attr:`Contrast.watched` holds.
    effort : int, optional
        How much the rule takes if nobody says otherwise, where that is a choice (steps, masks).
    passes : callable, optional
        About how many plain passes it takes to show one stimulus, by the number of sites, of units,
        and the effort; 1 where it is left out.
    level : {"unit", "parameter"}, default="unit"
        What it scores: what a model's units give, or its weights.
    """

    words: ScoreWords
    end: Callable[[Contrast], Score]
    value: Callable[[Contrast], Array] | None = None
    watch: Callable[[Watching], AbstractContextManager[Watcher]] | None = None
    needs_gradients: bool = False
    by_condition: bool = False
    needs_loss: bool = False
    later: Callable[[Watching], Any] | None = None
    effort: int | None = None
    passes: Callable[[int, int, int], float] = lambda _sites, _units, _effort: 1.0
    level: Level = "unit"

    @property
    def name(self) -> str:
        """Name in settings and files."""
        return self.words.name

    def alone(self, contrast: Contrast) -> Array:
        """Only the value of every unit, shape (n_units,)."""
        return self.end(contrast).value if self.value is None else self.value(contrast)
