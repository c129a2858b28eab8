"""The response profile: how strongly the chosen units answer to every kind of text at hand.

A localizer says that units tell its two sides apart, not what else they answer to: units that are
loud for sentences may be as loud for sums. As response profiles are drawn in neuroscience, the
response to a condition is the mean over the chosen units and then over its texts. Some units are
many times as loud as others, so each is first divided by its own mean magnitude in the localizer
(:func:`common.measure.respond.respond`); otherwise a few loud ones would be the profile.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from pathlib import Path

import numpy as np
import pandas as pd

from common.base.errors import DataError, ManifestError
from common.base.files import write_atomically
from common.base.heavy import torch
from common.base.progress import Progress, silent
from common.data.manifest import Manifest, find_folder, known_manifests, load_manifest
from common.effects.resample import Resampler, percentile
from common.measure.masks import Mask
from common.measure.respond import respond
from common.measure.scores import SelectivityMap
from llm_loc.localize import PAPER_TOKENS
from llm_loc.models import Ids, LanguageModel
from llm_loc.stimuli import Localizer, Text, condition

MOST_TEXTS = 100  # of a condition: an interval hardly narrows with more


@dataclass(frozen=True)
class TextKind:
    """The texts of one condition.

    Attributes
    ----------
    source : str
        The stimulus set that it belongs to.
    condition : str
        Its name there.
    texts : tuple of Text
        In the order of the set.
    own : bool
        Whether the localizer used any of them. The units were then chosen by these very texts, and
        that they tell its conditions apart is no finding.
    """

    source: str
    condition: str
    texts: tuple[Text, ...]
    own: bool


def text_kinds(used: Localizer, data_root: Path | None = None, seed: int = 0) -> list[TextKind]:
    """Every condition of text that can be had without a download, the localizer's own first.

    Parameters
    ----------
    used : Localizer
        Whose texts chose the units.
    data_root : Path, optional
        Where sets may lie besides the cache.
    seed : int, default=0
        Seed of the draw where a condition has more than `MOST_TEXTS` texts.

    Returns
    -------
    list of TextKind
        At most `MOST_TEXTS` texts each.
    """
    source = used.name.partition(":")[0]
    found: dict[tuple[str, str], list[Text]] = {}
    for text in (*used.target, *used.control):
        found.setdefault((source, text.condition), []).append(text)
    read = {*found}
    for name in known_manifests():
        for text in _texts_at_hand(name, data_root):
            if (name, text.condition) not in read:
                found.setdefault((name, text.condition), []).append(text)
    seen = {text.digest() for text in (*used.target, *used.control)}
    return [
        TextKind(*key, _some(texts, [seed, *"/".join(key).encode()]), _any_of(texts, seen))
        for key, texts in found.items()
    ]


def _texts_at_hand(name: str, data_root: Path | None) -> Iterable[Text]:
    """The texts of a manifest's conditions, but of those away, broken or of pictures."""
    manifest = load_manifest(name)
    if manifest.is_drawn:
        yield from _drawn_texts(name)
    elif find_folder(manifest, data_root) is not None:
        yield from _texts_of(manifest, data_root)


@cache
def _drawn_texts(name: str) -> tuple[Text, ...]:
    """What the program writes itself is the same each time, and takes a second to write."""
    return tuple(_texts_of(load_manifest(name)))


def _texts_of(manifest: Manifest, data_root: Path | None = None) -> Iterable[Text]:
    for wanted in manifest.conditions:
        try:
            yield from condition(manifest, wanted, data_root)
        except (DataError, ManifestError):
            continue


def _some(texts: Sequence[Text], seed: Sequence[int]) -> tuple[Text, ...]:
    if len(texts) <= MOST_TEXTS:
        return tuple(texts)
    chosen = np.random.default_rng(seed).choice(len(texts), MOST_TEXTS, replace=False)
    return tuple(texts[i] for i in np.sort(chosen))


def _any_of(texts: Iterable[Text], seen: set[str]) -> bool:
    return any(text.digest() in seen for text in texts)


