"""Saliency: how much the loss on a stimulus hangs on each single weight.

For a stimulus i with loss L and a weight θ the loss changes by about -θ dL/dθ when the weight is
set to zero. The size of that, \\|θ dL/dθ\\|, is taken **stimulus by stimulus** and averaged over a
side. Averaged with its sign over the stimuli it would be the slope of the mean loss, and a trained
model rests where that is next to nothing: what the weight does for one stimulus would be offset by
what it does to another. Taken batch by batch it would depend on the size of the batch. So each
stimulus goes through the model by itself, and the score is the same whatever the batches, to the
last bit.

References
----------
LeCun, Y., Denker, J. S., & Solla, S. A. (1990). Optimal brain damage. NIPS 2, 598-605.
Lee, N., Ajanthan, T., & Torr, P. (2019). SNIP: single-shot network pruning based on connection
sensitivity. ICLR. arXiv:1810.02340.
Molchanov, P., Mallya, A., Tyree, S., Frosio, I., & Kautz, J. (2019). Importance estimation for
neural network pruning. CVPR. arXiv:1906.10771.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from common.base.device import free_memory
from common.base.errors import DataError, ModelError
from common.base.heavy import torch
from common.measure.attribution import widened
from common.measure.gradient import LOSS, PASSES, residual
from common.measure.moments import Array
from common.measure.rules import Contrast, Score, ScoreRule, ScoreWords
from common.measure.sites import Site
from common.measure.weights import PARAMETER, parameters_of

if TYPE_CHECKING:
    from torch import Tensor, nn

REFERENCES = (
    "LeCun, Y., Denker, J. S., & Solla, S. A. (1990). Optimal brain damage. NIPS 2, 598–605. (What "
    "a network loses without one weight, by the derivatives of its loss.)",
    "Lee, N., Ajanthan, T., & Torr, P. (2019). SNIP: single-shot network pruning based on "
    "connection sensitivity. ICLR. arXiv:1810.02340. (|weight · gradient|.)",
    "Molchanov, P., Mallya, A., Tyree, S., Frosio, I., & Kautz, J. (2019). Importance estimation "
    "for neural network pruning. CVPR. arXiv:1906.10771. (The same as a first-order expansion.)",
)
ABOUT = (
    "For each weight the change of the loss when it is set to zero was predicted to first order, "
    f"|weight · gradient of the loss|, {LOSS}; the absolute value was taken stimulus by stimulus, "
    "and then the mean over each side, in float64. "
)
WORDS = ScoreWords(
    name="saliency",
    symbol="saliency",
    label="mean |weight · gradient| (target minus control, nats)",
    prose="the saliency of the weight",
    title="Saliency of weights (level parameter)",
    method=f"{ABOUT}The score is the mean over the target minus that over the control.",
    references=REFERENCES,
    digits=".3g",
    scale=0.0,
)
SPECIFIC_WORDS = replace(
    WORDS,
    name="saliency-specific",
    symbol="specific",
    label="mean |weight · gradient| on the target beyond what the control predicts (nats)",
    prose="the saliency of the weight on the target beyond what the control predicts",
    title="Saliency of weights, without what target and control share (level parameter)",
    method=(
        f"{ABOUT}The mean over the target was regressed over weights on that over the control "
        "(least squares with an intercept); the score is the residual."
    ),
)


ON_CARD = 64  # bytes a weight: four sums of eight, its gradient, and as much to breathe


class Saliencies:
    """Sums of \\|weight · gradient\\| by group: one running sum a weight and group.

    Parameters
    ----------
    model : nn.Module
        The model.
    sites : sequence of Site
        Of weights.
    """

    def __init__(self, model: nn.Module, sites: Sequence[Site]) -> None:
        self.sites = tuple(sites)
        self.parameters = parameters_of(model, sites)
        self._device = _roomiest(self.parameters)
        self._sums: dict[int, list[Tensor]] = {}
        self._counts: dict[int, int] = {}

    def add(self, group: int, loss: Tensor) -> None:
        """Count one stimulus.

        Parameters
        ----------
        group : int
            Its group.
        loss : tensor of one number
            Its loss, with its graph.

        Raises
        ------
        ModelError
            If the loss depends on no weight through operations that have a gradient.
        """
        if not loss.requires_grad:
            raise ModelError(
                "the loss does not depend on any of these weights through operations that have a "
                "gradient; choose `level` unit"
            )
        slopes = torch.autograd.grad(loss, self.parameters, allow_unused=True)
        if group not in self._sums:
            self._sums[group] = [
                torch.zeros(each.shape, dtype=torch.float64, device=self._device or each.device)
                for each in self.parameters
            ]
            self._counts[group] = 0
        for total, own, slope in zip(self._sums[group], self.parameters, slopes, strict=True):
            if slope is not None:  # the loss does not depend on it
                total += (widened(own) * widened(slope)).abs_().to(total.device)
        self._counts[group] += 1

    def count(self, groups: Sequence[int]) -> int:
        """Stimuli of some groups."""
        return sum(self._counts.get(group, 0) for group in groups)

    def mean(self, groups: Sequence[int]) -> Array:
        """Mean over the stimuli of some groups, shape (n_weights,).

        Raises
        ------
        DataError
            If there are none, or a gradient was not finite.
        """
        if not (n := self.count(groups)):
            raise DataError("a condition has no stimulus in one of its halves; give more of it")
        row = np.zeros(sum(each.numel() for each in self.parameters))
        start = 0
        for number, parameter in enumerate(self.parameters):
            own = row[start : start + parameter.numel()]
            for group in groups:
                if group in self._sums:
                    own += self._sums[group][number].flatten().cpu().numpy()
            if not np.isfinite(own).all():
                raise DataError(
                    f"{self.sites[number]}: gradients of the loss are NaN or infinite; does "
                    "`dtype` float32 help?"
                )
            start += parameter.numel()
        row /= n
        return row

    def forget(self) -> None:
        """Let go of the sums."""
        self._sums.clear()

    @property
    def sizes(self) -> np.ndarray:
        """\\|weight\\| of every weight, shape (n_weights,), in single floats."""
        return np.concatenate(
            [each.detach().flatten().float().abs().cpu().numpy() for each in self.parameters]
        )


def _roomiest(parameters: Sequence[Tensor]) -> str | None:
    """Where sums lie: beside the weights, or on the processor where the card has no room for them.

    Nor has it where it has no float64.
    """
    kinds = {each.device.type for each in parameters}
    if kinds == {"cuda"}:
        n = sum(each.numel() for each in parameters)
        room = sum(free_memory(card) for card in {each.device for each in parameters})
        return None if room > ON_CARD * n else "cpu"
    return None if kinds == {"cpu"} else "cpu"


def _difference(contrast: Contrast) -> Score:
    value = contrast.watched.mean(contrast.groups[0])
    value -= contrast.watched.mean(contrast.groups[1])
    return Score(WORDS, value)


def _specific(contrast: Contrast) -> Score:
    one, two = (contrast.watched.mean(side) for side in contrast.groups)
    return Score(SPECIFIC_WORDS, residual(one, two))


SALIENCY, SALIENCY_SPECIFIC = (
    ScoreRule(
        words, end=end, needs_gradients=True, needs_loss=True, level=PARAMETER,
        passes=lambda _sites, _units, _effort: PASSES,
    )
    for words, end in ((WORDS, _difference), (SPECIFIC_WORDS, _specific))
)  # fmt: skip
