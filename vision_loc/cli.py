"""``vision-loc``: find a vision model's units that prefer one kind of picture, and ablate them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, cast

import typer
from rich.table import Table

from common import options
from common.device import choose_device
from common.errors import SettingError
from common.masks import top_percent
from common.options import print_results, results_console, run_command
from common.progress import terminal
from common.report import make_report
from common.selectivity import SelectivityMap
from common.sites import Survey
from common.units import KINDS, POOLINGS, UNITS, Kind, Pooling, Unit, check_pooling
from vision_loc import data, phantom
from vision_loc.experiment import Settings, evaluate_map, localize_only, run
from vision_loc.models import load_model

app = typer.Typer(
    help=__doc__,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)
app.add_typer(data.app, name="data")


def _one_of(option: str, value: str | None, known: tuple[str, ...]) -> Any:
    if value is not None and value not in known:
        raise SettingError(f"{option} {value}: choose one of {', '.join(known)}")
    return value


def _settings(**given: Any) -> Settings:
    unit = cast(Unit, _one_of("--unit", given["unit"], UNITS))
    pooling = cast("Pooling | None", _one_of("--pooling", given["pooling"], POOLINGS))
    if pooling in ("last", "sum"):
        raise SettingError(f"--pooling {pooling}: is for text; choose mean, max or cls")
    _one_of("--kind", given["kind"], KINDS)
    _one_of("--statistic", given["statistic"], ("magnitude", "signed"))
    given["pooling"] = check_pooling(unit, pooling)
    return Settings(**given)


@app.command("run", help="Do all of it: localize, ablate, evaluate, compare with the controls.")
def run_all(
    model: options.Model,
    evaluation: options.Eval,
    localizer: options.LocalizerName = None,
    target: options.Target = None,
    control: options.Control = None,
    top: options.Top = "1",
    controls: options.Controls = options.CONTROLS,
    out: options.Out = None,
    kind: options.KindOption = "block",
    sites: options.Sites = None,
    unit: options.UnitOption = "channel",
    pooling: options.PoolingOption = None,
    statistic: options.StatisticOption = "magnitude",
    ablation: options.AblationOption = "zero",
    seed: options.Seed = 0,
    untrained: options.Untrained = False,
    allow_overlap: options.AllowOverlap = False,
    device: options.Device = "auto",
    dtype: options.Dtype = "float32",
    batch_size: options.BatchSize = 64,
    data_root: options.DataRoot = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    settings = _settings(
        model=model,
        evaluation=evaluation,
        localizer=localizer,
        target=target,
        control=control,
        top=top,
        controls=controls,
        kind=kind,
        sites=sites,
        unit=unit,
        pooling=pooling,
        statistic=statistic,
        ablation=ablation,
        seed=seed,
        untrained=untrained,
        allow_overlap=allow_overlap,
        device=device,
        dtype=dtype,
        batch_size=batch_size,
        data_root=data_root,
    )
    with terminal(not quiet) as progress:
        results, folder, was_done = run(settings, out, progress)
    if was_done and not as_json:
        results_console().print("This run is finished; nothing was computed.")
    print_results(results, folder, as_json)


@app.command(help="Only localize: write the selectivity map and the top masks.")
def localize(
    model: options.Model,
    localizer: options.LocalizerName = None,
    target: options.Target = None,
    control: options.Control = None,
    top: options.Top = "1",
    out: options.Out = None,
    kind: options.KindOption = "block",
    sites: options.Sites = None,
    unit: options.UnitOption = "channel",
    pooling: options.PoolingOption = None,
    statistic: options.StatisticOption = "magnitude",
    seed: options.Seed = 0,
    untrained: options.Untrained = False,
    device: options.Device = "auto",
    dtype: options.Dtype = "float32",
    batch_size: options.BatchSize = 64,
    data_root: options.DataRoot = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    settings = _settings(
        model=model,
        localizer=localizer,
        target=target,
        control=control,
        top=top,
        kind=kind,
        sites=sites,
        unit=unit,
        pooling=pooling,
        statistic=statistic,
        seed=seed,
        untrained=untrained,
        device=device,
        dtype=dtype,
        batch_size=batch_size,
        data_root=data_root,
    )
    with terminal(not quiet) as progress:
        results, found, folder = localize_only(settings, out, progress)
    if as_json:
        print(json.dumps(results, indent=2, ensure_ascii=False))
        return
    _print_map(found, settings.percents[0])
    results_console().print(f"Run folder: {folder}", soft_wrap=True)


@app.command(help="Evaluate a model under masks chosen from the map of an earlier run or localize.")
def evaluate(
    map_folder: Annotated[
        Path, typer.Option("--map", help="The folder with selectivity.safetensors and run.json.")
    ],
    evaluation: options.Eval,
    top: options.Top = "1",
    controls: options.Controls = options.CONTROLS,
    out: options.Out = None,
    ablation: options.AblationOption = "zero",
    seed: options.Seed = 0,
    allow_overlap: options.AllowOverlap = False,
    device: options.Device = "auto",
    batch_size: options.BatchSize = 64,
    data_root: options.DataRoot = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    with terminal(not quiet) as progress:
        results, folder, was_done = evaluate_map(
            map_folder,
            out,
            progress,
            evaluation=evaluation,
            top=top,
            controls=controls,
            ablation=ablation,
            seed=seed,
            allow_overlap=allow_overlap,
            device=device,
            batch_size=batch_size,
            data_root=data_root,
        )
    if was_done and not as_json:
        results_console().print("This run is finished; nothing was computed.")
    print_results(results, folder, as_json)


def _print_map(found: SelectivityMap, percent: float) -> None:
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


@app.command(help="Make the report of a finished run again, from its folder alone.")
def report(
    folder: Annotated[Path, typer.Argument(help="The run folder.", metavar="RUN")],
) -> None:
    results_console().print(f"Report: {make_report(folder)}", soft_wrap=True, highlight=False)


@app.command(help="List a model's sites: name, kind, channel axis, shape and number of units.")
def sites(
    model: options.Model,
    kind: Annotated[str, typer.Option("--kind", help="One kind, or all.")] = "all",
    left_out: Annotated[
        bool, typer.Option("--left-out", help="Also the modules that cannot be a site, and why.")
    ] = False,
    untrained: Annotated[
        bool, typer.Option("--untrained/--weights", help="Random weights will do (no download).")
    ] = True,
    device: options.Device = "auto",
) -> None:
    _one_of("--kind", kind, (*KINDS, "all"))
    loaded = load_model(model, untrained=untrained, device=choose_device(device))
    survey = Survey(loaded.module, loaded.example())
    table = Table(title=model)
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


@app.command(help="Say which model names there are, and how to write them.")
def models(
    search: Annotated[str, typer.Argument(help="Part of a timm or torchvision name.")] = "",
    limit: Annotated[int, typer.Option("--limit", min=1, help="How many to list.")] = 20,
) -> None:
    import timm
    import torchvision

    console = results_console()
    table = Table(title="models")
    table.add_column("name")
    table.add_column("what it is")
    for name in phantom.NAMES:
        table.add_row(f"phantom/{name}", "bundled calibration model; works offline")
    table.add_row("local/PATH", "a folder in timm's local-dir layout, or a transformers one")
    table.add_row("hf/ORG/NAME@REVISION", "an image classifier of the Hugging Face hub; download")
    known = torchvision.models.list_models(module=torchvision.models)
    names = [
        f"torchvision/{n}.{w.name}" for n in known for w in torchvision.models.get_model_weights(n)
    ]
    names += [f"timm/{name}" for name in timm.list_pretrained()]
    fitting = [name for name in names if search in name]
    for name in fitting[:limit]:
        table.add_row(name, "download")
    console.print(table)
    if len(fitting) > limit:
        console.print(f"… and {len(fitting) - limit} more; narrow it with: vision-loc models TEXT")


def main() -> None:
    """Entry point of ``vision-loc``."""
    run_command(app, "vision-loc")


if __name__ == "__main__":
    main()
