"""Streaming count, mean and sum of squared deviations (M2), per unit.

The localizer never holds more than one batch of activations. Each batch is reduced to its moments
where it lies, and moments are merged on the CPU in float64 by the rule of Chan, Golub and LeVeque
(1979), which is stable and, up to rounding, does not care how the stimuli were cut into batches or
in which order they came.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import reduce
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

Array = npt.NDArray[np.float64]
Statistic = Literal["magnitude", "signed"]


def batch_rows(pooled: Tensor, statistic: Statistic, output: Tensor | None = None) -> Tensor:
    """Reduce one batch to the four rows of :class:`Moments`, on the device where it lies.

    Parameters
    ----------
    pooled : tensor of shape (n_stimuli, n_units)
        Pooled activations with their sign.
    statistic : {"magnitude", "signed"}
        Whether mean and M2 are those of the absolute activation or of the activation itself.
    output : tensor of shape (n_stimuli, n_units), optional
        Mean output over positions, where `pooled` is something else (a maximum, one token).

    Returns
    -------
    tensor of shape (4, n_units), float64
        Mean, M2, mean output, mean magnitude. On MPS, which has no float64, it lies on the CPU.
    """
    signed = _double(pooled)
    loud = signed.abs()
    values = loud if statistic == "magnitude" else signed
    mean = values.mean(dim=0)
    m2 = (values - mean).square_().sum(dim=0)
    level = signed.mean(dim=0) if output is None else _double(output).mean(dim=0)
    return torch.stack([mean, m2, level, mean if values is loud else loud.mean(dim=0)])


def _double(values: Tensor) -> Tensor:
    return (values.cpu() if values.device.type == "mps" else values).double()


@dataclass(frozen=True)
class Moments:
    """What is known of every unit of a site over the stimuli seen so far.

    Attributes
    ----------
    count : int
        Number of stimuli.
    mean, m2 : array of shape (n_units,)
        Mean and sum of squared deviations from it, of the statistic: the unit's pooled
        activation (``signed``) or its absolute value (``magnitude``).
    output : array of shape (n_units,)
        Mean output with its sign, over stimuli and positions: what ablation by the mean puts in.
    magnitude : array of shape (n_units,)
        Mean of \\|pooled activation\\| over stimuli: what control masks are matched on.
    """

    count: int
    mean: Array
    m2: Array
    output: Array
    magnitude: Array

    @classmethod
    def of(cls, activations: npt.ArrayLike | Tensor, statistic: Statistic = "signed") -> Moments:
        """Moments of activations of shape (n_stimuli, n_units) that are already at hand."""
        pooled = torch.as_tensor(activations)
        return cls(len(pooled), *batch_rows(pooled, statistic).cpu().numpy())

    def merge(self, other: Moments) -> Moments:
        """Moments of both sets of stimuli together (Chan et al. 1979, eq. 2.1)."""
        if not self.count or not other.count:
            return self if self.count else other
        count = self.count + other.count
        share = other.count / count
        delta = other.mean - self.mean
        return Moments(
            count=count,
            mean=self.mean + delta * share,
            m2=self.m2 + other.m2 + np.square(delta) * (self.count * share),
            output=self.output + (other.output - self.output) * share,
            magnitude=self.magnitude + (other.magnitude - self.magnitude) * share,
        )

    @property
    def variance(self) -> Array:
        """Sample variance (n - 1), exactly 0 where the unit never changed.

        A constant unit can carry a variance of rounding size: what cannot be told from rounding
        of its mean is taken as none.
        """
        if self.count < 2:
            return np.zeros_like(self.mean)
        variance = self.m2 / (self.count - 1)
        rounding = np.square(8 * np.finfo(np.float64).eps * self.mean)
        return np.where(variance <= rounding, 0.0, variance)


def merged(parts: Iterable[Moments]) -> Moments:
    """Merge any number of moments, from left to right."""
    return reduce(Moments.merge, parts)
