"""The phantom: its pictures, its built-in answers, and its shipped weights."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from scipy.stats import ttest_ind
from torch import nn

from vision_loc import phantom
from vision_loc.phantom import (
    AREA,
    CLASSES,
    FACE_CLASSES,
    INPUT_SIZE,
    OBJECT_CLASSES,
    PLANTED,
    SPLITS,
    draw,
    draw_planted,
)
from vision_loc.phantom.faces import IDENTITIES
from vision_loc.phantom.known import WEIGHTS
from vision_loc.phantom.train import normalise, train

PER_CLASS = 16


def pixels(pictures: list) -> torch.Tensor:
    return normalise(np.stack([np.asarray(picture) for picture in pictures]))


@torch.inference_mode()
def share_correct(
    network: nn.Module, inputs: torch.Tensor, labels: torch.Tensor, among: range | None = None
) -> float:
    """Share of correct answers; `among` limits the answers to some classes, from 0 on."""
    logits = torch.cat([network(batch) for batch in inputs.split(64)])
    answers = logits[:, : among.stop if among else None].argmax(1)
    return (answers == labels).double().mean().item()


def eval_pictures(classes: range, hide_face: bool = False) -> tuple[torch.Tensor, torch.Tensor]:
    asked = [(label, index) for label in classes for index in range(PER_CLASS)]
    pictures = [draw(label, index, "eval", hide_face) for label, index in asked]
    return pixels(pictures), torch.tensor([label for label, _ in asked])


@pytest.fixture(scope="module")
def faces() -> tuple[torch.Tensor, torch.Tensor]:
    return eval_pictures(FACE_CLASSES)


@pytest.fixture(scope="module")
def hidden_faces() -> tuple[torch.Tensor, torch.Tensor]:
    return eval_pictures(FACE_CLASSES, hide_face=True)


@pytest.fixture(scope="module")
def things() -> tuple[torch.Tensor, torch.Tensor]:
    return eval_pictures(OBJECT_CLASSES)


@contextmanager
def zeroed(network: nn.Module, units: dict[str, list[int]]) -> Iterator[None]:
    def silence(channels: list[int], axis: int):
        return lambda _module, _inputs, out: out.index_fill(axis, torch.tensor(channels), 0.0)

    axis = -1 if isinstance(network, phantom.Planted) else 1
    handles = [
        network.get_submodule(path).register_forward_hook(silence(channels, axis))
        for path, channels in units.items()
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


@pytest.mark.parametrize("label", [0, 15, 16, 31])
@pytest.mark.parametrize("split", SPLITS)
def test_a_picture_is_a_function_of_its_name(label: int, split: str) -> None:
    first, again = draw(label, 3, split), draw(label, 3, split)
    assert (first.mode, first.size) == ("RGB", (64, 64))
    assert first.tobytes() == again.tobytes()


def test_pictures_differ_between_indices_classes_and_splits() -> None:
    drawn = [
        draw(label, index, s).tobytes() for label in (0, 1) for index in (0, 1) for s in SPLITS
    ]
    assert len(set(drawn)) == len(drawn)


def test_the_patch_hides_the_face_and_nothing_else() -> None:
    shown, hidden = (np.asarray(draw(2, 5, "eval", hide)).astype(int) for hide in (False, True))
    changed = (shown != hidden).any(axis=2)
    assert 0.15 < changed.mean() < 0.7
    assert (hidden[changed] == 128).all()


def test_any_two_faces_differ_in_half_of_the_features() -> None:
    table = np.array([list(vars(identity).values()) for identity in IDENTITIES])
    distances = (table[:, None] != table[None]).sum(axis=2)
    assert (distances[~np.eye(len(table), dtype=bool)] == 8).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((32, 0, "eval"), "label 32"),
        ((0, -1, "eval"), "negative"),
        ((0, 0, "test"), "split 'test'"),
        ((16, 0, "eval", True), "no face to hide"),
    ],
)
def test_a_picture_that_does_not_exist_is_an_error(arguments: tuple, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        draw(*arguments)


def test_a_phantom_that_does_not_exist_is_an_error() -> None:
    with pytest.raises(ValueError, match="there is no phantom 'mlp'"):
        phantom.load("mlp")
    with pytest.raises(ValueError, match="condition 'face'"):
        draw_planted("face", 0, "eval")


@pytest.mark.parametrize("name", phantom.NAMES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("batch", [1, 3])
def test_a_phantom_takes_any_batch_and_precision(name: str, dtype: torch.dtype, batch: int) -> None:
    network = phantom.load(name).to(dtype)
    logits = network(torch.zeros(batch, *INPUT_SIZE, dtype=dtype))
    assert logits.shape == (batch, 2 if name == "planted" else len(CLASSES))
    assert logits.dtype == dtype
    assert not network.training


def test_the_readout_keeps_area_and_objects_apart() -> None:
    weight = phantom.load("cnn").fc.weight
    area = AREA["stage3.1"]
    assert (weight[OBJECT_CLASSES.start :, area.start : area.stop] == 0).all()
    assert (weight[: FACE_CLASSES.stop, area.stop :] == 0).all()
    assert (weight[: FACE_CLASSES.stop, area.start : area.stop] != 0).any()


@pytest.mark.parametrize(("name", "least"), [("cnn", 0.85), ("vit", 0.80)])
def test_a_phantom_knows_its_faces_and_objects(name: str, least: float, faces, things) -> None:
    network = phantom.load(name)
    assert share_correct(network, *faces) >= least
    assert share_correct(network, *things) >= least


@pytest.mark.parametrize("name", ["cnn", "vit"])
def test_face_classes_need_the_face(name: str, hidden_faces) -> None:
    network = phantom.load(name)
    assert share_correct(network, *hidden_faces) <= 0.15
    # A grey patch may look like a thing; so also when the answer must be one of the faces.
    assert share_correct(network, *hidden_faces, among=FACE_CLASSES) <= 0.15


def test_without_the_area_faces_are_lost_and_objects_are_not(faces, things) -> None:
    network = phantom.load("cnn")
    objects_before = share_correct(network, *things)
    with zeroed(network, {path: list(area) for path, area in AREA.items()}):
        assert share_correct(network, *faces) <= 0.15
        assert share_correct(network, *things) >= objects_before - 0.03
    with zeroed(network, {path: list(area)[::2] for path, area in AREA.items()}):
        assert share_correct(network, *faces) <= 0.80


POOLINGS = {
    "mean": lambda out: out.mean(1),
    "max": lambda out: out.amax(1),
    "cls": lambda out: out[:, 0],
    "none": lambda out: out,
}


@pytest.fixture(scope="module")
def planted_outputs() -> dict[str, list[torch.Tensor]]:
    """Outputs of each block of `planted`, for target and control pictures."""
    network = phantom.load("planted")
    outputs: dict[str, list[torch.Tensor]] = {path: [] for path in PLANTED}
    for path, kept in outputs.items():
        network.get_submodule(path).register_forward_hook(lambda _m, _i, out, k=kept: k.append(out))
    for condition in ("target", "control"):
        network(pixels([draw_planted(condition, index, "localizer") for index in range(60)]))
    return outputs


@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("path", PLANTED)
def test_planted_units_stand_apart(path, pooling, signed, planted_outputs) -> None:
    target, control = (
        POOLINGS[pooling](out if signed else out.abs()).double().numpy()
        for out in planted_outputs[path]
    )
    t = ttest_ind(target, control, equal_var=False).statistic
    is_planted = np.isin(np.arange(t.shape[-1]), PLANTED[path])
    assert t[..., is_planted].min() > 20
    assert np.abs(t[..., ~is_planted]).max() < 6


def test_without_the_planted_units_the_target_is_lost() -> None:
    network = phantom.load("planted")
    target = pixels([draw_planted("target", index, "eval") for index in range(40)])
    control = pixels([draw_planted("control", index, "eval") for index in range(40)])
    yes, no = torch.ones(40, dtype=torch.long), torch.zeros(40, dtype=torch.long)
    assert share_correct(network, target, yes) == share_correct(network, control, no) == 1.0
    with zeroed(network, {path: list(channels) for path, channels in PLANTED.items()}):
        assert share_correct(network, target, yes) == 0.0
        assert share_correct(network, control, no) == 1.0


@pytest.mark.slow
def test_training_again_reaches_the_shipped_accuracy(tmp_path: Path) -> None:
    with safe_open(WEIGHTS / "cnn.safetensors", "pt") as shipped:
        facts = shipped.metadata()
    found = train("cnn", tmp_path / "cnn.safetensors")
    for group, share in found.items():
        assert share == pytest.approx(float(facts[f"accuracy_{group}"]), abs=0.02)
