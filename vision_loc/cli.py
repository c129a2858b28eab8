"""``vision-loc``: find a vision model's units that prefer one kind of picture, and ablate them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, cast

import typer

from common.base.device import choose_device
from common.base.errors import SettingError
from common.base.progress import terminal
from common.cli import options
from common.cli.main import run_command
from common.cli.options import ON_ERROR, one_of
from common.cli.printing import (
    models_table,
    print_json,
    print_map,
    print_results,
    print_sites,
    print_warnings,
    results_console,
)
from common.effects.words import skipped_warning
from common.measure.scores import DEFAULT_SCORE, SCORE_RULES
from common.measure.sites import KINDS, POOLINGS, UNITS, Pooling, Unit, check_pooling
from common.measure.survey import Survey
from common.study.verbs import report_again
from vision_loc import data
from vision_loc.catalogue import catalogue
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


def _settings(**given: Any) -> Settings:
    unit = cast(Unit, one_of("--unit", given["unit"], UNITS))
    pooling = cast("Pooling | None", one_of("--pooling", given["pooling"], POOLINGS))
    if pooling in ("last", "sum"):
        raise SettingError(f"--pooling {pooling}: is for text; choose mean, max or cls")
    one_of("--kind", given["kind"], KINDS)
    one_of("--on-error", given["on_error"], ON_ERROR)
    one_of("--score", given["score"], tuple(SCORE_RULES))
    one_of("--statistic", given["statistic"], ("magnitude", "signed"))
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
    score: options.ScoreOption = DEFAULT_SCORE,
    ablation: options.AblationOption = "zero",
    seed: options.Seed = 0,
    untrained: options.Untrained = False,
    allow_overlap: options.AllowOverlap = False,
    device: options.Device = "auto",
    dtype: options.Dtype = "float32",
    batch_size: options.BatchSize = 64,
    data_root: options.DataRoot = None,
    on_error: options.OnError = "stop",
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
        score=score,
        ablation=ablation,
        seed=seed,
        untrained=untrained,
        allow_overlap=allow_overlap,
        device=device,
        dtype=dtype,
        batch_size=batch_size,
        data_root=data_root,
        on_error=on_error,
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
    score: options.ScoreOption = DEFAULT_SCORE,
    seed: options.Seed = 0,
    untrained: options.Untrained = False,
    device: options.Device = "auto",
    dtype: options.Dtype = "float32",
    batch_size: options.BatchSize = 64,
    data_root: options.DataRoot = None,
    on_error: options.OnError = "stop",
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
        score=score,
        seed=seed,
        untrained=untrained,
        device=device,
        dtype=dtype,
        batch_size=batch_size,
        data_root=data_root,
        on_error=on_error,
    )
    with terminal(not quiet) as progress:
        results, found, folder = localize_only(settings, out, progress)
    if as_json:
        print_json(results)
        return
    print_map(found, settings.percents[0])
    if skipped := results.localizer.skipped:
        print_warnings([skipped_warning("localizer", skipped)])
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
    on_error: options.OnError = "stop",
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
            on_error=one_of("--on-error", on_error, ON_ERROR),
        )
    if was_done and not as_json:
        results_console().print("This run is finished; nothing was computed.")
    print_results(results, folder, as_json)


@app.command(help="Make the report of a finished run again, from its folder alone.")
def report(
    folder: Annotated[Path, typer.Argument(help="The run folder.", metavar="RUN")],
) -> None:
    results_console().print(f"Report: {report_again(folder)}", soft_wrap=True, highlight=False)


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
    one_of("--kind", kind, (*KINDS, "all"))
    loaded = load_model(model, untrained=untrained, device=choose_device(device))
    survey = Survey(loaded.module, loaded.example())
    print_sites(model, survey, kind, left_out)


@app.command(
    help="Say which model names there are: bundled, found in local folders, in the cache, or to be "
    "downloaded."
)
def models(
    search: Annotated[str, typer.Argument(help="Part of a name.")] = "",
    limit: Annotated[int, typer.Option("--limit", min=1, help="How many to list.")] = 20,
    models_root: options.ModelsRoot = None,
) -> None:
    known = catalogue(models_root)
    here = [entry for entry in known if entry.where in ("bundled", "local")]
    fitting = [entry for entry in known if entry not in here and search in entry.name]
    console = results_console()
    console.print(models_table([*here, *fitting[:limit]]))
    if len(fitting) > limit:
        console.print(f"… and {len(fitting) - limit:,} more; narrow it: vision-loc models TEXT")
    console.print(
        "Besides: local/PATH, a folder in timm's local-dir layout or a transformers one; "
        "hf/ORG/NAME@REVISION, any image classifier of the Hugging Face hub."
    )


def main() -> None:
    """Entry point of ``vision-loc``."""
    run_command(app, "vision-loc")


if __name__ == "__main__":
    main()
