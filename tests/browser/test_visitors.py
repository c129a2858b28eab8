"""Several people at one program: stops and models."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import pytest

from browser.visitors import BAR_EVERY, Shelf, Stopped, Visitors
from common.base.errors import ModelError
from common.base.progress import LEFT, NOTE, PART
from common.study.settings import Settings


def test_a_stop_is_for_one_visitor_and_one_run() -> None:
    visitors = Visitors()
    visitors.stop("nobody")
    for session in ("one", "two"):
        visitors.begin(session)
    visitors.stop("one")
    visitors.check("two")
    with pytest.raises(Stopped, match="go on where this run stopped"):
        visitors.check("one")
    visitors.begin("one")
    visitors.check("one")
    visitors.end("one")


def test_the_bar_names_the_step_and_the_time_left() -> None:
    told: list[str] = []
    steps = {"localize": "Step 1 of 3"}
    show = Visitors().follow("", lambda _, desc: told.append(desc), steps)
    show("localize", 0, 8)
    show("localize", 1, 8)  # too soon for the bar to move again
    threading.Event().wait(BAR_EVERY)
    show("localize", 4, 8)
    show("unnamed", 0, 1)
    assert len(told) == 3
    assert told[0] == "Step 1 of 3"
    assert told[1].startswith("Step 1 of 3, about")
    assert told[2] == "unnamed"


def test_the_bar_says_an_estimate_and_goes_by_the_seconds_that_are_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("browser.visitors.BAR_EVERY", 0)
    told: list[tuple[float, str]] = []
    show = Visitors().follow("", lambda share, desc: told.append((share, desc)), {})
    show(f"{NOTE}This run: at most 2 h; with `items` 10: 8 min", 0, 0)
    show("evaluate", 0, 50)
    show(LEFT, 60, 600)
    show(PART, 1, 7)
    show("evaluate", 50, 50)
    assert told == [
        (0, "evaluate (This run: at most 2 h; with items 10: 8 min)"),
        *[(0.1, "evaluate, about 9 min left")] * 2,
        (1, "evaluate, about 0 s left"),
    ]


def named(settings: Settings) -> list[str]:
    """In the place of a model."""
    return [settings.model]


def test_a_model_is_loaded_once_and_held_by_one_at_a_time() -> None:
    shelf = Shelf(named)
    inside: list[int] = []
    most: list[int] = []
    seen: list[list[str]] = []

    def hold(number: int) -> None:
        with shelf.held(Settings("m", top=(number,))) as model:
            inside.append(number)
            most.append(len(inside))
            seen.append(model)
            threading.Event().wait(0.005)
            inside.remove(number)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(hold, range(1, 9)))
    assert max(most) == 1
    assert all(model is seen[0] for model in seen)


def test_models_that_nobody_asked_for_lately_are_put_away() -> None:
    shelf = Shelf(named, kept=1)
    with shelf.held(Settings("one")) as first:
        pass
    with shelf.held(Settings("two")), shelf.held(Settings("three")):
        pass
    with shelf.held(Settings("one")) as again:
        assert again is not first


def test_a_model_that_is_lent_is_not_loaded_a_second_time() -> None:
    shelf = Shelf(named, kept=1)
    with shelf.held(Settings("lent")) as lent:
        with shelf.held(Settings("other")):
            pass
        assert any(place.model is lent for place in shelf._places.values())


def test_a_model_that_cannot_be_loaded_leaves_the_place_free() -> None:
    tries: list[str] = []

    def fail_once(settings: Settings) -> str:
        tries.append(settings.model)
        if len(tries) == 1:
            raise OSError("gone")
        return "here"

    shelf = Shelf(fail_once)
    with pytest.raises(OSError, match="gone"), shelf.held(Settings("m")):
        pass
    with shelf.held(Settings("m")) as model:
        assert model == "here"


def weighed(weights: str) -> Any:
    """In the place of a model or of its map: what both know of the weights."""
    print_of = {"fingerprint": weights, "model_fingerprint": weights}
    return SimpleNamespace(weights=weights, describe=lambda: print_of, about=print_of)


def test_a_map_of_another_configuration_is_refused_and_one_that_does_not_say_is_taken() -> None:
    told = {"fingerprint": "w", "config": "gelu"}
    shelf = Shelf(lambda _: SimpleNamespace(describe=lambda: told))
    about = {"model_fingerprint": "w"}
    for fitting in (about, {**about, "model_config": "gelu"}):
        with shelf.held(Settings("m"), SimpleNamespace(about=fitting)):
            pass
    other = SimpleNamespace(about={**about, "model_config": "relu"})
    with (
        pytest.raises(ModelError, match=r"or another config\.json now"),
        shelf.held(Settings("m"), other),
    ):
        pass


def test_a_model_that_was_trained_again_is_loaded_anew_for_its_new_map() -> None:
    kept = ["old"]
    shelf = Shelf(lambda _: weighed(kept[-1]))
    with shelf.held(Settings("m"), weighed("old")) as first:
        pass
    kept.append("new")
    with shelf.held(Settings("m"), weighed("old")) as still:  # what the old map was made of
        assert still is first
    with shelf.held(Settings("m"), weighed("new")) as model:
        assert model.weights == "new"


def test_a_map_of_weights_that_are_gone_is_refused_and_the_others_are_not() -> None:
    shelf = Shelf(lambda _: weighed("new"))
    for _ in range(2):
        with (
            pytest.raises(ModelError, match="`model` m: has other weights or"),
            shelf.held(Settings("m"), weighed("old")),
        ):
            pass
    with shelf.held(Settings("m"), weighed("new")) as model:
        assert model.weights == "new"
