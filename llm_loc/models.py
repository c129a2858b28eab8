"""Language models by name, each with its own tokenizer.

================================  ==============================================================
``hf/ORG/NAME@REVISION``          a language model of the Hugging Face hub
``local/PATH``                    a folder in transformers' layout
================================  ==============================================================

Weights are safetensors, or torch files read with ``weights_only=True``; code that comes with a
model is never run. An encoder can be localized, but it does not predict the next word, so it is
refused where that is asked.
"""

from __future__ import annotations

import inspect
import pickle
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import torch
from huggingface_hub.errors import HfHubHTTPError
from safetensors import SafetensorError
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel, AutoModelForCausalLM, AutoTokenizer
from transformers.models.auto.modeling_auto import (
    MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
    MODEL_FOR_MASKED_LM_MAPPING_NAMES,
)
from transformers.utils import logging as transformers_logging

from common.errors import DataError, ModelError
from common.files import digest_of, digest_of_module

Side = Literal["right", "left"]
Ids = Sequence[int]

EXAMPLE_TOKENS = 8


@dataclass(frozen=True)
class LanguageModel:
    """A model that is ready to read.

    Attributes
    ----------
    name : str
        As the user wrote it.
    module : nn.Module
        The whole model in evaluation mode, on its device.
    tokenizer : transformers tokenizer
        Its own; never changed (a model without a pad token keeps having none).
    causal : bool
        Whether it predicts the next token; an encoder does not.
    untrained : bool
        Whether the weights are random.
    """

    name: str
    module: nn.Module
    tokenizer: Any
    causal: bool = True
    untrained: bool = False
    seed: int | None = None

    @property
    def device(self) -> torch.device:
        """Where the model lies."""
        return next(self.module.parameters()).device

    @property
    def dtype(self) -> torch.dtype:
        """The model's floating-point type."""
        return next(p.dtype for p in self.module.parameters() if p.is_floating_point())

    @cached_property
    def through(self) -> str:
        """Path of the base: all of the model but the vocabulary projection; empty if it has none.

        Localizing calls this part alone. Sites keep the paths of the whole model, so a mask made on
        the base is put into effect on the whole.
        """
        base: Any = getattr(self.module, "base_model", self.module)
        return next(path for path, module in self.module.named_modules() if module is base)

    @property
    def base(self) -> nn.Module:
        """The part at :attr:`through`."""
        return self.module.get_submodule(self.through)

    @cached_property
    def context(self) -> int | None:
        """The most tokens that it reads, where its configuration says so."""
        config: Any = self.module.config
        text = config.get_text_config() if hasattr(config, "get_text_config") else config
        for name in ("max_position_embeddings", "n_positions", "max_seq_len"):
            if isinstance(value := getattr(text, name, None), int):
                return value
        return None

    @cached_property
    def vocabulary(self) -> int:
        """Number of tokens that it knows."""
        base: Any = self.base
        return int(base.get_input_embeddings().weight.shape[0])

    @property
    def pad(self) -> int:
        """A token to fill up with; attention never sees it, so any will do."""
        ids = (self.tokenizer.pad_token_id, self.tokenizer.eos_token_id)
        return next((number for number in ids if number is not None), 0)

    def tokens(
        self, texts: Sequence[str], *, special: bool = True, longest: int | None = None
    ) -> list[list[int]]:
        """Token ids of each text, cut at `longest` where that is given.

        Raises
        ------
        DataError
            If a text has no tokens, or more than the model can read; names it.
        """
        if not texts:
            return []
        cut = {} if longest is None else {"truncation": True, "max_length": longest}
        found: list[list[int]] = self.tokenizer(
            list(texts), add_special_tokens=special, verbose=False, **cut
        )["input_ids"]
        for text, ids in zip(texts, found, strict=True):
            self._check(text, ids)
        return found

    def _check(self, text: str, ids: Ids) -> None:
        if not ids:
            raise DataError(f"{_short(text)}: the tokenizer of {self.name} makes no token of it")
        if self.context is not None and len(ids) > self.context:
            raise DataError(
                f"{_short(text)}: {len(ids)} tokens, but {self.name} reads {self.context} at most"
            )

    def batch(self, ids: Sequence[Ids], side: Side = "right") -> dict[str, Tensor]:
        """Texts of any length in one batch, filled up on one side.

        Returns
        -------
        dict
            ``input_ids`` and ``attention_mask`` of shape (n_texts, n_tokens), and ``position_ids``
            where the filling would otherwise shift the positions.
        """
        width = max(map(len, ids))
        rows = torch.full((len(ids), width), self.pad, dtype=torch.long)
        mask = torch.zeros_like(rows)
        for number, text in enumerate(ids):
            place = slice(0, len(text)) if side == "right" else slice(width - len(text), width)
            rows[number, place] = torch.tensor(text, dtype=torch.long)
            mask[number, place] = 1
        found = {"input_ids": rows, "attention_mask": mask}
        if not mask[:, 0].all() and self._takes_positions:
            found["position_ids"] = (mask.cumsum(dim=1) - 1).clamp_(min=0)
        return {name: value.to(self.device) for name, value in found.items()}

    @cached_property
    def _takes_positions(self) -> bool:
        return "position_ids" in inspect.signature(self.base.forward).parameters

    def logits(self, batch: dict[str, Tensor]) -> Tensor:
        """Logits of the next token in float32, of shape (n_texts, n_tokens, n_vocabulary).

        Raises
        ------
        ModelError
            If the model is an encoder.
        """
        self.check_causal()
        logits: Tensor = self.module(**batch, use_cache=False).logits
        return logits.float()

    def check_causal(self) -> None:
        """Refuse an encoder, which predicts no next token.

        Raises
        ------
        ModelError
            If it is one.
        """
        if not self.causal:
            raise ModelError(
                f"--model {self.name}: is an encoder; it can be localized but not evaluated"
            )

    def example(self) -> dict[str, Any]:
        """One text, for finding sites."""
        ids = [number % self.vocabulary for number in range(3, 3 + EXAMPLE_TOKENS)]
        batch: dict[str, Any] = self.batch([ids])
        return {**batch, **self.quiet}

    @cached_property
    def quiet(self) -> dict[str, bool]:
        """Keyword that keeps the base from building a cache that nobody reads."""
        takes = "use_cache" in inspect.signature(self.base.forward).parameters
        return {"use_cache": False} if takes else {}

    def describe(self) -> dict[str, Any]:
        """The part of ``results.json`` that says which model this is."""
        return {
            "name": self.name,
            "fingerprint": digest_of_module(self.module),
            "untrained": self.untrained,
            "seed": self.seed,
            "phantom": self.name.startswith("phantom/"),
            "n_parameters": sum(p.numel() for p in self.module.parameters()),
            "context": self.context,
            "dtype": str(self.dtype).removeprefix("torch."),
            "preprocessing": f"{type(self.tokenizer).__name__} {_digest_of(self.tokenizer)}",
        }


