"""The command line's shared part: options with the same name, default and help everywhere."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, cast

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from common.errors import FunclocError, SettingError
from common.experiment import DEFAULT_CONTROLS
from common.masks import top_percent
from common.selectivity import SelectivityMap
from common.sites import Survey
from common.units import KINDS, Kind
from common.verdict import between, percent, points

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
        help="Control masks of the same size, RULE:DRAWS with commas between them; rules: random, "
        "layer-matched, magnitude-matched, bottom, range:LO-HI. Empty for none.",
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
    typer.Option(
        "--statistic", help="magnitude (Welch's t on |activation|, the paper's) or signed."
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
WIDE = 132  # columns of a terminal from which on the table has room for all intervals


def run_command(command: Callable[..., Any], name: str) -> None:
    """Call a command line; what goes wrong becomes one line on standard error and status 1."""
    try:
        status = command(prog_name=name, standalone_mode=False)
    except FunclocError as error:
        _fail(name, str(error))
    except KeyboardInterrupt:
        _fail(name, "stopped; the same command goes on where it stopped")
    except typer.Abort:
        _fail(name, "aborted")
    except Exception as error:
        # typer keeps its usage errors private; they are told by the method that formats them.
        if not hasattr(error, "format_message"):
            raise
        if message := error.format_message():
            _fail(name, f"{message} (see {name} --help)")
        sys.exit(0)  # called without a command: the help was printed
    else:
        sys.exit(status if isinstance(status, int) else 0)


def _fail(name: str, message: str) -> None:
    print(f"{name}: {' '.join(message.split())}", file=sys.stderr)
    sys.exit(1)


def print_results(results: dict[str, Any], folder: Path, as_json: bool) -> None:
    """Print a finished run: its table, its verdict and its folder; or ``results.json`` alone."""
    if as_json:
        print(json.dumps(results, indent=2, ensure_ascii=False))
        return
    console = results_console()
    console.print(results_table(results, intervals=console.width >= WIDE))
    if "area" in results:
        console.print(_area_sentence(results["area"]))
    print_warnings(results["warnings"])
    console.print(f"\n[bold]{results['verdict']}[/]\n", highlight=False)
    console.print(f"Run folder: {folder}", soft_wrap=True, highlight=False)
    if (report := folder / "report.html").exists():
        console.print(f"Report:     {report}", soft_wrap=True, highlight=False)


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


def print_map(found: SelectivityMap, percent: float) -> None:
    """Print where the top units of a map lie, and how far its halves agree."""
    mask = top_percent(found, percent)
    table = Table(title=f"top {percent:g} %: {len(mask)} of {found.n_units:,} units")
    for name in ("site", "units", "in mask", "highest t", "q < 0.05 and t > 0"):
        table.add_column(name, justify="left" if name == "site" else "right")
    for site, count in mask.counts().items():
        t, q = found.at(site, "t"), found.at(site, "q")
        table.add_row(
            str(site),
            str(t.size),
            str(count),
            f"{t.max():.1f}",
            str(int(((q < 0.05) & (t > 0)).sum())),
        )
    console = results_console()
    console.print(table)
    half = found.about["split_half"]
    console.print(
        f"Split halves: r = {half['correlation']:.3f}, Dice of the top mask = "
        f"{half['dice'][f'{percent:g}']:.2f} (chance {half['dice_chance'][f'{percent:g}']:.2f})"
    )


def print_sites(title: str, survey: Survey, kind: str, left_out: bool) -> None:
    """Print a model's sites of one kind or of all, and, if wanted, what cannot be one and why."""
    table = Table(title=title)
    for name in ("site", "kind", "shape", "channels", "neurons"):
        table.add_column(name, justify="left" if name in ("site", "kind") else "right")
    wanted = KINDS if kind == "all" else (cast(Kind, kind),)
    for each in wanted:
        for site in survey.offered(each):
            shape = " x ".join(
                f"[bold]{n}[/]" if i == site.axis - 1 else str(n) for i, n in enumerate(site.shape)
            )
            table.add_row(str(site), each, shape, str(site.channels), str(site.n_units("neuron")))
    console = results_console()
    console.print(table)
    console.print("The channel axis is in bold. A site is named MODULE:output or MODULE:input.")
    if left_out:
        for path, reason in survey.left_out.items():
            console.print(f"left out: {path} ({reason})", markup=False)