def responses(
    model: LanguageModel,
    ids: Sequence[Ids],
    masks: Sequence[Mask],
    found: SelectivityMap,
    batch_size: int = 64,
    progress: Progress = silent,
) -> np.ndarray:
    """How strongly the units of each mask answer to each text.

    Parameters
    ----------
    model : LanguageModel
        The model.
    ids : sequence of sequence of int
        Tokens of each text.
    masks : sequence of Mask
        Masks of `found`; all are read in the same pass.
    found : SelectivityMap
        Says how tokens are pooled, and how loud each unit is.
    batch_size : int, default=64
        Texts a pass at most. Those of a pass are equally long, so that nothing is padded.
    progress : Progress
        Told of every batch; may raise to stop.

    Returns
    -------
    array of float64 of shape (n_masks, n_texts)
        1 is an answer of average strength over the localizer's texts.
    """
    sizes = np.array([len(text) for text in ids])
    order = np.argsort(sizes, kind="stable")
    done = 0
    with torch.inference_mode(), ExitStack() as stack:
        passes = [
            stack.enter_context(respond(model.module, mask, found, model.through)) for mask in masks
        ]
        for _, same in groupby(order, key=lambda i: sizes[i]):
            where = [*same]
            for start in range(0, len(where), batch_size):
                read = where[start : start + batch_size]
                model.base(**model.batch([ids[i] for i in read]), **model.quiet)
                done += len(read)
                progress("profile", done, len(ids))
    answers = np.empty((len(masks), len(ids)))
    answers[:, order] = [np.concatenate(each) for each in passes]
    return answers


def profile(
    model: LanguageModel,
    kinds: Sequence[TextKind],
    masks: Sequence[Mask],
    found: SelectivityMap,
    *,
    protocol: str = "full",
    seed: int = 0,
    batch_size: int = 64,
    progress: Progress = silent,
) -> pd.DataFrame:
    """The mean response of each mask's units to each kind of text.

    Parameters
    ----------
    model, kinds, masks, found
        What is read by what, which units, and the map that they were chosen from.
    protocol : {"full", "paper"}, default="full"
        As the localizer read its texts. In full, a text is cut where the model can read no more.
    seed : int, default=0
        Seed of the bootstrap.
    batch_size : int, default=64
        Texts a pass at most.
    progress : Progress
        Told of every batch; may raise to stop.

    Returns
    -------
    DataFrame
        One row a kind and mask: ``set``, ``condition``, ``own``, ``n`` (texts), ``tokens`` (their
        mean), ``mask``, ``rule``, ``response``, and ``low`` and ``high``, its 95 % percentile
        bootstrap interval over texts. A kind whose tokens are mostly unknown to the tokenizer is
        left out, for the model cannot tell its texts apart.

    Raises
    ------
    DataError
        If the response to a text is not finite; names it.
    """
    longest = PAPER_TOKENS if protocol == "paper" else model.context
    read = {kind: model.tokens([t.text for t in kind.texts], longest=longest) for kind in kinds}
    kinds = [kind for kind in kinds if kind.own or _is_known(model, read[kind])]
    texts = [text for kind in kinds for text in kind.texts]
    ids = [tokens for kind in kinds for tokens in read[kind]]
    answers = responses(model, ids, masks, found, batch_size, progress)
    if not np.isfinite(answers).all():
        worst = texts[int(np.flatnonzero(~np.isfinite(answers).all(axis=0))[0])]
        raise DataError(
            f"{worst.name}: activations are NaN or infinite; does `dtype` float32 help?"
        )
    rows = []
    resampler = Resampler(seed)
    start = 0
    for kind in kinds:
        part = slice(start, start + len(kind.texts))
        start = part.stop
        for mask, values in zip(masks, answers[:, part], strict=True):
            low, high = percentile(resampler.means(values))
            rows.append(
                {
                    "set": kind.source,
                    "condition": kind.condition,
                    "own": kind.own,
                    "n": len(values),
                    "tokens": float(np.mean([len(text) for text in ids[part]])),
                    "mask": mask.name,
                    "rule": mask.rule,
                    "response": float(values.mean()),
                    "low": low,
                    "high": high,
                }
            )
    return pd.DataFrame(rows)


def _is_known(model: LanguageModel, ids: Sequence[Ids]) -> bool:
    unknown = model.tokenizer.unk_token_id
    tokens = np.concatenate([np.asarray(text) for text in ids])
    return unknown is None or float((tokens == unknown).mean()) <= 0.5


def save_profile(path: Path, table: pd.DataFrame) -> None:
    """Write ``profile.csv``, atomically, in as many digits as rounding leaves."""
    write_atomically(
        path,
        lambda draft: table.to_csv(draft, index=False, float_format="%.6g", lineterminator="\n"),
    )