def _digest_of(tokenizer: Any) -> str:
    backend = getattr(tokenizer, "backend_tokenizer", None)
    whole = backend.to_str() if backend is not None else sorted(tokenizer.get_vocab().items())
    return digest_of([whole, str(tokenizer.special_tokens_map)])


def _short(text: str) -> str:
    words = " ".join(text.split())
    return repr(words if len(words) <= 40 else f"{words[:40]}…")


def load_model(
    name: str,
    *,
    untrained: bool = False,
    seed: int = 0,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
) -> LanguageModel:
    """Load a model by name.

    Parameters
    ----------
    name : str
        See the table above.
    untrained : bool, default=False
        Random weights of the same architecture instead.
    seed : int, default=0
        Seed of the random weights.
    device, dtype
        Where it shall lie, and in which floating-point type.

    Raises
    ------
    ModelError
        If there is no such model, its weights do not fit, or they cannot be had.
    """
    source, _, rest = name.partition("/")
    loaders: dict[str, Callable[..., LanguageModel]] = {"hf": _hub, "local": _local}
    if source not in loaders or not rest:
        raise ModelError(f"--model {name}: write hf/ORG/NAME or local/PATH")
    transformers_logging.disable_progress_bar()
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            model = loaders[source](name, rest, untrained, dtype)
    except ModelError:
        raise
    except (HfHubHTTPError, ConnectionError) as error:
        raise ModelError(f"--model {name}: cannot be downloaded ({_first_line(error)})") from error
    except (pickle.UnpicklingError, SafetensorError, OSError) as error:
        raise ModelError(f"--model {name}: cannot be read ({_first_line(error)})") from error
    except (RuntimeError, ValueError, KeyError, TypeError, ImportError) as error:
        raise ModelError(f"--model {name}: cannot be built ({_first_line(error)})") from error
    model.module.eval().requires_grad_(False).to(device, dtype)
    if not untrained:
        return model
    return LanguageModel(
        name, model.module, model.tokenizer, model.causal, untrained=True, seed=seed
    )


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0][:200] if lines else type(error).__name__


def _hub(name: str, rest: str, untrained: bool, dtype: torch.dtype) -> LanguageModel:
    place, _, revision = rest.partition("@")
    return _from_transformers(name, place, untrained, dtype, {"revision": revision or "main"})


def _local(name: str, rest: str, untrained: bool, dtype: torch.dtype) -> LanguageModel:
    folder = Path(rest).expanduser()
    if not (folder / "config.json").is_file():
        raise ModelError(f"--model {name}: {folder} holds no config.json")
    return _from_transformers(name, str(folder), untrained, dtype, {})


def _from_transformers(
    name: str, place: str, untrained: bool, dtype: torch.dtype, where: dict[str, str]
) -> LanguageModel:
    safe = {**where, "trust_remote_code": False}
    config = AutoConfig.from_pretrained(place, **safe)
    causal = _is_causal(name, config)
    kind: Any = AutoModelForCausalLM if causal else AutoModel
    if untrained:
        module = kind.from_config(config, trust_remote_code=False)
    else:
        module, loaded = kind.from_pretrained(
            place, config=config, dtype=dtype, weights_only=True, output_loading_info=True, **safe
        )
        _check_whole(name, loaded)
    return LanguageModel(name, module, AutoTokenizer.from_pretrained(place, **safe), causal)


def _is_causal(name: str, config: Any) -> bool:
    """Whether the architecture predicts the next token; one that does neither is refused."""
    kind = config.model_type
    if getattr(config, "is_encoder_decoder", False):
        raise ModelError(f"--model {name}: {kind} is an encoder with a decoder; not supported")
    masked = kind in MODEL_FOR_MASKED_LM_MAPPING_NAMES and not getattr(config, "is_decoder", False)
    if kind in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES and not masked:
        return True
    if masked:
        return False
    raise ModelError(f"--model {name}: {kind} is no language model")


def _check_whole(name: str, loaded: dict[str, Any]) -> None:
    """Weights that are missing would be random ones, in silence."""
    missing = sorted(map(str, loaded.get("missing_keys", ())))
    if missing:
        raise ModelError(
            f"--model {name}: its weights lack {missing[0]} and {len(missing) - 1} others; is the "
            "file whole, and of this architecture?"
        )
