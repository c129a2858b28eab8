"""How long a run would take, without running it."""

from __future__ import annotations

from common.study.baseline import Asked
from common.study.estimate import Estimate
from common.study.front import FrontEnd, Model, S


def foretold(front: FrontEnd[S, Model], settings: S) -> Estimate | None:
    """What :func:`common.study.verbs.run` says first of all: how long it takes at most.

    The model is loaded and shown a few stimuli. What an earlier run of the same settings has done
    already is not taken off.

    Parameters
    ----------
    front, settings
        As of a run.

    Returns
    -------
    Estimate or None
        With the number of items that would make a long run short; nothing where the front end
        cannot tell.
    """
    settings = settings.to_evaluate()
    at_hand = front.localizing(settings)
    tested = front.evaluating(settings, at_hand.model)
    asked = Asked.of(settings, at_hand.described)
    return tested.foretell(settings.plan.n_masks, at_hand.work * (1 + len(asked.seeds)))
