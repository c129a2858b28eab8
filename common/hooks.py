"""The hook registry: the only place in this project that registers a hook.

Three facts about hooks make most of the field's silent bugs, and this module turns each into an
error that names the module, or makes it impossible: a hook on a module that never runs does
nothing; a hook on a module that runs twice acts twice; a hook that stays behind acts for ever.

- :func:`trace` runs a model once and writes down which module took and gave which tensor.
- :func:`record` reads units while the model runs, and reduces them batch by batch.
- :func:`ablate` replaces units while the model runs.
- :func:`respond` reads how strongly a mask's units answer to each stimulus, :func:`respond_each`
  how strongly each of them does.

Recording and ablation hold for exactly the block of code inside the context manager, for that model
object, and are undone on any exception. A recording hook returns nothing, so the logits stay
bit-identical. Contexts nest: inner ablations see what outer ones left.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from copy import copy
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, NoReturn, get_args

import numpy as np
import torch
from torch import Tensor, nn

from common import prefix
from common.errors import DataError, SettingError, SiteError
from common.moments import Array, Membership, Moments, Statistic, batch_rows, merged
from common.units import Pooling, Site, Unit, check_pooling

if TYPE_CHECKING:
    from common.masks import Mask
    from common.selectivity import SelectivityMap

Ablation = Literal["zero", "mean"] | float


def first_tensor(value: Any) -> Tensor | None:
    """The tensor in a module's output: itself, or the first in a tuple, list or mapping."""
    if isinstance(value, Tensor):
        return value
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, (tuple, list)):
        return next((found for item in value if (found := first_tensor(item)) is not None), None)
    return None


def _replace_first(value: Any, old: Tensor, new: Tensor) -> Any:
    """The same structure with `new` where :func:`first_tensor` found `old`."""
    if value is old:
        return new
    if isinstance(value, Mapping):
        for key, item in value.items():
            if first_tensor(item) is old:
                # A copy, for somebody else may hold the mapping and read it later.
                changed: Any = copy(value)
                changed[key] = _replace_first(item, old, new)
                return changed
    if isinstance(value, (tuple, list)):
        position = next(i for i, item in enumerate(value) if first_tensor(item) is old)
        parts = [*value]
        parts[position] = _replace_first(parts[position], old, new)
        return type(value)(*parts) if hasattr(value, "_fields") else type(value)(parts)
    return value


def _modules(model: nn.Module, sites: Sequence[Site]) -> list[nn.Module]:
    """The module of each site, or a :class:`SiteError` that names the first that is missing."""
    known = dict(model.named_modules())
    for site in sites:
        if site.module not in known:
            raise SiteError(
                f"{site}: this model has no module of that name (see the sites command)"
            )
    return [known[site.module] for site in sites]


@contextmanager
def _attached(attach: Sequence[Callable[[], Any]]) -> Iterator[None]:
    """Register every hook on entering and remove every hook on leaving, whatever happens."""
    with ExitStack() as stack:
        for register in attach:
            stack.callback(register().remove)
        yield


def _attach(module: nn.Module, end: str, act: Callable[[Any], Any]) -> Callable[[], Any]:
    """A registration of `act` on a module's input or output; what `act` returns replaces it."""
    act = prefix.aside(act)
    if end == "output":
        return lambda: module.register_forward_hook(lambda _module, _args, out: act(out))

    def on_input(_module: nn.Module, args: Any, kwargs: Any) -> Any:
        if first_tensor(args) is None:
            new = act(kwargs)
            return None if new is None else (args, new)
        new = act(args)
        return None if new is None else (new, kwargs)

    return lambda: module.register_forward_pre_hook(on_input, with_kwargs=True)


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


def _before(model: nn.Module, act: Callable[[], None]) -> Callable[[], Any]:
    """A registration of `act` before each pass of the model."""
    act = prefix.aside(act)
    return lambda: model.register_forward_pre_hook(lambda *_: act())


def _after(model: nn.Module, act: Callable[[], None]) -> Callable[[], Any]:
    """A registration of `act` after each pass of the model."""
    act = prefix.aside(act)
    return lambda: model.register_forward_hook(lambda *_: act())


class _Pass:
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

    def end(self) -> None:
        silent = [str(site) for site in self.sites if site not in self.fired]
        if silent:
            others = f" (nor did {len(silent) - 1} other sites)" if len(silent) > 1 else ""
            raise SiteError(f"{silent[0]}: never fired in this pass{others}")


