"""A language model that is ready to read, with its own tokenizer."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from common.base.device import all_sent
from common.base.errors import DataError, ModelError
from common.base.files import digest_of
from common.base.heavy import torch
from common.models.load import LoadedModel

if TYPE_CHECKING:
    from torch import Tensor, nn

Side = Literal["right", "left"]
Ids = Sequence[int]

NO_END = ", without the end that it puts behind each text"
EXAMPLE_TOKENS = 7  # a prime, which no width or number of heads will be
# What transformers calls it, whose older releases have a name each for attention and Mamba; RWKV's.
CACHES = ("cache", "past_key_values", "cache_params", "state")


@dataclass(frozen=True)
class LanguageModel(LoadedModel):
    """A model that is ready to read.

    Attributes
    ----------
    tokenizer : transformers tokenizer
        Its own; never changed (a model without a pad token keeps having none).
    causal : bool
        Whether it predicts the next token; an encoder does not.
    area : dict of str to array
        The built-in area of a phantom: module path to channels.
    adapter : str, optional
        Checksum of the adapter that was merged into its weights.
    """

    tokenizer: Any
    causal: bool = True
    area: dict[str, np.ndarray] = field(default_factory=dict)
    adapter: str | None = None

    @property
    def device(self) -> torch.device:
        """Where token ids go: to the input embeddings, wherever the rest of the model lies."""
        base: Any = self.base
        embeddings = base.get_input_embeddings()
        # Weights that accelerate keeps elsewhere come to this device when they are needed.
        hook = getattr(embeddings, "_hf_hook", None)
        where = getattr(hook, "execution_device", None)
        return embeddings.weight.device if where is None else torch.device(where)

    @property
    def n_parameters(self) -> int:
        """How many numbers it was trained in; embeddings that are tied count once."""
        # Kept elsewhere by accelerate, they are two parameters.
        tied = getattr(self.module, "all_tied_weights_keys", {})
        named = self.module.named_parameters()
        return sum(p.numel() for name, p in named if not (p.is_meta and name in tied))

    def weights(self) -> Iterator[tuple[str, Tensor]]:
        """As in ``module.state_dict()``; what accelerate keeps elsewhere is fetched one by one."""
        for path, tensor in super().weights():
            if not tensor.is_meta:
                yield path, tensor
                continue
            from accelerate.utils import align_module_device  # only there if it was asked for

            place, _, name = path.rpartition(".")
            holder = self.module.get_submodule(place)
            with align_module_device(holder, torch.device("cpu")):
                yield path, getattr(holder, name)

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
                return value if self._first_position is None else value - self._first_position
        return None

    @cached_property
    def vocabulary(self) -> int:
        """Number of tokens that it knows."""
        base: Any = self.base
        return int(base.get_input_embeddings().weight.shape[0])

    @property
    def pad(self) -> int:
        """A token to fill up with; attention never sees it, so any that the model has will do."""
        ids = (self.tokenizer.pad_token_id, self.tokenizer.eos_token_id)
        known = (number for number in ids if number is not None and number < self.vocabulary)
        return next(known, 0)

    def tokens(
        self, texts: Sequence[str], *, special: bool = True, longest: int | None = None
    ) -> list[list[int]]:
        """Token ids of each text, cut at `longest` where that is given.

        An end that the tokenizer puts behind each text is left out where the text goes on, which is
        to say in all models but encoders: a prompt would be continued after its end, and the last
        token would be the same for every text.

        Raises
        ------
        DataError
            If a text has no tokens, or more than the model can read; names it.
        """
        if not texts:
            return []
        ends = special and self.ends_texts
        cut = {} if longest is None else {"truncation": True, "max_length": longest + ends}
        found: list[list[int]] = self.tokenizer(
            list(texts), add_special_tokens=special, verbose=False, **cut
        )["input_ids"]
        if ends:
            found = [ids[:-1] for ids in found]
        for text, ids in zip(texts, found, strict=True):
            self._check(text, ids)
        return found

    @cached_property
    def ends_texts(self) -> bool:
        """Whether the tokenizer puts an end behind each text, of a model that would go on."""
        end = self.tokenizer.eos_token_id
        if not self.causal or end is None:
            return False
        told: list[int] = self.tokenizer("a", add_special_tokens=True)["input_ids"]
        plain: list[int] = self.tokenizer("a", add_special_tokens=False)["input_ids"]
        return told[-1:] == [end] and plain[-1:] != [end]

    def _check(self, text: str, ids: Ids) -> None:
        if not ids:
            raise DataError(f"{_short(text)}: the tokenizer of {self.name} makes no token of it")
        self.check_known(text, ids)
        if self.context is not None and len(ids) > self.context:
            raise DataError(
                f"{_short(text)}: {len(ids)} tokens, but {self.name} reads {self.context} at most"
            )

    def check_known(self, text: str, ids: Ids) -> None:
        """Refuse a token that the model has no embedding of.

        Raises
        ------
        DataError
            If there is one; names it, and what the text begins with.
        """
        if (top := max(ids, default=0)) >= self.vocabulary:
            token = self.tokenizer.convert_ids_to_tokens(top)
            raise DataError(
                f"{_short(text)}: the token {token!r} has the number {top}, but {self.name} has "
                f"embeddings of {self.vocabulary} tokens; its tokenizer is another model's, or has "
                "tokens added"
            )

    def batch(self, ids: Sequence[Ids], side: Side = "right") -> dict[str, Tensor]:
        """Texts of any length in one batch, filled up on one side, on the model's device.

        Returns
        -------
        dict
            As from :meth:`filled`.
        """
        return all_sent(self.filled(ids, side), self.device)

    def filled(self, ids: Sequence[Ids], side: Side = "right") -> dict[str, Tensor]:
        """The same on the processor.

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
        return found

    @cached_property
    def _takes_positions(self) -> bool:
        named = "position_ids" in inspect.signature(self.base.forward).parameters
        return named and self._first_position is None

    @cached_property
    def _first_position(self) -> int | None:
        """For models that number positions by themselves, after padding's own (RoBERTa's kind)."""
        for path, module in self.base.named_modules():
            if "position" in path and getattr(module, "padding_idx", None) is not None:
                return int(module.padding_idx) + 1
        return None

    def logits(self, batch: dict[str, Tensor], start: int = 0) -> Tensor:
        """Logits of the next token in float32, of shape (n_texts, n_tokens - start, n_vocabulary).

        Parameters
        ----------
        batch : dict of str to Tensor
            As :meth:`batch` gives it.
        start : int, default=0
            The first position that counts. Where the model can, the vocabulary is projected from
            there on alone, which is most of the work where it is large.

        Raises
        ------
        ModelError
            If the model is an encoder.
        """
        self.check_causal()
        if start and self.projects_a_part:
            # An index and no number: a slice of the hidden states is not contiguous and so slower.
            places = torch.arange(start, batch["input_ids"].shape[1], device=self.device)
            return self._logits(batch, logits_to_keep=places)
        return self._logits(batch)[:, start:]

    def _logits(self, batch: dict[str, Tensor], **keep: Tensor) -> Tensor:
        logits: Tensor = self.module(**batch, use_cache=False, **keep).logits
        return logits.float()

    @cached_property
    def projects_a_part(self) -> bool:
        """Whether the forward can project some positions alone; tried once, on the example.

        To be tried on the intact model, before hooks are attached: it is a pass of its own.
        """
        if "logits_to_keep" not in self._takes:
            return False
        batch = {k: v for k, v in self.example().items() if isinstance(v, torch.Tensor)}
        with torch.inference_mode():
            places = torch.arange(EXAMPLE_TOKENS - 3, EXAMPLE_TOKENS, device=self.device)
            whole = self._logits(batch)[:, -3:]
            try:
                part = self._logits(batch, logits_to_keep=places)
            except (IndexError, RuntimeError, TypeError):
                return False  # it takes no index, or spreads over devices, and the index is on one
        if whole.shape != part.shape:
            return False
        rounding = 16 * torch.finfo(self.dtype).eps * whole.abs().max()
        return bool((whole - part).abs().max() <= rounding)

    def next_token(
        self, rows: Tensor, cache: Mapping[str, Any], use_cache: bool = True
    ) -> tuple[Tensor, dict[str, Any]]:
        """Logits of the token after texts of equal length, and the cache for the one after that.

        Parameters
        ----------
        rows : tensor of int of shape (n_texts, n_tokens)
            All tokens so far, without filling.
        cache : mapping
            What the last call gave; empty at first.
        use_cache : bool, default=True
            Whether to make one.

        Returns
        -------
        (tensor of shape (n_texts, n_vocabulary), dict)
            In float32; the dict is empty if the model gave no cache, and then reads all anew.
        """
        keep = {"logits_to_keep": 1} if "logits_to_keep" in self._takes else {}
        fed = rows[:, -1:] if cache else rows
        where = {}
        if cache and "cache_position" in self._takes:
            # Some releases count what was read, and Mamba there has to be told.
            where["cache_position"] = torch.arange(rows.shape[1] - 1, rows.shape[1]).to(rows.device)
        # No attention mask: there is no filling, and recurrent models would apply it to `fed`.
        out = self.module(input_ids=fed, use_cache=use_cache, **cache, **where, **keep)
        # By the names that it takes alone: a release that renames one warns of the old name.
        found = {name: out.get(name) for name in CACHES if name in self._takes}
        kept = {name: value for name, value in found.items() if value is not None}
        return out.logits[:, -1].float(), kept

    @cached_property
    def _takes(self) -> frozenset[str]:
        """The arguments of the whole model's forward, which differ by release and model."""
        return frozenset(inspect.signature(self.module.forward).parameters)

    def check_causal(self) -> None:
        """Refuse an encoder, which predicts no next token.

        Raises
        ------
        ModelError
            If it is one.
        """
        if not self.causal:
            raise ModelError(
                f"`model` {self.name}: is an encoder; it can be localized but not evaluated"
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
            **super().describe(),
            **({} if self.adapter is None else {"adapter": self.adapter}),
            "context": self.context,
            "preprocessing": f"{type(self.tokenizer).__name__} {_digest_of(self.tokenizer)}"
            f"{NO_END if self.ends_texts else ''}",
        }


def _digest_of(tokenizer: Any) -> str:
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        known = [sorted(tokenizer.get_vocab().items()), str(tokenizer.special_tokens_map)]
        return digest_of([*known, *getattr(tokenizer, "tried", [])])
    # Where it cuts and fills up is set anew by each call, and no part of what it is.
    whole = {**json.loads(backend.to_str()), "truncation": None, "padding": None}
    return digest_of([whole, str(tokenizer.special_tokens_map)])


def _short(text: str) -> str:
    words = " ".join(text.split())
    return repr(words if len(words) <= 40 else f"{words[:40]}…")
