"""``llm-loc``: find a language model's units that prefer one kind of text, and ablate them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from common.base.device import choose_device
from common.base.errors import SettingError
from common.base.progress import terminal
from common.cli import options
from common.cli.main import run_command
from common.cli.options import one_of
from common.cli.printing import (
    models_table,
    print_json,
    print_map,
    print_results,
    print_sites,
    results_console,
)
from common.measure.scores import DEFAULT_SCORE, SCORE_RULES
from common.measure.sites import KINDS
from common.study.verbs import report_again
from llm_loc import data
from llm_loc.catalogue import catalogue
from llm_loc.experiment import (
    Settings,
    evaluate_map,
    generate_under,
    localize_only,
    run,
    tasks_under,
)
from llm_loc.generate import Sampling
from llm_loc.load import load_model
from llm_loc.localize import POOLINGS, PROTOCOLS, survey_of

app = typer.Typer(
    help=__doc__,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)

app.add_typer(data.app, name="data")

Eval = Annotated[
    str,
    typer.Option(
        "--eval",
        "-e",
        help="What to evaluate on: pairs or multiple choice, and with a comma any texts whose "
        "perplexity is measured beside them, as in blimp,prose. A manifest, or a file: .csv of "
        "items, .txt of text.",
        metavar="NAMES",
    ),
]
PoolingOption = Annotated[
    str,
    typer.Option("--pooling", help="How a text's tokens become one number: last, mean or sum."),
]
Protocol = Annotated[
    str,
    typer.Option(
        "--protocol",
        help="full, or paper: batches of one, cut at 12 tokens (which cuts non-words short).",
    ),
]
TargetGroup = Annotated[
    str | None,
    typer.Option(
        "--target-group",
        help="The items expected to lose: a field, phenomenon or paradigm of the benchmark.",
        metavar="PART",
    ),
]
OtherGroup = Annotated[
    str | None,
    typer.Option(
        "--other-group",
        help="The items expected to hold: another part, or rest for all that is not the target.",
        metavar="PART",
    ),
]
DeviceMap = Annotated[
    str | None,
    typer.Option(
        "--device-map",
        help="auto spreads a model that is larger than one device over all of them, instead of "
        "--device; needs accelerate.",
    ),
]
MapFolder = Annotated[
    Path, typer.Option("--map", help="The folder with selectivity.safetensors and run.json.")
]


def _settings(**given: Any) -> Settings:
    one_of("--pooling", given["pooling"], POOLINGS)
    one_of("--protocol", given["protocol"], PROTOCOLS)
    one_of("--kind", given["kind"], KINDS)
    one_of("--score", given["score"], tuple(SCORE_RULES))
    one_of("--statistic", given["statistic"], ("magnitude", "signed"))
    return Settings(**given)


@app.command("run", help="Do all of it: localize, ablate, evaluate, compare with the controls.")
def run_all(
    model: options.Model,
    evaluation: Eval,
    localizer: options.LocalizerName = None,
    target: options.Target = None,
    control: options.Control = None,
    target_group: TargetGroup = None,
    other_group: OtherGroup = None,
    top: options.Top = "1",
    controls: options.Controls = options.CONTROLS,
    out: options.Out = None,
    kind: options.KindOption = "block",
    sites: options.Sites = None,
    pooling: PoolingOption = "last",
    statistic: options.StatisticOption = "magnitude",
    score: options.ScoreOption = DEFAULT_SCORE,
    protocol: Protocol = "full",
    ablation: options.AblationOption = "zero",
    seed: options.Seed = 0,
    untrained: options.Untrained = False,
    allow_overlap: options.AllowOverlap = False,
    device: options.Device = "auto",
    device_map: DeviceMap = None,
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
        target_group=target_group,
        other_group=other_group,
        top=top,
        controls=controls,
        kind=kind,
        sites=sites,
        pooling=pooling,
        statistic=statistic,
        score=score,
        protocol=protocol,
        ablation=ablation,
        seed=seed,
        untrained=untrained,
        allow_overlap=allow_overlap,
        device=device,
        device_map=device_map,
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
    pooling: PoolingOption = "last",
    statistic: options.StatisticOption = "magnitude",
    score: options.ScoreOption = DEFAULT_SCORE,
    protocol: Protocol = "full",
    seed: options.Seed = 0,
    untrained: options.Untrained = False,
    device: options.Device = "auto",
    device_map: DeviceMap = None,
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
        pooling=pooling,
        statistic=statistic,
        score=score,
        protocol=protocol,
        seed=seed,
        untrained=untrained,
        device=device,
        device_map=device_map,
        dtype=dtype,
        batch_size=batch_size,
        data_root=data_root,
    )
    with terminal(not quiet) as progress:
        results, found, folder = localize_only(settings, out, progress)
    if as_json:
        print_json(results)
        return
    print_map(found, settings.percents[0])
    results_console().print(f"Run folder: {folder}", soft_wrap=True)


@app.command(help="Evaluate a model under masks chosen from the map of an earlier run or localize.")
def evaluate(
    map_folder: MapFolder,
    evaluation: Eval,
    target_group: TargetGroup = None,
    other_group: OtherGroup = None,
    top: options.Top = "1",
    controls: options.Controls = options.CONTROLS,
    out: options.Out = None,
    ablation: options.AblationOption = "zero",
    seed: options.Seed = 0,
    allow_overlap: options.AllowOverlap = False,
    device: options.Device = "auto",
    device_map: DeviceMap = None,
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
            target_group=target_group,
            other_group=other_group,
            top=top,
            controls=controls,
            ablation=ablation,
            seed=seed,
            allow_overlap=allow_overlap,
            device=device,
            device_map=device_map,
            batch_size=batch_size,
            data_root=data_root,
        )
    if was_done and not as_json:
        results_console().print("This run is finished; nothing was computed.")
    print_results(results, folder, as_json)


@app.command(help="Let a model go on from a prompt: intact, and under the masks of an earlier map.")
def generate(
    map_folder: MapFolder,
    prompt: Annotated[str, typer.Option("--prompt", help="What the model goes on from.")],
    temperature: Annotated[
        float, typer.Option("--temperature", help="0 takes the likeliest token (greedy).")
    ] = 0.0,
    top_p: Annotated[
        float,
        typer.Option("--top-p", help="Draw from the likeliest tokens that make up this share."),
    ] = 1.0,
    max_new_tokens: Annotated[
        int, typer.Option("--max-new-tokens", help="The most tokens that are added.")
    ] = 40,
    n: Annotated[int, typer.Option("--n", help="Continuations for each mask.")] = 1,
    top: options.Top = "1",
    controls: options.Controls = "layer-matched:1",
    ablation: options.AblationOption = "zero",
    seed: options.Seed = 0,
    device: options.Device = "auto",
    device_map: DeviceMap = None,
    as_json: options.Json = False,
) -> None:
    if top_p < 1 and temperature == 0:
        raise SettingError(f"--top-p {top_p:g}: does nothing without --temperature")
    sampling = Sampling(temperature, top_p, max_new_tokens, n, seed)
    texts = generate_under(
        map_folder,
        prompt,
        sampling,
        top=top,
        controls=controls,
        ablation=ablation,
        seed=seed,
        device=device,
        device_map=device_map,
    )
    if as_json:
        print(json.dumps({"prompt": prompt, "texts": texts}, indent=2, ensure_ascii=False))
        return
    # As Text: what a model writes may hold brackets, and is no markup.
    table = Table(title=Text(prompt), show_lines=True)
    for name in texts:
        table.add_column(name, overflow="fold")
    for row in zip(*texts.values(), strict=True):
        table.add_row(*map(Text, row))
    results_console().print(table)


@app.command(
    "lm-eval",
    help="Run tasks of lm-eval, intact and under the masks of an earlier map (needs the extra "
    "funcloc[lm-eval]).",
)
def lm_eval(
    map_folder: MapFolder,
    tasks: Annotated[
        str, typer.Option("--tasks", help="Tasks of lm-eval, with commas between them.")
    ],
    include: Annotated[
        Path | None, typer.Option("--include", help="A folder with YAML files of further tasks.")
    ] = None,
    limit: Annotated[
        int | None, typer.Option("--limit", min=1, help="Only the first items of each task.")
    ] = None,
    top: options.Top = "1",
    controls: options.Controls = "layer-matched:1",
    ablation: options.AblationOption = "zero",
    seed: options.Seed = 0,
    device: options.Device = "auto",
    device_map: DeviceMap = None,
    batch_size: options.BatchSize = 64,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    with terminal(not quiet) as progress:
        found = tasks_under(
            map_folder,
            [task.strip() for task in tasks.split(",")],
            include=include,
            limit=limit,
            progress=progress,
            top=top,
            controls=controls,
            ablation=ablation,
            seed=seed,
            device=device,
            device_map=device_map,
            batch_size=batch_size,
        )
    if as_json:
        print(json.dumps([entry.as_json() for entry in found], indent=2, ensure_ascii=False))
        return
    table = Table(caption="score; drop [95 % interval over items]")
    for name in ("task", "metric", "n", "mask", "score", "drop"):
        table.add_column(name, justify="left" if name in ("task", "metric", "mask") else "right")
    for entry in found:
        first = (entry.task, entry.metric, str(entry.n))
        table.add_row(*map(Text, (*first, "intact", f"{entry.intact:.3f}", "")))
        for each in entry.ablations:
            low, high = each.drop_ci
            drop = f"{each.drop:+.3f} [{low:+.3f}, {high:+.3f}]"
            table.add_row("", "", "", *map(Text, (each.mask, f"{each.score:.3f}", drop)))
    results_console().print(table)


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
    print_sites(model, survey_of(loaded), kind, left_out)


@app.command(
    help="Say which model names there are: bundled, found in local folders, or in the cache."
)
def models(
    search: Annotated[str, typer.Argument(help="Part of a name.")] = "",
    models_root: options.ModelsRoot = None,
) -> None:
    console = results_console()
    console.print(models_table([e for e in catalogue(models_root) if search in e.name]))
    console.print(
        "Besides: local/PATH, any folder in transformers' layout; hf/ORG/NAME@REVISION, any causal "
        "language model of the Hugging Face hub, as in hf/openai-community/gpt2; an encoder for "
        "localize only."
    )


def main() -> None:
    """Entry point of ``llm-loc``."""
    run_command(app, "llm-loc")


if __name__ == "__main__":
    main()
