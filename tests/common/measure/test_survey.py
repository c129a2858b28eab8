"""Sites: what is found by kind and by name in small modules whose answer is plain to see."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from common import Site, Survey, record, sites
from common.base.errors import SiteError
from common.measure.sites import KINDS, Kind
from common.measure.trace import trace

# --- modules ---


class Residual(nn.Module):
    """One activation module, in place, used twice; 3x3 convolutions."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1)
        self.downsample = nn.Conv2d(inputs, outputs, 1, stride) if stride > 1 else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        inner = self.conv2(self.relu(self.bn1(self.conv1(x))))
        inner += self.downsample(x)
        return self.relu(inner)


class ResNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, 1, 1), nn.ReLU(inplace=True))
        self.layer1 = nn.Sequential(Residual(8, 8), Residual(8, 8))
        self.layer2 = nn.Sequential(Residual(8, 12, 2))
        self.unused = nn.Linear(12, 12)
        self.dropout = nn.Dropout()
        self.fc = nn.Linear(12, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.dropout(self.layer2(self.layer1(self.stem(x))).mean((2, 3))))


class SelfAttention(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.qkv = nn.Linear(width, 3 * width)
        self.softmax = nn.Softmax(-1)
        self.out_proj = nn.Linear(width, width)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        q, k, v = self.qkv(x).chunk(3, -1)
        weights = self.softmax(q @ k.transpose(1, 2))
        return self.out_proj(weights @ v), weights


class OptLayer(nn.Module):
    """Pre-norm, with the two linear layers of the MLP straight in the block."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.self_attn = SelfAttention(width)
        self.fc1, self.act, self.fc2 = nn.Linear(width, hidden), nn.ReLU(), nn.Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.self_attn(self.norm1(x))[0]
        return x + self.fc2(self.act(self.fc1(self.norm2(x))))


class GatedMLP(nn.Module):
    """As in Llama: down(act(gate(x)) * up(x))."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.gate_proj, self.up_proj = nn.Linear(width, hidden), nn.Linear(width, hidden)
        self.act, self.down_proj = nn.SiLU(), nn.Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.down_proj(self.act(self.gate_proj(x)) * self.up_proj(x))


class LlamaLayer(nn.Module):
    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.self_attn, self.mlp = SelfAttention(width), GatedMLP(width, hidden)

    def forward(self, x: Tensor) -> tuple[Tensor]:
        x = x + self.self_attn(self.norm1(x))[0]
        return (x + self.mlp(self.norm2(x)),)


class FusedLayer(nn.Module):
    """Fused attention, which reads the weights of its inner layer without ever calling it."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.mix = nn.MultiheadAttention(width, 2, batch_first=True)
        self.mlp = nn.Sequential(nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, width))

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(x)
        x = x + self.mix(y, y, y, need_weights=False)[0]
        return x + self.mlp(x)


class LanguageModel(nn.Module):
    def __init__(self, layer: Callable[[int, int], nn.Module]) -> None:
        super().__init__()
        self.embed = nn.Embedding(20, 6)
        self.layers = nn.ModuleList(layer(6, 10) for _ in range(3))
        self.norm = nn.LayerNorm(6)
        self.head = nn.Linear(6, 20)

    def forward(self, input_ids: Tensor) -> dict[str, Tensor]:
        x = self.embed(input_ids)
        for layer in self.layers:
            out = layer(x)
            x = out[0] if isinstance(out, tuple) else out
        return {"logits": self.head(self.norm(x))}


def chain() -> nn.Sequential:
    """Like VGG: convolutions and in-place nonlinearities in a row."""
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(2),
        nn.Conv2d(4, 7, 3, padding=1),
        nn.ReLU(inplace=True),
        nn.Flatten(),
        nn.Linear(7 * 16, 9),
        nn.Tanh(),
        nn.Linear(9, 2),
    )


def pixels(n: int = 1) -> Tensor:
    return torch.randn(n, 3, 8, 8, generator=torch.Generator().manual_seed(0))


WORDS = {"input_ids": torch.arange(7)[None]}
MODELS: dict[str, tuple[Callable[[], nn.Module], Any]] = {
    "resnet": (ResNet, pixels()),
    "opt": (lambda: LanguageModel(OptLayer), WORDS),
    "llama": (lambda: LanguageModel(LlamaLayer), WORDS),
    "fused": (lambda: LanguageModel(FusedLayer), WORDS),
    "chain": (chain, pixels()),
}


def survey_of(name: str) -> Survey:
    build, example = MODELS[name]
    return Survey(build().eval(), example)


def listed(found: list[Site]) -> list[tuple[str, int]]:
    return [(str(site), site.channels) for site in found]


def each_layer(inner: str, channels: int) -> list[tuple[str, int]]:
    return [(f"layers.{i}{inner}", channels) for i in range(3)]


# --- kinds ---

FOUND: dict[str, dict[Kind, list[tuple[str, int]]]] = {
    "resnet": {
        "block": [("layer1.0:output", 8), ("layer1.1:output", 8), ("layer2.0:output", 12)],
        "attn": [],
        "mlp": [],
        "mlp_hidden": [],
    },
    "opt": {
        "block": each_layer(":output", 6),
        "attn": each_layer(".self_attn:output", 6),
        "mlp": each_layer(".fc2:output", 6),
        "mlp_hidden": each_layer(".fc2:input", 10),
    },
    "llama": {
        "block": each_layer(":output", 6),
        "attn": each_layer(".self_attn:output", 6),
        "mlp": each_layer(".mlp:output", 6),
        "mlp_hidden": each_layer(".mlp.down_proj:input", 10),
    },
    "fused": {
        "block": each_layer(":output", 6),
        "attn": each_layer(".mix:output", 6),
        "mlp": each_layer(".mlp:output", 6),
        "mlp_hidden": each_layer(".mlp.2:input", 10),
    },
    "chain": {
        "block": [("1:output", 4), ("4:output", 7), ("7:output", 9)],
        "attn": [],
        "mlp": [],
        "mlp_hidden": [],
    },
}


@pytest.mark.parametrize("kind", ["block", "attn", "mlp", "mlp_hidden"])
@pytest.mark.parametrize("name", FOUND)
def test_each_kind_is_found_where_it_is(name: str, kind: Kind) -> None:
    found = survey_of(name).offered(kind)
    assert listed(found) == FOUND[name][kind]
    assert {site.kind for site in found} <= {kind}


OPS = {
    # The activation inside a block runs twice; the dropout rests; the head is the model's output.
    "resnet": [
        *[("stem.0", 8), ("stem.1", 8)],
        *[(f"layer1.{i}.{part}", 8) for i in (0, 1) for part in ("conv1", "bn1", "conv2")],
        *[(f"layer2.0.{part}", 12) for part in ("conv1", "bn1", "conv2", "downsample")],
    ],
    "chain": [("0", 4), ("1", 4), ("2", 4), ("3", 7), ("4", 7), ("5", 112), ("6", 9), ("7", 9)],
    "opt": [
        ("embed", 6),
        *[
            (f"layers.{i}.{part}", width)
            for i in range(3)
            for part, width in [
                ("norm1", 6),
                ("self_attn.qkv", 18),
                ("self_attn.softmax", 7),
                ("self_attn.out_proj", 6),
                ("norm2", 6),
                ("fc1", 10),
                ("act", 10),
                ("fc2", 6),
            ]
        ],
        ("norm", 6),
    ],
}


@pytest.mark.parametrize("name", OPS)
def test_an_op_is_every_module_that_makes_a_tensor(name: str) -> None:
    survey = survey_of(name)
    found = [(site.module, site.channels) for site in survey.offered("op")]
    blocks = [(site.module, site.channels) for site in survey.offered("block")]
    assert [pair for pair in found if pair not in blocks or name == "chain"] == OPS[name]
    assert [pair for pair in found if pair in blocks] == blocks


@pytest.mark.parametrize("name", MODELS)
def test_every_site_that_is_offered_fires_once(name: str) -> None:
    build, example = MODELS[name]
    model = build().eval()
    survey = Survey(model, example)
    everywhere = [site for kind in KINDS for site in survey.offered(kind)]
    with record(model, everywhere) as recorder, torch.no_grad():
        model(**example) if isinstance(example, dict) else model(example)
    for site in everywhere:
        assert recorder.moments[site].mean.shape == (site.channels,)


def test_a_kind_that_is_not_there_is_an_error() -> None:
    with pytest.raises(SiteError, match="no site of kind attn"):
        sites(ResNet(), "attn", example=pixels())
    with pytest.raises(SiteError, match="no kind of site is called 'layer'; choose one of block"):
        sites(ResNet(), "layer", example=pixels())


# --- what cannot be a site ---


def test_a_module_used_twice_is_left_out_with_the_reason() -> None:
    survey = survey_of("resnet")
    assert survey.left_out["layer1.0.relu"] == "fires 2 times in a forward pass"
    assert all(site.module != "layer1.0.relu" for site in survey.offered("op"))
    with pytest.raises(SiteError, match=r"layer1\.0\.relu: fires 2 times in a forward pass"):
        survey.matching("layer1.0.relu")


def test_a_module_that_never_runs_is_left_out_with_the_reason() -> None:
    survey = survey_of("resnet")
    assert survey.left_out["unused"] == "never fires in a forward pass"
    with pytest.raises(SiteError, match="unused: never fires in a forward pass"):
        survey.matching("unused")


def test_the_inside_of_fused_attention_is_left_out_with_the_reason() -> None:
    survey = survey_of("fused")
    for i in range(3):
        assert survey.left_out[f"layers.{i}.mix.out_proj"] == "never fires in a forward pass"
    with pytest.raises(SiteError, match="never fires"):
        survey.matching("*.mix.out_proj")


class Table(nn.Module):
    """Holds a table of positions, a scalar gate, and a layer that mixes rows."""

    def __init__(self) -> None:
        super().__init__()
        self.positions = nn.Embedding(5, 4)
        self.gate, self.time_first = nn.Identity(), nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.positions(torch.arange(5))
        x = self.time_first(x.transpose(0, 1) * 1).transpose(0, 1)
        return x * self.gate(x.sum() * 0 + 1)


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("positions", "does not have one row a stimulus"),
        ("time_first", "does not have one row a stimulus"),
        ("gate", "is no tensor with stimuli and units"),
    ],
)
def test_a_tensor_without_a_row_a_stimulus_is_refused(path: str, reason: str) -> None:
    survey = Survey(Table(), torch.randn(1, 5, 4))
    with pytest.raises(SiteError, match=f"`sites` {path}: its output {reason}"):
        survey.matching(path)


# --- axes ---


class Permuted(nn.Module):
    """A stage that works channels last, on maps as deep as they are high or not."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, width, 3, padding=1)
        self.relu = nn.ReLU()
        self.norm = nn.LayerNorm(width)
        self.fc = nn.Linear(width, 2 * width)
        self.act = nn.GELU()
        self.wrap = nn.Sequential(nn.Linear(2 * width, 2 * width), nn.GELU())

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.conv(x)).permute(0, 2, 3, 1)
        return self.wrap(self.act(self.fc(self.norm(x)))).mean((1, 2))


