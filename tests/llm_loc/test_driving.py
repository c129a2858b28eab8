"""The report of a map of texts alone, and the texts in it that drive its units."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from common.measure.masks import top_percent
from common.measure.respond import respond
from common.study.declared import completed
from common.study.verbs import report_again
from llm_loc.experiment import FRONT, Settings, localize_only, localizer_of
from llm_loc.localize import read, tokenized
from llm_loc.stimuli import localizer

pytestmark = pytest.mark.draws_report


def own_files(folder: Path) -> Settings:
    """Twelve texts a side, as somebody brings them."""
    known = localizer("phantom-lm:language")
    for name, side in (("sentences", known.target), ("others", known.control)):
        text = "\n".join(each.text for each in side[:12])
        (folder / f"{name}.txt").write_text(text, encoding="utf-8")
    own = {"target": folder / "sentences.txt", "control": folder / "others.txt"}
    given = {"model": "phantom/lm", "untrained_seeds": 0, "device": "cpu", "top": "2", **own}
    return completed(Settings, given)


def test_the_texts_are_those_that_drive_the_units_most(tmp_path: Path) -> None:
    settings = own_files(tmp_path)
    _, found, folder = localize_only(settings, tmp_path / "map")
    model, _ = FRONT.load(settings)
    stimuli = localizer_of(settings)
    every = [*stimuli.target, *stimuli.control]
    ids = tokenized(model, stimuli, "full")
    top = top_percent(found, 2)
    driven = np.empty(len(every))
    with torch.inference_mode(), respond(model.module, top, found, model.through) as answers:
        for batch in read(model, ids, "full", 16):
            batch.run()
            driven[batch.where] = answers.pop()
    tables = json.loads((folder / "gallery" / "driving.json").read_text())
    values = [float(row["answer"]) for row in tables[0]["texts"]]
    assert values == [float(f"{value:.3g}") for value in np.sort(driven)[::-1][:8]]
    assert {row["condition"] for row in tables[0]["texts"]} == {"sentences"}
    page = (folder / "report.html").read_text()
    assert tables[0]["texts"][0]["text"] in page
    assert f"What drives unit 1 most: {found.sites[found.site_of_unit[found.ranking[0]]]}" in page
    assert report_again(folder).read_text() == page
