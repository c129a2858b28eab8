"""Resampling: a masked unit takes the value that it had on another stimulus.

The *donors* are a few stimuli of the localizer's control condition, drawn by the seed; which one an
item gets is a hash of the seed and the item's name, so that neither batches nor a run that goes on
change it. Each donor is read by itself, and what every site gave is kept whole: a channel of a
feature map takes its whole map, a neuron the number at its own place, a channel of a text the
number at the same token. A text that is longer than its donor reads the donor again from its second
token on, for the first is an attention sink (:mod:`common.measure.sinks`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import numpy as np

from common.base.errors import RunError, SettingError
from common.base.files import digest_of
from common.base.heavy import torch
from common.measure.attach import attached, tensor_of
from common.measure.scores import SelectivityMap
from common.measure.sites import Site
from common.measure.standing import by_token
from common.measure.turns import attached_to

if TYPE_CHECKING:
    from torch import Tensor, nn

MOST = 32  # donors
CONTROL = "control_stimuli"  # what a map calls the fingerprint of its control stimuli
BYTES = 1 << 29  # of what they gave, from which on there are no more of them


@dataclass(frozen=True, eq=False)
class Donors:
    """What units gave on a few stimuli.

    Attributes
    ----------
    names : sequence of str
        Of the stimuli.
    values : mapping of Site to tensor of shape (n_donors, ...)
        What each site gave for each of them; of texts (n_donors, longest, n_channels).
    lengths : tensor of int of shape (n_donors,) or None
        Tokens of each, of texts.
    seed : int
        Of the choice.
    """

    names: Sequence[str]
    values: Mapping[Site, Tensor]
    lengths: Tensor | None
    seed: int = 0

    def chosen(self, items: Iterable[str]) -> np.ndarray:
        """The donor of each item, by its name: array of int of shape (n_items,)."""
        said = (f"{self.seed}:{item}".encode() for item in items)
        drawn = [int.from_bytes(blake2b(each, digest_size=8).digest()) for each in said]
        return np.array([each % len(self.names) for each in drawn], dtype=int)

    def to(self, items: Sequence[str]) -> Donated:
        """What the items of a batch get, in their order."""
        return Donated(self, torch.as_tensor(self.chosen(items)))


@dataclass(frozen=True, eq=False)
class Donated:
    """What is put in for the stimuli of one batch.

    Attributes
    ----------
    donors : Donors
        Whose values.
    rows : tensor of int of shape (n_stimuli,)
        The donor of each.
    """

    donors: Donors
    rows: Tensor

    def at(self, site: Site, tensor: Tensor, places: Tensor | None) -> Tensor:
        """What the donors gave, in the shape of a tensor that a site gives for the batch.

        Parameters
        ----------
        site : Site
            The site.
        tensor : tensor
            What it gives.
        places : tensor of int of shape (n_texts, n_tokens) or None
            Where tokens stand; see :func:`common.measure.standing.places_of`.

        Raises
        ------
        SettingError
            If there is not a donor for each stimulus.
        """
        values, rows = self.donors.values[site], self.rows.to(tensor.device)
        lengths = self.donors.lengths
        if lengths is None or places is None or (tensor.ndim == 2 and site.fold == 1):
            given = values[rows]
        else:
            by_token(site, tensor, places)  # refuses what has not a row for each token
            given = self._read_on(values, rows, lengths.to(tensor.device)[rows], places)
            given = given.transpose(1, 2) if tensor.ndim == 3 and site.axis == 1 else given
        if given.numel() != tensor.numel():
            raise SettingError(
                f"{site}: {len(rows)} stimuli were named to be resampled, and a tensor of shape "
                f"{tuple(tensor.shape)} came"
            )
        return given.reshape(tensor.shape)

    @staticmethod
    def _read_on(values: Tensor, rows: Tensor, lengths: Tensor, places: Tensor) -> Tensor:
        """At each token its donor's, from the second on again where that is shorter."""
        place, rest = places.to(rows.device).clamp(min=0), (lengths[:, None] - 1).clamp(min=1)
        again = torch.where(lengths[:, None] > 1, 1 + (place - 1) % rest, 0)
        return values[rows[:, None], torch.where(place < lengths[:, None], place, again)]