@pytest.mark.parametrize("width", [5, 16])
def test_the_channel_axis_is_told_in_both_layouts(width: int) -> None:
    survey = Survey(Permuted(width), torch.randn(1, 3, 8, 8))
    found = {site.module: (site.axis, site.channels) for site in survey.offered("op")}
    assert found == {
        "conv": (1, width),
        "relu": (1, width),
        "norm": (3, width),
        "fc": (3, 2 * width),
        "act": (3, 2 * width),
        "wrap.0": (3, 2 * width),
        "wrap.1": (3, 2 * width),
    }


class Windows(nn.Module):
    """Cuts a map into four windows, one row each, and puts it together again."""

    def __init__(self) -> None:
        super().__init__()
        self.inner, self.outer = nn.Linear(3, 6), nn.Linear(6, 2)

    def forward(self, x: Tensor) -> Tensor:
        cut = x.permute(0, 2, 3, 1).reshape(-1, 2, 4, 2, 4, 3).transpose(2, 3).reshape(-1, 16, 3)
        return self.outer(self.inner(cut).view(len(x), -1, 6).mean(1))


def test_windows_are_folded_into_their_stimulus() -> None:
    (inner,) = (site for site in Survey(Windows(), pixels()).offered("op"))
    assert (inner.fold, inner.shape, inner.axis, inner.channels) == (4, (4, 16, 6), 3, 6)


