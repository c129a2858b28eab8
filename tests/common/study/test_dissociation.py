"""``dissociate`` as a whole, on a network that is wired to have two areas."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from browser import fragments, runs
from common.base.errors import RunError, SettingError
from common.base.files import digest_of, digest_of_module
from common.base.progress import Progress, silent
from common.effects.crossing_words import DOUBLE, outcome, plainly
from common.effects.described import DescribedEvaluation, DescribedModel
from common.effects.dissociation import Dissociation
from common.effects.items import Items, Outcome
from common.measure.ablate import Ablation, under
from common.measure.contrast import Batch, contrast
from common.measure.masks import Mask
from common.measure.scores import SelectivityMap
from common.measure.survey import Survey
from common.study.dissociation import contrasts_of, dissociate
from common.study.dissociation_file import load_dissociation
from common.study.front import FrontEnd, Localizing, stimuli_table
from common.study.listing import finished_run, list_runs, runs_of, wanted
from common.study.localizers import describe_localizer
from common.study.settings import Settings, read_controls
from common.study.verbs import report_again
from tests.common.study.test_toy_front import Hearing, Sound, passed

pytestmark = pytest.mark.draws_report

LEFT, RIGHT = [3, 17], [5, 29]  # units that are wired to either side


def marks(side: str, n: int, seed: int) -> list[Sound]:
    """Eight numbers, of which those of one side are large."""
    rng = np.random.default_rng([seed, *side.encode()])
    own = slice(0, 4) if side == "left" else slice(4, 8)
    found = []
    for number in range(n):
        values = rng.uniform(0, 0.3, 8).astype(np.float32)
        values[own] += 1
        found.append(Sound(f"{side}{seed}-{number}", side, values))
    return found


def wired() -> nn.Module:
    """80 units, of which two see the left side alone and two the right one."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(8, 80), nn.ReLU(), nn.Linear(80, 2))
    with torch.no_grad():
        model[0].weight *= 2.0  # as loud as those that are wired
        for side, units in enumerate((LEFT, RIGHT)):
            model[0].weight[units] = 0.0
            model[0].weight[units, 4 * side : 4 * side + 4] = 0.5
            model[0].bias[units] = -0.4
            model[2].weight[:, units] = 0.0
            model[2].weight[side, units] = 1.5 - side / 2
        others = [unit for unit in range(80) if unit not in (*LEFT, *RIGHT)]
        model[2].weight[:, others] *= 0.02
        model[2].bias[:] = torch.tensor(
            [0.009, 0.0]
        )  # a side without its units is called the other
    return model


class Seeing(Hearing):
    by: Ablation = "zero"

    @contextmanager
    def replaced_by(self, by: Ablation) -> Iterator[None]:
        self.by = by
        try:
            yield
        finally:
            self.by = "zero"

    def outcome(
        self,
        mask: Mask | None,
        found: SelectivityMap,
        progress: Progress = silent,  # noqa: ARG002
    ) -> Outcome:
        with torch.inference_mode(), under(self.model, mask, self.by, found):
            return answered(passed(self.model, self.shown).numpy(), self.items)


def answered(logits: np.ndarray, items: Items) -> Outcome:
    gap = logits[:, 0] - logits[:, 1]
    margin = np.where(items.labels == 0, gap, -gap)
    return Outcome(logits.argmax(axis=1), margin > 0, margin.astype(np.float32))


class Sides(FrontEnd[Settings, nn.Module]):
    program, settings = "side-loc", Settings

    def load(self, settings: Settings) -> tuple[nn.Module, DescribedModel]:
        model = wired()
        return model, DescribedModel(
            name=settings.model, fingerprint=digest_of_module(model), untrained=False, seed=0,
            n_parameters=882, dtype="float32",
        )  # fmt: skip

    def localizing(self, settings: Settings) -> Localizing[nn.Module]:
        model, about = self.load(settings)
        target = str(settings.localizer).partition(":")[2]
        one, two = (marks(side, 20, 1) for side in sorted(("left", "right"), key=target.__ne__))
        digests = [digest_of(each.samples.tolist()) for each in (*one, *two)]
        sites = Survey(model, torch.zeros(1, 8)).matching("1")

        def make_map(reader: nn.Module, progress: Progress) -> SelectivityMap:
            batches = [Batch(np.arange(40), lambda: passed(reader, [*one, *two]))]
            return contrast(reader, sites, one, two, lambda _: batches, percents=settings.top,
                            progress=progress)  # fmt: skip

        told = describe_localizer(str(settings.localizer), one, two)
        table = stimuli_table(one, two, digests)
        return Localizing(model, about, told, table, digest_of(digests), sites, settings, make_map)

    def evaluating(self, settings: Settings, model: nn.Module) -> Seeing:
        shown = [*marks("left", 40, 2), *marks("right", 40, 2)]
        groups = np.array([each.condition for each in shown])
        digests = [(each.name, digest_of(each.samples.tolist())) for each in shown]
        items = Items([each.name for each in shown], groups, "left", "right", np.repeat([0, 1], 40))
        return Seeing(
            items=items, described=DescribedEvaluation(name=settings.evaluation),
            stimuli=digest_of(digests), digests=digests, word="marks", model=model, shown=shown,
        )  # fmt: skip


