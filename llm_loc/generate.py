"""Generate: how a model goes on from a prompt, intact and under masks, from the same seeds.

The loop over tokens is our own, for the texts of several masks grow side by side on one model: an
ablation holds for a single pass, and none is attached while a text waits for its next token.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from common.base.errors import DataError, SettingError
from common.base.heavy import torch
from common.measure.ablate import Ablation, under
from common.measure.donors import Donors
from common.measure.masks import Mask
from common.measure.scores import SelectivityMap
from llm_loc.models import Ids, LanguageModel

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Sampling:
    """How tokens are chosen.

    Attributes
    ----------
    temperature : float
        0 takes the likeliest token; above, tokens are drawn.
    top_p : float
        Drawn only from the likeliest tokens that make up this share.
    max_new_tokens : int
        The most tokens that are added.
    n : int
        Continuations, from as many draws.
    seed : int
        Seed of the draws.

    Raises
    ------
    SettingError
        If one of them makes no sense.
    """

    temperature: float = 0.0
    top_p: float = 1.0
    max_new_tokens: int = 40
    n: int = 1
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.temperature < float("inf"):
            raise SettingError(f"`temperature` {self.temperature:g}: give 0 or more")
        if not 0 < self.top_p <= 1:
            raise SettingError(f"`top_p` {self.top_p:g}: give more than 0 and at most 1")
        if self.max_new_tokens < 1 or self.n < 1:
            raise SettingError("`max_new_tokens` and `n`: give 1 or more")
        if self.n > 1 and self.temperature == 0:
            raise SettingError(f"`n` {self.n}: without `temperature` all would be the same")


class Chooser:
    """Chooses the next token of each row, from a generator of its own.

    Masks that start from the same seed meet the same draws, token by token, whatever runs between.
    """

    def __init__(self, sampling: Sampling) -> None:
        from transformers import LogitsProcessorList, TemperatureLogitsWarper, TopPLogitsWarper

        self.drawn = sampling.temperature > 0
        self.generator = torch.Generator().manual_seed(sampling.seed)
        self.warp: Any = LogitsProcessorList()
        if self.drawn:
            self.warp.append(TemperatureLogitsWarper(float(sampling.temperature)))
        if self.drawn and sampling.top_p < 1:
            self.warp.append(TopPLogitsWarper(sampling.top_p))

    def __call__(self, rows: Tensor, logits: Tensor) -> Tensor:
        """Token ids of shape (n_rows, 1) from logits of shape (n_rows, n_vocabulary)."""
        if not self.drawn:
            return logits.argmax(dim=1, keepdim=True)
        # On the CPU, so that the draws do not depend on the device.
        likely = self.warp(rows, logits).softmax(dim=1).cpu()
        return torch.multinomial(likely, 1, generator=self.generator).to(rows.device)


def continuations(
    model: LanguageModel, prompt: str, sampling: Sampling, mask: Mask | None = None, **settings: Any
) -> list[str]:
    """What the model adds to a prompt, intact or with a mask's units replaced.

    Parameters
    ----------
    model, prompt, sampling, mask, **settings
        As for :func:`stream`.

    Returns
    -------
    list of str of length n

    Raises
    ------
    DataError, ModelError
        As for :func:`stream`.
    """
    *_, texts = stream(model, prompt, sampling, mask, **settings)
    return texts


def stream(
    model: LanguageModel,
    prompt: str,
    sampling: Sampling,
    mask: Mask | None = None,
    *,
    by: Ablation = "zero",
    found: SelectivityMap | None = None,
    donors: Donors | None = None,
    use_cache: bool = True,
    special: bool = True,
) -> Iterator[list[str]]:
    """What the model adds to a prompt, token by token, intact or with a mask's units replaced.

    The ablation acts on the prompt and on what is generated alike. It is attached for each pass and
    taken off before the texts are handed out, so any number of streams can take turns on one model,
    and a stream can be left at any token.

    Parameters
    ----------
    model : LanguageModel
        The model.
    prompt : str
        What it goes on from.
    sampling : Sampling
        How tokens are chosen.
    mask : Mask, optional
        Left out, the model is intact.
    by : {"zero", "mean", "resample"} or float, default="zero"
        The replacement; for ``mean`` the map gives each unit's mean over the control condition.
    found : SelectivityMap, optional
        The map, for ``by="mean"``.
    donors : Donors, optional
        For ``by="resample"``; the prompt says who its donor is.
    use_cache : bool, default=True
        Whether keys and values are kept from token to token; the text is the same without.
    special : bool, default=True
        Whether the tokenizer adds its own tokens to the prompt; a template has them already.

    Yields
    ------
    list of str of length n
        The texts so far, each beginning with what it was before.

    Raises
    ------
    DataError
        If the prompt is empty, or longer with what shall be added than the model can read; and if
        the model's logits are NaN.
    ModelError
        If the model is an encoder.
    """
    model.check_causal()
    (ids,) = model.tokens([prompt], special=special)
    total = len(ids) + sampling.max_new_tokens
    if model.context is not None and total > model.context:
        raise DataError(
            f"`prompt`: {len(ids)} tokens and {sampling.max_new_tokens} new ones, but {model.name} "
            f"reads {model.context} at most; lower `max_new_tokens` or shorten it"
        )
    donated = None if donors is None else donors.to([prompt] * sampling.n)
    ablated = partial(under, model.module, mask, by, found, donated)
    return _grow(model, ids, sampling, ablated, use_cache)


def _grow(
    model: LanguageModel,
    ids: Ids,
    sampling: Sampling,
    ablated: Callable[[], AbstractContextManager[None]],
    use_cache: bool,
) -> Iterator[list[str]]:
    choose = Chooser(sampling)
    rows = model.batch([ids] * sampling.n)["input_ids"]
    end = model.tokenizer.eos_token_id
    cache: dict[str, Any] = {}
    for left in reversed(range(sampling.max_new_tokens)):
        # Neither outlives the pass: between two tokens whoever asked for them has the model.
        with torch.inference_mode(), ablated():
            logits, kept = model.next_token(rows, cache, use_cache)
            if logits.isnan().any():
                raise DataError(f"{model.name}: the logits of the next token are NaN")
            rows = torch.cat([rows, choose(rows, logits)], dim=1)
        cache = kept if use_cache else {}
        added = [_until(end, row) for row in rows[:, len(ids) :].tolist()]
        done = [over or not left for _, over in added]
        yield [_text(model, tokens, over) for (tokens, _), over in zip(added, done, strict=True)]
        if all(done):
            return


def _until(end: int | None, tokens: list[int]) -> tuple[list[int], bool]:
    """The tokens before the one that ends a text, and whether it was there."""
    if end not in tokens:
        return tokens, False
    return tokens[: tokens.index(end)], True


def _text(model: LanguageModel, tokens: list[int], done: bool) -> str:
    text: str = model.tokenizer.decode(tokens, skip_special_tokens=True)
    # The bytes of one character may be spread over tokens: it waits until all are there.
    return text if done else text.rstrip("\N{REPLACEMENT CHARACTER}")
