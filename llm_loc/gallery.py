"""The texts of a report: how the model goes on from a few prompts, intact and under masks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from common.base.errors import MaskError
from common.base.files import save_json
from common.base.progress import Progress, silent
from common.base.tables import lines_of
from common.effects.items import Outcome
from common.measure.ablate import Ablation
from common.measure.control_rules import control
from common.measure.donors import Donors
from common.measure.masks import Mask
from common.measure.scores import SelectivityMap
from llm_loc.generate import Sampling, continuations
from llm_loc.models import LanguageModel
from llm_loc.stimuli import Benchmark

LOST, KEPT = 4, 2  # items that are shown with the answers to them
PROMPTS = 3
WORDS = 4
NEW_TOKENS = 30


def layer_matched(found: SelectivityMap, percent: float, seed: int, draws: int) -> list[Mask]:
    """The first draws of the layer-matched control; none where it cannot be drawn."""
    try:
        return [control(found, "layer-matched", percent, seed + i) for i in range(draws)]
    except MaskError:
        return []


def prompts(items: Benchmark, seed: int = 0) -> list[str]:
    """The first words of a few of the evaluation's texts, which the model's vocabulary thus fits.

    Lines of running text if there is any, for they are the more natural ones, or else good
    sentences. Each prompt comes once, and leaves words of its source unsaid.
    """
    lines = [line for text in items.texts for line in lines_of(text.text)]
    sources = [source.split() for source in lines or items.good]
    starts = [" ".join(words[:WORDS]) for words in sources if len(words) > WORDS]
    offered = [*dict.fromkeys(starts or [" ".join(words) for words in sources if words])]
    chosen = np.random.default_rng(seed).permutation(len(offered))[:PROMPTS]
    return [offered[i] for i in chosen]


def save_continuations(
    path: Path,
    model: LanguageModel,
    starts: Sequence[str],
    masks: Sequence[Mask],
    *,
    by: Ablation = "zero",
    found: SelectivityMap | None = None,
    donors: Donors | None = None,
    progress: Progress = silent,
) -> None:
    """Keep what the model adds to each prompt, greedily, intact and under each mask.

    Parameters
    ----------
    path : Path
        Of the JSON file: ``new_tokens``, ``columns`` (``intact`` and the masks' names) and
        ``rows``, each with ``prompt`` and its ``texts`` in the order of the columns.
    model : LanguageModel
        The model.
    starts : sequence of str
        The prompts; one that leaves the model no room is left out.
    masks : sequence of Mask
        The masks.
    by, found, donors
        The replacement; see :func:`llm_loc.generate.continuations`.
    progress : Progress
        Told of every prompt; may raise to stop.
    """
    rows = []
    for number, (start, ids) in enumerate(zip(starts, model.tokens(starts), strict=True)):
        progress("write", number, len(starts))
        room = NEW_TOKENS if model.context is None else min(NEW_TOKENS, model.context - len(ids))
        if room < 1:
            continue
        sampling = Sampling(max_new_tokens=room)
        texts = [
            continuations(model, start, sampling, mask, by=by, found=found, donors=donors)[0]
            for mask in (None, *masks)
        ]
        rows.append({"prompt": start, "texts": texts})
    if starts:
        progress("write", len(starts), len(starts))
    columns = ["intact", *(mask.name for mask in masks)]
    save_json(path, {"new_tokens": NEW_TOKENS, "columns": columns, "rows": rows})


def save_strip(path: Path, items: Benchmark, intact: Outcome, ablated: Outcome) -> None:
    """Keep which items the report shows with the answers to them, and their texts.

    Parameters
    ----------
    path : Path
        Of the JSON file.
    items : Benchmark
        What was evaluated.
    intact, ablated : Outcome
        Without a mask and under the top one.
    """
    lost = np.flatnonzero(intact.correct & ~ablated.correct)
    lost = lost[np.argsort(ablated.margin[lost] - intact.margin[lost], kind="stable")]
    kept = np.flatnonzero(intact.correct & ablated.correct & (items.groups != items.target))
    some, others = _one_of_each(lost, items.labels, LOST), _one_of_each(kept, items.labels, KEPT)
    told = []
    if some:
        told.append(f"{len(some)} that are lost, those first whose margin fell most")
    if others:
        told.append(f"the first {len(others)} of {items.other} that are not")
    cards = [
        {"item": items.names[number], "choices": [*items.choices[number]]}
        for number in (*some, *others)
    ]
    save_json(path, {"note": f"Which text it finds likelier: {'; '.join(told)}.", "cards": cards})


def _one_of_each(numbers: np.ndarray, labels: np.ndarray, most: int) -> list[int]:
    """The first items, one of each part where there are enough parts."""
    parts: dict[str, int] = {}
    for number in numbers.tolist():
        parts.setdefault(str(labels[number]), number)
    rest = [number for number in numbers.tolist() if number not in parts.values()]
    return [*parts.values(), *rest][:most]