SETTINGS = Settings(
    model="toy/sides", evaluation="toy", top=(2.5,), controls=read_controls("layer-matched:20")
)
NAMES = ("toy:left", "toy:right")
run = partial(dissociate, Sides(), SETTINGS, NAMES, "group")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Dissociation, Path]:
    found, folder, _ = run(tmp_path_factory.mktemp("dissociation") / "whole")
    return found, folder


def test_two_wired_areas_are_a_double_dissociation(whole: tuple[Dissociation, Path]) -> None:
    found, folder = whole
    assert outcome(found) == DOUBLE
    assert found.finding.startswith("Double dissociation: left loses most without the units of")
    for name, units in zip(NAMES, (LEFT, RIGHT), strict=True):
        own = SelectivityMap.load(folder / "maps" / f"{name.replace(':', '-')}.safetensors")
        assert sorted(own.ranking[:2].tolist()) == units
    assert [cell.singled_out for cell in found.cells] == ["yes", "no", "no", "yes"]
    assert found.overlaps[0].shared == 0
    page = (folder / "report.html").read_text()
    assert "Double dissociation" in page
    assert "<span>side-loc</span> <span>dissociate</span>" in page


def test_it_goes_on_after_a_kill_to_the_same_bytes(
    whole: tuple[Dissociation, Path], tmp_path: Path
) -> None:
    def killed(step: str, done: int, _total: int) -> None:
        if (step, done) == ("evaluate", 25):  # in the masks of the second localizer
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "cut", killed)
    assert len([*(tmp_path / "cut" / "partial").iterdir()]) == 25
    assert run(tmp_path / "cut")[2] is False
    kept = [f for f in sorted(whole[1].rglob("*")) if f.suffix in (".csv", ".safetensors")]
    for file in (*kept, whole[1] / "dissociation.json"):
        assert (tmp_path / "cut" / file.relative_to(whole[1])).read_bytes() == file.read_bytes()
    assert not (tmp_path / "cut" / "partial").exists()


def test_a_finished_one_computes_nothing_and_a_damaged_one_is_refused(
    whole: tuple[Dissociation, Path], tmp_path: Path
) -> None:
    assert run(whole[1])[2] is True
    assert load_dissociation(whole[1]) == whole[0]
    page = (whole[1] / "report.html").read_bytes()
    assert report_again(whole[1]).read_bytes() == page
    with pytest.raises(RunError, match="holds another run"):
        dissociate(Sides(), replace(SETTINGS, seed=1), NAMES, out=whole[1])
    folder = tmp_path / "own"
    folder.mkdir()
    for name in ("dissociation.json", "digests.json"):
        (folder / name).write_bytes((whole[1] / name).read_bytes())
    text = (folder / "dissociation.json").read_text()
    (folder / "dissociation.json").write_text(text.replace("left", "lest", 1))
    with pytest.raises(RunError, match="damaged or was changed"):
        load_dissociation(folder)


def test_the_list_of_runs_has_it_with_its_report_and_nothing_to_compare(
    whole: tuple[Dissociation, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(whole[1], tmp_path / "runs" / "crossed")
    (tmp_path / "runs" / "begun").mkdir()
    shutil.copyfile(whole[1] / "run.json", tmp_path / "runs" / "begun" / "run.json")
    monkeypatch.chdir(tmp_path)
    entries = {entry.name: entry for entry in list_runs()}
    entry = entries["crossed"]
    assert (entry.outcome, entry.verdict) == (DOUBLE, plainly(whole[0]))
    assert entry.localizer == ", ".join(NAMES)
    assert not entries["begun"].finished
    assert runs_of(entry.front) == []
    assert wanted([*entries.values()], "double") == [entry]
    with pytest.raises(RunError, match="a report of its own"):
        finished_run("crossed")
    html = fragments.runs([*entries.values()])
    assert "● Double dissociation" in html
    frame, row, report, numbers, *_ = runs.open_run("crossed", [])
    assert "issociation" in frame
    assert row.visible
    assert report.interactive
    assert Path(numbers.value["path"]).name == "dissociation.json"
    _, _, names, finished, others = runs.look_again("", None, None)
    assert {value for _, value in names.choices} == {"crossed", "begun"}
    assert finished.choices == others.choices == []
    with pytest.raises(SettingError, match="by the command at the end of its report"):
        runs.repeat("crossed", [])


@pytest.mark.parametrize(
    ("changed", "names", "by", "message"),
    [({"top": (1.0, 2.5)}, NAMES, "group", "`top`: a dissociation has one dose"),
     ({"ablation": "resample"}, NAMES, "group", "`ablation` resample"),
     ({}, NAMES[:1], "group", "needs two or more; there is toy:left"),
     ({}, (*NAMES, "toy:left"), "group", "`localizer` toy:left: comes twice"),
     ({}, NAMES, "field", "`by` field: choose one of group")],
)  # fmt: skip
def test_what_makes_no_sense_is_one_line(
    changed: dict[str, object], names: tuple[str, ...], by: str, message: str, tmp_path: Path
) -> None:
    with pytest.raises(SettingError, match=message):
        dissociate(Sides(), replace(SETTINGS, **changed), names, by, tmp_path / "none")  # type: ignore[arg-type]
    assert not (tmp_path / "none").exists()


def test_a_manifest_alone_stands_for_its_contrasts() -> None:
    assert contrasts_of(["phantom"]) == ["phantom:faces", "phantom:objects"]
