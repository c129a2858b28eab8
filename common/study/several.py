"""A folder of several maps that share an evaluation: the steps of whichever verb makes one."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic

from common.base import team
from common.base.device import choose_device, described_device
from common.base.files import digest_of
from common.base.progress import Progress
from common.effects.items import Outcome
from common.models.own import short_name
from common.study.commands import command
from common.study.declared import say_settings
from common.study.digests import check_digests
from common.study.drawing import INTACT
from common.study.finished import FinishedFile, P
from common.study.folder import RunFolder
from common.study.front import Evaluating, FrontEnd, Localizing
from common.study.planned import (
    Planned,
    evaluate_planned,
    keep_maps,
    keep_masks,
    planned_items,
    planned_windows,
)
from common.study.settings import Settings

CONTROLS = "layer-matched:20,magnitude-matched:20"  # where nobody says which


@dataclass(frozen=True)
class Several(Generic[P]):
    """What a verb makes of several maps.

    Attributes
    ----------
    verb : str
        Its name on the command line, and in that of a folder.
    whose : str
        The setting by which the maps differ, and the column that says whose a mask is.
    file : FinishedFile
        The file that is written last.
    report : callable
        Writes ``report.html`` into a folder, of what the file holds.
    """

    verb: str
    whose: str
    file: FinishedFile[P]
    report: Callable[[Path, P], Path]

    def folder(self, settings: Settings, identity: Mapping[str, Any]) -> Path:
        """Where it goes by itself."""
        name = f"{short_name(settings.model)}-{self.verb}-{digest_of(dict(identity))[:8]}"
        return Path("runs") / name

    def about(
        self, front: FrontEnd[Any, Any], settings: Settings, out: Path, more: Sequence[str]
    ) -> dict[str, Any]:
        """``run.json`` beside the identity; `more` are words of the command."""
        return {
            "front": front.program,
            "command": command(front.program, self.verb, settings, out, more=more),
            "device": described_device(choose_device(settings.device)),
            "settings": {**say_settings(settings), self.whose: None},
        }

    def finished(self, folder: RunFolder) -> P | None:
        """What an earlier call made, if it came to its end."""
        if not (folder.path / self.file.name).exists():
            return None
        team.leave()
        check_digests(folder.path)
        done = self.file.load(folder.path)
        shutil.rmtree(folder.partial, ignore_errors=True)
        if not folder.report.exists():
            self.report(folder.path, done)
        return done

    def measured(
        self,
        folder: RunFolder,
        named: Mapping[str, Localizing[Any]],
        tested: Evaluating,
        summarized: Callable[[Sequence[Planned], Mapping[str, Outcome]], P],
        progress: Progress,
    ) -> P:
        """The maps, the outcomes under their masks, and what becomes of these.

        :meth:`Evaluating.forewarn` and :func:`common.study.planned.keep_stimuli` come before.
        """
        rows = [
            Planned.of(name, found, named[name].settings.plan, number)
            for number, (name, found) in enumerate(
                zip(named, keep_maps(folder, named, progress), strict=True)
            )
        ]
        tested.prepare(folder.partial, progress)
        with tested.arranged(folder.pace, begun=folder.outcome(INTACT) is not None):
            outcomes = evaluate_planned(folder, tested, rows, progress)
        team.leave()
        found = summarized(rows, outcomes)
        keep_masks(folder, rows)
        told = tested, rows, outcomes, self.whose
        folder.keep_tables(planned_items(*told), [*planned_windows(*told)])
        self.file.save(folder.path, found)
        shutil.rmtree(folder.partial, ignore_errors=True)
        self.report(folder.path, found)
        return self.file.load(folder.path) if team.rank() == 0 else found
