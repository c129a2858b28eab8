"""What a run costs, before it is started."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from browser.cost import UNTOLD, answer, taken
from common.study.estimate import Estimate
from common.study.foretold import foretold
from vision_loc.experiment import FRONT, Settings


def test_the_page_says_what_a_run_says_first_and_starts_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told: list[tuple[int, float]] = []

    def foretell(n_masks: int, before: float) -> Estimate:
        told.append((n_masks, before))
        return Estimate(20_000, 20_000, (10, 400.0), bound=True)

    at_hand = SimpleNamespace(model=None, work=30.0, described=None)
    monkeypatch.setattr(FRONT, "localizing", lambda _: at_hand, raising=False)
    monkeypatch.setattr(FRONT, "evaluating", lambda *_: SimpleNamespace(foretell=foretell))
    monkeypatch.setattr("common.study.foretold.Asked.of", lambda *_: SimpleNamespace(seeds=(1, 2)))
    settings = Settings("phantom/cnn", evaluation="phantom", localizer="phantom:faces")
    found = foretold(FRONT, settings)
    assert told == [(settings.plan.n_masks, 90.0)]  # once trained, twice untrained
    note, take, fewer = answer(found)
    assert "At most 5.6 h on this machine." in note
    assert take.visible
    assert take.value == "Take 10 items of each class or paradigm: 7 min at most"
    items, said, gone = taken(fewer)
    assert items == "10"
    assert "With 10 items of each class or paradigm: 7 min" in said
    assert not gone["visible"] if isinstance(gone, dict) else not gone.visible


@pytest.mark.parametrize(
    ("found", "said"),
    [(Estimate(3, 3, bound=True), "At most 3 s on this machine."), (None, UNTOLD)],
)
def test_of_a_short_run_nothing_is_offered(found: Any, said: str) -> None:
    note, take, fewer = answer(found)
    assert said in note
    assert not take.visible
    assert fewer is None
