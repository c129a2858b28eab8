"""Run a model once and write down which module took and gave which tensor."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from common.base.heavy import torch
from common.measure.attach import attached, check_one_shape, first_tensor, part_of

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass(frozen=True)
class TensorKey:
    """The identity of a tensor's content: the object and how often it was written in place."""

    identity: int
    version: int
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Call:
    """One call of a module: the tensors that went in, the first that came out, the calls inside."""

    module: str
    given: tuple[TensorKey, ...]
    out: TensorKey | None
    inner: tuple[Call, ...]


def call_model(model: nn.Module, inputs: Any) -> Any:
    """Call a model with a tensor, with a tuple of arguments, or with a mapping of keywords."""
    if isinstance(inputs, Mapping):
        return model(**inputs)
    return model(*inputs) if isinstance(inputs, tuple) else model(inputs)


def trace(model: nn.Module, example: Any, through: str = "") -> list[Call]:
    """Run the model once and write down every call of every module, in order of completion.

    Parameters
    ----------
    model : nn.Module
        The model; it is not changed.
    example : tensor, tuple or mapping
        What the model is called with.
    through : str, default=""
        Path of the part that is called instead of the whole model.

    Returns
    -------
    list of Call
        One entry a call, with the identity and shape of the tensors that went in and came out.

    Examples
    --------
    >>> [call.module for call in trace(model, faces[:1])][:3]
    ['0', '1', '2']
    """
    calls: list[Call] = []
    open_calls: list[list[Call]] = [[]]
    alive: list[Tensor] = []  # an identity is only good while its tensor lives

    def key(tensor: Tensor) -> TensorKey:
        alive.append(tensor)
        version = 0 if tensor.is_inference() else tensor._version
        check_one_shape(tensor)
        return TensorKey(id(tensor), version, tuple(tensor.shape))

    def tensors(values: Any) -> list[Tensor]:
        if isinstance(values, torch.Tensor):
            return [values]
        if isinstance(values, Mapping):
            values = list(values.values())
        if isinstance(values, (tuple, list)):
            return [tensor for value in values for tensor in tensors(value)]
        return []

    def before(path: str) -> Callable[..., None]:
        def note(_module: nn.Module, args: Any, kwargs: Any) -> None:
            given = [key(tensor) for tensor in tensors([args, kwargs])]
            open_calls.append([])
            pending.append((path, tuple(given)))

        return note

    def after(path: str) -> Callable[..., None]:
        def note(_module: nn.Module, _args: Any, out: Any) -> None:
            inner = open_calls.pop()
            name, given = pending.pop()
            assert name == path, f"{path} ended while {name} was running"
            found = first_tensor(out)
            call = Call(path, given, None if found is None else key(found), tuple(inner))
            open_calls[-1].append(call)
            calls.append(call)

        return note

    pending: list[tuple[str, tuple[TensorKey, ...]]] = []
    hooks: list[Callable[[], Any]] = []
    for path, module in model.named_modules():
        hooks.append(partial(module.register_forward_pre_hook, before(path), with_kwargs=True))
        hooks.append(partial(module.register_forward_hook, after(path)))
    # Tensors made in inference mode would not count how often they were written in place.
    with torch.inference_mode(False), torch.no_grad(), attached(hooks):
        call_model(part_of(model, through), example)
    return calls


def is_pipeline(call: Call) -> bool:
    """Whether a module does no more than pass one tensor through its children, one by one."""
    if not call.inner:
        return False
    flow = call.given
    for inner in call.inner:
        if inner.given != flow or inner.out is None:
            return False
        flow = (inner.out,)
    return flow == (call.out,)
