"""A third front end: sounds, which are rows of numbers, and a network of three layers.

It is here to be read, too: this is all that a front end brings. What it must then be able to do is
tested below: run, go on after a kill to the same bytes, evaluate another run's map, and report.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from common.base.errors import RunError
from common.base.files import digest_of, digest_of_module, read_sealed, save_sealed
from common.base.progress import Progress, silent
from common.effects.described import DescribedEvaluation, DescribedModel
from common.effects.items import Items, Outcome
from common.measure.ablate import under
from common.measure.contrast import Batch, contrast
from common.measure.masks import Mask
from common.measure.scores import SelectivityMap
from common.measure.survey import Survey
from common.study import verbs
from common.study.front import Evaluating, FrontEnd, Localizing, stimuli_table
from common.study.localizers import describe_localizer
from common.study.settings import Settings, read_controls

pytestmark = pytest.mark.draws_report


@dataclass(frozen=True)
class Sound:
    name: str
    condition: str
    samples: np.ndarray


def sounds(condition: str, n: int, seed: int) -> list[Sound]:
    """Tones that swing, or noise, as loud as each other."""
    rng = np.random.default_rng(seed)
    found = []
    for number in range(n):
        wave = np.sin(rng.uniform(0.2, 1.5) * np.arange(32) + rng.uniform(0, 6))
        samples = wave if condition == "tone" else rng.normal(size=32) * 0.7
        found.append(Sound(f"{condition}{seed}-{number}", condition, samples.astype(np.float32)))
    return found


def passed(model: nn.Module, shown: list[Sound]) -> torch.Tensor:
    return model(torch.from_numpy(np.stack([sound.samples for sound in shown])))


@dataclass(kw_only=True, eq=False)
class Hearing(Evaluating):
    model: nn.Module
    shown: list[Sound]

    def outcome(
        self,
        mask: Mask | None,
        found: SelectivityMap,
        progress: Progress = silent,  # noqa: ARG002
    ) -> Outcome:
        with torch.inference_mode(), under(self.model, mask, "zero", found):
            logits = passed(self.model, self.shown).numpy()
        gap = logits[:, 0] - logits[:, 1]
        margin = np.where(self.items.labels == 0, gap, -gap)
        return Outcome(logits.argmax(axis=1), margin > 0, margin)


class SoundFront(FrontEnd[Settings, nn.Module]):
    program = "sound-loc"
    settings = Settings

    def load(self, settings: Settings) -> tuple[nn.Module, DescribedModel]:
        torch.manual_seed(100 + settings.seed if settings.untrained else 0)
        model = nn.Sequential(nn.Linear(32, 64), nn.ReLU(), nn.Linear(64, 64), nn.Linear(64, 2))
        return model, DescribedModel(
            name=settings.model, fingerprint=digest_of_module(model),
            untrained=settings.untrained, seed=settings.seed, n_parameters=6402,
            dtype="float32", chance=0.5,
        )  # fmt: skip

    def localizing(self, settings: Settings) -> Localizing[nn.Module]:
        model, about = self.load(settings)
        sides = sounds("tone", 20, 1), sounds("noise", 20, 1)
        shown = [*sides[0], *sides[1]]
        sites = Survey(model, torch.zeros(1, 32)).matching("0,2")
        digests = [digest_of(sound.samples.tolist()) for sound in shown]

        def make_map(ear: nn.Module, progress: Progress) -> SelectivityMap:
            batches = [Batch(np.arange(40), lambda: passed(ear, shown))]
            return contrast(
                ear, sites, *sides, lambda _groups: batches, score=settings.score,
                percents=settings.top, seed=settings.seed, progress=progress,
            )  # fmt: skip

        told, table = describe_localizer("toy:tones", *sides), stimuli_table(*sides, digests)
        return Localizing(model, about, told, table, digest_of(digests), sites, settings, make_map)

    def evaluating(self, settings: Settings, model: nn.Module) -> Hearing:
        shown = [*sounds("tone", 40, 2), *sounds("noise", 40, 2)]
        groups = np.array([sound.condition for sound in shown])
        names = [sound.name for sound in shown]
        items = Items(names, groups, "tone", "noise", np.repeat([0, 1], 40))
        digests = [(sound.name, digest_of(sound.samples.tolist())) for sound in shown]
        about = DescribedEvaluation(name=settings.evaluation)
        return Hearing(
            items=items, described=about, stimuli=digest_of(digests), digests=digests,
            word="sounds", model=model, shown=shown,
        )  # fmt: skip


FRONT = SoundFront()
SETTINGS = Settings(model="toy/ear", evaluation="toy", top=(5, 10),
                    controls=read_controls("layer-matched:3"))  # fmt: skip
run = partial(verbs.run, FRONT, SETTINGS)


def test_it_runs_goes_on_after_a_kill_and_reports(tmp_path: Path) -> None:
    def killed(step: str, done: int, _total: int) -> None:
        if (step, done) == ("evaluate", 3):
            raise KeyboardInterrupt

    results, whole, _ = run(tmp_path / "whole")
    assert results.ablations[0].mask == "top-5"
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "cut", killed)
    assert len([*(tmp_path / "cut" / "partial").iterdir()]) == 3
    assert run(tmp_path / "cut")[2] is False
    for name in ("results.json", "items.csv", "masks.safetensors", "stimuli.csv"):
        assert (tmp_path / "cut" / name).read_bytes() == (whole / name).read_bytes()
    assert run(tmp_path / "cut")[2] is True  # finished before: nothing is computed
    page = (whole / "report.html").read_text()
    assert "<span>sound-loc</span> <span>run</span> <span>--model</span>" in page


def test_its_map_is_evaluated_again_and_no_other_front_ends(tmp_path: Path) -> None:
    *_, source = verbs.localize_only(FRONT, SETTINGS, tmp_path / "map")
    again, _, _ = verbs.evaluate_map(FRONT, source, tmp_path / "again", evaluation="toy", top="5")
    assert again.intact["tone"].n == 40
    entry = {**read_sealed(source / "run.json"), "front": "tree-loc"}
    save_sealed(source / "run.json", entry)
    (source / "digests.json").unlink()
    with pytest.raises(RunError, match="a run of tree-loc, not of sound-loc"):
        verbs.open_source(FRONT, source)
