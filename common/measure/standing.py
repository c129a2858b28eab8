"""Which tokens of a pass are real, and where each stands in its text, counted from its first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from common.base.errors import SiteError
from common.base.heavy import torch
from common.measure.attach import first_tensor
from common.measure.sites import EACH_TOKEN, Site

if TYPE_CHECKING:
    from torch import Tensor

CACHES = ("cache", "past_key_values", "cache_params", "state")  # what was read is kept in


def places_of(args: Sequence[Any], kwargs: Mapping[str, Any]) -> Tensor | None:
    """The places of the tokens that a call of a language model reads.

    Parameters
    ----------
    args, kwargs
        Of the call: positions where they are given, or else counted from the first token that the
        mask of attention shows, behind what a cache holds.

    Returns
    -------
    tensor of int of shape (n_texts, n_tokens) or None
        Padding on the left has the places of nobody, below 0; nothing, where no tokens are read.
    """
    ids = kwargs.get("input_ids")
    ids = first_tensor(args) if ids is None else ids
    if ids is None or ids.ndim != 2:
        return None
    told, mask = kwargs.get("position_ids"), kwargs.get("attention_mask")
    if isinstance(told, torch.Tensor) and told.ndim == 2:
        return told.expand(ids.shape[0], -1)
    if isinstance(mask, torch.Tensor) and mask.ndim == 2:
        return (mask.long().cumsum(dim=1) - 1)[:, -ids.shape[1] :]
    begin = _read_before(kwargs)
    return torch.arange(begin, begin + ids.shape[1], device=ids.device).expand(ids.shape)


def tokens_of(args: Sequence[Any], kwargs: Mapping[str, Any]) -> Tensor | None:
    """The real tokens that a call of a language model reads, as its mask of attention says.

    Parameters
    ----------
    args, kwargs
        Of the call; the mask by its name.

    Returns
    -------
    tensor of shape (n_texts, n_tokens) or None
        1 for a real token, 0 for padding; nothing, where the call does not say it.
    """
    mask = kwargs.get("attention_mask")
    if not isinstance(mask, torch.Tensor) or mask.ndim != 2:
        return None
    ids = kwargs.get("input_ids")
    ids = first_tensor(args) if ids is None else ids
    # One that a cache goes before covers what was read earlier, too.
    return mask if ids is None or ids.ndim != 2 else mask[:, -ids.shape[1] :]


def _read_before(kwargs: Mapping[str, Any]) -> int:
    """Tokens that a cache holds; 1 where it does not say how many."""
    where = kwargs.get("cache_position")
    if where is not None:
        return int(where[0])
    cache = next((kept for name in CACHES if (kept := kwargs.get(name)) is not None), None)
    if cache is None:
        return 0
    return int(cache.get_seq_length()) if hasattr(cache, "get_seq_length") else 1


def by_token(site: Site, tensor: Tensor, places: Tensor) -> Tensor:
    """The places of tokens, in a shape that broadcasts against a tensor that a site gave.

    Parameters
    ----------
    site : Site
        The site.
    tensor : tensor of shape (n_texts, n_tokens, n_channels), or with a row a token
        What it gave; tokens may be the last axis.
    places : tensor of int of shape (n_texts, n_tokens)
        As from :func:`places_of`.

    Raises
    ------
    SiteError
        If the tensor has not a row for each token.
    """
    if site.fold == EACH_TOKEN and tensor.ndim == 2 and len(tensor) == places.numel():
        return places.reshape(-1, 1)
    axis = 3 - site.axis if tensor.ndim == 3 and site.fold == 1 else 0
    if not axis or tensor.shape[0] != len(places) or tensor.shape[axis] != places.shape[1]:
        raise SiteError(
            f"{site}: a tensor of shape {tuple(tensor.shape)} has not one row for each of "
            f"{places.shape[1]} tokens, so nothing can be put in by its place; use zero"
        )
    return places.unsqueeze(site.axis)
