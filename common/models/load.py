"""Loading a model by name: what both front ends do alike, whatever zoo the model is from.

A front end brings one loader a source (``timm/…``, ``hf/…``, ``local/…``). Here is what is around
them: the name is cut in two, random weights follow their seed, whatever goes wrong becomes one line
that names the model, and what comes out is in evaluation mode, without gradients, where it belongs.
"""

from __future__ import annotations

import io
import json
import pickle
import re
import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.error import URLError

from safetensors import SafetensorError

from common.base.errors import ModelError
from common.base.files import digest_of, digest_of_module
from common.base.heavy import torch
from common.base.hub import hub_or_cache, hub_reason
from common.models.own import NOTEBOOK, OWN, is_own
from common.models.places import local_path

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass(frozen=True)
class LoadedModel:
    """A model that is ready to be shown stimuli; each front end adds what its stimuli need.

    Attributes
    ----------
    name : str
        As the user wrote it.
    module : nn.Module
        In evaluation mode, on its device.
    untrained : bool
        Whether the weights are random.
    seed : int, optional
        Of the random weights.
    code : str, optional
        Fingerprint of the code of a model of one's own.
    unsaid : str, optional
        What nobody said of such a model, and was supposed.
    config : str, optional
        Fingerprint of its configuration, from :func:`config_digest`; a model that is built by its
        name alone has none.
    """

    name: str
    module: nn.Module
    untrained: bool = field(default=False, kw_only=True)
    seed: int | None = field(default=None, kw_only=True)
    code: str = field(default="", kw_only=True)
    unsaid: str = field(default="", kw_only=True)
    config: str = field(default="", kw_only=True)

    @property
    def device(self) -> torch.device:
        """Where its inputs go."""
        return next(self.module.parameters()).device

    @property
    def dtype(self) -> torch.dtype:
        """The model's floating-point type."""
        return next(p.dtype for p in self.module.parameters() if p.is_floating_point())

    @property
    def n_parameters(self) -> int:
        """How many numbers it was trained in."""
        return sum(p.numel() for p in self.module.parameters())

    def weights(self) -> Iterator[tuple[str, Tensor]]:
        """Every parameter and buffer with its name, as in ``module.state_dict()``."""
        yield from self.module.state_dict().items()

    def describe(self) -> dict[str, Any]:
        """The part of ``results.json`` that says which model this is."""
        weights = digest_of_module(self.module, self.weights())
        return {
            "name": self.name,
            "fingerprint": digest_of([weights, self.code]) if self.code else weights,
            "untrained": self.untrained,
            "seed": self.seed,
            "phantom": self.name.startswith("phantom/"),
            "n_parameters": self.n_parameters,
            "dtype": str(self.dtype).removeprefix("torch."),
            **({"unsaid": self.unsaid} if self.unsaid else {}),
            **({"config": self.config} if self.config else {}),
        }


MOST_LAYERS, WIDEST = 10_000, 10_000_000
LAYERS = re.compile(r"(^|_)(n_layers?|num_(hidden_)?layers|(en|de)coder_layers|num_heads|depth)$")
WIDTHS = re.compile(
    r"(^|_)(hidden_size|intermediate_size|vocab_size|n_embd|d_model|dim|num_labels)$"
)

Model = TypeVar("Model", bound=LoadedModel)
Loader = Callable[[str, str, bool], Model]


_LOADING = threading.RLock()
"""One load at a time: the generator, standard output and a library's first import are shared.

Somebody's own function may load a model in turn."""


def load(
    name: str,
    loaders: Mapping[str, Loader[Model]],
    *,
    forms: str,
    untrained: bool = False,
    seed: int = 0,
    device: torch.device | str | None = "cpu",
    dtype: torch.dtype | None = None,
) -> Model:
    """Load a model by name with the loader of its source.

    Parameters
    ----------
    name : str
        ``SOURCE/REST``.
    loaders : mapping of str to callable
        By source: called with the name, what follows the source, and `untrained`.
    forms : str
        How names are written, for the message about one that is not.
    untrained : bool, default=False
        Random weights of the same architecture instead.
    seed : int, default=0
        Seed of the random weights; the global generator is left as it was.
    device : torch.device or str, default="cpu"
        Where it shall lie; ``None`` leaves it where, and in the type in which, its loader put it.
    dtype : torch.dtype, optional
        Its floating-point type; left out, its loader saw to that.

    Raises
    ------
    ModelError
        If there is no such model, its weights do not fit, or they cannot be had.
    """
    source, _, rest = (OWN, "", name) if is_own(name) else name.partition("/")
    if name.startswith(NOTEBOOK) and source not in loaders:
        raise ModelError(f"`model` {name}: was given in a notebook; only there it is at hand")
    if source not in loaders or not rest:
        raise ModelError(f"`model` {name}: write {forms}")
    # The zoos tell of downloads on standard output, where --json belongs.
    with (
        _LOADING,
        told_in_one_line(name),
        torch.random.fork_rng(devices=[]),
        redirect_stdout(io.StringIO()),
    ):
        torch.manual_seed(seed)
        model = loaders[source](name, rest, untrained)
    model.module.eval().requires_grad_(False)
    if device is not None:
        model.module.to(device=device, dtype=dtype)
    return replace(model, untrained=True, seed=seed) if untrained else model


