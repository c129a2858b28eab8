"""Everything that a user can set, and the command line that says it again."""

from __future__ import annotations

import os
import shlex
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from common.data.manifest import DATA_VARIABLE
from common.measure.control_rules import parse_controls
from common.measure.moments import Statistic
from common.measure.scores import DEFAULT_SCORE
from common.measure.sites import Kind, Pooling, Unit
from common.study.plan import DEFAULT_CONTROLS, Plan, parse_ablation, parse_percents

# Settings that the verb ``localize`` does not know, whoever gave them.
OF_EVALUATING = (
    *("evaluation", "target_group", "other_group"),
    *("controls", "ablation", "allow_overlap"),
)


@dataclass(frozen=True)
class Settings:
    """Everything that a user can set; see the options of ``run`` for their meaning."""

    model: str
    localizer: str | None = None
    target: Path | None = None
    control: Path | None = None
    evaluation: str = ""
    top: str = "1"
    controls: str = DEFAULT_CONTROLS
    kind: Kind = "block"
    sites: str | None = None
    unit: Unit = "channel"
    pooling: Pooling | None = None
    statistic: Statistic = "magnitude"
    score: str = DEFAULT_SCORE
    ablation: str = "zero"
    seed: int = 0
    untrained: bool = False
    allow_overlap: bool = False
    device: str = "auto"
    dtype: str = "float32"
    batch_size: int = 64
    data_root: Path | None = None
    on_error: str = "stop"

    @property
    def percents(self) -> tuple[float, ...]:
        """The doses."""
        return parse_percents(self.top)

    @property
    def plan(self) -> Plan:
        """The masks to try."""
        controls = parse_controls(self.controls)
        return Plan(self.percents, controls, self.seed, parse_ablation(self.ablation))


def command(
    program: str, verb: str, settings: Settings, out: Path, source: Path | None = None
) -> str:
    """The command line that does this again, whoever asked for it: a shell, the app, a notebook.

    Parameters
    ----------
    program : str
        The front end's.
    verb : str
        ``run``, ``localize`` or ``evaluate``.
    settings : Settings
        What was set; what is as by default is not said.
    out : Path
        The run folder.
    source : Path, optional
        The folder whose map is evaluated; the model is then the map's.
    """
    words = [program, verb]
    words += [] if source is None else ["--map", str(source)]
    unsaid = OF_EVALUATING if verb == "localize" else () if source is None else ("model",)
    for each in fields(settings):
        value = getattr(settings, each.name)
        if value == each.default or each.name in unsaid:
            continue
        option = "--" + each.name.replace("evaluation", "eval").replace("_", "-")
        words += [option] if value is True else [option, str(value)]
    root = os.environ.get(DATA_VARIABLE) if settings.data_root is None else None
    return shlex.join([*([f"{DATA_VARIABLE}={root}"] if root else []), *words, "--out", str(out)])


def known_settings(entry: dict[str, Any]) -> dict[str, Any]:
    """Settings as ``run.json`` holds them, paths made paths again."""
    paths = ("target", "control", "data_root")
    return {k: Path(v) if k in paths and v is not None else v for k, v in entry.items()}
