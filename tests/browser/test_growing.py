"""What a run knows so far, in a line and a curve: as far as there is an answer, and no farther."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from browser.growing import curve, growing, matched_rule, plain_so_far
from common.study.so_far import INTACT, Known

NONE = {"face": (0, 0), "object": (0, 0)}


def known(rule: str, percent: float | None, face: int, object: int, draws: int = 1) -> Known:
    return Known(rule, percent, draws, {"face": (face, 50), "object": (object, 100)})


SOME = [
    known(INTACT, None, 50, 98),
    known("top", 0.5, 30, 98),
    known("top", 1.0, 7, 97),
    Known("top", 5.0, 1, NONE),
    known("random", 1.0, 49, 97),
    known("layer-matched", 1.0, 45, 97),
    Known("magnitude-matched", 1.0, 19, NONE),
]


def drawn(html: str) -> ElementTree.Element:
    return ElementTree.fromstring(html[html.index("<svg") : html.index("</svg>") + 6])


def test_the_line_is_of_the_dose_of_the_verdict_and_of_the_nearest_rule_with_answers() -> None:
    assert matched_rule(SOME) == "layer-matched"
    assert (
        "So far, under the top 1 %: face 100 → 14 % right; object 98 → 97 % right. Without as "
        "many other units of these layers instead: face 90 %."
    ) in plain_so_far(SOME)
    assert "the intact model alone" in plain_so_far(SOME[:1])
    assert growing([]) == ""


def test_a_part_of_the_items_is_told_to_be_one() -> None:
    part = Known("top", 1.0, 1, {"face": (1, 20), "object": (97, 100)})
    line = plain_so_far([SOME[0], part])
    assert "face 100 → 5 % right (the first 20 of 50); object 98 → 97 % right." in line


def test_a_point_is_drawn_for_each_dose_with_answers() -> None:
    marks = [each for each in drawn(curve(SOME)).iter() if "fl-mark" in each.get("class", "")]
    assert [each.tag for each in marks].count("circle") == 3  # top at two doses, controls at one
    assert [each.tag for each in marks].count("rect") == 3
    circles = [
        each for each in marks if each.tag == "circle" and "drawn" not in each.get("class", "")
    ]
    first, second = (float(each.get("cy", "0")) for each in circles)
    assert second > first  # fewer right is lower on the page
    texts = [each.text for each in drawn(curve(SOME)).iter("text")]
    assert {"0.5", "1", "5", "0", "100"} <= {*texts}


@pytest.mark.parametrize("n", range(len(SOME) + 1))
def test_however_far_it_has_come_it_is_drawn_inside_of_its_place(n: int) -> None:
    html = growing(SOME[:n])
    if "<svg" in html:
        for each in drawn(html).iter("circle"):
            assert 34 <= float(each.get("cx", "0")) <= 348
            assert 10 <= float(each.get("cy", "0")) <= 166


def test_one_group_and_one_dose_are_enough_and_names_are_escaped() -> None:
    odd = "<b>"
    some = [Known(INTACT, None, 1, {odd: (9, 9)}), Known("top", 2.0, 1, {odd: (0, 4)})]
    html = growing(some)
    assert "<b>" not in html
    assert "&lt;b&gt; 100 → 0 % right" in html
    assert drawn(html).find(".//circle") is not None
