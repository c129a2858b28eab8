"""The command line's options: the same name, default and help everywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from common.base.errors import SettingError
from common.measure.control_rules import CONTROL_RULES
from common.measure.scores import SCORE_RULES
from common.study.plan import DEFAULT_CONTROLS

Model = Annotated[
    str, typer.Option("--model", "-m", help="Which model; see the models command.", metavar="NAME")
]
LocalizerName = Annotated[
    str | None,
    typer.Option("--localizer", "-l", help="A contrast, MANIFEST:CONTRAST.", metavar="NAME"),
]
Target = Annotated[
    Path | None,
    typer.Option("--target", help="Your own target stimuli, instead of --localizer."),
]
Control = Annotated[
    Path | None,
    typer.Option("--control", help="Your own control stimuli, instead of --localizer."),
]
Eval = Annotated[
    str,
    typer.Option(
        "--eval",
        "-e",
        help="What to evaluate on: a manifest, or your own folder or table.",
        metavar="NAME",
    ),
]
Top = Annotated[
    str,
    typer.Option("--top", help="Doses: shares of all units in percent, with commas between them."),
]
Controls = Annotated[
    str,
    typer.Option(
        "--controls",
        help="Control masks of the same size, RULE:DRAWS with commas between them; rules: "
        f"{', '.join(rule.written for rule in CONTROL_RULES.values())}. Empty for none.",
    ),
]
Out = Annotated[
    Path | None,
    typer.Option("--out", "-o", help="The run folder; left out, a new one under runs/."),
]
KindOption = Annotated[
    str, typer.Option("--kind", help="Which sites: block, attn, mlp, mlp_hidden or op.")
]
Sites = Annotated[
    str | None,
    typer.Option(
        "--sites",
        help="Module paths instead of a kind: globs with commas between them, MODULE or "
        "MODULE:input.",
        metavar="GLOBS",
    ),
]
UnitOption = Annotated[
    str, typer.Option("--unit", help="What a unit is: channel, or neuron (channel x position).")
]
PoolingOption = Annotated[
    str | None,
    typer.Option(
        "--pooling",
        help="How a channel's positions become one number: mean (default), max or cls; a neuron "
        "keeps its one (none).",
    ),
]
StatisticOption = Annotated[
    str,
    typer.Option("--statistic", help="magnitude (|activation|, the paper's) or signed."),
]
ScoreOption = Annotated[
    str,
    typer.Option(
        "--score",
        help="How units are scored: "
        + "; ".join(f"{rule.name} ({rule.words.title})" for rule in SCORE_RULES.values())
        + ".",
    ),
]
AblationOption = Annotated[
    str,
    typer.Option(
        "--ablation", help="zero, mean (each unit's own over the control condition) or scale:X."
    ),
]
Seed = Annotated[
    int, typer.Option("--seed", min=0, help="Seed of halves, control masks, bootstrap, weights.")
]
Untrained = Annotated[
    bool, typer.Option("--untrained", help="Random weights of the same architecture.")
]
AllowOverlap = Annotated[
    bool,
    typer.Option("--allow-overlap", help="Evaluate even on stimuli that the localizer used."),
]
Device = Annotated[str, typer.Option("--device", help="auto, cpu, cuda, cuda:1 or mps.")]
Dtype = Annotated[str, typer.Option("--dtype", help="float32, float16 or bfloat16.")]
BatchSize = Annotated[int, typer.Option("--batch-size", min=1, help="Stimuli a pass.")]
OnError = Annotated[
    str,
    typer.Option(
        "--on-error",
        help="stop at a stimulus that is broken or missing, or skip it: leave it out and report "
        "it.",
        metavar="stop|skip",
    ),
]
DataRoot = Annotated[
    Path | None,
    typer.Option("--data-root", help="Folder that holds the manifests' folders (or FUNCLOC_DATA)."),
]
ModelsRoot = Annotated[
    Path | None,
    typer.Option(
        "--models-root", help="Folder that holds models' folders (or FUNCLOC_MODELS; ./models)."
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print results.json instead of a table.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress bars.")]

CONTROLS = DEFAULT_CONTROLS
ON_ERROR = ("stop", "skip")


def one_of(option: str, value: str | None, known: tuple[str, ...]) -> Any:
    """The value of an option, if it is left out or one of those that there are.

    Raises
    ------
    SettingError
        If it is not.
    """
    if value is not None and value not in known:
        raise SettingError(f"{option} {value}: choose one of {', '.join(known)}")
    return value
