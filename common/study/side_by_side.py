"""Any number of finished runs side by side: a row each, and what makes them hard to compare."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from common.base.errors import RunError
from common.base.files import read_json
from common.effects.finding import amount_within
from common.effects.judgement import Judgement
from common.effects.pooled import Pooled, pooled
from common.effects.results import Results
from common.effects.words import percent
from common.measure.sites import WEIGHT
from common.report.verdicts import BADGES
from common.study.results import NAME, load_results

ORDER = ("effect", "model", "started")  # rows may be sorted by these
HEADS = (
    "run", "model", "localizer", "units", "intact", "r", "outcome", "adjusted effect", "p",
)  # fmt: skip
CHOOSING = (
    "level", "kind", "unit", "pooling", "statistic", "score", "effort", "stimuli", "match",
    "protocol", "exclude_massive",
)  # fmt: skip
"""Settings by which units are chosen, beside the localizer and the dose."""
NOTE = (
    "intact: accuracy of the target group, and of the other; r: correlation of the maps of two "
    "halves of the stimuli."
)


@dataclass(frozen=True)
class Side:
    """One run.

    Attributes
    ----------
    folder : Path
        Where it lies.
    results : Results
        What it found.
    identity : mapping
        What its numbers depend on.
    settings : mapping
        As it was started.
    started : str
        When.
    """

    folder: Path
    results: Results
    identity: Mapping[str, Any]
    settings: Mapping[str, Any]
    started: str

    @property
    def subject(self) -> str:
        """The model by its weights: two runs with the same ones are no two subjects."""
        return self.results.model.fingerprint

    @property
    def model(self) -> str:
        """The model's name, of a path its last part."""
        described = self.results.model
        name = Path(described.name).name if described.name.startswith("local/") else described.name
        return f"{name} (untrained)" if described.untrained else name

    @property
    def row(self) -> dict[str, Any]:
        """What stands in the table."""
        results, judged = self.results, self.results.judgement
        top, half = results.top(), results.selectivity.split_half
        target, *other = (results.intact[group].accuracy for group in results.groups)
        low, high = judged.adjusted.ci
        return {
            "run": self.folder.name,
            "model": self.model,
            "localizer": results.localizer.name,
            "evaluation": results.evaluation.name,
            "ablation": results.ablation,
            "percent": top.percent,
            "units": top.n_units,
            "reliability": None if half is None else half.correlation,
            "intact_target": target,
            "intact_other": other[0] if other else None,
            "outcome": judged.outcome,
            "effect": judged.adjusted.effect,
            "low": low,
            "high": high,
            "p": judged.adjusted.p,
            "started": self.started,
        }

    @property
    def cells(self) -> list[str]:
        """The row as a reader sees it, under :data:`HEADS`."""
        row, judged = self.row, self.results.judgement
        rates = [row["intact_target"], row["intact_other"]]
        return [
            self.folder.name,
            row["model"],
            row["localizer"],
            f"{row['units']:,} ({row['percent']:g} %)",
            " / ".join(percent(rate) for rate in rates if rate is not None),
            "" if row["reliability"] is None else f"{row['reliability']:.2f}",
            str(BADGES[judged.outcome]),
            amount_within(judged.adjusted),
            "" if row["p"] is None else f"{row['p']:.3f}",
        ]


@dataclass(frozen=True)
class SideBySide:
    """Several runs.

    Attributes
    ----------
    sides : tuple of Side
        In the order of the rows.
    warnings : tuple of str
        What makes them hard to compare; plain sentences.
    pooled : Pooled or None
        The mean adjusted effect, where each run is of another model and all else is alike.
    """

    sides: tuple[Side, ...]
    warnings: tuple[str, ...]
    pooled: Pooled | None

    @property
    def table(self) -> pd.DataFrame:
        """A row a run."""
        return pd.DataFrame([side.row for side in self.sides])

    @property
    def apart(self) -> str:
        """What tells the rows apart: ``model`` where each is of another one, otherwise ``run``."""
        return "model" if len({side.model for side in self.sides}) == len(self.sides) else "run"

    @property
    def named(self) -> list[tuple[str, Judgement]]:
        """Of each row its name and what was found."""
        by_model = self.apart == "model"
        names = [side.model if by_model else side.folder.name for side in self.sides]
        found = [side.results.judgement for side in self.sides]
        return list(zip(names, found, strict=True))

    @property
    def mean_said(self) -> str | None:
        """The mean over models in words; ``None`` where there is none."""
        if (mean := self.pooled) is None:
            return None
        return (
            f"Mean over {mean.n} models (random effects): {amount_within(mean)}; sd between models "
            f"{mean.between:.3g}, "
            f"{percent(mean.share)} of the variance."
        )

    def as_json(self) -> dict[str, Any]:
        """Rows, warnings and mean; bounds that do not exist are null."""
        rows = json.loads(self.table.to_json(orient="records", double_precision=15))
        mean = None if self.pooled is None else asdict(self.pooled)
        return {"runs": rows, "warnings": [*self.warnings], "pooled": mean}


