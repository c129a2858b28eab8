"""The form that every front end's page has."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, Any

import pytest

from browser.offer import QUICK, Offer, belonging
from common.base.errors import SettingError
from common.measure.sites import Unit
from common.study.declared import Setting
from common.study.settings import Settings


@dataclass(frozen=True)
class Words(Settings):
    """Of a front end without a choice of units."""

    unit: Annotated[Unit, Setting("A unit is a channel", ())] = "channel"


OFFER = Offer(
    settings=Words,
    program="some-loc",
    model="phantom/a",
    models=lambda: [("a", "phantom/a"), ("b", "local/b")],
    localizers=lambda: ["phantom:x", "own:x"],
    evaluations=lambda: ["phantom", "own"],
    fit=lambda _model: (["phantom:x"], ["phantom"]),
    doses=("1", "5", "10"),
    help=dict.fromkeys(("model", "localizer", "evaluation"), "A line."),
)


VALUES: dict[str, Any] = {
    "model": "phantom/a",
    "localizer": "phantom:x",
    "evaluation": "phantom",
    "statistic": "magnitude",
    "score": "welch",
    "kind": "block",
    "controls": QUICK,
    "exclude_massive": "",
    "ablation": "zero",
    "untrained_seeds": "",
    "items": "",
    "doses": ["1"],
    "seed": 3,
}


def test_what_is_chosen_is_filled_in_again_from_the_run() -> None:
    settings = OFFER.chosen(**VALUES)
    assert (settings.model, settings.top, settings.seed) == ("phantom/a", (1.0,), 3)
    assert OFFER.filled(vars(settings)) == [*VALUES.values()]


def test_a_unit_is_asked_for_where_there_is_a_choice() -> None:
    with pytest.raises(SettingError, match="unit neuron: choose from"):
        OFFER.chosen(**VALUES, unit="neuron")
    with_units: Offer[Any] = replace(OFFER, settings=Settings)
    settings = with_units.chosen(**VALUES, unit="neuron")
    assert settings.unit == "neuron"
    assert "neuron" in with_units.filled(vars(settings))
    with pytest.raises(SettingError, match="`unit` neuron: the form cannot say that"):
        OFFER.filled(vars(settings))


def test_a_model_that_came_meanwhile_can_be_run() -> None:
    models = [("a", "phantom/a")]
    offer, values = replace(OFFER, models=lambda: models), {**VALUES, "model": "local/late"}
    with pytest.raises(SettingError, match="model local/late: choose from phantom/a"):
        offer.chosen(**values)
    models.append(("late", "local/late"))
    assert offer.here["model"]() == models
    settings = offer.chosen(**values)
    assert settings.model == "local/late"
    # A page that was opened before gets it with the settings of the run.
    first, *_, doses, seed = offer.fill(vars(settings))
    assert (first["value"], first["choices"]) == ("local/late", models)
    assert offer.choices_beside({"localizer": "own:x"})["localizer"] == ["phantom:x", "own:x"]
    assert (doses, seed) == (["1"], 3)


def test_doses_are_run_in_rising_order() -> None:
    assert OFFER.chosen(**{**VALUES, "doses": ["10", "1", "5"]}).top == (1, 5, 10)


def test_the_phantoms_have_their_own_stimuli() -> None:
    names = ["own:x", "phantom:x", "phantom-lm:y"]
    assert belonging("phantom/cnn", names) == ["phantom:x", "phantom-lm:y"]
    assert belonging("local/b", names) == ["own:x"]
    assert belonging("phantom/cnn", names, "phantom:x") == ["phantom:x"]
    two = ["phantom:y", "phantom:x"]
    assert belonging("phantom/cnn", two, "phantom:x") == two[::-1]
    assert belonging("local/b", names[1:]) == names[1:]
