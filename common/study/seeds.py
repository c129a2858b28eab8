"""One run with several seeds, each in a folder of its own, and how alike they are.

What a seed changes: the control masks that are drawn, the bootstrap, the halves, which items are a
part of all (``items``), the donors of ``resample``, random weights. What it does not: a trained
model, and which stimuli a localizer has.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from common.base.errors import RunError, SettingError
from common.base.files import digest_of, json_text, save_text
from common.base.progress import Progress, silent
from common.effects.agreement import Agreement, agreement
from common.measure.control_rules import MOST_DRAWS
from common.measure.scores import SelectivityMap
from common.models.own import short_name
from common.study.declared import say_settings
from common.study.front import FrontEnd, Model, S
from common.study.side_by_side import SideBySide, side_by_side
from common.study.verbs import run

NAME = "seeds.json"
APART = MOST_DRAWS  # draws are numbered from the seed: those of two seeds shall not be the same


def run_seeds(
    front: FrontEnd[S, Model],
    settings: S,
    n: int,
    out: Path | None = None,
    progress: Progress = silent,
) -> tuple[SideBySide, Agreement, Path]:
    """Run with the seed of the settings and with n - 1 others; finished runs are read.

    Parameters
    ----------
    front, settings
        As of a run; its seed is the first one, the others follow in steps of 10,000.
    n : int
        How many, two at least.
    out : Path, optional
        Holds a folder for each seed.
    progress : Progress
        Of the run under way.

    Returns
    -------
    (SideBySide, Agreement, Path)
        The runs, how alike they are, and their folder, which holds the latter as ``seeds.json``.

    Raises
    ------
    SettingError
        If there are fewer than two.
    RunError
        If the folder holds a run of its own.
    """
    if n < 2:
        raise SettingError(f"`seeds` {n}: give 2 or more")
    settings = settings.to_evaluate()
    folder = out or _default_folder(settings)
    if (folder / "run.json").exists():
        raise RunError(f"`out` {folder}: holds other results; seeds have a folder around theirs")
    folders, maps, judged, percent = [], [], [], settings.plan.headline
    for each in _each(settings, n):
        results, path, _ = run(front, each, folder / f"seed-{each.seed}", progress)
        folders.append(path)
        maps.append(SelectivityMap.load(path / "selectivity.safetensors"))
        judged.append(results.judgement)
    found = agreement(maps, judged, percent)
    save_text(folder / NAME, json_text(found.as_json()))
    return side_by_side(folders, "started"), found, folder


def _each(settings: S, n: int) -> Iterator[S]:
    for number in range(n):
        yield replace(settings, seed=settings.seed + number * APART)


def _default_folder(settings: S) -> Path:
    said = {name: value for name, value in say_settings(settings).items() if name != "device"}
    return Path("runs") / f"{short_name(settings.model)}-seeds-{digest_of(said)[:8]}"
