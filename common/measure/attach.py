"""The hook registry: the only place in this project that registers a hook.

Three facts about hooks make most of the field's silent bugs, and this module turns each into an
error that names the module, or makes it impossible: a hook on a module that never runs does
nothing; a hook on a module that runs twice acts twice; a hook that stays behind acts for ever.

:mod:`trace`, :mod:`record`, :mod:`ablate` and :mod:`respond` are built on it. Each holds for
exactly the block of code inside its context manager, for that model object, and is undone on any
exception. A hook that reads returns nothing, so the logits stay bit-identical. Contexts nest: inner
ablations see what outer ones left.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from copy import copy
from typing import TYPE_CHECKING, Any

from common.base.errors import ModelError, SiteError
from common.base.heavy import torch
from common.measure.passing import aside
from common.measure.sites import Site

if TYPE_CHECKING:
    from torch import Tensor, nn


def check_one_shape(tensor: Tensor) -> None:
    """Refuse a nested tensor, whose stimuli have no common shape.

    Raises
    ------
    SiteError
        If it is one.
    """
    if tensor.is_nested:
        raise SiteError(
            "the model computes with nested tensors, which have no one shape; give its "
            "nn.TransformerEncoder enable_nested_tensor=False"
        )


def first_tensor(value: Any) -> Tensor | None:
    """The tensor in a module's output: itself, or the first in a tuple, list or mapping.

    Raises
    ------
    SiteError
        If it is a nested tensor, whose stimuli have no common shape.
    """
    if isinstance(value, torch.Tensor):
        check_one_shape(value)
        return value
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, (tuple, list)):
        return next((found for item in value if (found := first_tensor(item)) is not None), None)
    return None


def replace_first(value: Any, old: Tensor, new: Tensor) -> Any:
    """The same structure with `new` where :func:`first_tensor` found `old`."""
    if value is old:
        return new
    if isinstance(value, Mapping):
        for key, item in value.items():
            if first_tensor(item) is old:
                # A copy, for somebody else may hold the mapping and read it later.
                changed: Any = copy(value)
                changed[key] = replace_first(item, old, new)
                return changed
    if isinstance(value, (tuple, list)):
        position = next(i for i, item in enumerate(value) if first_tensor(item) is old)
        parts = [*value]
        parts[position] = replace_first(parts[position], old, new)
        return type(value)(*parts) if hasattr(value, "_fields") else type(value)(parts)
    return value


def check_evaluates(model: nn.Module) -> None:
    """Refuse a model in training mode that computes something else there.

    A batch norm would move with every pass, and dropout would draw.

    Raises
    ------
    ModelError
        If so; names a module of the kind.
    """
    for path, module in model.named_modules():
        if module.training and _trains(module):
            raise ModelError(
                f"the model is in training mode, in which {path or 'it'} ({type(module).__name__}) "
                "computes something else; call model.eval() first"
            )


def _trains(module: nn.Module) -> bool:
    """Whether a module computes something else while it is trained."""
    if isinstance(module, torch.nn.modules.dropout._DropoutNd):
        return module.p > 0
    if isinstance(module, (torch.nn.RNNBase, torch.nn.MultiheadAttention)):
        return module.dropout > 0
    if isinstance(module, torch.nn.modules.batchnorm._NormBase):
        return module.track_running_stats
    if type(module).__module__ == torch.nn.modules.transformer.__name__:
        return False  # those that they are made of are asked
    code = getattr(type(module).forward, "__code__", None)
    return code is not None and "training" in code.co_names


def modules_of(model: nn.Module, sites: Sequence[Site]) -> list[nn.Module]:
    """The module of each site, or a :class:`SiteError` that names the first that is missing.

    Whoever asks is about to hook them, so the model must not be training.
    """
    check_evaluates(model)
    known = dict(model.named_modules())
    for site in sites:
        if site.module not in known:
            raise SiteError(
                f"{site}: this model has no module of that name (see the sites command)"
            )
    return [known[site.module] for site in sites]


@contextmanager
def attached(hooks: Sequence[Callable[[], Any]]) -> Iterator[None]:
    """Register every hook on entering and remove every hook on leaving, whatever happens."""
    with ExitStack() as stack:
        for register in hooks:
            stack.callback(register().remove)
        yield


def attach(
    module: nn.Module, end: str, act: Callable[[Any], Any], *, reads: bool = True
) -> Callable[[], Any]:
    """A registration of `act` on a module's input or output; what `act` returns replaces it."""
    act = aside(act, reads)
    if end == "output":
        return lambda: module.register_forward_hook(lambda _module, _args, out: act(out))

    def on_input(_module: nn.Module, args: Any, kwargs: Any) -> Any:
        if first_tensor(args) is None:
            new = act(kwargs)
            return None if new is None else (args, new)
        new = act(args)
        return None if new is None else (new, kwargs)

    return lambda: module.register_forward_pre_hook(on_input, with_kwargs=True)


