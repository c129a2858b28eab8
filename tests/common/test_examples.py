"""Every public name of the core has an example in its docstring, and all of them hold."""

from __future__ import annotations

import doctest
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from torch import nn

import common
import llm_loc.notebook
import vision_loc.notebook
from common.base import html
from common.study.results import save_results
from tests.common.made import made

OF_FIGURES = (
    "adjusted", "adjusted_by_dose", "dose_curve", "forest", "selectivity_by_site",
    "t_distribution", "unit_responses", "units_by_site",
)  # fmt: skip
OF_NOTEBOOKS = [
    *((vision_loc.notebook, it) for it in ("experiment", "vision_model", "pictures", "batches")),
    *((llm_loc.notebook, it) for it in ("experiment", "batches")),
]
EXAMPLES = [
    *((common, name) for name in common.__all__),
    *((common.figures, name) for name in OF_FIGURES),
    *OF_NOTEBOOKS,
    (html, "table_html"),
]


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the examples may use, as the docstring of ``common`` says."""
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4),
    ).eval()  # fmt: skip
    faces, objects = torch.rand(40, 3, 16, 16), torch.rand(40, 3, 16, 16) ** 2
    where = common.sites(model, example=faces[:1])
    with common.record(model, where) as one:
        model(faces)
    with common.record(model, where) as two:
        model(objects)
    found = common.welch(one.moments, two.moments)
    labels, groups = [number % 4 for number in range(80)], ["face"] * 40 + ["object"] * 40
    items = common.evaluate(
        model, [faces, objects], labels, groups, [common.top_percent(found, 25)]
    )
    folder, run_folder = (tmp_path_factory.mktemp(name) for name in ("own", "run"))
    Image.new("RGB", (8, 8)).save(folder / "grey.png")
    intact = items[items["mask"] == "intact"]
    of_run = [intact.assign(mask=mask) for mask in ("intact", "top-1")]
    pd.concat(of_run).to_csv(run_folder / "items.csv", index=False)
    save_results(run_folder, made())
    return {
        **{name: getattr(common, name) for name in common.__all__},
        **vars(vision_loc.notebook), "np": np, "torch": torch, "nn": nn, "Path": Path,
        "table_html": html.table_html, "model": model, "faces": faces, "objects": objects,
        "where": where, "found": found, "labels": labels, "groups": groups, "items": items,
        "folder": folder, "run_folder": run_folder,
    }  # fmt: skip


@pytest.mark.parametrize(("module", "name"), EXAMPLES, ids=lambda it: getattr(it, "__name__", it))
def test_the_examples_of_a_public_name_hold(module: Any, name: str, known: dict[str, Any]) -> None:
    text = getattr(module, name).__doc__
    assert "Examples\n" in text
    globs = {**known, **(vars(module) if module in (llm_loc.notebook,) else {})}
    test = doctest.DocTestParser().get_doctest(text, dict(globs), name, None, None)
    assert test.examples
    told: list[str] = []
    say: Callable[[str], Any] = told.append
    doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(test, out=say)
    assert "".join(told) == ""
