"""Sites: what is found by kind and by name in small modules, and what is left out with a reason."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from common import Survey, record, sites
from common.base.errors import SiteError
from common.measure.sites import KINDS, Kind
from tests.common.measure.surveyed import FOUND, MODELS, ResNet, listed, pixels, survey_of


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