def on_gradient(tensor: Tensor, act: Callable[[Tensor], None]) -> Tensor:
    """The same numbers in a tensor of their own, whose gradient `act` is told on the way back.

    What a model writes into it later changes neither what came before nor that gradient.

    Parameters
    ----------
    tensor : tensor
        What a site gave.
    act : callable
        Told the gradient of whatever is gone back from; never, where the model keeps no graph.
    """
    if not torch.is_grad_enabled():
        return tensor.clone()
    source = tensor if tensor.requires_grad else tensor.detach().requires_grad_()
    told = source.clone()
    told.register_hook(act)  # type: ignore[no-untyped-call]
    return told


def part_of(model: nn.Module, path: str) -> nn.Module:
    """The module of that path, the model itself for an empty one.

    Raises
    ------
    SiteError
        If the model has no such module.
    """
    try:
        return model.get_submodule(path)
    except AttributeError as error:
        raise SiteError(f"{path}: this model has no module of that name") from error


def before_pass(model: nn.Module, act: Callable[[], None]) -> Callable[[], Any]:
    """A registration of `act` before each pass of the model."""
    act = aside(act)
    return lambda: model.register_forward_pre_hook(lambda *_: act())


def before_call(
    model: nn.Module, act: Callable[[Sequence[Any], Mapping[str, Any]], None]
) -> Callable[[], Any]:
    """A registration of `act` before each pass of the model, told what it is called with."""
    act = aside(act)
    return lambda: model.register_forward_pre_hook(
        lambda _module, args, kwargs: act(args, kwargs), with_kwargs=True
    )


def after_pass(model: nn.Module, act: Callable[[], None]) -> Callable[[], Any]:
    """A registration of `act` after each pass of the model."""
    act = aside(act)
    return lambda: model.register_forward_hook(lambda *_: act())


class Once:
    """Holds every site to firing exactly once in each pass of the model."""

    def __init__(self, sites: Sequence[Site]) -> None:
        self.sites = sites
        self.fired: set[Site] = set()

    def begin(self) -> None:
        self.fired.clear()

    def fire(self, site: Site) -> None:
        if site in self.fired:
            raise SiteError(f"{site}: fires more than once in one pass, so its units are ambiguous")
        self.fired.add(site)

    @property
    def complete(self) -> bool:
        """Whether every site has fired in this pass."""
        return len(self.fired) == len(self.sites)

    def end(self) -> None:
        silent = [str(site) for site in self.sites if site not in self.fired]
        if silent:
            others = f" (nor did {len(silent) - 1} other sites)" if len(silent) > 1 else ""
            raise SiteError(f"{silent[0]}: never fired in this pass{others}")


def tensor_of(site: Site, value: Any) -> Tensor:
    tensor = first_tensor(value)
    if tensor is None:
        raise SiteError(f"{site}: gave no tensor")
    return tensor


class Enough(BaseException):
    """Every site was read, and nobody wants the rest; never leaves ``Recorder.run``.

    No ``Exception``, which a model may catch.
    """


def nobody_waits(called: nn.Module) -> bool:
    """Whether no hook but our own acts when the pass has ended."""
    # Weights that accelerate keeps elsewhere go back there when a module has ended.
    offloads = any(hasattr(module, "_hf_hook") for module in called.modules())
    return len(called._forward_hooks) == 1 and not offloads
