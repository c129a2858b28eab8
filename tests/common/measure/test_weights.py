"""Weights: scored against a plain loop, masked like units, zeroed in place and put back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from common import Mask, SelectivityMap, ablate, control, load_masks, save_masks, top_percent
from common.base.errors import DataError, MaskError, ModelError, SettingError, SiteError
from common.measure import weight_map, zeroed
from common.measure.contrast import Batch, Loss, contrast
from common.measure.contrasts import Sides, contrasts
from common.measure.control_rules import parse_controls, plan_masks
from common.measure.matching import CALIPER, PARTS, matched_part
from common.measure.prefix import Passes, Prefix
from common.measure.saliency import Saliencies
from common.measure.sites import WEIGHT, Site
from common.measure.weights import parameters_of, weight_sites
from tests.common.measure.hooked import BLOCKS, Small, images, small
from tests.common.measure.test_prefix import counted, n_linear

N = 14
PIXELS = images(N)


@dataclass(frozen=True)
class Shown:
    name: str
    condition: str


STIMULI = [Shown(f"s{i}", "one" if i < N // 2 else "two") for i in range(N)]
EVERY = [Sides(STIMULI[: N // 2], STIMULI[N // 2 :], np.arange(N))]


def batch(net: nn.Module, where: np.ndarray) -> Batch:
    shown = PIXELS[where]

    def loss(right: Tensor | None) -> Loss:
        logits = net(shown).double()
        right = logits.detach().argmax(1) if right is None else right
        return Loss(cross_entropy(logits, right, reduction="none"), right)

    return Batch(where, lambda: net(shown), part=lambda which: batch(net, where[which]), loss=loss)


def scored(
    net: nn.Module | None = None, size: int = 5, score: str = "saliency", pattern: str = "*:all"
) -> SelectivityMap:
    model = small() if net is None else net

    def batches(_places: np.ndarray, _groups: np.ndarray) -> Iterator[Batch]:
        for start in range(0, N, size):
            yield batch(model, np.arange(start, min(start + size, N)))

    sites = weight_sites(model, pattern)
    (found,) = contrasts(model, sites, EVERY, batches, score=score, percents=(5.0,))
    return found


@pytest.fixture(scope="module")
def found() -> SelectivityMap:
    return scored()


def by_hand() -> tuple[np.ndarray, np.ndarray]:
    """|weight · gradient| of each stimulus, by a plain loop over stimuli and parameters."""
    net = small().requires_grad_(True)
    rows = []
    for pixel in PIXELS:
        net.zero_grad()
        logits = net(pixel[None]).double()
        cross_entropy(logits, logits.argmax(1)).backward()
        slopes = [p.grad if p.grad is not None else torch.zeros_like(p) for p in net.parameters()]
        rows.append(
            np.concatenate(
                [
                    np.array([abs(w * g) for w, g in zip(*pair, strict=True)])
                    for pair in (
                        (p.detach().flatten().tolist(), slope.flatten().tolist())
                        for p, slope in zip(net.parameters(), slopes, strict=True)
                    )
                ]
            )
        )
    half = N // 2
    return np.mean(rows[:half], axis=0), np.mean(rows[half:], axis=0)


# --- the score ---


def test_the_score_is_that_of_a_plain_loop(found: SelectivityMap) -> None:
    one, two = by_hand()
    np.testing.assert_allclose(found.mean_target, one, rtol=1e-5, atol=1e-9)
    np.testing.assert_allclose(found.mean_control, two, rtol=1e-5, atol=1e-9)
    np.testing.assert_allclose(found.score.value, one - two, rtol=1e-4, atol=1e-8)
    own = scored(score="saliency-specific").score.value
    slope, level = np.polyfit(two, one, 1)
    np.testing.assert_allclose(own, one - slope * two - level, rtol=1e-3, atol=1e-8)
    sizes = np.concatenate([p.flatten().abs().numpy() for p in small().parameters()])
    assert np.array_equal(found.magnitude, sizes)


def test_batches_do_not_count_to_the_last_bit(found: SelectivityMap) -> None:
    for size in (1, N):
        other = scored(size=size)
        assert other.score.value.tobytes() == found.score.value.tobytes()
        assert other.about == found.about
        assert other.fingerprint == found.fingerprint


def test_the_absolute_value_is_taken_stimulus_by_stimulus() -> None:
    """Two stimuli that pull a weight in opposite ways both hang on it."""
    net = nn.Linear(1, 1, bias=False)
    sums = Saliencies(net, weight_sites(net, "*:all"))
    for sign in (1.0, -1.0):
        sums.add(0, sign * net(torch.ones(1, 1)).sum())
    (size,) = net.weight.detach().abs().flatten().tolist()
    assert sums.mean((0,)) == pytest.approx([size])


def test_the_model_is_left_as_it_was(found: SelectivityMap) -> None:
    net = small()
    net.head.weight.requires_grad_(True)
    scored(net)
    assert [n for n, p in net.named_parameters() if p.requires_grad] == ["head.weight"]
    assert all(p.grad is None for p in net.parameters())
    assert found.about["split_half"]["dice_chance"]["5"] == pytest.approx(0.05, abs=0.001)
    assert (found.at(found.sites[-3]) == 0).all()  # `unused`, on which no loss hangs


def test_what_cannot_be_scored_is_said() -> None:
    net = small()
    with pytest.raises(SettingError, match="`score` saliency: is of `level` parameter; at"):
        contrast(net, BLOCKS, STIMULI[:7], STIMULI[7:], lambda _: [], score="saliency")
    with pytest.raises(SettingError, match="`score` gradient: is of `level` unit; at `level` para"):
        scored(net, score="gradient")
    with pytest.raises(SettingError, match="needs stimuli one by one"):
        [*weight_map.singly(Batch(np.arange(2), lambda: None))]
    sums = Saliencies(net, weight_sites(net))
    with pytest.raises(ModelError, match="does not depend on any of these weights"):
        sums.add(0, torch.ones(()))
    with pytest.raises(DataError, match="no stimulus in one of its halves"):
        sums.mean((0,))
    net.trap.poisoned = True
    with pytest.raises(DataError, match="gradients of the loss are NaN"):
        scored(net)


def test_what_does_not_fit_is_refused_before_it_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    told = []
    n = 135_000_000
    monkeypatch.setattr(weight_map, "free_memory", lambda _device: weight_map.BYTES * n)
    weight_map.check_room(n, lambda step, *_: told.append(step))
    gigabytes = f"{weight_map.BYTES * n / 1e9:.1f}"
    assert told[0].startswith(
        f"note: `level` parameter: scoring 135,000,000 weights takes about {gigabytes} GB"
    )
    with pytest.raises(SettingError, match="are free; name fewer tensors by `sites`"):
        weight_map.check_room(n + 1)


# --- which ---


def test_matrices_and_kernels_are_considered_and_the_rest_by_choice() -> None:
    def named(pattern: str | None) -> list[str]:
        return [*map(str, weight_sites(small(), pattern))]

    assert named(None)[:3] == ["stem.weight", "block1.conv1.weight", "block1.conv2.weight"]
    assert not any("bias" in name for name in named(None))
    assert named("block2.*, head") == ["block2.conv1.weight", "block2.conv2.weight", "head.weight"]
    assert named("block2.conv1:all") == ["block2.conv1.weight", "block2.conv1.bias"]
    assert named("*.bias:all") == [name for name in named("*:all") if name.endswith("bias")]
    with pytest.raises(SiteError, match="`sites` block9: no such one"):
        named("head,block9")
    with pytest.raises(SiteError, match=r"`sites` \*.bias: names no weight matrix; \*.bias:all"):
        named("*.bias")
    with pytest.raises(SiteError, match="of weights only all comes after the colon"):
        named("head:input")
    with pytest.raises(SiteError, match="the model has no weight matrix"):
        weight_sites(nn.BatchNorm2d(3))


def test_a_tied_weight_is_one_site() -> None:
    assert [*map(str, weight_sites(Tied()))] == ["first.weight", "inner.weight"]


def test_a_mask_of_another_model_is_refused(found: SelectivityMap) -> None:
    with pytest.raises(SiteError, match="no parameter of that name"):
        parameters_of(nn.Linear(2, 2), found.sites)
    with pytest.raises(SiteError, match=r"head.weight: is of shape \(4, 6\) in this model, not"):
        parameters_of(small(), [Site("head.weight", WEIGHT, shape=(4, 7))])
    with torch.device("meta"):
        away = Small()
    with pytest.raises(ModelError, match="is not in memory"):
        parameters_of(away.eval(), weight_sites(away))


# --- masks and controls ---


def test_masks_are_exactly_k_and_come_back_from_their_file(
    found: SelectivityMap, tmp_path: Path
) -> None:
    masks = plan_masks(found, [1.0, 5.0], parse_controls("random:2,layer-matched:2,bottom:1"), 0)
    sizes = {len(mask) for mask in masks if mask.rule not in PARTS}
    assert sizes == {round(found.n_units * p / 100) for p in (1, 5)}
    save_masks(tmp_path / "masks.safetensors", masks)
    again = load_masks(tmp_path / "masks.safetensors", found)
    for mask in masks:
        assert np.array_equal(again[mask.name].units, mask.units)
        chosen = np.concatenate([mask.at(site) for site in mask.sites])
        assert np.array_equal(np.flatnonzero(chosen), np.sort(mask.units))
        assert sum(mask.counts().values()) == len(mask)


def test_the_map_comes_back_from_its_file(found: SelectivityMap, tmp_path: Path) -> None:
    found.save(tmp_path / "map.safetensors")
    again = SelectivityMap.load(tmp_path / "map.safetensors")
    assert again.fingerprint == found.fingerprint
    assert again.unit == WEIGHT
    assert again.score.value.dtype == np.float32
    assert np.array_equal(again.at(again.sites[0]), found.at(found.sites[0]))


def test_controls_are_matched_by_tensor_and_by_the_size_of_the_weight(
    found: SelectivityMap,
) -> None:
    top = top_percent(found, 5.0)
    drawn = control(found, "layer-matched", 5.0, 3)
    assert drawn.counts() == top.counts()
    assert set(drawn.units.tolist()) != set(top.units.tolist())
    part = matched_part(found, top)
    assert part is not None
    like = control(found, "magnitude-matched", 5.0, 3)
    assert like.counts() == part.counts()
    for site in part.touched:
        sizes = np.log(found.at(site, "magnitude").ravel())
        own, other = (np.sort(sizes[mask.inside(site)]) for mask in (part, like))
        assert np.abs(own - other).max() <= CALIPER + 1e-6
    assert len(np.intersect1d(control(found, "bottom", 5.0).units, top.units)) == 0


# --- zero, and back ---


def bits(model: nn.Module) -> dict[str, bytes]:
    return {
        name: each.detach().contiguous().view(torch.uint8).numpy().tobytes()
        for name, each in model.named_parameters()
    }


def of(model: nn.Module, *names: str, units: tuple[int, ...] = (0, 2, 3)) -> Mask:
    """A mask of these numbers of each tensor."""
    sites = tuple(weight_sites(model, ",".join(f"{name}:all" for name in names)))
    starts = np.cumsum([0, *(site.n_units(WEIGHT) for site in sites)])[:-1]
    chosen = np.concatenate([start + np.array(units) for start in starts])
    return Mask("top", 1.0, None, sites, WEIGHT, chosen)


def test_zeroed_weights_are_zero_and_the_model_computes_with_them() -> None:
    net, wanted = small(), small()
    mask = of(net, "block1.conv1.weight", "head.bias")
    with torch.no_grad():
        wanted.block1.conv1.weight.view(-1)[[0, 2, 3]] = 0
        wanted.head.bias[[0, 2, 3]] = 0
    before = bits(net)
    with ablate(net, mask), torch.inference_mode():
        assert torch.equal(net(PIXELS), wanted(PIXELS))
        assert bits(net) == bits(wanted) != before
    assert bits(net) == before


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("quiet", [torch.no_grad, torch.inference_mode, torch.enable_grad])
def test_every_bit_comes_back(dtype: torch.dtype, quiet: Callable[[], Any]) -> None:
    """Also that of a negative zero, of not-a-numbers with a load, of infinities."""
    net = small(dtype)
    width = torch.tensor([], dtype=dtype).element_size()
    whole = {2: torch.int16, 4: torch.int32, 8: torch.int64}[width]
    odd = torch.tensor([-0.0, torch.nan, torch.inf, 1e-7], dtype=dtype)
    with torch.no_grad():
        net.head.weight.view(-1)[:4] = odd
        net.head.weight.view(whole).view(-1)[1] += 5  # another not-a-number
        net.block1.conv1.weight.data = net.block1.conv1.weight.data.to(
            memory_format=torch.channels_last
        )
    before = bits(net)
    mask = of(net, "head.weight", "block1.conv1.weight", units=(0, 1, 2, 3, 23))
    with quiet(), ablate(net, mask):
        assert not net.head.weight.view(-1)[:4].any()
    assert bits(net) == before
    assert not net.block1.conv1.weight.is_contiguous()


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, GeneratorExit, SystemExit])
def test_bits_are_back_after_an_exception_in_mid_pass(error: type[BaseException]) -> None:
    net = small()
    before, mask = bits(net), of(net, "stem.weight", "block2.conv1.weight")

    def stop(*_: Any) -> None:
        assert bits(net) != before
        raise error

    handle = net.trap.register_forward_hook(stop)
    with pytest.raises(error), ablate(net, mask):
        net(PIXELS)
    handle.remove()
    assert bits(net) == before


@pytest.mark.parametrize("at", range(8))
def test_bits_are_back_wherever_an_interrupt_comes(
    at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At every write there is, the one of the way back among them, and twice in a row."""
    net = small()
    before, mask = bits(net), of(net, "stem.weight", "block1.conv1.weight", "head.bias")
    write, count = zeroed.Kept._write, 0

    def interrupted(kept: zeroed.Kept, values: Tensor) -> None:
        nonlocal count
        count += 1
        if count in (at, at + 1):
            if at % 2:
                write(kept, values)  # before the write, or after it
            raise KeyboardInterrupt
        write(kept, values)

    monkeypatch.setattr(zeroed.Kept, "_write", interrupted)
    if at == 0:
        at = -1  # never
    stopped = False
    try:
        with ablate(net, mask):
            net(PIXELS)
    except KeyboardInterrupt:
        stopped = True
    assert stopped == (1 <= at + 1 <= 7)
    assert bits(net) == before


