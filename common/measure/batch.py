"""Some stimuli on their way through the model: how they go, what it costs, in what pieces."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from common.base.errors import SettingError
from common.measure.shortage import is_shortage, no_room, release

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Loss:
    """What a pass of the whole model costs.

    Attributes
    ----------
    each : tensor of shape (n_stimuli,)
        The loss of each stimulus in nats, with its graph if there is one.
    right : tensor or None
        What counts as right, where the intact model says it (its predictions): handed over to the
        passes under an ablation, so that these are held against the same.
    """

    each: Tensor
    right: Tensor | None = None


@dataclass(frozen=True)
class Batch:
    """Some of the stimuli, ready to go through the model.

    Attributes
    ----------
    where : array of int of shape (n_stimuli,)
        Their places among all stimuli, the target's before the control's.
    run : callable
        Calls the model once, and gives its output.
    tokens : tensor of shape (n_stimuli, n_positions), optional
        1 for a real token and 0 for padding.
    loss : callable, optional
        Calls the whole model once, and gives a :class:`Loss`; see there.
    part : callable, optional
        From a slice to a batch of these stimuli alone, for where memory runs out in all of it.
    """

    where: np.ndarray
    run: Callable[[], Any]
    tokens: Tensor | None = None
    part: Callable[[slice], Batch] | None = None
    loss: Callable[[Tensor | None], Loss] | None = None


class Fitting:
    """Shows batches, in halves where memory runs out, and so all of them from then on."""

    def __init__(self, show: Callable[[Batch], None]) -> None:
        self.show = show
        self._halved = 0

    def __call__(self, batch: Batch, depth: int = 0) -> None:
        """Show a batch; what a pass gives must count when it has ended, and not before.

        Raises
        ------
        ModelError
            If memory runs out for a single stimulus, too.
        """
        part, middle = batch.part, len(batch.where) // 2
        if depth >= self._halved or part is None or not middle:
            try:
                self.show(batch)
                return
            except Exception as error:
                if not is_shortage(error):
                    raise
                if part is None or not middle:
                    raise no_room() from error
                self._halved = depth + 1
            release()
        for which in (slice(None, middle), slice(middle, None)):
            self(part(which), depth + 1)


def loss_of(batch: Batch, score: str, right: Tensor | None = None) -> Loss:
    """The loss of a batch.

    Parameters
    ----------
    batch : Batch
        The batch.
    score : str
        Who asks, for the message.
    right : tensor, optional
        What counted as right for the intact model; left out, the model is intact now.

    Raises
    ------
    SettingError
        If the front end gives none.
    """
    if batch.loss is None:
        raise SettingError(f"`score` {score}: needs a loss, and these stimuli have none")
    return batch.loss(right)
