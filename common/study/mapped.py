"""What the folder of a map alone holds besides the map: its numbers, and what drives its units."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from common.base.errors import RunError
from common.base.files import read_json, save_json
from common.base.progress import NOTE, Progress
from common.effects.results import Localized
from common.measure.masks import top_percent
from common.measure.scores import SelectivityMap
from common.measure.sites import WEIGHT
from common.study.digests import check_digests, is_whole, note_digest
from common.study.folder import verb_of
from common.study.front import Localizing
from common.study.results import NAME as RESULTS
from common.study.results import checked, results_json

NAME = "map.json"
SHOWN = "gallery/driving.json"  # the last file that a front end writes of what drives units


def save_map_results(folder: Path, told: Localized) -> None:
    """Write what ``results.json`` would say of model, localizer and map.

    Raises
    ------
    RunError
        If it cannot be written.
    """
    save_json(folder / NAME, results_json(told))


def load_map_results(folder: Path) -> Localized:
    """What :func:`save_map_results` wrote.

    Raises
    ------
    RunError
        If there is none, or it is damaged.
    """
    path = folder / NAME
    if not path.is_file():
        raise RunError(
            f"{folder}: its map was made by an older funcloc, without {NAME}; localize again with "
            "the same settings, which keeps the map"
        )
    check_digests(folder, NAME)
    told = read_json(path)
    known = {k: v for k, v in told.items() if k != "schema"} if isinstance(told, dict) else told
    return checked(Localized, known, path)


def is_map(folder: Path) -> bool:
    """Whether a folder holds a map alone, of this version or of an older one."""
    if (folder / NAME).is_file():
        return True
    if (folder / RESULTS).is_file() or not (folder / "run.json").is_file():
        return False
    entry = read_json(folder / "run.json")
    return isinstance(entry, dict) and verb_of(entry) == "localize"


def illustrate_map(
    folder: Path, at_hand: Localizing[Any], found: SelectivityMap, dose: float, progress: Progress
) -> None:
    """Keep what drives the top units, if the front end shows that and it is not there yet."""
    if at_hand.illustrate is None or found.unit == WEIGHT or is_whole(folder / SHOWN):
        return  # a weight answers to nothing
    try:
        at_hand.illustrate(folder, found, top_percent(found, dose), progress)
        note_digest(folder / SHOWN)
    except RunError as error:  # a model that never answers alike has a map all the same
        progress(f"{NOTE}what drives the top units is not shown: {error.plain}", 0, 0)