def _tensor_of(site: Site, value: Any) -> Tensor:
    tensor = first_tensor(value)
    if tensor is None:
        raise SiteError(f"{site}: gave no tensor")
    return tensor


# --- trace -------------------------------------------------------------------------------------


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
    """
    calls: list[Call] = []
    open_calls: list[list[Call]] = [[]]
    alive: list[Tensor] = []  # an identity is only good while its tensor lives

    def key(tensor: Tensor) -> TensorKey:
        alive.append(tensor)
        version = 0 if tensor.is_inference() else tensor._version
        return TensorKey(id(tensor), version, tuple(tensor.shape))

    def tensors(values: Any) -> list[Tensor]:
        if isinstance(values, Tensor):
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
    attach: list[Callable[[], Any]] = []
    for path, module in model.named_modules():
        attach.append(partial(module.register_forward_pre_hook, before(path), with_kwargs=True))
        attach.append(partial(module.register_forward_hook, after(path)))
    # Tensors made in inference mode would not count how often they were written in place.
    with torch.inference_mode(False), torch.no_grad(), _attached(attach):
        call_model(part_of(model, through), example)
    return calls


# --- record ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Announcement:
    """What the caller said of a batch; see :meth:`Recorder.expect`."""

    groups: np.ndarray | None = None
    tokens: Tensor | None = None
    names: Sequence[str] | None = None


@dataclass
class Recorder:
    """Collects the moments of every site, batch by batch, in as many groups as one likes.

    A group is whatever the caller wants apart: a condition, or a half of one. Call :meth:`expect`
    before each pass of the model to say which group each stimulus of the batch belongs to;
    otherwise all of it goes into group 0.
    """

    sites: Sequence[Site]
    unit: Unit = "channel"
    pooling: Pooling = "mean"
    statistic: Statistic = "magnitude"
    _next: Announcement = Announcement()
    _now: Announcement = Announcement()
    _members: dict[tuple[torch.device, int], Membership] = field(default_factory=dict)
    _batch: dict[Site, tuple[Membership, Tensor]] = field(default_factory=dict)
    _sums: dict[Site, Tensor] = field(default_factory=dict)
    _kept: dict[int, dict[Site, Moments]] = field(default_factory=dict)

    def expect(
        self,
        groups: Sequence[int] | np.ndarray,
        tokens: Tensor | None = None,
        names: Sequence[str] | None = None,
    ) -> None:
        """Announce the next batch.

        Parameters
        ----------
        groups : array of int of shape (n_stimuli,)
            The group of each stimulus.
        tokens : tensor of shape (n_stimuli, n_positions), optional
            1 for a real token and 0 for padding, which never counts.
        names : sequence of str, optional
            The stimuli's names, for error messages.

        Raises
        ------
        DataError
            If a stimulus is all padding.
        """
        if tokens is not None:
            empty = (~tokens.bool().any(dim=1)).nonzero().flatten().tolist()
            if empty:
                name = names[empty[0]] if names else f"stimulus {empty[0]} of the batch"
                raise DataError(f"{name}: nothing but padding, so there is nothing to pool")
        self._next = Announcement(np.asarray(groups), tokens, names)

    @property
    def moments(self) -> dict[Site, Moments]:
        """Moments of all groups together, by site.

        Raises
        ------
        DataError
            If no batch has gone through the model yet.
        """
        if not self._kept:
            raise DataError("nothing was recorded: no batch went through the model")
        return {
            site: merged(self._kept[group][site] for group in sorted(self._kept))
            for site in self.sites
        }

    def group(self, number: int) -> dict[Site, Moments]:
        """Moments of one group, by site; empty if nothing went into it."""
        return dict(self._kept.get(number, {}))

    # Called by the hooks: read once a site, finish once a pass.

    def begin(self) -> None:
        # An announcement holds for one pass, whether that ends well or not.
        self._batch, self._sums, self._members = {}, {}, {}
        self._now, self._next = self._next, Announcement()

    def read(self, site: Site, value: Any) -> None:
        tensor = _tensor_of(site, value)
        self._check_size(site, tensor)
        pooled = self._pool(site, tensor, self.pooling)
        level = None
        if self.pooling not in ("mean", "none"):
            level = self._pool(site, tensor, "mean")
        members = self._members_on(pooled.device, len(pooled))
        self._batch[site] = members, batch_rows(pooled, self.statistic, members, level)
        # One number a stimulus stays on the device; only :meth:`_blame` ever looks at it.
        self._sums[site] = _sum(pooled) if level is None else _sum(pooled) + _sum(level)

    def _check_size(self, site: Site, tensor: Tensor) -> None:
        items, groups = site.items(tensor, self._now.tokens), self._now.groups
        if groups is not None and len(groups) != items:
            raise SiteError(f"{site}: gave {items} stimuli where {len(groups)} were announced")

    def _pool(self, site: Site, tensor: Tensor, pooling: Pooling) -> Tensor:
        pooled = site.pool(tensor.detach(), self.unit, pooling, self._now.tokens)
        # MPS has no float64.
        return pooled.cpu() if pooled.device.type == "mps" else pooled

    def _members_on(self, device: torch.device, n_stimuli: int) -> Membership:
        """Who belongs to which group, made once a pass rather than once a site."""
        groups = np.zeros(n_stimuli, dtype=int) if self._now.groups is None else self._now.groups
        if (device, n_stimuli) not in self._members:
            self._members[device, n_stimuli] = Membership(groups, device)
        return self._members[device, n_stimuli]

    def finish(self) -> None:
        """Merge what the hooks read in this pass; one transfer from each device."""
        tables = _on_cpu([rows for _, rows in self._batch.values()])
        for site, table in zip(self._batch, tables, strict=True):
            if not np.isfinite(table).all():
                self._blame(site, int(np.isfinite(table).all(axis=(0, 1)).argmin()))
        for (site, (members, _)), table in zip(self._batch.items(), tables, strict=True):
            for number, count, rows in zip(members.numbers, members.counts, table, strict=True):
                kept, moments = self._kept.setdefault(number, {}), Moments(count, *rows)
                kept[site] = kept[site].merge(moments) if site in kept else moments
        self._batch, self._sums = {}, {}

    def _blame(self, site: Site, unit: int) -> NoReturn:
        rows = np.flatnonzero(~np.isfinite(self._sums[site].cpu().numpy())).tolist()
        names = self._now.names
        which = [names[row] if names else f"stimulus {row} of the batch" for row in rows]
        others = f" and {len(which) - 1} others of the batch" if len(which) > 1 else ""
        raise DataError(
            f"{site}: activations are NaN or infinite for {which[0] if which else 'the batch'}"
            f"{others}; are the weights whole (unit {unit} is the first), and does --dtype float32 "
            "help?"
        )


def _on_cpu(parts: Sequence[Tensor]) -> list[Array]:
    """The tensors as arrays, moved in one transfer if they lie on one device."""
    if len({part.device for part in parts} | {torch.device("cpu")}) != 2:
        return [part.cpu().numpy() for part in parts]
    table = torch.cat([*parts], dim=2).cpu().numpy()
    return np.split(table, np.cumsum([part.shape[2] for part in parts])[:-1], axis=2)


def _sum(pooled: Tensor) -> Tensor:
    """One number a stimulus, finite if all of its activations are; shape (B,)."""
    # Half floats would overflow in a sum over many units.
    return pooled.sum(dim=1, dtype=torch.promote_types(pooled.dtype, torch.float32))


@contextmanager
def record(
    model: nn.Module,
    sites: Sequence[Site],
    *,
    unit: Unit = "channel",
    pooling: Pooling | None = None,
    statistic: Statistic = "magnitude",
    through: str = "",
) -> Iterator[Recorder]:
    """Read the units of `sites` while the model runs inside this context.

    Parameters
    ----------
    model : nn.Module
        The model; every call of it is one batch.
    sites : sequence of Site
        Where to read.
    unit : {"channel", "neuron"}, default="channel"
        What counts as a unit.
    pooling : {"mean", "max", "cls", "last", "sum", "none"}, optional
        How a channel's positions become one number; ``mean`` for channels, ``none`` for neurons.
    statistic : {"magnitude", "signed"}, default="magnitude"
        Whether moments are of \\|activation\\| (AlKhamissi et al. 2024, sec. 3) or of activation.
    through : str, default=""
        Path of the part whose calls are the batches, where it is not the whole model: the base of a
        language model, which leaves the vocabulary projection out. Sites lie inside it.

    Yields
    ------
    Recorder
        Holds the moments; still readable after the context has ended.

    Raises
    ------
    SiteError
        If a site does not exist, never fires in a pass, or fires more than once.
    DataError
        If an activation is not finite.
    SettingError
        If unit, pooling and statistic do not exist or do not go together.
    """
    pooling = check_pooling(unit, pooling)
    if statistic not in get_args(Statistic):
        raise SettingError(f"no statistic is called {statistic!r}: choose magnitude or signed")
    recorder = Recorder(sites, unit, pooling, statistic)
    once = _Pass(sites)

    def begin() -> None:
        once.begin()
        recorder.begin()

    def end() -> None:
        once.end()
        recorder.finish()

    def reader(site: Site) -> Callable[[Any], None]:
        def read(value: Any) -> None:
            once.fire(site)
            recorder.read(site, value)

        return read

    called = part_of(model, through)
    attach: list[Callable[[], Any]] = [_before(called, begin)]
    for site, module in zip(sites, _modules(model, sites), strict=True):
        attach.append(_attach(module, site.end, reader(site)))
    attach.append(_after(called, end))
    with _attached(attach):
        yield recorder


# --- ablate ------------------------------------------------------------------------------------


@contextmanager
def ablate(
    model: nn.Module,
    mask: Mask,
    by: Ablation = "zero",
    means: Mapping[Site, Array] | None = None,
) -> Iterator[None]:
    """Replace the masked units' output while the model runs inside this context.

    Parameters
    ----------
    model : nn.Module
        The model.
    mask : Mask
        The units to replace.
    by : {"zero", "mean"} or float, default="zero"
        By zero, by each unit's own mean (`means`), or by the output times this number.
    means : mapping of Site to array of shape (n_units,), optional
        The units' means for ``by="mean"``, usually ``SelectivityMap.output_control``.

    Raises
    ------
    SettingError
        If there is no such replacement, or ``by="mean"`` comes without the `means` of a site.
    SiteError
        If a masked site does not exist, or fires more than once in a pass.
    """
    sites = [site for site in mask.sites if mask.at(site).any()]
    _check_replacement(by, means, sites)
    once = _Pass(sites)
    attach: list[Callable[[], Any]] = [_before(model, once.begin)]
    for site, module in zip(sites, _modules(model, sites), strict=True):
        fill = None if means is None or by != "mean" else means[site]
        replace = _Replacement(site, mask.unit, mask.at(site), by, fill, once)
        attach.append(_attach(module, site.end, replace))
    attach.append(_after(model, once.end))
    with _attached(attach):
        yield


def _check_replacement(
    by: Ablation, means: Mapping[Site, Array] | None, sites: Sequence[Site]
) -> None:
    if isinstance(by, str) and by not in ("zero", "mean"):
        raise SettingError(f"no ablation is called {by!r}: choose zero, mean or a number")
    if by != "mean":
        return
    if means is None:
        raise SettingError("ablation by the mean needs the units' means (means=map.output_control)")
    for site in sites:
        if site not in means:
            raise SettingError(f"{site}: ablation by the mean needs the means of its units")


class _Replacement:
    """The hook of one ablated site. Keeps its mask on the device and in the shape it last met."""

    def __init__(
        self,
        site: Site,
        unit: Unit,
        units: np.ndarray,
        by: Ablation,
        fill: Array | None,
        once: _Pass,
    ) -> None:
        self.site, self.unit, self.by, self.once = site, unit, by, once
        self.units = torch.as_tensor(units)
        self.fill = torch.zeros(len(units)) if fill is None else torch.as_tensor(fill)
        self.fitted: tuple[Any, Tensor, Tensor] | None = None

    def __call__(self, value: Any) -> Any:
        self.once.fire(self.site)
        prefix.leave()  # from here on it is another pass than the intact one
        tensor = _tensor_of(self.site, value)
        chosen, fill = self._fit(tensor)
        new = tensor * self.by if isinstance(self.by, (int, float)) else fill
        return _replace_first(value, tensor, torch.where(chosen, new, tensor))

    def _fit(self, tensor: Tensor) -> tuple[Tensor, Tensor]:
        like = (tensor.shape, tensor.dtype, tensor.device)
        if self.fitted is None or self.fitted[0] != like:
            chosen = self.site.broadcast(self.units.to(tensor.device), tensor, self.unit)
            fill = self.site.broadcast(self.fill.to(tensor.device, tensor.dtype), tensor, self.unit)
            self.fitted = (like, chosen, fill)
        return self.fitted[1:]


def under(
    model: nn.Module, mask: Mask | None, by: Ablation, found: SelectivityMap | None
) -> AbstractContextManager[None]:
    """The model intact (no mask), or with a mask's units replaced.

    Parameters
    ----------
    model, mask, by
        As in :func:`ablate`.
    found : SelectivityMap, optional
        The mask's map: for ``by="mean"`` it gives each unit's mean over the control condition.
    """
    if mask is None:
        return nullcontext()
    means = found.by_site("output_control") if found is not None and by == "mean" else None
    return ablate(model, mask, by, means)


# --- respond -----------------------------------------------------------------------------------


@contextmanager
def respond(
    model: nn.Module, mask: Mask, found: SelectivityMap, through: str = ""
) -> Iterator[list[np.ndarray]]:
    """Read how strongly a mask's units answer to each stimulus, one number a stimulus.

    Parameters
    ----------
    model : nn.Module
        The model; every call of it is one batch.
    mask : Mask
        The units to read.
    found : SelectivityMap
        The mask's map: says how units are pooled, and how loud each is on average.
    through : str, default=""
        Path of the part whose calls are the batches; see :func:`record`.

    Yields
    ------
    list of array of shape (n_stimuli,)
        One array a pass, as :func:`relative` and the mean over units would make it of
        :func:`respond_each`, so that 1 is an answer of average strength.
    """
    passes: list[np.ndarray] = []

    def keep(each: Array) -> None:
        passes.append(relative(each, mask, found))

    with _reading(model, mask, found, keep, through):
        yield passes


@contextmanager
def respond_each(
    model: nn.Module, mask: Mask, found: SelectivityMap, through: str = ""
) -> Iterator[list[np.ndarray]]:
    """Read the response of every unit of a mask to each stimulus.

    Keeps a number for every unit and stimulus: for a few units, or a few stimuli.

    Parameters
    ----------
    model, mask, found, through
        As in :func:`respond`.

    Yields
    ------
    list of array of shape (n_stimuli, n_units)
        One array a pass, the units in the order of ``mask.units``: the map's statistic, in the
        units of its ``mean_target``.
    """
    passes: list[np.ndarray] = []
    with _reading(model, mask, found, passes.append, through):
        yield passes


def relative(responses: Array, mask: Mask, found: SelectivityMap) -> Array:
    """Mean over a mask's units of the response over the unit's mean magnitude in the localizer.

    Parameters
    ----------
    responses : array of shape (n_stimuli, n_units)
        From :func:`respond_each`.
    mask, found
        The mask and its map.

    Returns
    -------
    array of shape (n_stimuli,)
        A unit that was silent throughout counts as 0.
    """
    loudness = found.magnitude[mask.units]
    weight = np.divide(1.0, loudness, out=np.zeros_like(loudness), where=loudness > 0)
    mean: Array = responses @ weight / len(mask)
    return mean


@contextmanager
def _reading(
    model: nn.Module,
    mask: Mask,
    found: SelectivityMap,
    keep: Callable[[Array], Any],
    through: str = "",
) -> Iterator[None]:
    """Give `keep` the responses to each batch, shape (n_stimuli, n_units) in the mask's order."""
    sites = [site for site in mask.sites if mask.at(site).any()]
    once = _Pass(sites)
    answers: dict[Site, Tensor] = {}
    tokens: Tensor | None = None
    # Sites are read in running order and units within them in rising order: put back into rank.
    back = np.argsort(np.argsort(mask.units, kind="stable"), kind="stable")

    def reader(site: Site) -> Callable[[Any], None]:
        units = torch.as_tensor(np.flatnonzero(mask.at(site)))

        def read(value: Any) -> None:
            once.fire(site)
            pooled = site.pool(_tensor_of(site, value), found.unit, found.pooling, tokens)
            chosen = pooled[:, units.to(pooled.device)].cpu().double()
            answers[site] = chosen.abs() if found.statistic == "magnitude" else chosen

        return read

    def begin(given: Any) -> None:
        nonlocal tokens
        once.begin()
        answers.clear()
        tokens = given.get("attention_mask") if isinstance(given, Mapping) else None

    def end() -> None:
        once.end()
        keep(torch.cat([answers[site] for site in sites], dim=1).numpy()[:, back])

    called = part_of(model, through)
    attach: list[Callable[[], Any]] = [_attach(called, "input", begin)]
    for site, module in zip(sites, _modules(model, sites), strict=True):
        attach.append(_attach(module, site.end, reader(site)))
    attach.append(_after(called, end))
    with _attached(attach):
        yield