def offered(
    digests: Sequence[str], evaluated: Collection[str], found: SelectivityMap, seed: int
) -> list[int]:
    """Places of the control stimuli that may be donors, in the order in which the seed draws them.

    Parameters
    ----------
    digests : sequence of str
        A fingerprint of each control stimulus.
    evaluated : collection of str
        Of what is evaluated on: a stimulus is no donor of itself.
    found : SelectivityMap
        The map of these stimuli.
    seed : int
        Of the order.

    Raises
    ------
    RunError
        If the map was made of other control stimuli.
    """
    if len(digests) != found.n_control:
        raise RunError(
            f"`ablation` resample: the localizer has {len(digests)} control stimuli, and the map "
            f"was made of {found.n_control}; localize again"
        )
    if found.about.get(CONTROL, told := digest_of([*digests])) != told:
        raise RunError(
            "`ablation` resample: the localizer's control stimuli are not those that the map was "
            "made of; localize again"
        )
    order = np.random.default_rng([seed, *b"resample"]).permutation(len(digests)).tolist()
    return [at for at in order if digests[at] not in evaluated]


def read_donors(
    module: nn.Module,
    sites: Sequence[Site],
    stimuli: Iterable[tuple[str, Callable[[], Any]]],
    *,
    texts: bool,
    seed: int = 0,
) -> Donors:
    """Show the model its donors, one by one.

    Parameters
    ----------
    module : nn.Module
        The model, intact.
    sites : sequence of Site
        Where units may be masked.
    stimuli : iterable of (str, callable)
        The name of each donor, and what calls the model on it alone; more than are kept.
    texts : bool
        Whether they are texts, without padding.
    seed : int, default=0
        Of the choice among them.

    Raises
    ------
    SettingError
        If there is no stimulus.
    """
    names: list[str] = []
    kept: dict[Site, list[Tensor]] = {site: [] for site in sites}

    def keep(site: Site) -> Callable[[Any], None]:
        def act(value: Any) -> None:
            kept[site].append(_alone(site, tensor_of(site, value).detach(), texts).clone())

        return act

    with torch.inference_mode(), attached(attached_to(module, sites, keep)):
        for name, run in stimuli:
            run()
            names.append(name)
            n_bytes = sum(each.nbytes for own in kept.values() for each in own)
            if len(names) == MOST or n_bytes >= BYTES:
                break
    if not names:
        raise SettingError(
            "`ablation` resample: every control stimulus is evaluated on, so none is left to take "
            "values from; choose zero or mean"
        )
    sizes = [max(_tokens(own[at]) for own in kept.values()) for at in range(len(names))]
    lengths = torch.tensor(sizes) if texts else None
    values = {site: _stacked(own) for site, own in kept.items()}
    return Donors(tuple(names), values, lengths, seed)


def _alone(site: Site, tensor: Tensor, texts: bool) -> Tensor:
    """What a site gave for one stimulus; of texts one row a token."""
    if not texts or (tensor.ndim == 2 and site.fold == 1):
        return tensor if site.fold > 1 else tensor[0]
    if site.fold == 0:
        return tensor
    return tensor[0].T if tensor.ndim == 3 and site.axis == 1 else tensor[0]


def _tokens(value: Tensor) -> int:
    return value.shape[0] if value.ndim > 1 else 1


def _stacked(values: Sequence[Tensor]) -> Tensor:
    """Side by side, filled up behind where they are of unlike lengths."""
    longest = max(map(_tokens, values))
    if all(_tokens(each) == longest for each in values):
        return torch.stack([*values])
    found = values[0].new_zeros((len(values), longest, *values[0].shape[1:]))
    for number, each in enumerate(values):
        found[number, : len(each)] = each
    return found
