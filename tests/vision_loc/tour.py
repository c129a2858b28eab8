"""The tour: architectures with random weights, and the places that each of them has.

The tables of the tests that stop at them were written from the architectures' sources, before the
program saw them. What is asked at one stop is asked at all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

import pytest
import torch
from torch import Tensor, nn

from common import Mask, Site, Survey, ablate, record, top_percent, welch
from common.measure.prefix import Prefix
from common.measure.sites import KINDS, Kind

N_CLASSES = 10
GROUPS = [0, 0, 1, 1]
FEW = 2  # pictures, where no group is held against another


@dataclass(frozen=True)
class Sites:
    """How many sites of a kind there are, and module and channels (or heads) of first and last."""

    n: int
    first: tuple[str, int]
    last: tuple[str, int]


@dataclass(frozen=True)
class Stop:
    """One architecture: how it is made, how large its pictures are, and what it has.

    `own` are the names of the classes that its source calls blocks.
    """

    build: Callable[[], nn.Module]
    size: int
    own: str
    block: Sites
    attn: Sites | None = None
    mlp: Sites | None = None
    mlp_hidden: Sites | None = None
    head: Sites | None = None
    keyword: bool = False

    def pictures(self, n: int) -> Tensor | dict[str, Tensor]:
        """Noise, as the model is given it."""
        random = torch.Generator().manual_seed(3)
        pixels = torch.randn(n, 3, self.size, self.size, generator=random)
        return {"pixel_values": pixels} if self.keyword else pixels


def transformer(
    n: int,
    blocks: str,
    attn: str,
    mlp: str,
    narrow: str,
    width: int,
    hidden: int,
    heads: tuple[str, int] | None = None,
) -> dict[str, Sites | None]:
    """The sites of `n` equal blocks; `blocks` is the path of one, with {} for its number."""

    def all_of(inner: str, channels: int) -> Sites:
        path = blocks + inner
        return Sites(n, (path.format(0), channels), (path.format(n - 1), channels))

    return {
        "block": all_of("", width),
        "attn": all_of(attn, width),
        "mlp": all_of(mlp, width),
        "mlp_hidden": all_of(narrow, hidden),
        "head": None if heads is None else all_of(*heads),
    }


@dataclass
class Visit:
    """A stop with its model, as long as tests are about it."""

    stop: Stop
    model: nn.Module
    survey: Survey

    def logits(self, pixels: Tensor | dict[str, Tensor]) -> Tensor:
        """What the model answers."""
        with torch.inference_mode():
            out = self.model(**pixels) if isinstance(pixels, Mapping) else self.model(pixels)
        return out if isinstance(out, Tensor) else out.logits

    @cached_property
    def middle(self) -> dict[Kind, Site]:
        """The middle site of each kind."""
        offered = {kind: self.survey.offered(kind) for kind in KINDS}
        return {kind: found[len(found) // 2] for kind, found in offered.items() if found}

    @cached_property
    def halves(self) -> dict[Kind, Mask]:
        """The more selective half of the middle site of each kind."""
        with record(self.model, [*self.middle.values()]) as recorder:
            recorder.expect(GROUPS)
            self.logits(self.stop.pictures(len(GROUPS)))
        one, other = recorder.group(0), recorder.group(1)
        return {
            kind: top_percent(welch({site: one[site]}, {site: other[site]}), 50)
            for kind, site in self.middle.items()
        }

    @cached_property
    def prefix(self) -> Prefix[Tensor]:
        """The pass that the ablations of all kinds share."""
        few = self.stop.pictures(FEW)
        return Prefix(self.model, lambda: self.logits(few), [*self.middle.values()])


def arrive(stop: Stop) -> Visit:
    """Build the model of a stop and look for its sites."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = stop.build().eval().requires_grad_(False)
        wake(model)
    return Visit(stop, model, Survey(model, stop.pictures(1)))


def wake(model: nn.Module) -> None:
    """Undo initialisations that silence a branch, so that every unit can matter."""
    for parameter in model.parameters():
        if parameter.abs().max() < 1e-3:
            parameter.normal_(0, 0.1)


