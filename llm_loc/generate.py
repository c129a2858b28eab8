"""Generate: how a model goes on from a prompt, intact and under masks, from the same seeds."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from transformers import GenerationConfig

from common.errors import DataError, SettingError
from common.hooks import Ablation, under
from common.masks import Mask
from common.selectivity import SelectivityMap
from llm_loc.models import LanguageModel


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
            raise SettingError(f"--temperature {self.temperature:g}: give 0 or more")
        if not 0 < self.top_p <= 1:
            raise SettingError(f"--top-p {self.top_p:g}: give more than 0 and at most 1")
        if self.max_new_tokens < 1 or self.n < 1:
            raise SettingError("--max-new-tokens and --n: give 1 or more")
        if self.n > 1 and self.temperature == 0:
            raise SettingError(f"--n {self.n}: without --temperature all would be the same")


def continuations(
    model: LanguageModel,
    prompt: str,
    sampling: Sampling,
    mask: Mask | None = None,
    *,
    by: Ablation = "zero",
    found: SelectivityMap | None = None,
    use_cache: bool = True,
) -> list[str]:
    """What the model adds to a prompt, intact or with a mask's units replaced.

    The ablation acts on the prompt and on what is generated alike.

    Parameters
    ----------
    use_cache : bool, default=True
        Whether keys and values are kept from token to token; the text is the same without.

    Returns
    -------
    list of str of length n

    Raises
    ------
    DataError
        If the prompt is empty, or longer with what shall be added than the model can read.
    """
    model.check_causal()
    (ids,) = model.tokens([prompt])
    total = len(ids) + sampling.max_new_tokens
    if model.context is not None and total > model.context:
        raise DataError(
            f"--prompt: {len(ids)} tokens and {sampling.max_new_tokens} new ones, but {model.name} "
            f"reads {model.context} at most; lower --max-new-tokens or shorten it"
        )
    batch = model.batch([ids])
    drawn = sampling.temperature > 0
    # A config of our own: the model's may ask for a repetition penalty, or cut to the likeliest 50.
    config = GenerationConfig(
        max_new_tokens=sampling.max_new_tokens,
        do_sample=drawn,
        num_return_sequences=sampling.n,
        use_cache=use_cache,
        pad_token_id=model.pad,
        eos_token_id=model.tokenizer.eos_token_id,
        **(
            {"temperature": sampling.temperature, "top_p": sampling.top_p, "top_k": 0}
            if drawn
            else {}
        ),
    )
    devices = [model.device] if model.device.type == "cuda" else []
    with (
        torch.inference_mode(),
        under(model.module, mask, by, found),
        torch.random.fork_rng(devices),
    ):
        torch.manual_seed(sampling.seed)
        out = model.module.generate(**batch, generation_config=config)  # type: ignore[operator]
    return [model.tokenizer.decode(row[len(ids) :], skip_special_tokens=True) for row in out]