def side_by_side(folders: Sequence[Path], order: str = "effect") -> SideBySide:
    """Read runs and set them side by side.

    Parameters
    ----------
    folders : sequence of Path
        Finished runs, two or more; what else is among them is left out with a warning.
    order : {"effect", "model", "started"}
        What rows are sorted by: effects fall, the others rise.

    Raises
    ------
    RunError
        If there are fewer than two, one comes twice, or one is no finished run.
    """
    if len(folders) < 2:
        raise RunError("comparing needs two run folders or more")
    others = [each for each in folders if each.exists() and not (each / NAME).is_file()]
    if len(folders) - len(others) > 1:
        folders = [each for each in folders if each not in others]
    else:  # the first of them is the error
        others = []
    known = [folder.resolve() for folder in folders]
    twice = next((folder for folder in known if known.count(folder) > 1), None)
    if twice is not None:
        raise RunError(f"{twice.name}: is named twice")
    sides = [_side(folder) for folder in folders]
    sides.sort(key=lambda side: _key(side, order))
    warnings = [*_warnings(sides)]
    alike = not warnings and len({side.results.localizer.name for side in sides}) == 1
    if len({side.results.chance(side.results.groups[0]) for side in sides}) > 1:
        warnings.append(
            "Some models choose among more classes than others: their margins are of different "
            "choices."
        )
    if others:
        names = ", ".join(each.name for each in others[:3]) + (", …" if len(others) > 3 else "")
        warnings.append(f"Left out, for there is no finished run in it: {names}.")
    return SideBySide(tuple(sides), tuple(warnings), _pooled(sides) if alike else None)


def _side(folder: Path) -> Side:
    results, path = load_results(folder), folder / "run.json"
    about = read_json(path)
    identity = about.get("identity") if isinstance(about, dict) else None
    if not isinstance(identity, dict):
        raise RunError(f"{path}: describes no run")
    settings = about.get("settings")
    settings = settings if isinstance(settings, dict) else {}
    return Side(folder, results, identity, settings, str(about.get("started", "")))


def _key(side: Side, order: str) -> Any:
    row = side.row
    return -row["effect"] if order == "effect" else row[order]


def _evaluated(sides: Sequence[Side]) -> set[str]:
    """Digests of the items; of older runs those that hold the numbers of a model's classes, too."""
    shown = [side.results.evaluation.shown for side in sides]
    if all(shown):
        return {str(each) for each in shown}
    tested = [side.identity.get("evaluation") for side in sides]
    return {str(each.get("stimuli")) if isinstance(each, Mapping) else "" for each in tested}


def _warnings(sides: Sequence[Side]) -> list[str]:
    """Where runs differ in more than their model."""
    said = []
    if len(_evaluated(sides)) > 1:
        said.append(
            "The runs were evaluated on different items: their accuracies and effects are not of "
            "one thing."
        )
    if len({side.results.groups for side in sides}) > 1:
        said.append("The runs compare different groups.")
    ways: dict[str, set[Any]] = {
        "replace units in different ways": {side.results.ablation for side in sides},
        "ablate different shares of the units": {side.results.headline_percent for side in sides},
        "ablate units here and weights there": {
            side.results.selectivity.unit == WEIGHT for side in sides
        },
        "count differently what is right": {side.results.judgement.measure for side in sides},
    }
    said += [f"The runs {what}." for what, values in ways.items() if len(values) > 1]
    if other := [name for name in CHOOSING if _differ(sides, name)]:
        said.append(f"The runs choose units in different ways ({', '.join(other)}).")
    if len({str(side.settings.get("within")) for side in sides}) > 1:
        said.append("The groups of some runs were made alike, and those of others were not.")
    if _differ(sides, "classes"):
        said.append("Some runs let the model choose among all of its classes, and others do not.")
    if len({side.subject for side in sides}) < len(sides):
        said.append(
            "Some runs are of the same model: one model is one subject, so they are not "
            "independent, and no effect is pooled."
        )
    return said


def _differ(sides: Sequence[Side], name: str) -> bool:
    """Whether a setting differs among the runs that know it; older ones may not."""
    return len({str(side.settings[name]) for side in sides if name in side.settings}) > 1


def _pooled(sides: Sequence[Side]) -> Pooled | None:
    """Over models, of runs that differ in nothing else."""
    estimates = [side.results.judgement.adjusted for side in sides]
    intervals = [(float(each.ci[0]), float(each.ci[1])) for each in estimates]
    return pooled([each.effect for each in estimates], intervals)
