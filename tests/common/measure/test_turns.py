"""A site at each call of a module that runs several times, against the same network unrolled."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from transformers import AlbertConfig, AlbertModel

from common import Site, Survey, ablate, record, respond_each, sites
from common.base.errors import MaskError, SettingError, SiteError
from common.measure.batch import Batch, Loss
from common.measure.contrast import contrast
from common.measure.hand import mask_by_hand
from common.measure.masks import Mask
from common.measure.passes import Passes
from common.measure.scores import SelectivityMap
from common.study.settings import Settings
from tests.common.measure.hooked import Shown

N, WIDTH, STEPS = 24, 5, 3
VECTORS = torch.randn(N, WIDTH, generator=torch.Generator().manual_seed(3))
HALF = N // 2
VECTORS[:HALF, 0] += 1.5


class Cell(nn.Module):
    """A step: what was, and something new of it."""

    def __init__(self) -> None:
        super().__init__()
        self.wide = nn.Linear(WIDTH, 2 * WIDTH)
        self.act = nn.Tanh()
        self.narrow = nn.Linear(2 * WIDTH, WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.narrow(self.act(self.wide(x)))


class Net(nn.Module):
    """One cell at all steps, or one for each with the same weights."""

    def __init__(self, unrolled: bool) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.cell, self.head = Cell(), nn.Linear(WIDTH, 4)
        self.each = nn.ModuleList([Cell() for _ in range(STEPS)]) if unrolled else None
        for own in self.each or []:
            own.load_state_dict(self.cell.state_dict())
        self.requires_grad_(False).eval()

    def forward(self, x: Tensor) -> Tensor:
        for own in self.each or [self.cell] * STEPS:
            x = own(x)
        return self.head(x)


LOOP, ROW = Net(unrolled=False), Net(unrolled=True)
SURVEY = Survey(LOOP, VECTORS[:1], each_step=True)
STEP = SURVEY.matching("cell")
FLAT = Survey(ROW, VECTORS[:1]).matching("each.0,each.1,each.2")


def losses(net: nn.Module, shown: Tensor, right: Tensor | None = None) -> Loss:
    logits = net(shown).double()
    right = logits.detach().argmax(1) if right is None else right
    return Loss(cross_entropy(logits, right, reduction="none"), right)


def localized(net: nn.Module, where: list[Site], score: str = "welch", **how) -> SelectivityMap:
    stimuli = [Shown(f"s{i}", "one" if i < HALF else "two") for i in range(N)]

    def batches(_groups: np.ndarray) -> Iterator[Batch]:
        for start in range(0, N, 7):
            places = np.arange(start, min(start + 7, N))
            shown = VECTORS[places]
            yield Batch(
                places,
                partial(lambda shown: net(shown), shown),
                loss=partial(lambda shown, right: losses(net, shown, right), shown),
            )

    return contrast(net, where, stimuli[:HALF], stimuli[HALF:], batches, score=score, **how)


def test_without_it_the_module_is_no_site_and_the_message_says_what_to_set() -> None:
    survey = Survey(LOOP, VECTORS[:1])
    assert survey.left_out["cell"] == "fires 3 times in a forward pass"
    with pytest.raises(SiteError, match="cell: fires 3 times in a forward pass; set `each_step`"):
        survey.matching("cell")
    assert [str(site) for site in STEP] == ["cell@1:output", "cell@2:output", "cell@3:output"]
    assert not {"cell", "cell@2"} & set(SURVEY.left_out)


def test_kinds_and_patterns_know_each_step() -> None:
    assert [str(site) for site in SURVEY.of_kind("block")] == [str(site) for site in STEP]
    hidden = sites(LOOP, "mlp_hidden", example=VECTORS[:1], each_step=True)
    assert [str(site) for site in hidden] == [f"cell.narrow@{n}:input" for n in (1, 2, 3)]
    assert SURVEY.matching("cell@2") == SURVEY.matching("cell@2:output") == [STEP[1]]
    assert [str(s) for s in SURVEY.matching("cell@2.wide,cell@1")] == [
        "cell@1:output",
        "cell.wide@2:output",
    ]
    with pytest.raises(SiteError, match="cell@4: no such module"):
        SURVEY.matching("cell@4")
    assert len(SURVEY.of_kind("op")) == len(Survey(ROW, VECTORS[:1]).of_kind("op"))


def test_what_is_called_once_is_named_as_ever() -> None:
    assert Survey(ROW, VECTORS[:1], each_step=True).of_kind("op") == (
        Survey(ROW, VECTORS[:1]).of_kind("op")
    )


@pytest.mark.parametrize(
    "score", ["welch", "gradient", "gradient-specific", "integrated", "causal", "probe"]
)
def test_every_score_is_that_of_the_network_unrolled(score: str) -> None:
    one, other = localized(LOOP, STEP, score), localized(ROW, FLAT, score)
    for column in (*one.score.arrays, "magnitude", "output_control"):
        for step, flat in zip(STEP, FLAT, strict=True):
            assert np.array_equal(one.at(step, column), other.at(flat, column)), column
    assert len(np.unique(one.ranking)) == STEPS * WIDTH


def masks(where: list[Site]) -> list[Mask]:
    chosen = [[1], [6, 8], [12], [0, 7, 14], [5]]
    return [
        Mask(f"m{n}", 1.0, None, tuple(where), "channel", np.array(units))
        for n, units in enumerate(chosen)
    ]


@pytest.mark.parametrize("by", ["zero", "mean", -0.5])
def test_masks_are_those_of_the_network_unrolled_bit_by_bit(by) -> None:
    one, other = localized(LOOP, STEP), localized(ROW, FLAT)
    with torch.inference_mode():
        expected = Passes(ROW, [None, *masks(FLAT)], by, other)(lambda: ROW(VECTORS))
        found = Passes(LOOP, [None, *masks(STEP)], by, one)(lambda: LOOP(VECTORS))
        for ours, theirs in zip(found, expected, strict=True):
            assert torch.equal(ours, theirs)
        for step, flat in zip(masks(STEP), masks(FLAT), strict=True):
            means = one.by_site("output_control"), other.by_site("output_control")
            with ablate(LOOP, step, by, means[0]), ablate(ROW, flat, by, means[1]):
                assert torch.equal(LOOP(VECTORS), ROW(VECTORS))
                assert torch.equal(LOOP(VECTORS[:2]), ROW(VECTORS[:2]))
        assert torch.equal(LOOP(VECTORS), ROW(VECTORS))


def test_units_answer_as_in_the_network_unrolled() -> None:
    one, other = localized(LOOP, STEP), localized(ROW, FLAT)
    with (
        torch.inference_mode(),
        respond_each(LOOP, masks(STEP)[3], one) as ours,
        respond_each(ROW, masks(FLAT)[3], other) as theirs,
    ):
        LOOP(VECTORS)
        ROW(VECTORS)
    assert np.array_equal(ours[0], theirs[0])


def test_a_pass_that_breaks_off_shifts_no_step() -> None:
    expected = localized(LOOP, STEP).at(STEP[1], "magnitude")
    with record(LOOP, STEP[:2]) as seen:
        with pytest.raises(RuntimeError, match="cannot be multiplied"):
            LOOP(VECTORS[:, :3])
        seen.run(lambda: LOOP(VECTORS[:5]))
        seen.run(lambda: LOOP(VECTORS[5:9]))  # ends behind the second step
        seen.run(lambda: LOOP(VECTORS[9:]))
    assert seen.moments[STEP[1]].count == N
    assert np.allclose(seen.moments[STEP[1]].mean, expected, rtol=1e-6)
    assert not any(module._forward_hooks for module in LOOP.modules())
    assert not any(module._forward_pre_hooks for module in LOOP.modules())


def test_more_steps_than_were_seen_are_an_error() -> None:
    class Longer(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.cell = LOOP.cell

        def forward(self, x: Tensor) -> Tensor:
            for _ in range(STEPS + 1):
                x = self.cell(x)
            return x

    model = Longer().eval()
    with (
        record(model, STEP),
        pytest.raises(SiteError, match="cell@1:output: fires more than 3 times in one pass"),
    ):
        model(VECTORS)


def test_a_map_is_read_as_it_was_written_and_its_units_are_named(tmp_path: Path) -> None:
    found = localized(LOOP, STEP)
    found.save(tmp_path / "map.safetensors")
    again = SelectivityMap.load(tmp_path / "map.safetensors")
    assert again.sites == tuple(STEP)
    assert np.array_equal(again.ranking, found.ranking)
    assert [*mask_by_hand(again, {"cell@2": [1, 3]}).units] == [6, 8]
    with pytest.raises(MaskError, match="cell: is no site of this map"):
        mask_by_hand(again, {"cell": [1]})


def test_a_module_shared_by_two_places_is_told_apart() -> None:
    class Shares(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.two = Wraps(LOOP.cell), Wraps(LOOP.cell)

        def forward(self, x: Tensor) -> Tensor:
            return self.two(self.one(x))

    class Wraps(nn.Module):
        def __init__(self, shared: nn.Module) -> None:
            super().__init__()
            self.shared = [shared]
            self.scale = nn.Linear(WIDTH, WIDTH)

        def forward(self, x: Tensor) -> Tensor:
            return self.scale(self.shared[0](x))

    model = Shares().eval()
    model.cell = LOOP.cell
    found = Survey(model, VECTORS[:1], each_step=True).matching("cell,one,two")
    assert [str(site) for site in found] == [
        "cell@1:output",
        "one:output",
        "cell@2:output",
        "two:output",
    ]


def test_the_one_block_of_albert_is_a_site_at_each_layer() -> None:
    model = AlbertModel(
        AlbertConfig(
            vocab_size=50,
            hidden_size=16,
            embedding_size=8,
            num_hidden_layers=4,
            num_attention_heads=2,
            intermediate_size=32,
        )
    ).eval()
    ids = {"input_ids": torch.arange(6)[None]}
    with pytest.raises(SiteError, match="fires 4 times in a forward pass; set `each_step`"):
        sites(model, example=ids)
    layer = "encoder.albert_layer_groups.0.albert_layers.0"
    found = sites(model, example=ids, each_step=True)
    assert [str(site) for site in found] == [f"{layer}@{n}:output" for n in (1, 2, 3, 4)]
    with torch.inference_mode(), record(model, found) as seen:
        states = model(**ids, output_hidden_states=True).hidden_states
    for site, state in zip(found, states[1:], strict=True):
        expected = state[0].mean(0).abs().numpy()
        assert np.allclose(seen.moments[site].mean, expected, atol=1e-6)
    heads = sites(model, "head", example=ids, each_step=True)
    assert [site.n_units("channel") for site in heads] == [2] * 4


def test_weights_have_no_steps() -> None:
    with pytest.raises(SettingError, match="`each_step` True: at `level` parameter a weight is"):
        Settings("m", level="parameter", each_step=True)
