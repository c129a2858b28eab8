"""The Python way: items of any classifier, masks by hand, and what a notebook shows."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from common import (
    SelectivityMap,
    ablate,
    control,
    evaluate,
    figures,
    judge,
    load_map,
    mask_by_hand,
    record,
    sites,
    top_percent,
    welch,
)
from common.base.errors import DataError, MaskError, RunError
from tests.common.made import made


@pytest.fixture(scope="module")
def model() -> nn.Module:
    torch.manual_seed(0)
    parts = (nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3), nn.ReLU())
    return nn.Sequential(*parts, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4)).eval()


@pytest.fixture(scope="module")
def shown() -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(1)
    return torch.rand(40, 3, 12, 12), torch.rand(40, 3, 12, 12) ** 2


@pytest.fixture(scope="module")
def found(model: nn.Module, shown: tuple[torch.Tensor, torch.Tensor]) -> SelectivityMap:
    where, moments = sites(model, example=shown[0][:1]), []
    for side in shown:
        with record(model, where) as seen:
            model(side)
        moments.append(seen.moments)
    return welch(*moments)


LABELS, GROUPS = [number % 4 for number in range(80)], ["face"] * 40 + ["object"] * 40


def test_the_table_of_items_is_that_of_a_plain_loop(
    model: nn.Module, shown: tuple[torch.Tensor, torch.Tensor], found: SelectivityMap
) -> None:
    top = top_percent(found, 25)
    masks = [top, *(control(found, "layer-matched", 25, seed) for seed in range(3))]
    items = evaluate(model, [*shown], LABELS, GROUPS, masks)
    assert len(items) == 5 * 80
    for mask in (None, *masks):
        own = items[items["mask"] == ("intact" if mask is None else mask.name)]
        for row, (number, one) in zip(own.itertuples(), enumerate(torch.cat(shown)), strict=True):
            with torch.no_grad():
                if mask is None:
                    logits = model(one[None])[0].tolist()
                else:
                    with ablate(model, mask):
                        logits = model(one[None])[0].tolist()
            right = logits.pop(LABELS[number])
            assert row.margin == pytest.approx(right - max(logits), abs=1e-5)
            assert row.correct == (right > max(logits))
            assert (row.group, row.label) == (GROUPS[number], LABELS[number])
    judged = judge(items, target="face", other="object")
    (compared,) = (each for each in judged.verdict.comparisons if each.matched)
    assert compared.draws == 3


@pytest.mark.parametrize(
    ("labels", "groups", "names", "said"),
    [
        (LABELS[:-1], GROUPS, None, "79 labels, and the batches hold 80"),
        (LABELS, GROUPS[:-1], None, "one each for an item"),
        (LABELS, GROUPS, ["a"], "one each for an item"),
        ([9] * 80, GROUPS, None, "labels are from 0 to 3"),
    ],
)
def test_items_that_do_not_fit_are_refused(
    labels: list[int], groups: list[str], names: list[str] | None, said: str,
    model: nn.Module, shown: tuple[torch.Tensor, torch.Tensor],
) -> None:  # fmt: skip
    with pytest.raises(DataError, match=said):
        evaluate(model, [*shown], labels, groups, names=names)
    with pytest.raises(DataError, match="no logits"):
        evaluate(model[:2], [*shown], LABELS, GROUPS)  # type: ignore[index]


def test_a_mask_by_hand_holds_what_was_named(found: SelectivityMap) -> None:
    mask = mask_by_hand(found, {found.sites[0]: [1, 7], "3": [0]})
    assert np.flatnonzero(mask.at(found.sites[0])).tolist() == [1, 7]
    assert np.flatnonzero(mask.at(found.sites[1])).tolist() == [0]
    for units, said in (({"2": [0]}, "no site of this map"), ({"3": [8]}, "has no unit 8"),
                        ({"3": [-1]}, "has no unit -1"), ({}, "choose among them")):  # fmt: skip
        with pytest.raises(MaskError, match=said):
            mask_by_hand(found, units)


def test_a_map_is_read_from_its_folder_or_file(found: SelectivityMap, tmp_path) -> None:
    found.save(tmp_path / "selectivity.safetensors")
    assert load_map(str(tmp_path)).fingerprint == found.fingerprint
    assert load_map(tmp_path / "selectivity.safetensors").fingerprint == found.fingerprint
    with pytest.raises(RunError, match="not a selectivity map"):
        load_map(tmp_path / "other.safetensors")


class Cells(HTMLParser):
    """The words of a piece of HTML; a tag that is left open fails."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.open: list[str] = []
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: object) -> None:  # noqa: ARG002
        assert tag in ("p", "b", "table", "tr", "th", "td")
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def test_maps_masks_and_results_show_themselves_escaped(found: SelectivityMap) -> None:
    words = Cells(found._repr_html_()).words
    assert f"{found.at(found.sites[0]).max():.1f}" in words
    assert {"1:output", "3:output", "8"} <= {*words}
    top = top_percent(found, 25)
    words = Cells(top._repr_html_()).words
    assert words[0] == "Mask top-25: 4 units (25 %)"
    told = made(model={"name": "<script>alert(1)</script>"})
    words = Cells(told._repr_html_()).words
    assert "<script>alert(1)</script>" in words
    assert "50.0 %" in words or any(re.match(r"50(\.0)? %", word) for word in words)
    assert "Evidence" in Cells(told.judgement._repr_html_()).words


def test_a_figure_draws_itself_in_a_notebook(found: SelectivityMap) -> None:
    figure = figures.t_distribution(found, [25])
    assert figure._repr_png_().startswith(b"\x89PNG")  # type: ignore[attr-defined]


def test_a_table_of_units_is_a_data_frame(found: SelectivityMap) -> None:
    from common import unit_table

    table = unit_table(found, [top_percent(found, 25)])
    assert isinstance(table, pd.DataFrame)
    assert (table["masks"] == "top-25").sum() == 4
