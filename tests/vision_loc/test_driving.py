"""The report of a map alone, and the pictures in it that drive its units."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from common.base.errors import RunError
from common.measure.masks import top_percent
from common.measure.respond import respond, respond_each
from common.measure.scores import SelectivityMap
from common.study.verbs import report_again
from tests.vision_loc.test_experiment import PLANTED
from vision_loc.experiment import FRONT, localize_only, localizer_of
from vision_loc.stimuli import pixel_batches

pytestmark = pytest.mark.draws_report

SETTINGS = replace(PLANTED, untrained_seeds=0)


@pytest.fixture(scope="module")
def mapped(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, SelectivityMap]:
    _, found, folder = localize_only(SETTINGS, tmp_path_factory.mktemp("driving") / "map")
    return folder, found


def test_the_pictures_are_those_that_drive_the_units_most(
    mapped: tuple[Path, SelectivityMap],
) -> None:
    folder, found = mapped
    model, _ = FRONT.load(SETTINGS)
    stimuli = localizer_of(SETTINGS, model.preprocess)
    every = [*stimuli.target, *stimuli.control]
    top = top_percent(found, SETTINGS.plan.headline)
    reading = respond(model.module, top, found), respond_each(model.module, top, found)
    with torch.inference_mode(), reading[0] as together, reading[1] as each:
        for _, pixels in pixel_batches(every, model.preprocess, 7):
            model.logits(torch.from_numpy(pixels))
    driven, units = np.concatenate(together), np.concatenate(each)
    galleries = json.loads((folder / "gallery" / "driving.json").read_text())
    names = [[entry["alt"] for entry in gallery["pictures"]] for gallery in galleries]
    assert names[0] == [every[i].name for i in np.argsort(-driven, kind="stable")[:8]]
    assert names[1] == [every[i].name for i in np.argsort(driven, kind="stable")[:8]]
    assert len(names) == 2 + 4
    for rank, own in enumerate(names[2:]):
        values = np.sort(units[:, rank])[::-1][: len(own)]
        told = [entry["caption"].rsplit(" ")[-1] for entry in galleries[2 + rank]["pictures"]]
        assert told == [f"{value:.3g}" for value in values]
    files = {entry["file"] for gallery in galleries for entry in gallery["pictures"]}
    assert {path.name for path in (folder / "gallery").glob("*.jpg")} == files


def test_the_report_of_a_map_says_what_was_found_and_that_nothing_was_ablated(
    mapped: tuple[Path, SelectivityMap],
) -> None:
    folder, found = mapped
    page = (folder / "report.html").read_text()
    assert "nothing was ablated" in page
    assert (
        f"of {found.n_units:,} units answer more to the target of phantom-planted:pattern" in page
    )
    assert page.count("data:image/png") == 4
    assert page.count("data:image/jpeg") == 2 * 8 + 4 * 6
    assert "The top units" in page
    row = found.ranking[0]
    assert '<th role="rowheader" scope="row">1</th>' in page
    assert f"{found.score.value[row]:.3g}" in page
    assert "Split-half reliability" in page
    assert report_again(folder).read_text() == page


def test_the_same_call_again_shows_nothing_anew_and_an_older_folder_says_what_to_do(
    mapped: tuple[Path, SelectivityMap], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, _ = mapped
    before = (folder / "report.html").read_bytes()
    monkeypatch.setattr(
        "vision_loc.driving.answers_of", lambda *_, **__: pytest.fail("shown again")
    )
    localize_only(SETTINGS, folder)
    assert (folder / "report.html").read_bytes() == before
    told = (folder / "map.json").read_bytes()
    try:
        (folder / "map.json").unlink()
        with pytest.raises(RunError, match=r"older funcloc, without map\.json; localize again"):
            report_again(folder)
    finally:
        (folder / "map.json").write_bytes(told)
