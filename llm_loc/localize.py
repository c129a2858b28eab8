"""Localize: show the model the localizer's texts and map the selectivity of its units."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from common.base.device import all_sent
from common.base.errors import DataError, ModelError, SettingError
from common.base.heavy import functional
from common.base.progress import Progress, silent
from common.effects.described import TokenLengths
from common.measure.batch import Batch, Loss
from common.measure.contrasts import Place, Sides, contrasts, shared_places
from common.measure.moments import Statistic
from common.measure.scores import DEFAULT_SCORE, TRUNCATED, SelectivityMap
from common.measure.sinks import FIRST
from common.measure.sites import Kind, Pooling, Site
from common.measure.survey import Survey
from common.measure.weights import PARAMETER, Level, weight_sites
from llm_loc.models import Ids, LanguageModel, Side
from llm_loc.stimuli import Localizer

if TYPE_CHECKING:
    from torch import Tensor

POOLINGS: tuple[Pooling, ...] = ("last", "mean", "sum")
PROTOCOLS = ("full", "paper")
PAPER_TOKENS = 12
PADDING = 0.05  # of the tokens of a pass may be added to fill it up
SPARE = 32  # or so many: a pass more would take longer


def find_sites(
    model: LanguageModel,
    kind: Kind = "block",
    pattern: str | None = None,
    level: Level = "unit",
    each_step: bool = False,
) -> list[Site]:
    """The model's sites of a kind, or those that a pattern names; or its tensors of weights."""
    if level == PARAMETER:
        return weight_sites(model.module, pattern)
    survey = survey_of(model, each_step)
    return survey.matching(pattern) if pattern else survey.of_kind(kind)


def survey_of(model: LanguageModel, each_step: bool = False) -> Survey:
    """Every place of the model that localizing runs through."""
    return Survey(model.module, model.example(), model.through, each_step=each_step)


def tokenized(model: LanguageModel, stimuli: Localizer, protocol: str = "full") -> list[list[int]]:
    """Token ids of the target's and then the control's texts, as the protocol wants them.

    Raises
    ------
    DataError
        If a text is too long for the model, or the tokenizer knows none of the words.
    """
    longest = PAPER_TOKENS if protocol == "paper" else None
    ids = model.tokens([text.text for text in (*stimuli.target, *stimuli.control)], longest=longest)
    unknown = model.tokenizer.unk_token_id
    special = set(model.tokenizer.all_special_ids) - {unknown}
    if unknown is not None and all(set(text) <= special | {unknown} for text in ids):
        raise DataError(f"{stimuli.name}: the tokenizer of {model.name} knows none of its words")
    return ids


def lengths(
    model: LanguageModel, stimuli: Localizer, protocol: str = "full"
) -> dict[str, TokenLengths]:
    """Tokens a text on each side, as they were read and as they are whole."""
    read = np.array([len(ids) for ids in tokenized(model, stimuli, protocol)])
    whole = read
    if protocol == "paper":
        whole = np.array([len(ids) for ids in tokenized(model, stimuli)])
    n_target = len(stimuli.target)
    sides = {"target": slice(None, n_target), "control": slice(n_target, None)}
    return {
        side: TokenLengths(
            mean=float(read[where].mean()),
            range=(int(read[where].min()), int(read[where].max())),
            whole_mean=float(whole[where].mean()),
            n_cut=int((read[where] < whole[where]).sum()),
        )
        for side, where in sides.items()
    }


def localize(
    model: LanguageModel,
    stimuli: Localizer,
    sites: Sequence[Site],
    *,
    pooling: Pooling = "last",
    statistic: Statistic = "magnitude",
    score: str = DEFAULT_SCORE,
    exclude_massive: float | None = None,
    protocol: str = "full",
    percents: Sequence[float] = (1.0,),
    seed: int = 0,
    effort: int | None = None,
    batch_size: int = 64,
    padding: Side = "right",
    progress: Progress = silent,
) -> SelectivityMap:
    """Contrast the localizer's two sides over all units of `sites`, in one pass over the texts.

    Only the base runs, and never the vocabulary projection, unless the score needs a loss.

    Parameters
    ----------
    model, stimuli, sites
        What is read by what, and where units are recorded.
    pooling : {"last", "mean", "sum"}, default="last"
        How a text's tokens become one number, padding left out; a mean or sum leaves the first
        token out, too (:mod:`common.measure.sinks`), as the units' means for ablation do.
    statistic : {"magnitude", "signed"}, default="magnitude"
        See :func:`common.measure.record.record`.
    score : str, default="welch"
        The rule that scores units; see :data:`common.measure.scores.SCORE_RULES`.
    protocol : {"full", "paper"}, default="full"
        ``paper`` reads texts one by one, cut at 12 tokens, and takes the last of these
        (AlKhamissi et al. 2024, in their published code).
    exclude_massive : float, optional
        See :func:`common.measure.contrast.contrast`.
    percents : sequence of float, default=(1.0,)
        Mask sizes whose split-half overlap is kept with the map.
    seed : int, default=0
        Seed of the split into halves.
    effort : int, optional
        See :func:`common.measure.contrast.contrast`.
    batch_size : int, default=64
        Texts a pass; the score does not depend on it beyond rounding.
    padding : {"right", "left"}, default="right"
        Side on which texts of a batch are filled up; neither counts.

    Raises
    ------
    SettingError
        If pooling or protocol do not exist, or do not go together.
    DataError
        If a text is too long, or an activation is not finite.
    """
    (found,) = localize_all(
        model, [stimuli], sites, pooling=pooling, protocol=protocol, batch_size=batch_size,
        padding=padding, statistic=statistic, score=score, exclude_massive=exclude_massive,
        percents=percents, seed=seed, effort=effort, progress=progress,
    )  # fmt: skip
    return found


