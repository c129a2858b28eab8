"""The report: from the run folder alone, the same bytes again, and nothing unescaped."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from common.base.errors import RunError
from common.base.files import read_json, save_bytes, save_json
from common.effects.described import DescribedEvaluation, DescribedLocalizer, DescribedModel
from common.effects.items import Items, Outcome
from common.effects.perplexity import MeasuredText
from common.measure.control_rules import ControlPlan
from common.measure.masks import Mask
from common.measure.scores import SelectivityMap
from common.measure.shares import split_half
from common.report.draws import adjusted_effects
from common.report.likeness import likeness
from common.study.experiment import Described, run_experiment
from common.study.folder import RunFolder
from common.study.plan import Plan
from common.study.results import load_results
from common.study.verbs import report_again
from tests.common.answering import answering
from tests.common.report.page import Page

pytestmark = pytest.mark.draws_report

N = 80
CLASSES = {str(n): f"class-{n}" for n in range(8)}
HOSTILE = '"quoted" <script>alert(1)</script> & $x$'


Maker = Callable[..., Path]
Drawn = Callable[..., tuple[Page, Path]]


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Runs that were made already, by what was asked for."""
    return {"": tmp_path_factory.mktemp("kept")}


@pytest.fixture
def finished(
    tmp_path: Path, kept: dict[str, Path], make_map: Callable[..., SelectivityMap]
) -> Maker:
    """A finished run folder of numbers alone; the same one is made once and copied."""

    def copy(**asked: Any) -> Path:
        name = repr(asked)
        if name not in kept:
            kept[name] = make(kept[""] / str(len(kept)), **asked)
        changed_below = shutil.ignore_patterns("digests.json")
        return Path(
            shutil.copytree(kept[name], tmp_path / "run", ignore=changed_below, dirs_exist_ok=True)
        )

    def make(
        folder_of_run: Path,
        percents: tuple[float, ...] = (1.0, 5.0),
        controls: tuple[ControlPlan, ...] = (
            ControlPlan("random", 2),
            ControlPlan("layer-matched", 20),
            ControlPlan("bottom", 1),
        ),
        model: str = "local/net",
        classes: dict[str, str] | None = None,
        words: bool = False,
        change: Callable[[SelectivityMap], SelectivityMap] = lambda found: found,
    ) -> Path:
        found = change(make_map((60, 40)))
        half = split_half(make_map((60, 40), seed=1).t, make_map((60, 40), seed=2).t, percents)
        found.about["split_half"] = {
            "correlation": half.correlation,
            "dice": {f"{key:g}": value for key, value in half.dice.items()},
            "dice_chance": {f"{key:g}": value for key, value in half.dice_chance.items()},
        }
        groups = np.array(["face", "house"] * (N // 2))
        labels = np.arange(N) % 8

        def evaluate(mask: Mask | None, _: SelectivityMap) -> Outcome:
            right = np.ones(N, dtype=bool)
            if mask is not None and mask.rule == "top":
                right = (groups == "house") | (labels == 0)
            nats = np.full(6, 2.0 if mask is None else 3.0)
            return Outcome(
                labels, right, right.astype(np.float32), {"prose": nats} if words else {}
            )

        described = Described(
            DescribedModel(
                name=model, fingerprint="f" * 32, n_parameters=12345, dtype="float32", chance=0.125
            ),
            DescribedLocalizer(
                name="set:faces", target=("face",), control=("house", "car"),
                n_target=12, n_control=15,
            ),
            DescribedEvaluation(name="pictures", classes=classes or {}),
            area={"layer0": np.arange(5)},
            texts=[MeasuredText("prose", 32, np.full(6, 120))] if words else (),
        )  # fmt: skip
        levels = {"field": np.where(labels < 4, "syntax", "meaning")} if words else {}
        items = Items(
            [f"i{n}" for n in range(N)], groups, "face", "house", None if words else labels, levels
        )
        plan = Plan(percents, controls)
        about = {
            "command": f"vision-loc run --model '{model}' --eval own --out run",
            "settings": {"model": model, "seed": 0, "data_root": None},
        }
        with RunFolder(folder_of_run, {"model": model}, about) as folder:
            run_experiment(folder, plan, answering(items, evaluate), described, lambda: found)
        return folder_of_run

    return copy


def page_of(folder: Path) -> Page:
    return Page(report_again(folder).read_text(encoding="utf-8"))


@pytest.fixture
def drawn(finished: Maker, kept: dict[str, Path]) -> Drawn:
    """Page and folder of a run that nobody changes; the same one is drawn once."""

    def draw(**asked: Any) -> tuple[Page, Path]:
        finished(**asked)
        folder = kept[repr(asked)]
        page = folder / "report.html"
        text = (page if page.exists() else report_again(folder)).read_text(encoding="utf-8")
        return Page(text), folder

    return draw


def shown_verdict(page: Page) -> str:
    """The plain line and the sentence, as they stand at the top."""
    start = page.text.index("Face: ")
    return " ".join(page.text[start : page.text.index("It rests on")].split())


def test_it_holds_all_that_a_reader_needs(drawn: Drawn) -> None:
    page, folder = drawn(classes=CLASSES)
    results = read_json(folder / "results.json")
    assert not page.open
    assert shown_verdict(page) == results["verdict"]
    for warning in results["warnings"]:
        assert warning in page.text
    for expected in (
        "Groups and masks", "random × 2", "layer-matched × 20", "(the finding)",  # the table
        "McNemar", "0.048", "Dose, and the controls", "Where the units lie",
        "What lost most", "class-2", "split in two random halves", "built with an area of 5 units",
        "To repeat this run", "Welch, B. L.", "layer-matched (20)",
        "which the localizer had not seen", "by zero", "All settings", "The verdict by dose",
        "adjusted effect", "Bonett, D. G.", "Besag, J.", "Westfall, P. H.", "Bell, R. M.",
        "Zou, G. Y.", "Phipson, B.", "all units of the site", "(Westfall and Young)",
    ):  # fmt: skip
        assert expected in page.text, expected
    top = next(e for e in results["ablations"] if e["rule"] == "top")
    low, high = top["groups"]["face"]["ci"]
    assert f"[{100 * low:.1f}, {100 * high:.1f}]" in page.text
    assert next(tag for tag, _ in page.tags if tag in ("h1", "h2")) == "h1"
    assert len(page.all("h1")) == 1


def test_how_like_the_controls_are_is_a_table(drawn: Drawn) -> None:
    page, folder = drawn()
    results = read_json(folder / "results.json")
    assert "How like the controls are" in page.text
    (one, five) = [each for each in results["balances"] if each["rule"] == "layer-matched"]
    assert {one["percent"], five["percent"]} == {1.0, 5.0}
    for site in five["sites"]:
        assert f"{site['n_masked']} of {site['n_units']}" in page.text
        assert f"{site['gap']:+.2f}{' !' if abs(site['gap']) > 0.1 else ''}" in page.text
    marked = f"{100 * one['overlap']:.0f} %{' !' if one['overlap'] > 0.25 else ''}"
    assert marked in page.text
    assert likeness(load_results(folder).model_copy(update={"balances": ()})) == []


def test_it_is_self_contained_and_every_picture_has_words(drawn: Drawn) -> None:
    page, _ = drawn()
    assert page.all("img")
    for image in page.all("img"):
        assert (image["src"] or "").startswith("data:image/")
        assert len(image["alt"] or "") > 20
        assert "loading" not in image  # an embedded picture gains nothing, a print loses it
    assert not {"script", "link", "iframe"} & {tag for tag, _ in page.tags}
    assert any(meta.get("name") == "viewport" for meta in page.all("meta"))
    assert any("default-src 'none'" in (meta.get("content") or "") for meta in page.all("meta"))


def test_made_again_elsewhere_it_has_the_same_bytes(finished: Maker, tmp_path: Path) -> None:
    folder = finished()
    first = report_again(folder).read_bytes()
    moved = shutil.copytree(folder, tmp_path / "elsewhere")
    (moved / "report.html").unlink()
    assert report_again(moved).read_bytes() == first
    assert len(first) < 3_000_000


def test_names_are_escaped(finished: Maker) -> None:
    folder = finished(model=f"local/{HOSTILE}", classes={str(n): HOSTILE for n in range(8)})
    results = read_json(folder / "results.json")
    results["warnings"].append(HOSTILE)
    save_json(folder / "results.json", results)
    save_json(
        folder / "gallery" / "gallery.json",
        [
            {
                "heading": HOSTILE,
                "caption": HOSTILE,
                "pictures": [{"file": "../../a.jpg", "alt": HOSTILE, "caption": HOSTILE}],
            }
        ],
    )
    save_bytes(folder / "gallery" / "a.jpg", b"jpeg")
    text = report_again(folder).read_text(encoding="utf-8")
    assert "<script" not in text
    page = Page(text)
    assert page.text.count(HOSTILE) >= 8
    assert HOSTILE in [image["alt"] for image in page.all("img")]


def test_one_dose_and_no_controls(finished: Maker) -> None:
    page = page_of(finished(percents=(5.0,), controls=()))
    assert "No control masks were drawn." in page.text
    assert "Dose" not in page.text
    assert "the largest of the ranks" not in page.text.split("The verdict by dose")[0]
    assert "(the finding)" not in page.text
    assert "Cannot tell" in page.text
    assert "No matched control was drawn for the verdict to rest on." in page.text


def test_items_without_classes_with_levels_and_a_text(drawn: Drawn) -> None:
    page, _ = drawn(words=True)
    assert "Accuracy by field" in page.text
    assert "syntax" in page.text
    assert "Perplexity of prose" in page.text
    assert "+1.000" in page.text
    assert "picture" not in re.sub("on pictures|of pictures|pictures:", "", page.text)


def keep_texts(folder: Path, name: str = "emotion", said: str = " a long tale") -> None:
    """What a language front end keeps beside the numbers."""
    masks = [
        ("top-1", "top", 1.3),
        *((f"layer-matched-1-s0{n}", "layer-matched", 0.9) for n in (0, 1)),
    ]
    rows = [
        [source, kind, own, 100, 17.5, mask, rule, value, value - 0.1, value + 0.1]
        for source, kind, own in (("set", "sentence", True), (name, "anger", False))
        for mask, rule, value in masks
    ]
    columns = ["set", "condition", "own", "n", "tokens", "mask", "rule", "response", "low", "high"]
    pd.DataFrame(rows, columns=columns).to_csv(folder / "profile.csv", index=False)
    save_json(
        folder / "gallery" / "continuations.json",
        {
            "new_tokens": 30,
            "columns": ["intact", "top-1"],
            "rows": [{"prompt": "It was", "texts": [said, ""]}],
        },
    )


def test_what_a_language_run_kept_is_shown(finished: Maker) -> None:
    folder = finished(words=True)
    keep_texts(folder)
    page = page_of(folder)
    for expected in (
        "What the chosen units answer to", "Response profile in numbers", "emotion: anger",
        "1.300 [1.200, 1.400]", "0.900 (0.900 to 0.900)", "set: sentence the localizer’s own",
        "Continuations side by side", "It was …", "a long tale", "the model ends the text here",
        "What lost most", "Perplexity by dose", "2 parts were looked at",
        "prose under the top 1 %: +1.000 nats a token [+1.000, +1.000]",
        "layer-matched +1.000 on average", "On running text: prose", "The verdict on prose by dose",
        "perplexity a byte", "1.676 [1.676, 1.676]",
    ):  # fmt: skip
        assert expected in page.text, expected
    said = [image["alt"] or "" for image in page.all("img")]
    assert any("Drop by field" in alt and "syntax +" in alt for alt in said)
    assert any("Perplexity of prose" in alt and "intact 7.389" in alt for alt in said)
    assert any("set sentence 1.30, emotion anger 1.30" in alt for alt in said)


def test_texts_are_escaped_and_a_set_may_be_called_na(finished: Maker) -> None:
    folder = finished(words=True)
    keep_texts(folder, name="NA", said=HOSTILE)
    text = report_again(folder).read_text(encoding="utf-8")
    assert "<script" not in text
    page = Page(text)
    assert HOSTILE in page.text
    assert "NA: anger" in page.text


def test_parts_are_listed_from_the_largest_drop(drawn: Drawn) -> None:
    page, folder = drawn(words=True)
    entries = read_json(folder / "results.json")["breakdown"]
    drops = {e["part"]: e["drop"] for e in entries if e["level"] == "field" and e["percent"] == 1}
    table = page.text[page.text.index("Accuracy by field") :]
    worst, best = sorted(drops, key=lambda part: -drops[part])
    assert drops[worst] > drops[best]
    assert table.index(worst) < table.index(best)


def test_the_method_says_what_q_does_not_say(drawn: Drawn) -> None:
    assert "not that it has a function" in drawn()[0].text


def test_a_map_without_split_halves(finished: Maker) -> None:
    folder = finished()
    results = read_json(folder / "results.json")
    del results["selectivity"]["split_half"]
    save_json(folder / "results.json", results)
    assert "halves" not in page_of(folder).text


@pytest.mark.parametrize("name", ["results.json", "selectivity.safetensors", "items.csv"])
def test_a_part_that_is_gone_is_named(finished: Maker, name: str) -> None:
    folder = finished(classes={"0": "a"})
    (folder / name).unlink()
    with pytest.raises(RunError, match=re.escape(name)):
        report_again(folder)


def test_a_picture_that_is_gone_is_named(finished: Maker) -> None:
    folder = finished()
    entry = {"file": "7.jpg", "alt": "", "caption": ""}
    save_json(folder / "gallery" / "gallery.json", [{"heading": "", "pictures": [entry]}])
    with pytest.raises(RunError, match=r"7\.jpg"):
        report_again(folder)


def test_the_effects_in_the_figure_are_those_of_the_judgement(finished: Maker) -> None:
    folder = finished()
    results = load_results(folder)
    effects = adjusted_effects(folder, results)
    assert set(effects) == {entry.mask for entry in results.ablations}
    for verdict in results.judgement.doses:
        assert effects[verdict.mask] == pytest.approx(verdict.adjusted.effect, abs=1e-9)
        for entry in verdict.comparisons:
            drawn = [effects[each.mask] for each in results.at(verdict.percent, entry.rule)]
            assert np.mean(drawn) == pytest.approx(entry.mean, abs=1e-9)


def test_items_that_are_damaged_are_named(finished: Maker) -> None:
    folder = finished()
    items = (folder / "items.csv").read_text().splitlines()
    (folder / "items.csv").write_text("\n".join([*items, items[-1]]))
    with pytest.raises(RunError, match=r"items\.csv: damaged"):
        report_again(folder)


def test_an_old_run_says_that_its_controls_were_drawn_from_the_rest(finished: Maker) -> None:
    folder = finished()
    results = read_json(folder / "results.json")
    save_json(folder / "results.json", {**results, "schema": 1})
    items = pd.read_csv(folder / "items.csv").drop(columns=["rule", "percent"])
    items.to_csv(folder / "items.csv", index=False)
    text = page_of(folder).text
    assert "all units of the site" not in text
    assert "which makes p too small" in text


def test_losers_are_counted_in_items(drawn: Drawn) -> None:
    _, folder = drawn(classes=CLASSES)
    rows = re.findall(r'<th scope="row">(class-\d)</th>', (folder / "report.html").read_text())
    assert rows == ["class-2", "class-4", "class-6"]  # faces but those of class 0; no house
    assert json.loads((folder / "results.json").read_text())["headline_percent"] == 1
