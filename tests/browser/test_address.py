"""What an address may ask for: only what the controls offer."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import gradio as gr
import pytest

from browser.address import Remembered, accepted, opened


@pytest.fixture
def fronts() -> list[Remembered]:
    faces = {
        "model": gr.Dropdown([("A", "phantom/a"), ("B", "phantom/b")], label="Model"),
        "doses": gr.CheckboxGroup(["1", "5", "10"], label="Doses"),
        "percent": gr.Slider(0.1, 20, step=0.1, label="Percent"),
        "seed": gr.Number(0, precision=0, minimum=0, maximum=99, label="Seed"),
    }
    words = {"model": gr.Dropdown(["lm"], label="Model")}
    tab: Any = None  # only its name counts here
    return [
        Remembered({"faces": tab, "try": tab}, faces),
        Remembered({"language": tab}, words),
    ]


def values(updates: list[Any]) -> list[Any]:
    return [update.get("value") for update in updates]


def test_a_link_fills_the_controls_of_its_page(fronts: list[Remembered]) -> None:
    query = {"tab": "try", "model": "phantom/b", "doses": "1,10", "percent": "2.5", "seed": "7"}
    updates, page, notes = opened(query, fronts)
    assert values(updates) == ["phantom/b", ["1", "10"], 2.5, 7, None]
    assert (page, notes) == ("try", [])
    updates, page, notes = opened({"tab": "language", "model": "lm"}, fronts)
    assert values(updates) == [None, None, None, None, "lm"]
    assert (page, notes) == ("language", [])


def test_a_bare_address_changes_nothing(fronts: list[Remembered]) -> None:
    for query in ({}, {"__theme": "dark", "view": "api"}):
        updates, page, notes = opened(query, fronts)
        assert values(updates) == [None] * 5
        assert (page, notes) == (None, [])


def test_what_is_not_on_offer_is_left_and_said_once_for_each(fronts: list[Remembered]) -> None:
    query = {"tab": "faces", "model": "../../etc/passwd", "seed": "3", "percent": "1e9"}
    updates, page, notes = opened(query, fronts)
    assert values(updates) == [None, None, None, 3, None]
    assert page == "faces"
    assert [note.split(":")[0] for note in notes] == ["Model", "Percent"]
    assert not any("passwd" in note for note in notes)
    updates, page, notes = opened({"tab": "<script>", "model": "phantom/b"}, fronts)
    assert values(updates) == [None] * 5
    assert page is None
    assert len(notes) == 1


def test_what_has_come_since_the_start_is_offered_and_restored(fronts: list[Remembered]) -> None:
    here = [("A", "phantom/a")]
    front = replace(fronts[0], here={"model": lambda: here})
    query = {"model": "local/new", "doses": "5"}
    updates, _, notes = opened(query, [front])
    assert values(updates) == [None, ["5"], None, None]
    assert len(notes) == 1
    here.append(("new", "local/new"))
    updates, _, notes = opened(query, [front])
    assert values(updates) == ["local/new", ["5"], None, None]
    assert updates[0]["choices"] == here
    assert notes == []


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("model", "A"),
        ("model", "javascript:alert(1)"),
        ("model", ""),
        ("doses", "1,1"),
        ("doses", "1,2"),
        ("doses", ""),
        ("percent", "nan"),
        ("percent", "inf"),
        ("percent", "0"),
        ("percent", "one"),
        ("seed", "1.5"),
        ("seed", "-1"),
        ("seed", "100"),
        ("seed", "9" * 400),
    ],
)
def test_hostile_values_are_not_taken(name: str, text: str, fronts: list[Remembered]) -> None:
    control = fronts[0].controls[name]
    assert accepted(control, text, getattr(control, "choices", ())) is None


def test_going_back_closes_a_run_that_the_address_does_not_name() -> None:
    run, percent = gr.Dropdown(["one"], value=None, label="Run"), gr.Slider(0, 20, value=1)
    named: Any = gr.Textbox("", label="Run")
    tab: Any = None
    fronts = [
        Remembered({"runs": tab}, {"run": run, "percent": percent}, {"run": lambda: ["one"]}),
        Remembered({"faces": tab}, {"run": named}, runs={"run": lambda: ["one", "two"]}),
    ]
    assert opened({"tab": "runs"}, fronts, before=True)[0][0] == gr.update(value=None)
    assert "value" not in opened({"tab": "runs"}, fronts)[0][0]
    for before in (True, False):
        assert opened({"tab": "runs", "run": "one"}, fronts, before)[0][0]["value"] == "one"
        assert "value" not in opened({"tab": "runs", "run": "one"}, fronts, before)[0][1]
        updates, _, notes = opened({"tab": "faces", "run": "two"}, fronts, before)
        assert (values(updates), notes) == ([None, None, "two"], [])
    updates, _, notes = opened({"tab": "faces", "run": "../etc"}, fronts)
    assert (values(updates), len(notes)) == ([None] * 3, 1)


def test_what_is_proposed_goes_with_what_is_chosen(fronts: list[Remembered]) -> None:
    every = {"model": lambda: ["a", "b"]}
    front = replace(fronts[0], here=every)
    assert front.proposed({}) == {"model": ["a", "b"]}
    fitting = replace(front, beside=lambda values: {"model": [values["doses"]], "more": []})
    assert fitting.proposed({"doses": "1"}) == {"model": ["1"]}
