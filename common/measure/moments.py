"""Streaming count, mean and sum of squared deviations (M2), per unit.

The localizer never holds more than one batch of activations. Each batch is reduced to its moments
where it lies, and moments are merged on the CPU in float64 by the rule of Chan, Golub and LeVeque
(1979), which is stable and, up to rounding, does not care how the stimuli were cut into batches or
in which order they came.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from common.base.heavy import torch

if TYPE_CHECKING:
    from torch import Tensor

from common.base.device import sent

Array = npt.NDArray[np.float64]
Statistic = Literal["magnitude", "signed", "mean-magnitude"]


DOUBLE, SINGLE = (float(np.finfo(kind).eps) for kind in (np.float64, np.float32))
ROUNDING = 8  # times the resolution: what a few sums over numbers that are alike may differ by


def resolution_of(dtype: torch.dtype) -> float:
    """Relative spacing of a type's numbers.

    Halves count as singles: their steps are coarse, and a unit that moves by whole steps moves.
    """
    if not dtype.is_floating_point:
        return DOUBLE
    return min(SINGLE, float(torch.finfo(dtype).eps))


# A batch is reduced in blocks of units that stay in a processor's cache: several times as fast as
# the same steps over a whole batch of large feature maps.
BLOCK = 1 << 19


class Membership:
    """Which stimuli of a batch belong to which group, ready to sum over each group.

    Parameters
    ----------
    groups : sequence of int of length n_stimuli
        The group of each stimulus, by any number.
    device : torch.device or str, default="cpu"
        Where the batch lies.

    Attributes
    ----------
    numbers, counts : list of int
        The groups that there are, in rising order, and their number of stimuli.
    """

    def __init__(
        self, groups: Sequence[int] | np.ndarray, device: torch.device | str = "cpu"
    ) -> None:
        numbers, first, counts = np.unique(groups, return_index=True, return_counts=True)
        self.numbers, self.counts = numbers.tolist(), counts.tolist()
        indicator = torch.as_tensor(np.asarray(groups) == numbers[:, None]).double()
        self._first = sent(torch.as_tensor(first), device)
        self._count = sent(torch.as_tensor(counts[:, None], dtype=torch.float64), device)
        self._sum = sent(indicator, device)
        self._average = self._sum / self._count
        self._of_stimulus = self._sum.T.contiguous()

    def mean(self, values: Tensor) -> Tensor:
        """Mean over each group's stimuli, of shape (n_groups, n_units)."""
        return self._average @ values

    def largest(self, values: Tensor) -> Tensor:
        """Maximum over each group's stimuli, of shape (n_groups, n_units)."""
        if values.device.type == "cpu":
            return torch.stack([values[own > 0].amax(dim=0) for own in self._sum])
        # How many rows a choice has is not known on the processor until a GPU has counted them.
        others = self._sum.eq(0)[:, :, None]
        return torch.stack([values.masked_fill(rest, -torch.inf).amax(dim=0) for rest in others])

    def mean_and_m2(self, values: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and M2 over each group's stimuli; `values` are overwritten.

        Deviations are taken from each group's first stimulus: for a constant unit they are exactly
        0, and the sum of their squares is at most 1 + n_stimuli times M2, so no more digits than
        that are lost where M2 is taken from it.
        """
        origin = values[self._first]
        values.addmm_(self._of_stimulus, origin, alpha=-1)
        shift = self._average @ values
        squares = self._sum @ values.square_()
        m2 = squares.addcmul_(shift, shift * self._count, value=-1).clamp_(min=0)
        return origin.add_(shift), m2


def batch_rows(
    pooled: Tensor,
    statistic: Statistic,
    members: Membership,
    output: Tensor | None = None,
    first: Tensor | None = None,
    peak: Tensor | None = None,
) -> Tensor:
    """Reduce one batch to the rows of :class:`Moments`, on the device where it lies.

    Parameters
    ----------
    pooled : tensor of shape (n_stimuli, n_units)
        Pooled activations with their sign, or of absolute ones for ``mean-magnitude``.
    statistic : {"magnitude", "signed", "mean-magnitude"}
        Whether mean and M2 are those of the absolute activation or of the activation itself.
    members : Membership
        The groups that the stimuli belong to.
    output : tensor of shape (n_stimuli, n_units), optional
        Mean output over positions, where `pooled` is something else (a maximum, one token).
    first, peak : tensor of shape (n_stimuli, n_units), optional
        Of texts: output at the first token, and the largest |output| at any.

    Returns
    -------
    tensor of shape (n_groups, 4 or 6, n_units), float64
        Mean, M2, mean output, mean magnitude; of texts mean output at the first token, and peak.
    """
    n, units = pooled.shape
    n_rows = 4 if first is None else 6
    rows = pooled.new_empty((len(members.counts), n_rows, units), dtype=torch.float64)
    if first is not None and peak is not None:
        rows[:, 4] = members.mean(first.double())
        rows[:, 5] = members.largest(peak)
    width = max(1, BLOCK // n) if pooled.device.type == "cpu" else units
    scratch = pooled.new_empty(n * min(width, units), dtype=torch.float64)
    for start in range(0, units, width):
        block = slice(start, min(start + width, units))
        values = scratch[: n * (block.stop - start)].view(n, -1).copy_(pooled[:, block])
        level = values if output is None else output[:, block].double()
        rows[:, 2, block] = members.mean(level)
        if statistic == "signed":
            rows[:, 3, block] = members.mean(values.abs())
            rows[:, 0, block], rows[:, 1, block] = members.mean_and_m2(values)
        else:
            mean, rows[:, 1, block] = members.mean_and_m2(values.abs_())
            rows[:, 0, block] = rows[:, 3, block] = mean
    return rows


@dataclass(frozen=True)
class Moments:
    """What is known of every unit of a site over the stimuli seen so far.

    Attributes
    ----------
    count : int
        Number of stimuli.
    mean, m2 : array of shape (n_units,)
        Mean and sum of squared deviations from it, of the statistic: the unit's pooled
        activation (``signed``), its absolute value (``magnitude``), or the pooled absolute
        activation (``mean-magnitude``).
    output : array of shape (n_units,)
        Mean output with its sign, over stimuli and positions: what ablation by the mean puts in.
    magnitude : array of shape (n_units,)
        Mean of \\|pooled activation\\| over stimuli: what control masks are matched on.
    first, peak : array of shape (n_units,), optional
        Of texts: mean output at the first token, and the largest \\|output\\| at any token.
    resolution : float
        Relative spacing of the numbers that the activations came in.

    Examples
    --------
    >>> Moments.of(np.array([[1.0, 2.0], [3.0, 4.0]])).mean.tolist()
    [2.0, 3.0]
    """

    count: int
    mean: Array
    m2: Array
    output: Array
    magnitude: Array
    first: Array | None = None
    peak: Array | None = None
    resolution: float = field(default=DOUBLE, kw_only=True)

    @classmethod
    def of(cls, activations: npt.ArrayLike | Tensor, statistic: Statistic = "signed") -> Moments:
        """Moments of activations of shape (n_stimuli, n_units) that are already at hand."""
        pooled = torch.as_tensor(activations)
        rows = batch_rows(pooled, statistic, Membership(np.zeros(len(pooled)), pooled.device))
        return cls(len(pooled), *rows[0].cpu().numpy(), resolution=resolution_of(pooled.dtype))

    def merge(self, other: Moments) -> Moments:
        """Moments of both sets of stimuli together (Chan et al. 1979, eq. 2.1)."""
        if not self.count or not other.count:
            return self if self.count else other
        count = self.count + other.count
        share = other.count / count
        # In place as far as it goes: for neurons these rows are as long as a feature map.
        m2 = np.square(other.mean - self.mean)
        m2 *= self.count * share
        m2 += self.m2
        m2 += other.m2
        return Moments(
            count=count,
            mean=_between(self.mean, other.mean, share),
            m2=m2,
            output=_between(self.output, other.output, share),
            magnitude=_between(self.magnitude, other.magnitude, share),
            first=_of_both(self.first, other.first, lambda a, b: _between(a, b, share)),
            peak=_of_both(self.peak, other.peak, np.maximum),
            resolution=max(self.resolution, other.resolution),
        )

    def between(self, start: int, stop: int) -> Moments:
        """Moments of some of the units alone."""
        rows = (self.mean, self.m2, self.output, self.magnitude)
        some = (row[start:stop] for row in rows)
        of_texts = (None if row is None else row[start:stop] for row in (self.first, self.peak))
        return Moments(self.count, *some, *of_texts, resolution=self.resolution)

    @property
    def variance(self) -> Array:
        """Sample variance (n - 1), exactly 0 where the unit never changed.

        A constant unit can carry a variance of rounding size, of the sums here or of the numbers
        that the model computes in: what cannot be told from that is taken as none.
        """
        if self.count < 2:
            return np.zeros_like(self.mean)
        variance = self.m2 / (self.count - 1)
        return np.where(variance <= np.square(self.rounding), 0.0, variance)

    @property
    def rounding(self) -> Array:
        """The largest deviation that may be rounding, shape (n_units,)."""
        return ROUNDING * self.resolution * np.abs(self.mean)


def _of_both(
    one: Array | None, two: Array | None, join: Callable[[Array, Array], Array]
) -> Array | None:
    """What both sets of stimuli have together; nothing, if one of them was not asked for it."""
    return None if one is None or two is None else join(one, two)


def _between(one: Array, two: Array, share: float) -> Array:
    """The point at `share` of the way from one to the other."""
    way = two - one
    way *= share
    way += one
    return way


def merged(parts: Iterable[Moments]) -> Moments:
    """Merge any number of moments, from left to right."""
    return reduce(Moments.merge, parts)