# --- patterns ---


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("layer1.0", ["layer1.0:output"]),
        ("layer?.0", ["layer1.0:output", "layer2.0:output"]),
        ("layer1.?.conv1", ["layer1.0.conv1:output", "layer1.1.conv1:output"]),
        ("layer2.0,layer1.1", ["layer1.1:output", "layer2.0:output"]),
        ("layer2.0, layer2.0:output", ["layer2.0:output"]),
        ("layer2.0.conv1:input", ["layer2.0.conv1:input"]),
        ("fc:input,stem.0:output", ["stem.0:output", "fc:input"]),
        ("*.conv2:input", [f"layer{i}.conv2:input" for i in ("1.0", "1.1", "2.0")]),
    ],
)
def test_patterns_give_sites_in_running_order(pattern: str, found: list[str]) -> None:
    assert [str(site) for site in sites(ResNet(), pattern=pattern, example=pixels())] == found


def test_an_input_has_the_channels_of_what_comes_in() -> None:
    (place,) = survey_of("resnet").matching("layer2.0.conv1:input")
    assert (place.channels, place.shape, place.axis) == (8, (8, 8, 8), 1)


@pytest.mark.parametrize("pattern", ["layer3.*", "LAYER1.0", "", "layer1.0,", "layer9:input"])
def test_a_pattern_that_matches_nothing_is_an_error(pattern: str) -> None:
    with pytest.raises(SiteError, match=r"`sites` .*: no such module"):
        survey_of("resnet").matching(pattern)