def facts(found: list[Site]) -> Sites | None:
    """What the tables say of sites, of those that were found."""
    if not found:
        return None
    first, last = found[0], found[-1]
    n_first, n_last = (site.n_units("channel") for site in (first, last))
    return Sites(len(found), (first.module, n_first), (last.module, n_last))


def width_of(module: nn.Module) -> int | None:
    """How many channels a layer itself says that it gives."""
    if isinstance(module, nn.LayerNorm):
        return module.normalized_shape[-1]
    names = ("out_channels", "out_features", "num_features", "num_channels")
    return next((getattr(module, name) for name in names if hasattr(module, name)), None)


class Tour:
    """What holds at every stop; `at` is a fixture of the module that has the stops."""

    def test_the_tour_finds_what_the_source_says(self, at: Visit) -> None:
        for kind in KINDS[:-1]:
            assert facts(at.survey.offered(kind)) == getattr(at.stop, kind), kind

    def test_every_site_fires_once_and_reading_it_changes_nothing(self, at: Visit) -> None:
        everywhere = [site for kind in KINDS for site in at.survey.offered(kind)]
        pixels = at.stop.pictures(FEW)
        with record(at.model, everywhere) as recorder:
            under = at.logits(pixels)
        assert torch.equal(under, at.logits(pixels))
        found = recorder.moments  # of all sites, put together at each call
        for site in everywhere:
            assert found[site].count == FEW
            assert found[site].mean.shape == (site.n_units("channel"),)

    def test_blocks_are_those_of_the_architectures_own_definition(self, at: Visit) -> None:
        own, modules = at.stop.own.split(), at.model.named_modules()
        wanted = {path for path, module in modules if type(module).__name__ in own}
        assert {site.module for site in at.survey.of_kind("block")} == wanted
        if at.stop.keyword:  # of transformers, whose configurations say how many there are
            depths = getattr(at.model.config, "depths", None)
            n = at.model.config.num_hidden_layers if depths is None else sum(depths)
            assert len(wanted) == n

    def test_channels_are_the_width_of_the_layer(self, at: Visit) -> None:
        widths = {
            site.module: (site.channels, width_of(at.model.get_submodule(site.module)))
            for site in at.survey.offered("op")
            if not list(at.model.get_submodule(site.module).children())
        }
        known = {path: pair for path, pair in widths.items() if pair[1] is not None}
        assert len(known) >= 7
        assert {path: pair for path, pair in known.items() if pair[0] != pair[1]} == {}

    def test_hidden_units_are_what_the_narrowing_layer_takes(self, at: Visit) -> None:
        for site in at.survey.offered("mlp_hidden"):
            layer = at.model.get_submodule(site.module)
            taken = layer.in_features if isinstance(layer, nn.Linear) else layer.in_channels
            assert (site.end, site.channels) == ("input", taken)

    def test_positions_and_channels_are_told_apart_in_a_map(self, at: Visit) -> None:
        """What is left of a map when its channel axis is taken away is as wide as it is high."""
        for kind in KINDS:
            for site in at.survey.offered(kind):
                if len(site.shape) == 3 and site.fold == 1:
                    rest = [n for axis, n in enumerate(site.shape, 1) if axis != site.axis]
                    assert rest[0] == rest[1], f"{site} {site.shape} axis {site.axis}"

    @pytest.mark.parametrize("kind", KINDS)
    def test_ablating_half_of_a_site_changes_the_logits(self, at: Visit, kind: Kind) -> None:
        if kind not in at.middle:
            assert kind != "op"
            assert getattr(at.stop, kind) is None
            return
        mask, site, intact = at.halves[kind], at.middle[kind], at.prefix.intact
        assert len(mask) == mask.counts()[site] == max(1, round(site.n_units("channel") / 2))
        pixels = at.stop.pictures(FEW)
        with ablate(at.model, mask):
            ablated = at.logits(pixels)
        assert not torch.equal(ablated, intact)
        assert torch.equal(at.prefix.under(mask), ablated)
        assert at.prefix.n_whole == 0
        with ablate(at.model, mask, by=1.0):
            assert torch.equal(at.logits(pixels), intact)
        assert torch.equal(at.logits(pixels), intact)
