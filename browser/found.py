"""What a visitor found: the map of a run and where it came from, as every page keeps it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Generic, TypeVar

from common.base.errors import RunError
from common.base.files import read_json
from common.base.progress import Progress
from common.measure.ablate import Ablation
from common.measure.masks import Mask, top_percent
from common.measure.scores import SelectivityMap
from common.study.declared import declarations, read_settings
from common.study.folder import check_front
from common.study.front import FrontEnd
from common.study.plan import say_ablation
from common.study.settings import Settings
from common.study.verbs import localize_only

S = TypeVar("S", bound=Settings)
F = TypeVar("F")
_LOCALIZING = threading.Lock()


@dataclass(frozen=True, eq=False)  # held in a session, which asks for a hash
class FoundMap(Generic[S]):
    """A run's map.

    Attributes
    ----------
    settings : Settings
        The run's, of the front end.
    folder : Path
        Where the run lies.
    map : SelectivityMap
        What it found.
    localizer : str
        What the run calls its localizer, which settings with stimuli of one's own do not name.
    """

    settings: S
    folder: Path
    map: SelectivityMap
    localizer: str

    @property
    def title(self) -> str:
        """Localizer and model in words."""
        return f"{self.localizer} in {self.settings.model}"

    @property
    def by(self) -> Ablation:
        """How units are replaced: as in the run, but where that took values of other stimuli.

        Nobody is named here to take them from. Then it is the mean, or zero where units are heads,
        of which the map keeps no mean.
        """
        by = self.settings.plan.ablation
        if by != "resample":
            return by
        return "zero" if any(site.width > 1 for site in self.map.sites) else "mean"

    @property
    def replaced(self) -> str:
        """The same in words, and how the run did it where that is another way."""
        here, there = say_ablation(self.by), say_ablation(self.settings.plan.ablation)
        return here if here == there else f"{here} here ({there} in the run)"

    @cached_property
    def top(self) -> Mask:
        """The top mask of the dose that the finding is about."""
        return top_percent(self.map, self.settings.plan.headline)


def settings_in(folder: Path, front: FrontEnd[S, Any]) -> S:
    """The settings of a run folder, for this machine.

    Parameters
    ----------
    folder : Path
        The run folder.
    front : FrontEnd
        Whose run it is; settings that it does not know are left out.

    Raises
    ------
    RunError
        If the folder is of no run, or of another front end's.
    """
    known = declarations(front.settings)
    entry = read_json(folder / "run.json")
    check_front(entry, front.program, folder.name)
    try:
        given = {name: value for name, value in entry["settings"].items() if name in known}
        settings = read_settings(front.settings, given)
    except (KeyError, TypeError, AttributeError) as error:
        raise RunError(f"{folder.name}: not a run ({error})") from error
    # The numbers of a run do not depend on the device, and the one that it had may not be here.
    return replace(settings, device="auto")


def localizer_in(folder: Path) -> str:
    """What the run in a folder calls its localizer: by its name, or by both places of one's own.

    Raises
    ------
    RunError
        If the folder is of no run.
    """
    try:
        return str(read_json(folder / "run.json")["localizer"]["name"])
    except (KeyError, TypeError) as error:
        raise RunError(f"{folder.name}: not a run ({error})") from error


def localized(
    front: FrontEnd[S, Any], settings: S, found_in: Callable[[Path], F], progress: Progress
) -> F:
    """The map of some settings, for a visitor who has run nothing yet; made by one at a time.

    Parameters
    ----------
    front : FrontEnd
        Localizes.
    settings : Settings
        Of the map.
    found_in : callable
        What a run folder holds, for a page.
    progress : Progress
        Told how far it has come.
    """
    with _LOCALIZING:
        alone = replace(settings, untrained_seeds=0)  # nobody on this page asks what training added
        *_, folder = localize_only(front, alone, None, progress, report=False)
    return found_in(folder)
