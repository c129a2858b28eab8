"""What a model's classes are: WordNet ids and names, from its configuration or timm's lists."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

WNID = re.compile(r"n\d{8}")
BASE = "imagenet-1k"
SHORTEST = 1000  # classes of the shortest of timm's lists; a smaller model need not import timm
ALIKE = 0.9  # share of classes whose names must fit a list, for the list to be the model's
PLACEHOLDER = re.compile(r"(?i)label[_ ]?\d+")  # what transformers calls classes without a name

Source = Literal["model", "names", "number", "none"]
Labels = tuple[str | None, ...] | None


@dataclass(frozen=True)
class Classes:
    """What the logits of a model stand for.

    Attributes
    ----------
    wnids : tuple of str or None
        WordNet id of each class, ``None`` of one that has none; empty where none is known.
    names : tuple of str or None
        Likewise what the classes are called.
    source : {"model", "names", "number", "none"}
        How that is known: the model's configuration says it; its names are those of a list of
        ImageNet's classes; it names none, and has as many as such a list; not at all.
    listed : str
        The list, as timm calls it.
    """

    wnids: tuple[str | None, ...] = ()
    names: tuple[str | None, ...] = ()
    source: Source = "none"
    listed: str = ""


@cache
def imagenet_list(subset: str) -> tuple[tuple[str, str], ...]:
    """WordNet id and name of each class of an ImageNet, in timm's order.

    Parameters
    ----------
    subset : str
        As timm calls it: ``imagenet-1k``, ``imagenet-12k``, ``imagenet-22k``, ….
    """
    from timm.data.imagenet_info import ImageNetInfo  # slow to import, and seldom needed

    info = ImageNetInfo(subset)
    return tuple((wnid, info.label_name_to_description(wnid)) for wnid in info.label_names())


def words_of(name: str) -> frozenset[str]:
    """The synonyms in a class's name, without case and underscores: ``tench, Tinca tinca``."""
    parts = (" ".join(part.replace("_", " ").split()).lower() for part in name.split(","))
    return frozenset(filter(None, parts))


def classes_of(
    n_classes: int,
    labels: Sequence[str | None] | None = None,
    names: Sequence[str | None] | None = None,
) -> Classes:
    """What a model's classes are, as far as it can be known.

    Parameters
    ----------
    n_classes : int
        Number of logits.
    labels : sequence of str or None, optional
        What its configuration calls the classes: WordNet ids or names.
    names : sequence of str or None, optional
        Names beside WordNet ids.

    Raises
    ------
    ValueError
        If the configuration names more or fewer classes than there are.
    """
    if labels is not None and len(labels) != n_classes:
        raise ValueError(f"its configuration names {len(labels)} classes, but it has {n_classes}")
    known = None if labels is None else [_unless_empty(label) for label in labels]
    if known is None or not any(known):
        return next(_of_lists(n_classes), Classes())
    wnids = tuple(label if label and WNID.fullmatch(label) else None for label in known)
    if sum(map(bool, wnids)) > len(known) / 2:
        return Classes(wnids, tuple(names) if names else _names(wnids), "model")
    for each in _of_lists(n_classes):
        if _fit(known, each.names):
            return Classes(each.wnids, tuple(known), "names", each.listed)
    return Classes((), tuple(known), "model")


def _unless_empty(label: str | None) -> str | None:
    return None if label is None or PLACEHOLDER.fullmatch(label) else label


def _names(wnids: Sequence[str | None]) -> tuple[str | None, ...]:
    """Names of WordNet ids, of those that ImageNet-1k has."""
    known = dict(imagenet_list(BASE))
    return tuple(known.get(wnid or "") for wnid in wnids)


def _of_lists(n_classes: int) -> Iterator[Classes]:
    """The list with as many classes, or with one less and a background before or after it."""
    if n_classes < SHORTEST:
        return
    from timm.data.imagenet_info import infer_imagenet_subset

    whole = infer_imagenet_subset({"num_classes": n_classes})
    less = infer_imagenet_subset({"num_classes": n_classes - 1})
    if whole is not None:
        wnids, names = zip(*imagenet_list(whole), strict=True)
        yield Classes(wnids, names, "number", whole)
    if less == BASE:
        wnids, names = zip(*imagenet_list(less), strict=True)
        listed = f"{less} and a background"
        yield Classes((None, *wnids), ("background", *names), "number", f"{listed} before it")
        yield Classes((*wnids, None), (*names, "background"), "number", f"{listed} after it")


def _fit(found: Sequence[str | None], listed: Sequence[str | None]) -> bool:
    """Whether names are those of a list, in its order."""
    pairs = [(a, b) for a, b in zip(found, listed, strict=True) if a and b]
    fitting = sum(bool(words_of(a) & words_of(b)) for a, b in pairs)
    return bool(pairs) and fitting >= ALIKE * len(pairs)


def timm_labels(config: Mapping[str, Any], n_classes: int) -> tuple[Labels, Labels]:
    """What a configuration of timm calls the classes, and how it describes them.

    Parameters
    ----------
    config : mapping
        With ``label_names``, by number where some classes have none, and ``label_descriptions``.
    n_classes : int
        Number of logits.
    """
    labels, told = config.get("label_names"), config.get("label_descriptions") or {}
    if not labels:
        return None, None
    if isinstance(labels, Mapping):
        labels = [labels.get(n, labels.get(str(n))) for n in range(n_classes)]
    names = tuple(told.get(label) for label in labels) if told else None
    return tuple(labels), names
