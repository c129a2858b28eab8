"""``compare-sites`` as a whole, on a network whose evidence two hidden units hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from common.base.errors import RunError, SettingError
from common.base.files import digest_of, digest_of_module
from common.base.progress import Progress, silent
from common.effects.described import DescribedModel
from common.effects.kinds_words import ONE, outcome
from common.effects.site_kinds import ComparedSites
from common.measure.contrast import Batch, contrast
from common.measure.contrasts import Sides as Contrast
from common.measure.contrasts import contrasts
from common.measure.masks import Mask, load_masks
from common.measure.operations import OPERATIONS
from common.measure.scores import SelectivityMap
from common.measure.shares import n_chosen
from common.measure.sites import KINDS, Kind
from common.measure.survey import Survey
from common.study.compare_sites import compare_sites
from common.study.front import Localizing, stimuli_table
from common.study.kinds import of_kinds, share_of
from common.study.localizers import describe_localizer
from common.study.onepass import OnePass
from common.study.settings import Settings, read_controls
from common.study.sites_file import SITES
from common.study.verbs import report_again
from tests.common.study.test_dissociation import Seeing, Sides, marks
from tests.common.study.test_toy_front import passed

pytestmark = pytest.mark.draws_report

LEFT = [3, 17]  # hidden units of the first block
BIAS = -9.73  # at which either side has as large margins


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.wide, self.act, self.narrow = nn.Linear(16, 40), nn.ReLU(), nn.Linear(40, 16)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.narrow(self.act(self.wide(x)))


def deep() -> nn.Module:
    """Two hidden units say that it is the left side, to eight channels; twenty say the right."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(8, 16), Block(), Block(), nn.Linear(16, 2))
    with torch.no_grad():
        for each in model.parameters():
            each.mul_(0.02)
        model[0].weight[:8] += torch.eye(8)
        own, other = torch.tensor([1.0, -1.0] * 4), torch.tensor([1.0, 1.0, -1.0, -1.0] * 2)
        first = model[1]
        first.wide.weight[LEFT, :4] = 0.5
        first.wide.bias[LEFT] = -0.4
        first.narrow.weight[8:, LEFT] = own[:, None]
        first.wide.weight[20:, 4:8] = torch.rand(20, 4)
        first.narrow.weight[8:, 20:] = 0.05 * other[:, None]
        model[3].weight[0, 8:] = own
        model[3].weight[1, 8:] = other / 2
        model[3].bias[0] = BIAS
    return model


class Foreseeing(Seeing):
    def foresee(
        self,
        masks: Sequence[Mask],
        later: Sequence[tuple[Mask, int]],
        found: SelectivityMap,
        progress: Progress = silent,  # noqa: ARG002
    ) -> None:
        assert not later
        assert {mask.sites for mask in masks} <= {found.sites}  # others could not be tried on it


class Deep(Sides):
    program = "deep-loc"

    def evaluating(self, settings: Settings, model: nn.Module) -> Seeing:
        return Foreseeing(**vars(super().evaluating(settings, model)))

    def load(self, settings: Settings) -> tuple[nn.Module, DescribedModel]:
        model = deep()
        return model, DescribedModel(
            name=settings.model, fingerprint=digest_of_module(model), untrained=False, seed=0,
            n_parameters=3000, dtype="float32",
        )  # fmt: skip

    def localizing_kinds(
        self, settings: Settings, kinds: Sequence[Kind], n_units: int | None
    ) -> tuple[list[Localizing[nn.Module]], dict[str, str]]:
        model, about = self.load(settings)
        every, missing = of_kinds(settings, kinds, n_units, Survey(model, torch.zeros(1, 8)))
        one, two = marks("left", 20, 1), marks("right", 20, 1)
        digests = [digest_of(each.samples.tolist()) for each in (*one, *two)]
        batches = [Batch(np.arange(40), lambda: passed(model, [*one, *two]))]
        sides = [Contrast(one, two, np.arange(40), each.place) for each in every]
        maps = OnePass(
            lambda reader, progress: contrasts(
                reader, (), sides, lambda *_: batches, progress=progress
            )
        )
        told, table = describe_localizer("toy:left", one, two), stimuli_table(one, two, digests)
        return [
            Localizing(model, about, told, table, digest_of(digests), each.sites, each.settings,
                       maps.of(number))
            for number, each in enumerate(every)
        ], missing  # fmt: skip


SETTINGS = Settings(
    model="toy/deep", evaluation="toy", top=(6.0,), controls=read_controls("layer-matched:20")
)
TRIED: tuple[Kind, ...] = ("head", "block", "mlp_hidden")
run = partial(compare_sites, Deep(), SETTINGS, TRIED)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[ComparedSites, Path]:
    found, folder, _ = run(out=tmp_path_factory.mktemp("sites") / "whole")
    return found, folder


def test_the_kind_that_holds_the_evidence_in_two_units_is_the_largest(
    whole: tuple[ComparedSites, Path],
) -> None:
    found, folder = whole
    assert outcome(found) == ONE
    assert found.asked[0].ranked[0].kind == "mlp_hidden"
    assert found.finding.startswith("With 2 units of each kind what left loses more than right")
    assert "largest at mlp_hidden" in found.finding
    assert found.left_out == {"head": "the model has none"}
    own = SelectivityMap.load(folder / "maps" / "mlp_hidden.safetensors")
    assert sorted(own.ranking[:2].tolist()) == LEFT
    page = (folder / "report.html").read_text()
    assert "One kind is largest" in page
    assert "<span>deep-loc</span> <span>compare-sites</span>" in page


