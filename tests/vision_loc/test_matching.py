"""Classes by name: a benchmark's labels become the model's, or one line says why not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch
import torchvision
from PIL import Image
from timm.data.imagenet_info import ImageNetInfo
from torch import nn

from common.base.errors import DataError, ModelError
from common.effects.described import ClassMatch, Evaluation
from common.effects.items import Outcome
from common.effects.words import matched_classes
from vision_loc.classes import classes_of, imagenet_list, words_of
from vision_loc.evaluate import evaluate
from vision_loc.matching import check_intact, matched
from vision_loc.models import VisionModel
from vision_loc.preprocess import Preprocess
from vision_loc.stimuli import Benchmark, Picture

LIST = imagenet_list("imagenet-1k")
TENCH, GOLDFISH, SHARK, RAY, TISSUE = (LIST[n][0] for n in (0, 1, 2, 5, 999))
NAMES = {wnid: name.split(",")[0] for wnid, name in LIST}


def flat() -> Image.Image:
    return Image.new("RGB", (4, 4))


def model_of(n_classes: int, labels: Sequence[str | None] | None = None) -> VisionModel:
    """A network that answers as its picture's first pixel says."""
    module = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, n_classes))
    preprocess = Preprocess(np.asarray, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
    named = None if labels is None else tuple(labels)
    return VisionModel("toy/net", module.eval(), preprocess, n_classes, labels=named)


def items_of(
    wnids: Sequence[str], numbered: str = "own", names: dict[str, str] | None = None, each: int = 2
) -> Benchmark:
    """Pictures of these classes, numbered backwards, in two groups by turns."""
    numbers = {wnid: 70 - n for n, wnid in enumerate(wnids)}
    pictures = [
        Picture(f"{wnid}_{turn}.png", ("face", "thing")[turn % 2], flat, label=numbers[wnid])
        for wnid in wnids
        for turn in range(each)
    ]
    called = names or NAMES
    return Benchmark(
        "toy", tuple(pictures), "face", "thing",
        wnids={number: wnid for wnid, number in numbers.items()},
        classes={number: called[wnid] for wnid, number in numbers.items() if wnid in called},
        numbered=numbered,  # type: ignore[arg-type]
    )  # fmt: skip


def labels(items: Benchmark) -> dict[str, int]:
    return {picture.name.split("_")[0]: picture.label for picture in items.pictures}


# --- what a model's classes are ---


@pytest.mark.parametrize(
    ("subset", "n"), [("imagenet-1k", 1000), ("imagenet-12k", 11821), ("imagenet-22k", 21841),
                      ("imagenet-21k-goog", 21843), ("imagenet-21k-miil", 11221)],
)  # fmt: skip
def test_a_model_that_names_none_is_known_by_timms_lists(subset: str, n: int) -> None:
    known = classes_of(n)
    assert (known.source, known.listed) == ("number", subset)
    assert known.wnids == tuple(ImageNetInfo(subset).label_names())


def test_the_names_of_a_zoo_are_told_for_wordnet_ids() -> None:
    categories = torchvision.models.ResNet18_Weights.IMAGENET1K_V1.meta["categories"]
    known = classes_of(1000, categories)
    assert known.source == "names"
    assert known.wnids == tuple(wnid for wnid, _ in LIST)


@pytest.mark.parametrize("first", [True, False])
def test_a_background_is_before_or_after_the_list(first: bool) -> None:
    own = [name for _, name in LIST]
    known = classes_of(1001, ["background", *own] if first else [*own, "background"])
    place = 1 if first else 0
    assert known.wnids[place] == TENCH
    assert known.wnids[0 if first else 1000] is None
    assert known.source == "names"
    unnamed = classes_of(1001)  # as TensorFlow's models have it
    assert (unnamed.source, unnamed.wnids[0], unnamed.wnids[1]) == ("number", None, TENCH)


def test_a_thousand_other_classes_are_not_imagenets() -> None:
    known = classes_of(1000, [f"insect {n}" for n in range(1000)])
    assert (known.wnids, known.source) == ((), "model")
    backwards = classes_of(1000, [name for _, name in reversed(LIST)])
    assert (backwards.wnids, backwards.source) == ((), "model")


def test_placeholders_are_no_names() -> None:
    assert classes_of(7, [f"LABEL_{n}" for n in range(7)]) == classes_of(7)
    assert classes_of(7).source == "none"


def test_a_configuration_that_names_another_number_of_classes_is_refused() -> None:
    with pytest.raises(ModelError, match="configuration names 2 classes, but it has 3"):
        _ = model_of(3, [TENCH, SHARK]).classes


def test_synonyms_are_told_apart_by_commas() -> None:
    assert words_of("tench, Tinca_tinca") == {"tench", "tinca tinca"}
    assert words_of("") == frozenset()


# --- matching ---


@pytest.mark.parametrize(
    "model",
    [
        model_of(3, [SHARK, TENCH, TISSUE]),
        model_of(3, [NAMES[SHARK].upper(), "tench, Tinca tinca", NAMES[TISSUE]]),
    ],
    ids=["by WordNet id", "by name"],
)
def test_numbers_of_a_benchmark_become_the_models(model: VisionModel) -> None:
    found = matched(items_of([TENCH, SHARK, TISSUE]), model)
    assert labels(found) == {TENCH: 1, SHARK: 0, TISSUE: 2}
    assert found.match is not None
    assert (found.match.n_shared, found.match.n_unknown, found.match.n_left_out) == (3, 0, 0)
    assert found.class_name(1) == "tench"
    assert found.choose_from == ()


@pytest.mark.parametrize(("n_classes", "tench"), [(1000, 0), (1001, 1)])
def test_a_background_shifts_the_numbers(n_classes: int, tench: int) -> None:
    found = matched(items_of([TENCH, TISSUE]), model_of(n_classes))
    assert labels(found) == {TENCH: tench, TISSUE: tench + 999}
    assert found.match is not None
    assert (found.match.by, found.match.source) == ("wnid", "number")


def test_classes_that_the_model_lacks_are_left_out_and_counted() -> None:
    found = matched(
        items_of([TENCH, SHARK, RAY, TISSUE], each=4), model_of(2, [RAY, TENCH]), "shared"
    )
    assert labels(found) == {TENCH: 1, RAY: 0}
    assert found.match is not None
    assert found.match.as_json() == {
        "by": "wnid", "source": "model", "listed": None, "n_model": 2, "n_shared": 2,
        "n_unknown": 2, "n_left_out": 8, "choices": "shared",
    }  # fmt: skip
    assert found.choose_from == (0, 1)


def test_predictions_among_the_shared_classes_alone() -> None:
    model = model_of(5)
    with torch.no_grad():
        model.module[2].weight.zero_()
        model.module[2].bias.copy_(torch.tensor([3.0, 9.0, 1.0, 2.0, 8.0]))
    pixels, right = np.zeros((2, 3, 4, 4), dtype=np.uint8), np.array([0, 2])
    free = evaluate(model, pixels, right)
    assert free.prediction.tolist() == [1, 1]
    assert free.margin.tolist() == [-6, -8]
    bound = evaluate(model, pixels, right, choose_from=(0, 2, 3))
    assert bound.prediction.tolist() == [0, 0]
    assert bound.margin.tolist() == [1, -2]


@pytest.mark.parametrize("labels", [None, ["a", "b", "c"]])
def test_numbers_that_were_made_from_wordnet_ids_mean_nothing_alone(
    labels: list[str] | None,
) -> None:
    with pytest.raises(DataError, match="by WordNet ids, and toy/net does not say which its 3"):
        matched(items_of([TENCH, SHARK], "wnid"), model_of(3, labels))


def test_a_model_that_shares_no_class_of_a_group_is_refused() -> None:
    items = items_of([TENCH, SHARK])
    with pytest.raises(
        DataError, match=r"none of the classes of its group face, such as n0.*tench"
    ):
        matched(items, model_of(2, [RAY, TISSUE]))


def test_a_name_that_two_classes_have_is_not_taken_for_one() -> None:
    found = matched(
        items_of([TENCH, SHARK], names={TENCH: "crane", SHARK: "shark"}),
        model_of(3, ["crane, bird", "crane, machine", "shark"]),
    )
    assert labels(found) == {SHARK: 2}


def test_a_table_whose_names_are_those_of_other_classes_is_refused() -> None:
    swapped = {TENCH: NAMES[SHARK], SHARK: NAMES[TENCH]}
    with pytest.raises(DataError, match="called 'great white shark', which is class 2 of toy/net"):
        matched(items_of([TENCH, SHARK], names=swapped), model_of(1000))


def test_own_numbers_that_are_of_other_classes_are_refused() -> None:
    pictures = [Picture(f"{n}.png", "face" if n % 2 else "thing", flat, label=n) for n in range(6)]
    named = {n: LIST[n][1] for n in range(6)}
    own = Benchmark("own", tuple(pictures), "face", "thing", classes=named, numbered="model")
    assert labels(matched(own, model_of(1000))) == {f"{n}.png": n for n in range(6)}
    with pytest.raises(DataError, match=r"'tench, Tinca tinca', which is class 1 of toy/net"):
        matched(own, model_of(1001))
    # One other word is no contradiction.
    cup = replace(own, classes={**named, 3: "tench"})
    assert labels(matched(cup, model_of(1000)))["3.png"] == 3


def test_ids_count_where_numbers_are_of_another_list() -> None:
    items = items_of([TENCH, SHARK], "model")
    assert labels(matched(items, model_of(1001))) == {TENCH: 1, SHARK: 3}
    own = {number: wnid for number, (wnid, _) in enumerate(LIST[:4])}
    pictures = [Picture(f"{n}", ("face", "thing")[n % 2], flat, label=n) for n in own]
    right = Benchmark("own", tuple(pictures), "face", "thing", wnids=own, numbered="model")
    assert labels(matched(right, model_of(1000))) == {str(n): n for n in own}
    wrong = replace(right, wnids={**own, 3: TISSUE})
    with pytest.raises(DataError, match=f"class index 3 is {TISSUE}, but {LIST[3][0]} in toy/net"):
        matched(wrong, model_of(1000))


def test_numbers_out_of_range_are_refused() -> None:
    pictures = (Picture("a.png", "face", flat, label=7), Picture("b.png", "thing", flat, label=0))
    own = Benchmark("own", pictures, "face", "thing", numbered="model")
    with pytest.raises(DataError, match=r"a.png has class index 7, but toy/net has 3 classes"):
        matched(own, model_of(3))


def test_a_blind_match_that_is_right_by_chance_alone_is_an_error() -> None:
    items = items_of([TENCH, SHARK], each=40)
    blind = matched(items, model_of(100))
    assert blind.match is not None
    assert blind.match.by == "number"

    def intact(right: int) -> Outcome:
        correct = np.arange(80) < right
        return Outcome(np.zeros(80, dtype=int), correct, np.zeros(80))

    check_intact(blind, model_of(100), intact(1))
    with pytest.raises(DataError, match="gets 0 of 80 pictures right, no more than a guess"):
        check_intact(blind, model_of(100), intact(0))
    check_intact(blind, replace(model_of(100), untrained=True), intact(0))
    by_id = matched(items, model_of(1000))
    check_intact(by_id, model_of(1000), intact(0))


def test_a_run_says_what_was_left_out() -> None:
    told = ClassMatch(
        by="wnid", source="number", listed="imagenet-1k", n_model=1000, n_shared=100, n_unknown=5,
        n_left_out=40, choices="shared",
    )  # fmt: skip
    tested = Evaluation(name="toy", target="face", other="thing", n_items=9, class_match=told)
    assert matched_classes("net", tested) == [
        "net does not say which classes its 1,000 are: they were taken for those of imagenet-1k.",
        "net has 100 of the 105 classes of toy; 40 pictures of the others were left out.",
        "The model chose among the 100 classes that toy has too, not among all its 1,000.",
    ]
