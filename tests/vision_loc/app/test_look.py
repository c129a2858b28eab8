"""Try it without a page: the intact pass is made once, and everything else agrees with a run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from common.measure.ablate import under
from common.measure.masks import Mask, top_percent
from vision_loc import phantom
from vision_loc.app.look import Look, look, top_five
from vision_loc.app.visit import Found
from vision_loc.gallery import responses
from vision_loc.models import VisionModel, load_model


@pytest.fixture(scope="module")
def model() -> VisionModel:
    return load_model("phantom/cnn")


@pytest.fixture
def seen(model: VisionModel, faces: Found) -> Look:
    return look(model, phantom.draw(0, 1, "eval"), faces.map)


@contextmanager
def counted(model: VisionModel) -> Iterator[list[bool]]:
    """Every pass of the model while this holds."""
    passes: list[bool] = []
    handle = model.module.register_forward_hook(lambda *_: passes.append(True))
    try:
        yield passes
    finally:
        handle.remove()


def probabilities(model: VisionModel, pixels: np.ndarray, mask: Mask | None) -> np.ndarray:
    with torch.inference_mode(), under(model.module, mask, "zero", None):
        return model.logits(torch.from_numpy(pixels)).softmax(dim=1)[0].numpy()


def test_what_is_seen_is_what_the_model_gives(model: VisionModel, faces: Found, seen: Look) -> None:
    mask = top_percent(faces.map, 5)
    assert np.array_equal(seen.intact, probabilities(model, seen.pixels, None))
    without = seen.without(mask, "zero", faces.map)
    assert np.array_equal(without, probabilities(model, seen.pixels, mask))
    assert without.argmax() != seen.intact.argmax() == 0


def test_one_pass_for_each_new_mask(model: VisionModel, faces: Found) -> None:
    with counted(model) as passes:
        seen = look(model, phantom.draw(0, 1, "eval"), faces.map)
        assert len(passes) == 3
        for percent in (1, 5, 1, 5, 1):
            seen.without(top_percent(faces.map, percent), "zero", faces.map)
        assert len(passes) == 5
        seen.without(top_percent(faces.map, 1), 0.5, faces.map)
        assert len(passes) == 6


def test_responses_need_no_further_pass(model: VisionModel, faces: Found, seen: Look) -> None:
    mask = top_percent(faces.map, 5)
    with counted(model) as passes:
        strength = seen.strength(mask, faces.map)
        rows = seen.most_driven(mask, faces.map, 4)
    assert not passes
    assert strength == pytest.approx(float(responses(model, seen.pixels, mask, faces.map)[0]))
    times = [answer for _, answer in rows]
    assert times == sorted(times, reverse=True)
    assert {row.unit for row, _ in rows} <= set(mask.units.tolist())
    unit = rows[0][0].unit
    assert times[0] == pytest.approx(seen.responses[unit] / faces.map.magnitude[unit])


def test_classes_without_a_name_of_their_own_keep_their_number() -> None:
    shares = np.array([0.1, 0.4, 0.3, 0.2])
    assert list(top_five(shares, {1: "dog", 2: "dog"})) == ["dog 1", "dog 2", "class 3", "class 0"]
    assert list(top_five(np.full(9, 1 / 9), {}).values()) == [pytest.approx(1 / 9)] * 5


def test_what_comes_before_the_mask_is_not_computed_again(
    model: VisionModel, faces: Found, seen: Look
) -> None:
    mask = top_percent(faces.map, 1)
    convolved: list[bool] = []

    class Count(TorchDispatchMode):
        def __torch_dispatch__(
            self, operation: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            if "conv" in str(operation):
                convolved.append(True)
            return operation(*args, **(kwargs or {}))

    with Count():
        whole = probabilities(model, seen.pixels, mask)
    n_whole = len(convolved)
    with Count():
        without = seen.without(mask, "zero", faces.map)
    assert np.array_equal(without, whole)
    assert len(convolved) - n_whole < n_whole / 2  # the area lies in the last stage
