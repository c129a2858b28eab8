"""The adjusted effect of every mask of a run, read from its items."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from common.base.errors import RunError
from common.effects.margins import design
from common.effects.results import Results
from common.report.parts import part_of

INTACT = "intact"


def adjusted_effects(folder: Path, results: Results) -> Mapping[str, float]:
    """By mask, what the target lost more of its margin, at equal intact margin.

    The judgement keeps of a rule's draws what it rests on, their mean and their 95 % quantile; a
    figure shows each of them.

    Parameters
    ----------
    folder : Path
        The run folder; its ``items.csv`` is read.
    results : Results
        Of the run.

    Raises
    ------
    RunError
        If the items are gone, or are not those of the run.

    Examples
    --------
    >>> [*adjusted_effects(run_folder, load_results(run_folder))]
    ['top-1']
    """
    path = part_of(folder, "items.csv")
    kinds: Mapping[str, type] = {"item": str, "group": str, "mask": str, "margin": np.float64}
    try:
        items = pd.read_csv(path, usecols=[*kinds], dtype=kinds, keep_default_na=False)
        items = items[items["group"].isin(results.groups)]
        margins = items.pivot(index="item", columns="mask", values="margin")
        intact = items[items["mask"] == INTACT].set_index("item")["group"].loc[margins.index]
        before = margins.pop(INTACT).to_numpy()
    except (OSError, ValueError, KeyError) as error:
        raise RunError(f"{path}: damaged ({error}); run it again in a new folder") from error
    own = None
    if results.evaluation.other is not None:
        own = (intact == results.evaluation.target).to_numpy()
    each = np.arange(len(before), dtype=np.intp)  # an effect without its interval needs no clusters
    effects = design(before, own, each).effects(before[:, None] - margins.to_numpy())
    return dict(zip(margins.columns, map(float, effects), strict=True))
