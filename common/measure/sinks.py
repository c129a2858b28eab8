"""Attention sinks: which tokens of a text its means leave out.

Trained language models look at a text's first token, whatever it is, when they have nothing to look
at, and keep activations there that are hundreds of times as strong as anywhere else (Xiao et al.
2024, arXiv 2309.17453; Sun et al. 2024, arXiv 2402.17762). A mean over all tokens is mostly a
statement about that one, and a value that the unit takes at no token.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from common.base.heavy import torch
from common.measure.sites import Pooling

if TYPE_CHECKING:
    from torch import Tensor

LeftOut = Literal["first token"]
FIRST: LeftOut = "first token"
AVERAGED: tuple[Pooling, ...] = ("mean", "sum")  # the poolings that read every position


def without_first(tokens: Tensor) -> Tensor:
    """Tokens that a mean counts: all real ones but each text's first.

    Parameters
    ----------
    tokens : tensor of shape (n_texts, n_positions)
        1 for a real token and 0 for padding, on either side.

    Returns
    -------
    tensor of bool of shape (n_texts, n_positions)
        A text of one token keeps it.
    """
    real = tokens.bool()
    places = torch.arange(real.shape[1], device=real.device)
    first = real & (places == real.int().argmax(dim=1, keepdim=True))
    return real & ~(first & (real.sum(dim=1, keepdim=True) > 1))


def counted(tokens: Tensor | None, pooling: Pooling, left_out: str | None) -> Tensor | None:
    """Tokens that a pooling reads, of those that are real.

    Parameters
    ----------
    tokens : tensor of shape (n_texts, n_positions), optional
        See :func:`without_first`.
    pooling : str
        Only means and sums leave tokens out.
    left_out : str, optional
        What they leave out; nothing, if it is not given.
    """
    if tokens is None or left_out != FIRST or pooling not in AVERAGED:
        return tokens
    return without_first(tokens)