def localize_all(
    model: LanguageModel,
    localizers: Sequence[Localizer],
    sites: Sequence[Site],
    *,
    own: Sequence[Place] | None = None,
    pooling: Pooling = "last",
    protocol: str = "full",
    batch_size: int = 64,
    padding: Side = "right",
    **how: Any,
) -> list[SelectivityMap]:
    """The maps of several localizers, in one pass over the texts of all.

    Parameters
    ----------
    model, sites, pooling, protocol, batch_size, padding, **how
        As in :func:`localize`.
    localizers : sequence of Localizer
        Any number.
    own : sequence of Place, optional
        By localizer its own sites and mask sizes, in the place of those of all.
    """
    check_protocol(protocol, pooling)
    tokens = [tokenized(model, each, protocol) for each in localizers]
    first, places = shared_places(
        [[text.text for text in (*each.target, *each.control)] for each in localizers]
    )
    ids = [tokens[number][place] for number, place in first]
    at: Sequence[Place | None] = [None] * len(places) if own is None else own
    sides = zip(localizers, places, at, strict=True)
    every = [Sides(each.target, each.control, where, place) for each, where, place in sides]

    def batches(where: np.ndarray, _groups: np.ndarray) -> Iterator[Batch]:
        return read(model, [ids[i] for i in where], protocol, batch_size, padding)

    # The published code cuts where others round: 11 of 1,152 units are 1 %.
    k = {"k": TRUNCATED} if protocol == "paper" else {}
    return contrasts(
        model.module, sites, every, batches, pooling=pooling, through=model.through,
        left_out=FIRST, about={"protocol": protocol, **k}, **how,
    )  # fmt: skip


def read(
    model: LanguageModel,
    ids: Sequence[Ids],
    protocol: str,
    batch_size: int,
    padding: Side = "right",
) -> Iterator[Batch]:
    """Texts in batches, as :func:`passes_over` sorts them; the base alone reads them."""
    for where in passes_over(ids, protocol, batch_size):
        yield _batch(model, ids, where, padding)


def _batch(model: LanguageModel, ids: Sequence[Ids], where: np.ndarray, padding: Side) -> Batch:
    filled = model.filled([ids[i] for i in where], padding)
    texts = all_sent(filled, model.device)
    return Batch(
        where,
        partial(model.base, **texts, **model.quiet),
        filled["attention_mask"],  # what is padding is looked at before the pass
        lambda which: _batch(model, ids, where[which], padding),
        partial(own_loss, model, texts),
    )


def own_loss(
    model: LanguageModel,
    texts: dict[str, Tensor],
    right: Tensor | None = None,  # noqa: ARG001  (a text brings its own)
) -> Loss:
    """Mean cross entropy of each text's own next tokens, in nats a token.

    The mean and not the sum, so that a side is not said to need a unit for having longer texts.

    Parameters
    ----------
    model : LanguageModel
        The model, with its vocabulary projection.
    texts : dict of str to Tensor
        As from ``model.batch``.
    right : ignored
        What counts as right is the text.

    Raises
    ------
    ModelError
        If the model is an encoder, which predicts no next token.
    DataError
        If a text has one token alone, so that there is nothing to predict.
    """
    if not model.causal:
        raise ModelError(
            f"`model` {model.name}: is an encoder, which predicts no next token, so that a text "
            "has no loss; choose `score` welch"
        )
    ids, real = texts["input_ids"], texts["attention_mask"].bool()
    counted = real[:, 1:] & real[:, :-1]  # a token that stands behind another one
    if not counted.any(dim=1).all():
        raise DataError("a text of the localizer is one token, so there is no next one to predict")
    logits = model.logits(texts)[:, :-1].transpose(1, 2)
    nats = functional.cross_entropy(logits, ids[:, 1:], reduction="none")
    return Loss(nats.masked_fill(~counted, 0.0).sum(dim=1) / counted.sum(dim=1))


def passes_over(ids: Sequence[Ids], protocol: str, batch_size: int) -> list[np.ndarray]:
    """Which texts are read in one pass: those of like length, or each by itself as in the paper.

    Parameters
    ----------
    ids : sequence of sequence of int
        Tokens of each text.
    protocol : {"full", "paper"}
        See :func:`localize`.
    batch_size : int
        Texts a pass at most.

    Returns
    -------
    list of array of int
        Numbers of texts; each is in one of them.
    """
    sizes = np.array([len(text) for text in ids])
    order = np.argsort(sizes, kind="stable")
    if protocol == "paper":
        return [order[[place]] for place in range(len(order))]
    passes, begin, tokens = [], 0, 0
    for place, size in enumerate(sizes[order].tolist()):
        padded = (place + 1 - begin) * size - tokens - size
        if place - begin == batch_size or padded > max(SPARE, PADDING * (tokens + size)):
            passes.append(order[begin:place])
            begin, tokens = place, 0
        tokens += size
    return [*passes, order[begin:]] if len(order) else passes


def check_protocol(protocol: str, pooling: str) -> None:
    """Refuse a protocol or a pooling that there is not, or that do not go together.

    Raises
    ------
    SettingError
        If so.
    """
    if protocol not in PROTOCOLS:
        raise SettingError(f"`protocol` {protocol}: choose one of {', '.join(PROTOCOLS)}")
    if pooling not in POOLINGS:
        raise SettingError(f"`pooling` {pooling}: choose {', '.join(POOLINGS)} for text")
    if protocol == "paper" and pooling != "last":
        raise SettingError(f"`pooling` {pooling}: `protocol` paper takes the last token")
