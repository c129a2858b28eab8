"""A language model of one's own: any module that turns tokens into logits of the next token.

A function of somebody's own (:mod:`common.models.own`) returns one of these::

    module, tokenizer                       # of transformers, or written by hand
    {"module": …, "tokenizer": …, "context": 128}
    language_model(module, tokenizer, context=128)

A module written by hand takes token ids of shape (B, n_tokens), and an ``attention_mask`` if it
has a parameter of that name; it gives logits of shape (B, n_tokens, n_vocabulary), alone, first in
a tuple, or as the attribute ``logits``.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn

from common.base.errors import ModelError
from common.models.own import Own, module_in, told_of_code
from llm_loc.models import EXAMPLE_TOKENS, LanguageModel

LONGEST = 1024  # tokens up to which a model that does not say it is tried
MASK = "attention_mask"
TRIED = ("The quick brown fox", "the old girls sing", "ABC abc 123", "straße, élan!")
"""Texts by which a tokenizer is told that is two functions."""


class ByHand(nn.Module):
    """A module written by hand, called as those of transformers are; its parts keep their paths.

    Parameters
    ----------
    module : nn.Module
        Shared, not copied: its parts, weights and buffers are this one's.
    """

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self._modules = module._modules
        self._parameters = module._parameters
        self._buffers = module._buffers
        object.__setattr__(self, "whole", module)
        object.__setattr__(self, "masked", MASK in inspect.signature(module.forward).parameters)
        self.config = SimpleNamespace(max_position_embeddings=None)

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        use_cache: bool = False,  # noqa: ARG002  (it has none)
    ) -> SimpleNamespace:
        """Logits of every next token, as the attribute ``logits``."""
        whole: Any = self.whole
        mask = {MASK: attention_mask} if self.masked and attention_mask is not None else {}
        out = whole.forward(input_ids, **mask)
        out = out[0] if isinstance(out, tuple | list) else getattr(out, "logits", out)
        return SimpleNamespace(logits=out)

    def train(self, mode: bool = True) -> ByHand:
        """Both are in one mode."""
        super().train(mode)
        self.whole.training = mode  # type: ignore[union-attr]
        return self

    def get_input_embeddings(self) -> nn.Module:
        """Its largest table of embeddings."""
        tables = [each for each in self.modules() if isinstance(each, nn.Embedding)]
        return max(tables, key=lambda each: each.num_embeddings)


class Spelled:
    """A tokenizer that is two functions, ``encode`` and ``decode``, called as transformers' are.

    Parameters
    ----------
    plain : object
        With ``encode`` from a text to a list of ids, and ``decode`` back.
    n : int
        Number of tokens.
    """

    is_fast = False
    eos_token_id = pad_token_id = unk_token_id = bos_token_id = bos_token = chat_template = None
    all_special_ids: tuple[int, ...] = ()
    special_tokens_map: Mapping[str, str] = {}

    def __init__(self, plain: Any, n: int) -> None:
        self.plain, self.n = plain, n

    def __call__(
        self, texts: str | Sequence[str], max_length: int | None = None, **_: Any
    ) -> dict[str, Any]:
        """Token ids of a text, or of each of several."""
        if isinstance(texts, str):
            return {"input_ids": list(self.plain.encode(texts))[:max_length]}
        return {"input_ids": [list(self.plain.encode(text))[:max_length] for text in texts]}

    @property
    def tried(self) -> list[Any]:
        """What it makes of a few texts: its vocabulary does not say how it cuts them."""
        return [self._tried(text) for text in TRIED]

    def _tried(self, text: str) -> list[int] | str:
        try:
            return [int(each) for each in self.plain.encode(text)]
        except Exception as error:  # of somebody's own code, which may not know a letter
            return type(error).__name__

    def decode(self, ids: Sequence[int], **_: Any) -> str:
        """The text of some tokens."""
        return str(self.plain.decode(list(map(int, ids))))

    def convert_ids_to_tokens(self, number: int) -> str:
        """The text of one token."""
        return self.decode([number])

    def get_vocab(self) -> dict[str, int]:
        """What each token reads like."""
        found = {}
        for number in range(self.n):
            with suppress(Exception):  # of a number that somebody's tokenizer has not
                found[self.decode([number])] = number
        return found


def language_model(
    module: nn.Module, tokenizer: Any, *, context: int | None = None, name: str = "own"
) -> LanguageModel:
    """A language model made from a module and its tokenizer.

    Parameters
    ----------
    module : nn.Module
        Of transformers, with a head for the next token; or any that gives logits of the next token
        of shape (B, n_tokens, n_vocabulary). It is put into evaluation mode, and computes no
        gradients from then on.
    tokenizer : object
        Of transformers; a ``tokenizers.Tokenizer``; or anything with ``encode`` and ``decode``.
    context : int, optional
        The most tokens that it reads; tried if nothing is said.
    name : str, default="own"
        What it is called.

    Raises
    ------
    ModelError
        If it does not read tokens, or what comes later changes what it says of what was before.
    """
    module.eval().requires_grad_(False)
    if hasattr(module, "config") and hasattr(module, "get_input_embeddings"):
        return LanguageModel(name, module, _tokenizer(name, tokenizer, 0))
    wrapped = module if isinstance(module, ByHand) else ByHand(module)
    if not any(isinstance(each, nn.Embedding) for each in wrapped.modules()):
        raise ModelError(f"`model` {name}: has no nn.Embedding, so it reads no tokens")
    wrapped.eval()
    n = wrapped.get_input_embeddings().num_embeddings
    found = LanguageModel(name, wrapped, _tokenizer(name, tokenizer, int(n)))  # type: ignore[arg-type]
    _check_causal(found, wrapped)
    longest = _reads(found) if context is None else context
    wrapped.config.max_position_embeddings = longest
    return found


def _tokenizer(name: str, given: Any, n: int) -> Any:
    if callable(given) and hasattr(given, "all_special_ids"):
        return given
    if type(given).__module__.startswith("tokenizers"):
        from transformers import PreTrainedTokenizerFast

        return PreTrainedTokenizerFast(tokenizer_object=given)
    if hasattr(given, "encode") and hasattr(given, "decode") and n:
        return Spelled(given, n)
    raise ModelError(
        f"`model` {name}: its tokenizer is {type(given).__name__}; it has to be one of "
        "transformers or of tokenizers, or to have encode and decode"
    )


def _check_causal(model: LanguageModel, wrapped: ByHand) -> None:
    """Refuse what would answer otherwise beside longer texts, which are filled up on the right."""
    example = model.example()["input_ids"]
    other = example.clone()
    other[:, -1] = (other[:, -1] + 1) % model.vocabulary
    with told_of_code(model.name), torch.no_grad():
        one, two = (wrapped(ids).logits for ids in (example, other))
        if not isinstance(one, Tensor) or one.ndim != 3 or one.shape[:2] != example.shape:
            given = tuple(one.shape) if isinstance(one, Tensor) else type(one).__name__
            raise ModelError(
                f"`model` {model.name}: of {EXAMPLE_TOKENS} tokens it gives {given}; logits of "
                f"shape (1, {EXAMPLE_TOKENS}, n_vocabulary) are needed"
            )
        if not torch.allclose(one[:, :-1], two[:, :-1], atol=1e-4):
            raise ModelError(
                f"`model` {model.name}: a later token changes what it says of earlier ones, so it "
                "predicts no next token"
            )


def _reads(model: LanguageModel) -> int | None:
    """The most tokens that it reads without an error; ``None`` if those are many."""

    def fits(n: int) -> bool:
        try:
            with torch.no_grad():
                model.module(torch.zeros(1, n, dtype=torch.long))
        except (RuntimeError, IndexError, AssertionError, ValueError):
            return False
        return True

    low, high = EXAMPLE_TOKENS, EXAMPLE_TOKENS
    while fits(high):
        low, high = high, 2 * high
        if low >= LONGEST:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low


def load_own(own: Own, untrained: bool) -> LanguageModel:
    """What a function of somebody's own stands for.

    Raises
    ------
    ModelError
        If it returns something else.
    """
    made = own.call(untrained)
    if isinstance(made, LanguageModel):
        # A network with random weights is another module, whose parts its wrapper shares.
        return replace(made, name=own.name, code=own.made_of(made.module))
    module, said = module_in(own.name, made), {}
    if isinstance(made, Mapping):
        said = {key: value for key, value in made.items() if key != "module"}
    elif isinstance(made, tuple | list) and len(made) == 2:
        said = {"tokenizer": made[1]}
    if "tokenizer" not in said or said.keys() - {"tokenizer", "context"}:
        raise ModelError(
            f"`model` {own.name}: its function has to return (module, tokenizer), or a dict of "
            "module, tokenizer and, if it likes, context"
        )
    found = language_model(module, **said, name=own.name)
    return replace(found, code=own.made_of(found.module))