@pytest.mark.parametrize("pattern", ["layer1.0:outptu", "layer1.0:0", "layer1.0:input:output"])
def test_a_pattern_with_a_bad_end_is_an_error(pattern: str) -> None:
    with pytest.raises(SiteError, match="after the colon comes input or output"):
        survey_of("resnet").matching(pattern)


# --- the model is left as it was ---


def test_the_training_mode_of_every_module_is_restored() -> None:
    model = ResNet().train()
    model.layer1.eval()
    model.dropout.eval()
    before = {path: module.training for path, module in model.named_modules()}
    statistics = model.layer2[0].bn1.running_mean.clone()
    Survey(model, pixels())
    assert {path: module.training for path, module in model.named_modules()} == before
    assert torch.equal(model.layer2[0].bn1.running_mean, statistics)


def test_the_training_mode_is_restored_after_an_error() -> None:
    model = ResNet().train()
    with pytest.raises(RuntimeError):
        Survey(model, torch.zeros(1, 4, 8, 8))
    assert all(module.training for module in model.modules())


@pytest.mark.parametrize("guard", [torch.no_grad, torch.inference_mode, torch.enable_grad])
def test_sites_are_found_under_any_grad_mode(guard: Callable[[], Any]) -> None:
    with guard():
        found = sites(ResNet().eval(), example=pixels())
    assert listed(found) == FOUND["resnet"]["block"]


def test_an_example_made_in_inference_mode_will_do() -> None:
    with torch.inference_mode():
        example = pixels() * 1
    assert listed(sites(ResNet().eval(), example=example)) == FOUND["resnet"]["block"]


# --- the example ---


def test_the_example_is_guessed_from_the_models_configuration() -> None:
    model = ResNet()
    seen: list[tuple[int, ...]] = []
    model.stem.register_forward_pre_hook(lambda _m, args: seen.append(tuple(args[0].shape)))
    model.pretrained_cfg = {"input_size": (3, 12, 16)}
    sites(model)
    assert seen == [(1, 3, 12, 16), (2, 3, 12, 16)]


def test_without_a_configuration_the_example_is_a_usual_picture() -> None:
    (first, *_) = sites(ResNet(), "op")
    assert first.shape == (8, 224, 224)


def test_words_are_taken_from_dummy_inputs() -> None:
    model = LanguageModel(OptLayer)
    model.dummy_inputs = {"input_ids": torch.tensor([[7, 6, 0], [1, 2, 3]])}
    assert sites(model)[0].shape == (3, 6)


def test_the_guessed_example_has_the_precision_of_the_model() -> None:
    model = ResNet().double()
    model.pretrained_cfg = {"input_size": (3, 8, 8)}
    assert listed(sites(model)) == FOUND["resnet"]["block"]


def test_a_tuple_of_arguments_is_an_example() -> None:
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.two, self.head = nn.Linear(2, 3), nn.Linear(4, 3), nn.Linear(3, 1)

        def forward(self, x: Tensor, y: Tensor) -> Tensor:
            return self.head(self.one(x) + self.two(y))

    found = Survey(Two(), (torch.zeros(1, 2), torch.zeros(1, 4))).offered("op")
    assert listed(found) == [("one:output", 3), ("two:output", 3)]


# --- the trace ---


def test_a_trace_names_every_call_in_the_order_in_which_it_ended() -> None:
    calls = trace(ResNet().eval(), pixels())
    names = [call.module for call in calls]
    assert names[:3] == ["stem.0", "stem.1", "stem"]
    assert names[-2:] == ["fc", ""]
    assert names.count("layer1.0.relu") == 2
    assert "unused" not in names
    assert [call.module for call in calls[-1].inner] == [
        *("stem", "layer1", "layer2", "dropout", "fc")
    ]


def test_writing_in_place_makes_another_tensor() -> None:
    calls = {call.module: call for call in trace(chain().eval(), pixels())}
    relu, pool = calls["1"], calls["2"]
    assert relu.given == (calls["0"].out,)
    assert relu.out is not None
    assert relu.out != relu.given[0]
    assert pool.given == (relu.out,)
