"""Settings are read from text and written as text, and are numbers and plans between."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from common.base.errors import SettingError
from common.study.commands import command
from common.study.declared import declarations, read_settings, say_settings
from common.study.settings import Settings, read_controls

TOLD: dict[str, Any] = {
    "model": "local/net", "target": "a b", "control": "c", "evaluation": "own", "top": "0.001,1,20",
    "controls": "random:2,range:20-80:3,bottom:1", "kind": "op", "sites": "layer*",
    "unit": "neuron", "pooling": "none", "statistic": "signed", "ablation": "scale:-0.5", "seed": 4,
    "exclude_massive": "100",
    "untrained": True, "allow_overlap": True, "device": "cpu", "dtype": "float16", "batch_size": 7,
    "data_root": "data", "on_error": "skip", "score": "welch", "level": "unit", "each_step": True,
    "within": "margin", "effort": None,
    "untrained_seeds": 3, "stimuli": 40, "items": 10, "cache_memory": 3 << 29, "plain": True,
    "least_d_prime": "0.5", "least_index": "2/3", "units": "own.csv", "mask": "mine",
    "sufficient": 20, "splits": None,
}  # fmt: skip


def test_text_is_read_into_numbers_and_plans_and_written_back() -> None:
    found = read_settings(Settings, TOLD)
    assert found.top == (0.001, 1.0, 20.0)
    assert found.ablation == -0.5
    assert found.target == Path("a b")
    assert found.controls == read_controls(TOLD["controls"])
    assert found.plan.controls == found.controls
    assert found.plan.within == "margin"
    assert say_settings(found) == {**TOLD, "localizer": None}
    assert read_settings(Settings, say_settings(found)) == found
    assert hash(found) == hash(read_settings(Settings, TOLD))


@pytest.mark.parametrize("value", [1 / 3, 1.0, 0.65, 0.1 + 0.2, 1e-7, 12345.678, 2 / 7])
def test_a_threshold_is_said_to_the_last_bit(value: float) -> None:
    said = say_settings(Settings("m", least_index=value))["least_index"]
    assert read_settings(Settings, {"model": "m", "least_index": said}).least_index == value
    assert say_settings(Settings("m"))["least_index"] == "1/3"


@pytest.mark.parametrize(
    ("text", "value", "said"),
    [("2G", 2 << 30, "2G"), ("512M", 512 << 20, "512M"), ("1.5 GiB", 3 << 29, "1536M"),
     ("1000000", 1_000_000, "1000000"), ("64kb", 1 << 16, "64K")],
)  # fmt: skip
def test_bytes_are_read_and_said(text: str, value: int, said: str) -> None:
    found = read_settings(Settings, {"model": "m", "cache_memory": text})
    assert found.cache_memory == value
    assert f"--cache-memory {said} " in command("x-loc", "run", found, Path("runs/a"))
    assert read_settings(Settings, {"model": "m", "cache_memory": said}) == found


def test_no_controls_are_no_text() -> None:
    found = read_settings(Settings, {"model": "m", "controls": ""})
    assert found.controls == ()
    assert say_settings(found)["controls"] == ""


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("top", "1,x", "`top` 1,x: give percentages"),
        ("ablation", "scale:", "`ablation` scale:: write"),
        ("kind", "layer", "`kind` layer: choose one of block"),
        ("statistic", "loud", "`statistic` loud: choose one of magnitude, signed"),
        ("on_error", "cry", "`on_error` cry: choose one of stop, skip"),
        ("within", "room", "`within` room: choose one of class, margin"),
        ("least_d_prime", "much", "`least_d_prime` much: give a number, as in 0.5 or 1/3"),
        ("least_index", "1/0", "`least_index` 1/0: give a number"),
        ("least_index", "-0.2", "`least_index` -0.2: give a number above 0"),
        ("least_d_prime", "nan", "`least_d_prime` nan: give a number"),
        ("items", "0", "`items` 0: give a whole number, 1 or more"),
        ("items", "few", "`items` few: give a whole number, 1 or more"),
        ("cache_memory", "much", "`cache_memory` much: give bytes above 0, as in 512M or 2G"),
        ("cache_memory", "0G", "`cache_memory` 0G: give bytes above 0"),
        ("cache_memory", "0.0", "`cache_memory` 0.0: give bytes above 0"),
        ("cache_memory", "", "`cache_memory` : give bytes above 0"),
        ("unit", "cell", "`unit` cell: choose one of channel, neuron"),
    ],
)
def test_what_makes_no_sense_is_told_by_the_name_of_the_setting(
    name: str, value: str, message: str
) -> None:
    with pytest.raises(SettingError, match=message):
        read_settings(Settings, {"model": "m", name: value})


def test_what_a_slice_of_channels_cannot_be_asked_is_refused_for_heads() -> None:
    for changed in ({"statistic": "signed"}, {"ablation": "mean"}):
        (name,) = changed
        with pytest.raises(SettingError, match=f"`{name}` {changed[name]}: a head"):
            read_settings(Settings, {"model": "m", "kind": "head", **changed})
        read_settings(Settings, {"model": "m", "kind": "head", "sites": "a.*", **changed})
    assert read_settings(Settings, {"model": "m", "kind": "head", "ablation": "resample"})


def test_a_setting_that_is_not_there_is_an_error() -> None:
    with pytest.raises(TypeError, match="colour"):
        read_settings(Settings, {"model": "m", "colour": "red"})


def test_every_setting_explains_itself() -> None:
    for name, declared in declarations(Settings).items():
        assert declared.help[0].isupper(), name
        assert not declared.help.endswith("."), name
        assert declared.verbs, name
