"""Which benchmarks go with a model, by its configuration alone: nothing is loaded for a list."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from huggingface_hub import try_to_load_from_cache

from common.base.errors import FunclocError
from common.base.tables import read_table
from common.data.manifest import Manifest, find_folder, load_manifest
from common.models.catalogue import config_in
from common.models.load import local_config
from common.models.packages import folder_of
from vision_loc.classes import SHORTEST, WNID, timm_labels, words_of
from vision_loc.packages import PACKAGES

ENOUGH = 0.5  # share of a benchmark's classes that a model must know for it to be on offer


@dataclass(frozen=True)
class Known:
    """The classes of a model or of a benchmark.

    Attributes
    ----------
    n : int
        How many.
    wnids, words : frozenset of str
        Their WordNet ids and names, as far as they are told.
    """

    n: int
    wnids: frozenset[str] = frozenset()
    words: frozenset[str] = frozenset()

    def shared(self, other: Known) -> int:
        """How many of the other's classes these are."""
        if self.wnids and other.wnids:
            return len(self.wnids & other.wnids)
        return min(self.n, other.n, len(self.words & other.words))


def fitting(model: str, names: Sequence[str]) -> list[str]:
    """The benchmarks whose classes a model knows, the best fit first.

    Best is the one whose classes are those of the model and no others. A model that has as many
    classes as an ImageNet, or does not say how many, is taken to know them all. Where no benchmark
    fits they are all named: agreement with the intact model asks for no classes.

    Parameters
    ----------
    model : str
        Name of a model that is here.
    names : sequence of str
        Of manifests with labelled pictures.
    """
    own = classes_of(config_of(model))
    found = {name: classes_in(load_manifest(name)) for name in names}
    if own is None or own.n >= SHORTEST:
        return sorted(names, key=lambda name: -found[name].n)
    shared = {name: own.shared(theirs) for name, theirs in found.items()}
    fit = [name for name in names if shared[name] >= ENOUGH * found[name].n]
    return sorted(fit, key=lambda name: -(shared[name] ** 2) / found[name].n) or [*names]


def config_of(model: str) -> Mapping[str, Any]:
    """A model's ``config.json``, if it lies on this machine."""
    source, _, rest = model.partition("/")
    try:
        if source == "local":
            return local_config(model, rest)[1]
        if source == "pip":
            return config_in(folder_of(PACKAGES.named(rest)) / "config.json")
    except FunclocError:
        return {}
    repository, _, revision = (model if source == "timm" else rest).partition("@")
    if source not in ("timm", "hf") or "/" not in repository:
        return {}
    path = try_to_load_from_cache(repository, "config.json", revision=revision or None)
    return config_in(Path(path)) if isinstance(path, str) else {}


def classes_of(config: Mapping[str, Any]) -> Known | None:
    """What a configuration of timm or transformers calls the classes; ``None`` if it does not."""
    named, n = config.get("id2label"), config.get("num_classes")
    if isinstance(named, Mapping):
        n, labels = len(named), tuple(named.values())
    elif isinstance(n, int):
        labels = timm_labels(config, n)[0] or ()
    else:
        return None
    told = [str(label) for label in labels if label]
    wnids = frozenset(filter(WNID.fullmatch, told))
    return Known(n, wnids, frozenset().union(*map(words_of, told)))


def classes_in(manifest: Manifest) -> Known:
    """The classes of a benchmark's pictures; one that people lay out themselves is ImageNet's."""
    entry, folder = manifest.evaluation, find_folder(manifest)
    if entry is None or entry.wnid is None or folder is None:
        return Known(SHORTEST)
    path = folder / (entry.table or "")
    columns = (entry.wnid, entry.class_name) if entry.class_name else (entry.wnid,)
    return _classes_in(path, path.stat().st_mtime_ns, columns)


@lru_cache
def _classes_in(path: Path, _: int, columns: tuple[str, ...]) -> Known:
    table = read_table(path, columns)
    words = (words_of(name) for column in columns[1:] for name in table[column].unique())
    wnids = frozenset(table[columns[0]].unique())
    return Known(len(wnids), wnids, frozenset().union(*words))
