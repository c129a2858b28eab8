"""The form of what an operation gives: sizes, strides and types without the numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from common.base.heavy import pytree, torch

if TYPE_CHECKING:
    from torch import Tensor
    from torch.utils._pytree import TreeSpec


class Lost(Exception):
    """A pass goes another way than the row that was written down."""


@dataclass(frozen=True)
class Blank:
    """A tensor without its numbers."""

    size: tuple[int, ...]
    stride: tuple[int, ...]
    dtype: torch.dtype
    device: torch.device

    def empty(self) -> Tensor:
        """A tensor of that form, with whatever numbers lie in its memory."""
        return torch.empty_strided(self.size, self.stride, dtype=self.dtype, device=self.device)


@dataclass(frozen=True)
class Given:
    """The result is the argument of that number: an operation that wrote into it."""

    number: int


@dataclass(frozen=True)
class Form:
    """The form of what an operation gave: blanks and arguments, nested as its result was."""

    parts: tuple[Blank | Given | None, ...]
    nest: TreeSpec | None

    def empty(self, args: Any, kwargs: Any) -> Any:
        """Such a result, without its numbers."""
        leaves = [self._part(part, args, kwargs) for part in self.parts]
        return leaves[0] if self.nest is None else pytree.tree_unflatten(leaves, self.nest)

    @staticmethod
    def _part(part: Blank | Given | None, args: Any, kwargs: Any) -> Any:
        if isinstance(part, Blank):
            return part.empty()
        return None if part is None else pytree.tree_leaves((args, kwargs))[part.number]

    @property
    def n_bytes(self) -> int:
        """Bytes of the numbers, each as often as it shows."""
        return sum(
            int(torch.Size(part.size).numel()) * part.dtype.itemsize
            for part in self.parts
            if isinstance(part, Blank)
        )

    @property
    def is_dense(self) -> bool:
        """Whether a copy of it has the same strides."""
        return all(
            torch.empty_strided(part.size, part.stride, device="meta").clone().stride()
            == part.stride
            for part in self.parts
            if isinstance(part, Blank)
        )


def form_of(result: Any, args: Any, kwargs: Any) -> Form | None:
    """The form of a result, or nothing if it holds no tensor.

    Raises
    ------
    Lost
        If it holds something besides plain tensors.
    """
    leaves, nest = (
        ([result], None) if isinstance(result, torch.Tensor) else pytree.tree_flatten(result)
    )
    if not any(isinstance(leaf, torch.Tensor) for leaf in leaves):
        return None
    given = [id(leaf) for leaf in pytree.tree_leaves((args, kwargs))]
    parts: list[Blank | Given | None] = []
    for leaf in leaves:
        if leaf is None:
            parts.append(None)
        elif id(leaf) in given:
            parts.append(Given(given.index(id(leaf))))
        elif type(leaf) is torch.Tensor and leaf.layout == torch.strided and not leaf.is_quantized:
            parts.append(Blank(tuple(leaf.shape), leaf.stride(), leaf.dtype, leaf.device))
        else:
            raise Lost
    return Form(tuple(parts), nest)
