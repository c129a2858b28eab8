"""An evaluation that answers by a function, for tests of what is done with outcomes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from common.base.progress import Progress, silent
from common.effects.described import DescribedEvaluation
from common.effects.items import Items, Outcome
from common.measure.masks import Mask
from common.measure.scores import SelectivityMap
from common.study.front import Evaluating


@dataclass(kw_only=True, eq=False)
class Answering(Evaluating):
    """Answers by `answer`, and keeps what it was given to illustrate."""

    answer: Callable[[Mask | None, SelectivityMap], Outcome]
    illustrated: list[tuple[Any, ...]] = field(default_factory=list)

    def outcome(
        self, mask: Mask | None, found: SelectivityMap, progress: Progress = silent
    ) -> Outcome:
        progress("part", 1, 1)
        return self.answer(mask, found)

    def illustrate(self, *given: Any) -> None:
        self.illustrated.append(given)


def answering(items: Items, answer: Callable[[Mask | None, SelectivityMap], Outcome]) -> Answering:
    """An evaluation on these items that answers by `answer`."""
    return Answering(
        items=items,
        described=DescribedEvaluation(name="arithmetic"),
        stimuli="",
        digests=(),
        word="items",
        answer=answer,
    )