def test_masks_of_all_kinds_have_as_many_units_and_controls_of_their_own(
    whole: tuple[ComparedSites, Path],
) -> None:
    found, folder = whole
    assert found.n_units == 2
    for each in found.kinds:
        own = SelectivityMap.load(folder / "maps" / f"{each.kind}.safetensors")
        masks = load_masks(folder / "maps" / f"{each.kind}-masks.safetensors", own)
        assert {len(mask) for mask in masks.values()} == {2}
        assert sum(mask.rule == "layer-matched" for mask in masks.values()) == 20
        assert {site.kind for site in own.sites} == {each.kind}


def test_each_map_of_the_one_pass_is_the_one_of_its_kind_alone() -> None:
    at_hand, missing = Deep().localizing_kinds(SETTINGS, KINDS, 2)
    assert [each.settings.kind for each in at_hand] == ["block", "mlp", "mlp_hidden", "op"]
    assert [*missing] == ["attn", "head"]
    model, one, two = deep(), marks("left", 20, 1), marks("right", 20, 1)
    survey = Survey(model, torch.zeros(1, 8))
    batches = [Batch(np.arange(40), lambda: passed(model, [*one, *two]))]
    for each in at_hand:
        sites, (percent,) = survey.of_kind(each.settings.kind), each.settings.top
        found = each.fresh_map(silent)
        alone = contrast(model, sites, one, two, lambda _: batches, percents=(percent,))
        assert [*found.sites] == sites
        np.testing.assert_allclose(found.t, alone.t, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(found.q, alone.q, rtol=1e-5, atol=1e-9)
        assert found.about["split_half"]["dice"] == alone.about["split_half"]["dice"]
        assert found.n_chosen(percent) == 2
        told = found.about.get(OPERATIONS)
        assert told == alone.about.get(OPERATIONS)
        assert (told is not None) == (each.settings.kind == "op")
    assert told is not None
    assert told["1.act:output"] == "ReLU"


def test_it_goes_on_after_a_kill_to_the_same_bytes(
    whole: tuple[ComparedSites, Path], tmp_path: Path
) -> None:
    def killed(step: str, done: int, _total: int) -> None:
        if (step, done) == ("evaluate", 30):  # in the masks of the second kind
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(out=tmp_path / "cut", progress=killed)
    assert len([*(tmp_path / "cut" / "partial").iterdir()]) == 30
    assert run(out=tmp_path / "cut")[2] is False
    kept = [f for f in sorted(whole[1].rglob("*")) if f.suffix in (".csv", ".safetensors")]
    for file in (*kept, whole[1] / "sites.json"):
        assert (tmp_path / "cut" / file.relative_to(whole[1])).read_bytes() == file.read_bytes()


def test_a_finished_one_computes_nothing_and_another_is_refused(
    whole: tuple[ComparedSites, Path],
) -> None:
    assert run(out=whole[1])[2] is True
    assert SITES.load(whole[1]) == whole[0]
    page = (whole[1] / "report.html").read_bytes()
    assert report_again(whole[1]).read_bytes() == page
    with pytest.raises(RunError, match="holds another run"):
        compare_sites(Deep(), SETTINGS, n_units=3, out=whole[1])
    with pytest.raises(RunError, match="holds no finished comparison of sites"):
        SITES.load(whole[1] / "maps")


@pytest.mark.parametrize(
    ("changed", "kinds", "n", "message"),
    [({"top": (1.0, 2.5)}, (), None, "`top`: kinds are compared at one dose"),
     ({"sites": "1"}, (), None, "`sites`: kinds of sites are compared here"),
     ({}, ("block",), None, "`kind` block: to compare takes two or more"),
     ({}, ("block", "blok"), None, "`kind` blok: choose from block, attn"),
     ({}, ("op", "op"), None, "`kind` op: comes twice"),
     ({}, (), 0, "`n_units` 0: give 1 or more"),
     ({}, ("block", "attn"), None, r"`kind`: 1 of 2 can be compared \(attn: the model has none"),
     ({}, ("block", "op"), 17, r"1 of 2 .*\(block: has 32 units, of which 17 are more than half"),
     ({"ablation": "mean"}, ("head", "op"), None, "head: `ablation` mean: a head is a slice")],
)  # fmt: skip
def test_what_makes_no_sense_is_one_line(
    changed: dict[str, object], kinds: tuple[Kind, ...], n: int | None, message: str, tmp_path: Path
) -> None:
    settings = replace(SETTINGS, **changed)  # type: ignore[arg-type]
    with pytest.raises(SettingError, match=message):
        compare_sites(Deep(), settings, kinds, n, tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_a_front_end_that_knows_no_kinds_says_so(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="kinds of sites are not told apart here"):
        compare_sites(Sides(), SETTINGS, out=tmp_path / "none")


def test_the_share_that_is_a_number_of_units() -> None:
    for truncated in (False, True):
        for n_units in range(2, 400, 7):
            for k in {1, n_units // 3 or 1, n_units // 2}:
                percent = share_of(n_units, k, truncated=truncated)
                assert n_chosen(n_units, percent, truncated=truncated) == k