@contextmanager
def told_in_one_line(name: str) -> Iterator[None]:
    """Turn whatever a zoo raises over a model into one line that names it.

    Raises
    ------
    ModelError
        If anything went wrong inside this context.
    """
    try:
        yield
    except ModelError:
        raise
    except Exception as error:  # a zoo may fail in any way over a broken file
        raise ModelError(f"`model` {name}: {_why(error)}") from error


def _why(error: Exception) -> str:
    """What went wrong in loading a model, on one line."""
    if (reason := hub_reason(error)) is not None:
        return f"cannot be downloaded ({reason})"
    if isinstance(error, (URLError, ConnectionError)):
        return f"it is not in the cache, and cannot be downloaded ({_short(error)})"
    if isinstance(error, pickle.UnpicklingError) or "weights_only" in str(error):
        return (
            "its weights are pickled with more than numbers, which could run code; "
            "save them as safetensors"
        )
    if isinstance(error, (SafetensorError, OSError)):
        return f"cannot be read ({_short(error)})"
    return f"cannot be built ({_short(error)})"


def _short(error: Exception) -> str:
    words = " ".join(str(error).split())
    return words if 0 < len(words) <= 200 else f"{words[:200]}…" if words else type(error).__name__


# --- what loaders of the same source share ---


@contextmanager
def on_the_hub(rest: str) -> Iterator[tuple[str, dict[str, str]]]:
    """A repository of the Hugging Face hub, written ``ORG/NAME@REVISION``.

    Yields
    ------
    (str, dict)
        The repository, and the keyword that says which revision of it.
    """
    place, _, revision = rest.partition("@")
    with hub_or_cache():
        yield place, {"revision": revision or "main"}


def local_config(name: str, rest: str) -> tuple[Path, dict[str, Any]]:
    """A model's own folder, and what its ``config.json`` holds.

    Raises
    ------
    ModelError
        If there is none, it is no JSON, or it asks for what no machine holds.
    """
    folder = local_path(name, rest)
    path = folder / "config.json"
    if not path.is_file():
        raise ModelError(f"`model` {name}: {folder} holds no config.json")
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ModelError(f"`model` {name}: {path} is no JSON ({error})") from error
    config = config if isinstance(config, dict) else {}
    check_sizes(name, config)
    return folder, config


IN_WORDS = {
    "_attn_implementation", "_name_or_path", "architectures", "attn_implementation", "auto_map",
    "dtype", "id2label", "initializer_range", "label2id", "label_descriptions", "label_names",
    "problem_type", "torch_dtype", "transformers_version", "use_cache",
}  # fmt: skip
"""What a configuration says of a model that changes none of its numbers, or is told elsewhere."""


def config_digest(config: Mapping[str, Any]) -> str:
    """Fingerprint of a configuration: what the weights alone do not say of what is computed.

    The same weights give other numbers with another activation, norm or number of heads.

    Parameters
    ----------
    config : mapping
        ``config.json`` as it was read, before a library fills in what its version has by default.
    """
    return digest_of(_numbers_of(config))


def _numbers_of(config: Any) -> Any:
    if not isinstance(config, Mapping):
        return config
    return {key: _numbers_of(value) for key, value in config.items() if key not in IN_WORDS}


def check_sizes(name: str, config: Mapping[str, Any]) -> None:
    """Refuse an architecture of a size that no machine holds, before anything is built of it.

    Parameters
    ----------
    config : mapping
        Its configuration; parts of it may have their own.

    Raises
    ------
    ModelError
        If a number of layers, or a width, is below 0 or beyond all bounds; names it.
    """
    for key, value in config.items():
        if isinstance(value, Mapping):
            check_sizes(name, value)
        most = MOST_LAYERS if LAYERS.search(str(key)) else WIDEST if WIDTHS.search(str(key)) else 0
        if most and isinstance(value, int) and not 0 <= value <= most:
            raise ModelError(
                f"`model` {name}: its configuration says {key} {value:,}; it takes 0 to {most:,}"
            )


def check_whole(
    name: str, found: Mapping[str, Any], wanted: str, known: Collection[str] = ()
) -> None:
    """Refuse a checkpoint that lacks weights, has them in other shapes, or has more blocks.

    The former would be random, and a model without the latter is another one.

    Parameters
    ----------
    found : mapping
        What transformers says of loading (``output_loading_info``).
    wanted : str
        Whose weights they should be.
    known : collection of str
        The names of the weights that the model has.

    Raises
    ------
    ModelError
        If one is missing or does not fit; names it.
    """
    places = {_place(key) for key in known}
    more = [key for key in sorted(found.get("unexpected_keys", ())) if _place(key) in places]
    odd = {
        kind: sorted(str(key[0] if isinstance(key, tuple) else key) for key in found.get(kind, ()))
        for kind in ("missing_keys", "mismatched_keys")
    }
    missing = [key for key in odd["missing_keys"] if not key.endswith("num_batches_tracked")]
    for problem, keys in (
        ("lacks", missing),
        ("has another shape of", odd["mismatched_keys"]),
        ("has, beyond the configuration,", more),
    ):
        if keys:
            others = f" and {len(keys) - 1} others" if len(keys) > 1 else ""
            raise ModelError(
                f"`model` {name}: its checkpoint {problem} {keys[0]}{others}; it is of another "
                f"architecture, or not a {wanted}'s"
            )


def _place(key: str) -> str:
    """A weight's name with its numbers taken out: the same in every block."""
    return re.sub(r"(?<=\.)\d+(?=\.)", "#", key)
