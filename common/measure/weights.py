"""Tensors of weights as sites: which of a model's parameters are considered, and where they are.

A site of weights is named as ``model.named_parameters()`` names it, and each of its numbers is a
unit (:data:`common.measure.sites.WEIGHT`). So a map, a mask and a control rule of weights are those
of units, with the tensor in the place of the layer and \\|weight\\| in that of loudness.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Literal, get_args

from common.base.errors import ModelError, SiteError
from common.measure.attach import check_evaluates
from common.measure.sites import WEIGHT, Site

if TYPE_CHECKING:
    from torch import nn

Level = Literal["unit", "parameter"]
LEVELS: tuple[Level, ...] = get_args(Level)  # what is scored and zeroed: outputs, or weights
PARAMETER: Level = "parameter"
ALL = "all"  # after a glob and a colon: biases and norms, too


def weight_sites(model: nn.Module, pattern: str | None = None) -> list[Site]:
    """The weight matrices and kernels of a model, a site each.

    That is every tensor of floating-point parameters with two axes and more, the first of them
    longer than 1: embeddings are among them, and biases, scales of norms, class tokens and tables
    of positions are not. Weights that several modules share (tied ones) are one site.

    Parameters
    ----------
    model : nn.Module
        The model.
    pattern : str, optional
        Only those of these modules, or of these names: globs with commas between them, each with
        ``:all`` behind it if biases and norms shall be among them.

    Returns
    -------
    list of Site
        In the order of ``model.named_parameters()``.

    Raises
    ------
    SiteError
        If a glob names none, or there are none.
    """
    known = {
        name: Site(name, WEIGHT, shape=tuple(each.shape))
        for name, each in model.named_parameters()
        if each.is_floating_point() and each.ndim and each.numel()
    }
    if pattern is None:
        found = [site for site in known.values() if is_matrix(site)]
        if not found:
            raise SiteError(
                "the model has no weight matrix; name parameters by `sites`, as in *:all"
            )
        return found
    wanted = {name for part in pattern.split(",") for name in _named(part.strip(), known)}
    return [site for name, site in known.items() if name in wanted]


def is_matrix(site: Site) -> bool:
    """Whether a site is a weight matrix, a kernel or an embedding."""
    return len(site.shape) > 1 and site.shape[0] > 1


def _named(part: str, known: dict[str, Site]) -> list[str]:
    glob, _, which = part.partition(":")
    if which not in ("", ALL):
        raise SiteError(f"`sites` {part}: of weights only all comes after the colon")
    there = [
        name
        for name in known
        if fnmatchcase(name, glob) or fnmatchcase(name.rpartition(".")[0], glob)
    ]
    found = [name for name in there if which == ALL or is_matrix(known[name])]
    if not found:
        why = f"names no weight matrix; {glob}:all has biases and norms" if there else "no such one"
        raise SiteError(f"`sites` {part}: {why}")
    return found


def parameters_of(model: nn.Module, sites: Sequence[Site]) -> list[nn.Parameter]:
    """The parameter of each site.

    Raises
    ------
    SiteError
        If the model has none of that name and shape.
    ModelError
        If the model is training, or does not have its weights in memory.
    """
    check_evaluates(model)
    known = dict(model.named_parameters(remove_duplicate=False))
    for site in sites:
        if site.module not in known:
            raise SiteError(f"{site}: this model has no parameter of that name")
        if (shape := tuple(known[site.module].shape)) != site.shape:
            raise SiteError(f"{site}: is of shape {shape} in this model, not {site.shape}")
        if known[site.module].is_meta:
            raise ModelError(f"{site}: is not in memory, so it can neither be scored nor zeroed")
    return [known[site.module] for site in sites]


@contextmanager
def learning(model: nn.Module, parameters: Sequence[nn.Parameter]) -> Iterator[None]:
    """These parameters alone have gradients inside this context; the model's own are left alone."""
    own = {id(each) for each in parameters}
    before = [(each, each.requires_grad) for each in model.parameters()]
    try:
        for each, _ in before:
            each.requires_grad_(id(each) in own)
        yield
    finally:
        for each, wanted in before:
            each.requires_grad_(wanted)