def print_warnings(warnings: Sequence[str]) -> None:
    """Print what a reader should know beside the numbers."""
    for warning in warnings:
        results_console().print(f"[yellow]note[/]  {escape(warning)}")


def results_console() -> Console:
    """A console as wide as the terminal, or COLUMNS; wide enough for a table where none is said."""
    told = sys.stdout.isatty() or "COLUMNS" in os.environ
    return Console() if told else Console(width=WIDE)


def _area_sentence(area: dict[str, Any]) -> str:
    shares = ", ".join(
        f"{percent(share['of_top'])} of the top {dose} %" for dose, share in area["share"].items()
    )
    return (
        f"The built-in area ({area['n_units']} units, {area['percent']:.1f} % of all) "
        f"makes up {shares}."
    )


def results_table(results: dict[str, Any], intervals: bool = True) -> Table:
    """The table of groups by masks; the draws of a control rule share a row, as their mean.

    Without `intervals` only the interaction has its own, so that the table fits 80 columns.
    """
    groups = (results["evaluation"]["target"], results["evaluation"]["other"])
    table = Table(
        title=f"{results['model']['name']} · {results['localizer']['name']}",
        caption="accuracy in %; drops in points, [95 % intervals]; ×N: mean of N draws; "
        "p: rank of the top mask's interaction",
    )
    table.add_column("mask", no_wrap=True)
    for group in groups:
        table.add_column(group, justify="right", no_wrap=True)
        table.add_column("drop", justify="right", no_wrap=True)
    table.add_column("interaction", justify="right", no_wrap=True)
    table.add_column("p", justify="right", no_wrap=True)
    cells = [(_hundred(results["intact"][group]["accuracy"]), "") for group in groups]
    table.add_row("intact", *cells[0], *cells[1])
    for dose in dict.fromkeys(entry["percent"] for entry in results["ablations"]):
        table.add_section()
        for row in _dose_rows(results, dose, groups, intervals):
            table.add_row(*row)
    return table


def _hundred(share: float) -> str:
    return f"{100 * share:.1f}"


def _dose_rows(
    results: dict[str, Any], dose: float, groups: tuple[str, str], intervals: bool
) -> list[list[str]]:
    entries = [entry for entry in results["ablations"] if entry["percent"] == dose]
    against = {e["rule"]: e for e in results["permutations"] if e["percent"] == dose}
    rows = []
    for rule in dict.fromkeys(entry["rule"] for entry in entries):
        same = [entry for entry in entries if entry["rule"] == rule]
        n_units = f" ({same[0]['n_units']})" if rule == "top" else ""
        draws = f" ×{len(same)}" if len(same) > 1 else ""
        row = [f"{rule} {dose:g} %{n_units}{draws}"]
        for group in groups:
            effects = [entry["groups"][group] for entry in same]
            row += [_hundred(_mean(effects, "accuracy")), _change(effects, "drop", intervals)]
        row.append(_change(same, "interaction"))
        drawn = rule in against and against[rule]["draws"] > 1
        row.append(f"{against[rule]['p']:.3f}" if drawn else "")
        rows.append(row)
    return rows


def _change(entries: list[dict[str, Any]], name: str, interval: bool = True) -> str:
    single = interval and len(entries) == 1
    return points(_mean(entries, name)) + (
        f" {between(entries[0][f'{name}_ci'])}" if single else ""
    )


def _mean(entries: list[dict[str, Any]], name: str) -> float:
    return float(sum(entry[name] for entry in entries) / len(entries))
