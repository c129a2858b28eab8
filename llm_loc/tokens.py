"""How much less likely a mask makes each token of a text, the text itself being given.

Teacher-forced: the model reads the same text intact and under each mask, and of each token is told
how likely it was, given all before it. What a mask does to a sentence is thus seen where it does
it, and two masks can be held against each other token by token, which texts that they write cannot.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from common.base.errors import DataError
from common.base.heavy import functional, torch
from common.measure.ablate import Ablation, under
from common.measure.donors import Donated, Donors
from common.measure.masks import Mask
from common.measure.massive import without_massive
from common.measure.moments import Array
from common.measure.scores import SelectivityMap
from common.study import verbs as study
from llm_loc.experiment import FRONT, masks_of_plan
from llm_loc.models import Ids, LanguageModel
from llm_loc.used import donors_in


@dataclass(frozen=True, eq=False)
class TokenChanges:
    """A text in tokens, and what masks do to each.

    Attributes
    ----------
    text : str
        What was read.
    tokens : tuple of str of shape (n_tokens,)
        The letters that each stands for; joined they are the text. A token that the tokenizer adds,
        and one that is a part of a letter, has none.
    names : tuple of str of shape (n_tokens,)
        What the tokenizer calls each.
    begins : array of int of shape (n_tokens,)
        The letter of the text where each begins.
    intact : array of shape (n_tokens,)
        Log-probability of each given all before it, in nats; NaN of the first, which nothing
        predicts.
    masked : dict of str to array of shape (n_tokens,)
        The same under each mask, by its name.
    n_units : dict of str to int
        How many units each mask has.
    """

    text: str
    tokens: tuple[str, ...]
    names: tuple[str, ...]
    begins: np.ndarray
    intact: Array
    masked: dict[str, Array]
    n_units: dict[str, int]

    def lost(self, mask: str) -> Array:
        """By how many nats a mask makes each token less likely; NaN of the first."""
        lost: Array = self.intact - self.masked[mask]
        return lost

    def mean(self, mask: str, since: int = 0, until: int | None = None) -> tuple[float, int]:
        """The mean of that over the tokens that begin in a stretch of the text, and their number.

        It describes this text: its tokens depend on each other and are a sample of nothing.

        Parameters
        ----------
        mask : str
            Its name.
        since, until : int
            The first letter, and the first behind the stretch; NaN and 0 of a stretch without any.
        """
        last = len(self.text) if until is None else until
        inside = (self.begins >= since) & (self.begins < last) & ~np.isnan(self.intact)
        n = int(inside.sum())
        return (float(self.lost(mask)[inside].mean()) if n else float("nan")), n

    def as_json(self) -> dict[str, Any]:
        """What ``--json`` prints."""
        lost = {name: self.lost(name) for name in self.masked}
        return {
            "text": self.text,
            "masks": {
                name: {"units": self.n_units[name], "n": n, "mean": mean}
                for name in self.masked
                for mean, n in [self.mean(name)]
            },
            "tokens": [
                {
                    "token": token or name,
                    "intact": _told(self.intact[place]),
                    "lost": {mask: _told(values[place]) for mask, values in lost.items()},
                }
                for place, (token, name) in enumerate(zip(self.tokens, self.names, strict=True))
            ],
        }


def _told(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def token_changes(
    model: LanguageModel,
    text: str,
    masks: Mapping[str, Mask],
    *,
    by: Ablation = "zero",
    found: SelectivityMap | None = None,
    donors: Donors | None = None,
    special: bool = True,
) -> TokenChanges:
    """Let a model read a text intact and under each mask, and compare token by token.

    Parameters
    ----------
    model : LanguageModel
        The model; every reading is one pass.
    text : str
        What it reads.
    masks : mapping of str to Mask
        By the names that they have in the result.
    by, found, donors
        The replacement; see :func:`llm_loc.generate.stream`.
    special : bool, default=True
        Whether the tokenizer adds its own tokens; a template has them already.

    Raises
    ------
    DataError
        If the text is one token, more than the model can read, or a log-probability is not finite.
    ModelError
        If the model is an encoder.
    """
    model.check_causal()
    (ids,) = model.tokens([text], special=special)
    if len(ids) < 2:
        raise DataError(f"`text` {text[:40]!r}: one token, so there is nothing to predict")
    donated = None if donors is None else donors.to([text])
    said, begins = letters_of(model, text, ids, special)
    return TokenChanges(
        text=text,
        tokens=said,
        names=tuple(map(str, model.tokenizer.convert_ids_to_tokens(list(ids)))),
        begins=begins,
        intact=_log_probabilities(model, ids, None, by, found, donated),
        masked={
            name: _log_probabilities(model, ids, mask, by, found, donated)
            for name, mask in masks.items()
        },
        n_units={name: len(mask) for name, mask in masks.items()},
    )


def _log_probabilities(
    model: LanguageModel,
    ids: Ids,
    mask: Mask | None,
    by: Ablation,
    found: SelectivityMap | None,
    donated: Donated | None,
) -> Array:
    """Of each token given all before it, shape (n_tokens,); NaN of the first."""
    batch = model.batch([ids[:-1]])  # the last token is predicted and predicts nothing
    following = torch.tensor(ids[1:], device=model.device)
    with torch.inference_mode(), under(model.module, mask, by, found, donated):
        nats = (
            functional.cross_entropy(model.logits(batch)[0], following, reduction="none")
            .cpu()
            .double()
        )
    if not nats.isfinite().all():
        raise DataError(f"{model.name}: log-probabilities are NaN or infinite")
    return np.concatenate([[np.nan], -nats.numpy()])


def letters_of(
    model: LanguageModel, text: str, ids: Ids, special: bool = True
) -> tuple[tuple[str, ...], np.ndarray]:
    """The letters of a text that each of its tokens stands for, and where they begin.

    A token goes to where the next one begins, spaces included.
    """
    begins = _begins(model, text, ids, special)
    ends = [*begins[1:], len(text)]
    return tuple(text[a:b] for a, b in zip(begins, ends, strict=True)), np.array(begins)


def _begins(model: LanguageModel, text: str, ids: Ids, special: bool) -> list[int]:
    tokenizer = model.tokenizer
    if not tokenizer.is_fast:  # without offsets: as long as each reads by itself
        sizes = [len(tokenizer.decode([number], skip_special_tokens=True)) for number in ids]
        return np.minimum(np.cumsum([0, *sizes[:-1]]), len(text)).tolist()
    told = tokenizer(text, add_special_tokens=special, verbose=False, return_offsets_mapping=True)[
        "offset_mapping"
    ][: len(ids)]
    real = {place for place, (begin, end) in enumerate(told) if end > begin}
    first = min(real, default=0)
    begins, after = [0] * len(told), len(text)
    for place in reversed(range(len(told))):
        if place in real:
            after = 0 if place == first else told[place][0]
        begins[place] = after  # one that is added stands where the next begins, or at the end
    return np.maximum.accumulate(begins).tolist()


def shown_token(token: str, name: str) -> str:
    """A token in a table: its spaces to be seen, and by its name where it stands for no letters."""
    if not token:
        return name
    seen = token.replace("\n", "⏎").replace("\t", "⇥")
    left, right = len(seen) - len(seen.lstrip(" ")), len(seen) - len(seen.rstrip(" "))
    return "␣" * left + seen.strip(" ") + "␣" * (right if seen.strip(" ") else 0)


def tokens_under(source: Path, text: str, **changed: Any) -> TokenChanges:
    """What the masks of an earlier map do to each token of a text.

    The top masks, each without its massive units besides where it has some, and the controls.

    Parameters
    ----------
    source : Path
        A folder of :func:`llm_loc.experiment.run` or :func:`llm_loc.experiment.localize_only`.
    text : str
        What is read.
    **changed
        The settings that choose the masks; those of the localizer are the folder's own.
    """
    at_hand = study.open_source(FRONT, source, **changed)
    found, plan = at_hand.found, at_hand.settings.plan
    donors = donors_in(at_hand)
    masks = _with_quiet(found, masks_of_plan(found, plan))
    named = {mask.name: mask for mask in masks}
    return token_changes(at_hand.model, text, named, by=plan.ablation, found=found, donors=donors)


def _with_quiet(found: SelectivityMap, masks: Sequence[Mask]) -> list[Mask]:
    """Each top mask followed by itself without its massive units."""
    every: list[Mask] = []
    for mask in masks:
        quiet = without_massive(found, mask) if mask.rule == "top" else None
        every += [mask] if quiet is None else [mask, quiet]
    return every
