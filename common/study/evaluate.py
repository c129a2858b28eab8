"""Evaluate any classifier under masks, from a notebook: the table of items that is judged."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from common.base.errors import DataError
from common.base.heavy import torch
from common.effects.items import Items, Outcome
from common.measure.ablate import Ablation, under
from common.measure.attach import check_evaluates
from common.measure.masks import Mask, check_names
from common.measure.scores import SelectivityMap
from common.study.experiment import item_tables, mask_name

if TYPE_CHECKING:
    from torch import nn


def evaluate(
    model: nn.Module,
    batches: Iterable[Any],
    labels: Sequence[int],
    groups: Sequence[str],
    masks: Sequence[Mask] = (),
    *,
    found: SelectivityMap | None = None,
    by: Ablation = "zero",
    names: Sequence[str] | None = None,
    show: Callable[[Any], Any] | None = None,
) -> pd.DataFrame:
    """What a classifier makes of every item, intact and with each mask's units replaced.

    For a verdict, give the control masks, too (:func:`common.control`). The programs compute many
    masks faster, and draw as many controls as a verdict needs.

    Parameters
    ----------
    model : nn.Module
        Gives logits of shape (B, n_classes), alone or as ``.logits``.
    batches : iterable
        What the model is called with: tensors, tuples of arguments, or mappings of them.
    labels : sequence of int of shape (n_items,)
        The right class of each item, in the order of the batches.
    groups : sequence of str of shape (n_items,)
        The group of each.
    masks : sequence of Mask
        Besides the intact model.
    found : SelectivityMap, optional
        The masks' map, for ``by="mean"``.
    by : {"zero", "mean"} or float, default="zero"
        What a masked unit's output becomes; see :func:`common.ablate`.
    names : sequence of str, optional
        Of the items; left out, they are numbered.
    show : callable, optional
        What is called with a batch, where that is not the module itself: a loaded model's
        ``logits``.

    Returns
    -------
    DataFrame
        A row an item and mask, as ``items.csv`` of a run: what :func:`common.judge` takes.

    Raises
    ------
    DataError
        If labels, groups, names and what the model gives are not of the same items.
    MaskError
        If two masks have one name.
    ModelError
        If the model is in training mode and computes something else there.

    Examples
    --------
    >>> top = top_percent(found, 25)
    >>> controls = [control(found, "layer-matched", 25, seed) for seed in range(3)]
    >>> items = evaluate(model, [faces, objects], labels, groups, [top, *controls])
    >>> [*items["mask"].unique()][:3]
    ['intact', 'top-25', 'layer-matched-25-s00']
    """
    check_names(masks)
    check_evaluates(model)
    kept, answers = [*batches], {}
    for mask in (None, *masks):
        with torch.inference_mode(), under(model, mask, by, found):
            logits = np.concatenate([_logits(show or model, batch) for batch in kept])
        answers[mask_name(mask)] = _outcome(logits, np.asarray(labels))
    own = [str(number) for number in range(len(labels))] if names is None else [*names]
    if not len(own) == len(labels) == len(groups):
        raise DataError(
            f"{len(labels)} labels, {len(groups)} groups and {len(own)} names: one each for an item"
        )
    items = Items(own, np.asarray(groups), str(groups[0]), None, np.asarray(labels))
    return pd.concat(item_tables(items, (None, *masks), answers), ignore_index=True)


def _outcome(logits: np.ndarray, right: np.ndarray) -> Outcome:
    if len(logits) != len(right):
        raise DataError(f"{len(right)} labels, and the batches hold {len(logits)} items")
    if len(right) == 0:
        raise DataError("there are no items")
    if not (right.min() >= 0 and right.max() < logits.shape[1]):
        raise DataError(f"labels are from 0 to {logits.shape[1] - 1}, the model's classes")
    rows, wrong = np.arange(len(right)), logits.copy()
    wrong[rows, right] = -np.inf
    prediction = logits.argmax(axis=1)
    margin = (logits[rows, right] - wrong.max(axis=1)).astype(np.float32)
    return Outcome(prediction, prediction == right, margin)


def _logits(show: Callable[..., Any], batch: Any) -> np.ndarray:
    if isinstance(batch, Mapping) and isinstance(show, torch.nn.Module):
        out = show(**batch)
    else:
        out = show(*batch) if isinstance(batch, tuple) else show(batch)
    logits = out if isinstance(out, torch.Tensor) else getattr(out, "logits", None)
    if not isinstance(logits, torch.Tensor) or logits.ndim != 2:
        raise DataError("the model gives no logits of shape (B, n_classes)")
    array: np.ndarray = logits.float().cpu().numpy()
    return array
