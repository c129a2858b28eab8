"""Occlusion, against one picture at a time."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from common.measure.ablate import under
from common.measure.control_rules import matched_control
from common.measure.masks import top_percent
from common.measure.scores import SelectivityMap
from common.measure.where import answers_by_place
from vision_loc import phantom
from vision_loc.experiment import Settings, localizer_of
from vision_loc.localize import find_sites, localize
from vision_loc.models import VisionModel, load_model
from vision_loc.occlude import GREY, hidden, margin, occlusion


@pytest.fixture(scope="module")
def model() -> VisionModel:
    return load_model("phantom/cnn")


@pytest.fixture(scope="module")
def found(model: VisionModel) -> SelectivityMap:
    settings = Settings("phantom/cnn", localizer="phantom:faces", stimuli=24)
    return localize(model, localizer_of(settings, model.preprocess), find_sites(model))


def seen(model: VisionModel, hide_face: bool = False) -> np.ndarray:
    picture = phantom.draw(0, 1, "eval", hide_face)
    return model.preprocess.geometry(picture).transpose(2, 0, 1)[None].copy()


@pytest.mark.parametrize(("height", "width", "squares"), [(64, 64, 8), (50, 31, 4), (9, 9, 1)])
def test_every_pixel_is_hidden_once(height: int, width: int, squares: int) -> None:
    pixels = np.random.default_rng(0).integers(0, 100, (1, 3, height, width), dtype=np.uint8)
    covered = hidden(pixels, squares)
    assert covered.shape == (squares**2, 3, height, width)
    changed = (covered != pixels).any(axis=1)
    assert (changed.sum(axis=0) == 1).all()
    assert (covered[np.broadcast_to(changed[:, None], covered.shape)] == GREY).all()
    # By rows: the second square is to the right of the first.
    if squares > 1:
        assert np.argwhere(changed[1]).min(axis=0).tolist() == [0, width // squares]


def test_what_a_square_does_is_what_its_own_picture_gives(
    model: VisionModel, found: SelectivityMap
) -> None:
    pixels, squares = seen(model), 4
    masks = [None, top_percent(found, 2), matched_control(found, top_percent(found, 2), 0)]
    made = occlusion(model, pixels, masks, by="mean", found=found, squares=squares)
    for number, mask in enumerate(masks):
        with torch.inference_mode(), under(model.module, mask, "mean", found):
            whole = model.logits(torch.from_numpy(pixels))[0].tolist()
            for row in range(squares):
                for column in range(squares):
                    one = pixels.copy()
                    step = pixels.shape[2] // squares
                    one[
                        0, :, row * step : (row + 1) * step, column * step : (column + 1) * step
                    ] = GREY
                    left = model.logits(torch.from_numpy(one))[0].tolist()
                    lost = by_hand(whole, made.answer) - by_hand(left, made.answer)
                    assert made.changes[number, row, column] == pytest.approx(lost, abs=1e-4)
        assert made.margins[number] == pytest.approx(by_hand(whole, made.answer), abs=1e-4)
    assert made.answer == 0
    assert made.margins[0] > 0


def by_hand(logits: list[float], answer: int) -> float:
    return logits[answer] - max(each for place, each in enumerate(logits) if place != answer)


def test_margins_of_several_pictures() -> None:
    logits = torch.tensor([[1.0, 3.0, -2.0], [0.5, 0.0, 4.0]])
    assert margin(logits, 1).tolist() == [2.0, -4.0]


def test_the_phantom_answers_where_the_face_is_and_loses_it_there(
    model: VisionModel, found: SelectivityMap
) -> None:
    pixels = seen(model)
    face = (pixels != seen(model, hide_face=True)).any(axis=(0, 1))
    made = occlusion(model, pixels, [None])
    row, column = np.unravel_index(made.changes[0].argmax(), (8, 8))
    step = len(face) // 8
    assert face[row * step : (row + 1) * step, column * step : (column + 1) * step].any()
    mask, maps = top_percent(found, 1), []
    with answers_by_place(model.module, mask, found, face.shape) as passes:  # type: ignore[arg-type]
        for shown in (pixels, seen(model, hide_face=True)):
            model.logits(torch.from_numpy(shown))
            maps.append(passes[-1].whole(face.shape))  # type: ignore[arg-type]
    with_face, without = maps
    assert with_face[face].mean() > with_face[~face].mean()
    assert without.max() < 0.05 * with_face.max()  # nowhere does anything else drive them