def test_masks_nest_and_share_weights() -> None:
    net = small()
    before = bits(net)
    outer, inner = (of(net, "head.weight", units=units) for units in ((0, 1, 2), (1, 2, 9)))
    with ablate(net, outer):
        between = bits(net)
        with ablate(net, inner):
            assert not net.head.weight.view(-1)[[0, 1, 2, 9]].any()
        assert bits(net) == between
    assert bits(net) == before


class Tied(nn.Module):
    """The last layer has the weights of the first; a part of the inner one has two names."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(6, 6)
        self.inner = nn.Linear(6, 6)
        self.last = nn.Linear(6, 6)
        self.last.weight = self.first.weight

    def forward(self, x: Tensor) -> Tensor:
        return self.last(torch.relu(self.inner(torch.relu(self.first(x)))))


@pytest.fixture
def tied() -> Tied:
    torch.manual_seed(0)
    return Tied().eval().requires_grad_(False)


def test_a_tied_weight_is_zero_wherever_it_is_read(tied: Tied) -> None:
    before = bits(tied)
    with ablate(tied, of(tied, "first.weight")):
        assert tied.last.weight is tied.first.weight
        assert not tied.last.weight.view(-1)[[0, 2, 3]].any()
    assert bits(tied) == before


@pytest.mark.parametrize("overlap", [0, 3])
def test_tensors_that_share_memory_get_their_first_values_back(tied: Tied, overlap: int) -> None:
    """Both names of a number are masked: the second one meets the zero of the first."""
    whole = torch.randn(6, 6)
    tied.first.weight = tied.last.weight = nn.Parameter(whole, requires_grad=False)
    tied.inner.weight = nn.Parameter(whole[overlap:], requires_grad=False)
    before = bits(tied)
    for names in (("first.weight", "inner.weight"), ("inner.weight",), ("first.weight",)):
        with ablate(tied, of(tied, *names, units=(0, 2, 3, 17))):
            assert bits(tied) != before
        assert bits(tied) == before
    with ExitStack() as stack:
        for name in ("first.weight", "inner.weight", "first.weight"):
            stack.enter_context(ablate(tied, of(tied, name, units=(0, 2, 17))))
    assert bits(tied) == before


def test_weights_are_set_to_zero_and_to_nothing_else() -> None:
    net = small()
    with (
        pytest.raises(SettingError, match="`ablation`: a weight is set to zero"),
        ablate(net, of(net, "head.weight"), "mean"),
    ):
        pass


# --- many masks, one pass ---


class Backwards(nn.Module):
    """Runs its layers in another order than that of its parameters, one of them as a function."""

    def __init__(self) -> None:
        super().__init__()
        self.third, self.second, self.first = (nn.Linear(6, 6) for _ in range(3))
        self.table = nn.Parameter(torch.randn(6, 6))

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.first(x))
        x = torch.relu(self.second(x)) @ self.table.T
        return self.third(x)


@pytest.mark.parametrize(
    ("names", "n"),
    [
        (("first.weight",), 3),
        (("second.weight",), 2),
        (("third.weight",), 1),
        (("table",), 1),
        (("third.weight", "first.weight"), 3),
        (("third.weight", "second.bias"), 2),
    ],
)
@pytest.mark.parametrize("quiet", [torch.no_grad, torch.inference_mode])
def test_a_pass_begins_where_the_first_masked_weight_is_read(
    names: tuple[str, ...], n: int, quiet: Callable[[], Any]
) -> None:
    torch.manual_seed(0)
    net = Backwards().eval().requires_grad_(False)
    given = torch.randn(4, 6)
    mask = of(net, *names)
    before = bits(net)
    with quiet():
        with ablate(net, mask):
            whole = net(given)
        prefix = Prefix(net, lambda: net(given), mask.sites)
        for _ in range(2):
            with counted() as seen:
                assert torch.equal(prefix.under(mask), whole)
            assert n_linear(seen) == n
        assert not torch.equal(prefix.under(of(net, "first.bias")), whole)
        with torch.no_grad():
            net.second.weight += 1  # somebody else's edit is noticed
        assert not torch.equal(prefix.under(of(net, "third.bias")), whole)
        with torch.no_grad():
            net.second.weight -= 1
    assert bits(net).keys() == before.keys()


def test_a_tied_weight_counts_from_where_it_is_read_first(tied: Tied) -> None:
    given = torch.randn(4, 6)
    masks = [of(tied, "inner.weight"), of(tied, "first.weight"), of(tied, "last.bias"), None]
    with torch.inference_mode():
        wholes = []
        for mask in masks:
            with ExitStack() as stack:
                if mask is not None:
                    stack.enter_context(ablate(tied, mask))
                wholes.append(tied(given))
        for _ in range(2):
            every = Passes(tied, masks)(lambda: tied(given))
            assert all(map(torch.equal, every, wholes))


def test_a_magnitude_matched_control_needs_partners(found: SelectivityMap) -> None:
    with pytest.raises(MaskError, match="no masked unit has an equally loud partner"):
        control(found, "magnitude-matched", 100.0, 0)
