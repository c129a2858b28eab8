"""Finding sites by kind in any model, without a table of architectures.

The model runs on one example and on two, and :func:`common.trace` writes down which module took
and gave which tensor. Everything below is read off that trace:

block
    A class of module that occurs at least twice, holds at least two weight matrices, and is no mere
    pipeline of its children (it branches: a residual sum, a concatenation); the outermost such
    classes, but for those that join nothing and have others in a row (:mod:`joins`). Modules beside
    them in the same place count too. A plain chain (VGG, AlexNet) has no such class: there each
    layer's nonlinearity is a block; where the nonlinearities are no modules, a class of one's
    own that occurs at least twice and holds a weight matrix.
attn
    Inside a block, the outermost module called attention (by its class or its name) that holds no
    MLP.
head
    Inside that attention, the input of its last linear layer, in as many slices as there are heads
    (:mod:`common.measure.heads`).
mlp_hidden
    Inside a block and outside attention, the input of a linear layer that narrows again what an
    earlier one has widened: after the nonlinearity, and after the gate where there is one. Experts
    have none: each sees tokens of its own, and often they are one module.
mlp
    The outermost module around that linear layer that takes one tensor and holds no attention; for
    a mixture of experts the module that mixes them.
op
    Every module that makes a tensor of its own. One that only hands on a tensor (Identity, Dropout
    at rest, a Sequential) is the same place under another name and is listed once; the model's own
    output is no site.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Literal

from common.base.errors import SiteError
from common.base.heavy import torch
from common.measure.heads import in_heads
from common.measure.joins import stages
from common.measure.paths import inside, nested, outermost, parent, place
from common.measure.seen import Seen
from common.measure.sites import HEADS, KINDS, Kind, Site
from common.measure.trace import TensorKey, is_pipeline

if TYPE_CHECKING:
    from torch import nn

ATTENTION = re.compile(r"attn|attention", re.IGNORECASE)
NORM = re.compile(r"norm", re.IGNORECASE)
FEED_FORWARD = re.compile(r"mlp|ffn|feed_?forward", re.IGNORECASE)


def sites(
    model: nn.Module,
    kind: Kind = "block",
    *,
    pattern: str | None = None,
    example: Any = None,
    each_step: bool = False,
) -> list[Site]:
    """The sites of a model.

    Parameters
    ----------
    model : nn.Module
        Any model in evaluation mode.
    kind : {"block", "attn", "head", "mlp", "mlp_hidden", "op"}, default="block"
        Which places; ignored when `pattern` is given.
    pattern : str, optional
        Module paths instead, as globs with commas between them: ``layer4.*,layer3.1:input``.
    example : tensor, tuple or mapping, optional
        What to call the model with, one stimulus. Guessed from the model's own configuration.
    each_step : bool, default=False
        Whether each call of a module that runs several times is a site; see :class:`Survey`.

    Returns
    -------
    list of Site
        In the order in which the model runs through them.

    Raises
    ------
    SiteError
        If there is no such site, or one that is named never fires or fires more than once.

    Examples
    --------
    >>> [str(site) for site in sites(model, example=faces[:1])]
    ['1:output', '3:output']
    """
    survey = Survey(model, example, each_step=each_step)
    return survey.matching(pattern) if pattern else survey.of_kind(kind)


class Survey(Seen):
    """Every place of one model, found by running it on one stimulus and on two.

    Parameters
    ----------
    model : nn.Module
        The model; paths are those of its ``named_modules()``.
    example : tensor, tuple or mapping, optional
        What to call it with, one stimulus. Guessed from its own configuration.
    through : str, default=""
        Path of the part that is called instead of the whole model; see :func:`common.record`.
    each_step : bool, default=False
        Whether a module that runs several times in a pass has a site at each of its calls
        (:mod:`common.measure.turns`); without it, it can be none.

    Attributes
    ----------
    left_out : dict of str to str
        Modules that cannot be a site, with the reason.

    Examples
    --------
    >>> [str(site) for site in Survey(model, faces[:1]).matching("0,2")]
    ['0:output', '2:output']
    """

    # --- kinds ---

    def of_kind(self, kind: Kind) -> list[Site]:
        """All sites of a kind, in running order.

        Raises
        ------
        SiteError
            If the model has none.
        """
        if kind not in KINDS:
            raise SiteError(f"no kind of site is called {kind!r}; choose one of {', '.join(KINDS)}")
        found = self.offered(kind)
        if not found:
            why = [f" ({at}: {why})" for at, why in self.left_out.items() if f":{kind}" in at]
            raise SiteError(
                f"this model has no site of kind {kind}{''.join(why[:1])}; {self._instead()}"
            )
        return found

    def offered(self, kind: Kind) -> list[Site]:
        """All sites of a kind, in running order; none if the model has none."""
        found = [site for site in self._find(kind) if site is not None]
        return self._in_order(found)

    def _find(self, kind: Kind) -> Iterator[Site | None]:
        if kind == "op":
            yield from self._ops()
            return
        blocks = self._block_paths()
        if kind == "block":
            places = blocks or self._nonlinearities() or self._repeated()
            yield from (self.site(path, "block") for path in places)
            return
        for block in blocks:
            attention = self._attention(block)
            if kind == "attn":
                yield from (self.site(path, "attn") for path in attention)
                continue
            if kind == "head":
                yield from map(self._heads, attention)
                continue
            narrowing = self._narrowing(block, attention)
            if kind == "mlp_hidden":
                yield from (self.site(path, "mlp_hidden", "input") for path in narrowing)
            else:
                around = [self._feed_forward(path, block, attention) for path in narrowing]
                around += [path for path in map(parent, self._experts(block)) if path != block]
                yield from (self.site(path, "mlp") for path in dict.fromkeys(around))

    def _ops(self) -> Iterator[Site | None]:
        seen: set[TensorKey | None] = {self.root.out}
        for path, call in self.calls.items():
            if call.out in seen or call.out in call.given:
                continue
            seen.add(call.out)
            yield self.site(path, "op")

    def _block_paths(self) -> list[str]:
        groups: dict[type, list[str]] = defaultdict(list)
        for path in self.calls:
            if self._weight_matrices(path) >= 2:
                groups[type(self.modules[path])].append(path)
        branching = {
            cls: paths
            for cls, paths in groups.items()
            if len(paths) > 1 and not all(is_pipeline(self.calls[path]) for path in paths)
        }
        for cls in stages(branching, self._joining):
            del branching[cls], groups[cls]
        outer = {cls for cls in branching if not nested(cls, branching)}
        inner = set(branching) - outer
        blocks = [path for cls in outer for path in branching[cls]]
        places = {parent(path) for path in blocks} | {place(path) for path in blocks}
        beside = [
            path
            for cls, paths in groups.items()
            for path in paths
            if cls not in inner
            and {parent(path), place(path)} & places
            and not any(block.startswith(path + ".") for block in blocks)
        ]
        return outermost({*blocks, *beside})

    def _weight_matrices(self, path: str) -> int:
        return sum(p.ndim >= 2 for p in self.modules[path].parameters())

    def _nonlinearities(self) -> list[str]:
        return [
            path
            for path, call in self.calls.items()
            if not call.inner
            and "activation" in type(self.modules[path]).__module__
            and call.out not in call.given
        ]

    def _repeated(self) -> list[str]:
        """Modules that hold others, of a class of one's own that occurs at least twice."""
        groups: dict[type, list[str]] = defaultdict(list)
        for path, call in self.calls.items():
            cls = type(self.modules[path])
            own = call.inner and not cls.__module__.startswith("torch.nn.")
            if own and self._weight_matrices(path) >= 1:
                groups[cls].append(path)
        return outermost([path for paths in groups.values() if len(paths) > 1 for path in paths])

    def _instead(self) -> str:
        """What to write where there is no site of a kind."""
        layers = [
            path
            for path, call in self.calls.items()
            if not call.inner and self._weight_matrices(path) and call.out != self.root.out
        ]
        often = [
            f"{path} {why}; {self._hint(why)}"
            for path, why in self.left_out.items()
            if why.startswith("fires") and self._weight_matrices(path)
        ]
        if not layers:
            return f"nor any hidden layer{f' ({often[0]})' if often else ''}"
        some = ",".join(layers[:3])
        told = f"write `kind` op, or name modules by `sites`, as in {some} (see the sites command)"
        return told if not often else f"{told}; {often[0]}"

    def _attention(self, block: str) -> list[str]:
        inside = [path for path in self.calls if path.startswith(block + ".") and self._acts(path)]
        named = [
            path
            for path in inside
            if self._is_called(path, ATTENTION) and not self._normalizes(path)
        ]
        with_mlp = {
            path
            for path in named
            if any(p.startswith(path + ".") and self._is_called(p, FEED_FORWARD) for p in inside)
        }
        return outermost({path for path in named if path not in with_mlp})

    def _heads(self, attention: str) -> Site | None:
        linear = [p for p in self.calls if p.startswith(f"{attention}.") and self._is_linear(p)]
        before = self.site(linear[-1], "head", "input") if linear else None
        parts = (module for path, module in self.modules.items() if inside(path, [attention]))
        found = in_heads(before, parts)
        if isinstance(found, str):
            self.left_out[f"{attention}:{HEADS}"] = found
            return None
        return found

    def _acts(self, path: str) -> bool:
        """Whether a module makes something new of the stimuli (not of a table of positions)."""
        out, two = self.calls[path].out, self._two[path].out
        given = self.calls[path].given
        return None not in (out, two) and out not in given and two.shape[0] == 2 * out.shape[0]  # type: ignore[union-attr]

    def _normalizes(self, path: str) -> bool:
        """Whether it is a normalization: a ``post_attention_layernorm`` is no attention."""
        return self._is_called(path, NORM) and self._weight_matrices(path) == 0

    def _is_called(self, path: str, name: re.Pattern[str]) -> bool:
        own = path.rsplit(".", 1)[-1]
        return bool(name.search(own) or name.search(type(self.modules[path]).__name__))

    def _narrowing(self, block: str, attention: list[str]) -> list[str]:
        apart = [*attention, *self._experts(block)]
        widened: set[tuple[int, int]] = set()
        found = []
        for path, call in self.calls.items():
            if not path.startswith(block + ".") or inside(path, apart):
                continue
            if not self._is_linear(path) or call.out is None or not call.given:
                continue
            taken, given = self._width(path, call.given[0]), self._width(path, call.out)
            if taken > given and any((given, width) in widened for width in (taken, 2 * taken)):
                found.append(path)
            widened.add((taken, given))
        return found

    def _experts(self, block: str) -> list[str]:
        """The places of a mixture's experts: a list of modules, or one that holds all of them."""
        inside = [path for path in self.modules if path.startswith(block + ".")]
        return [p for p in inside if p.endswith(".experts") and parent(p) in self.calls]

    def _is_linear(self, path: str) -> bool:
        weight = getattr(self.modules[path], "weight", None)
        if self.calls[path].inner or not isinstance(weight, torch.Tensor):
            return False
        pointwise = weight.ndim == 4 and weight.shape[2:] == (1, 1)
        return weight.ndim == 2 or (pointwise and bool(FEED_FORWARD.search(path)))

    def _width(self, path: str, key: TensorKey) -> int:
        return key.shape[1 if self.modules[path].weight.ndim == 4 else -1]

    def _feed_forward(self, path: str, block: str, attention: list[str]) -> str:
        best, outer = path, parent(path)
        while outer != block and outer.startswith(block + "."):
            holds_attention = any(place.startswith(outer + ".") for place in attention)
            if outer in self.calls and len(self.calls[outer].given) == 1 and not holds_attention:
                best = outer
            outer = parent(outer)
        return best

    # --- patterns ---

    def matching(self, pattern: str) -> list[Site]:
        """Sites by module path: globs with commas between them, each with an optional end.

        Raises
        ------
        SiteError
            If a pattern matches nothing, or names a module that cannot be a site.
        """
        found: dict[tuple[str, str], Site] = {}
        for part in (part.strip() for part in pattern.split(",")):
            for site in self._matching_one(part):
                found[site.place, site.end] = site
        return self._in_order(found.values())

    def _matching_one(self, pattern: str) -> list[Site]:
        path_glob, _, end = pattern.partition(":")
        if end not in ("", "input", "output"):
            raise SiteError(f"`sites` {pattern}: after the colon comes input or output")
        paths = [path for path in self.modules if path and self._is_named(path, path_glob)]
        side: Literal["input", "output"] = "input" if end == "input" else "output"
        places = [self.site(path, "op", side) for path in paths if path in self.calls]
        found = [place for place in places if place is not None]
        if not found:
            reason = next((self.left_out[p] for p in paths if p in self.left_out), "no such module")
            raise SiteError(f"`sites` {pattern}: {reason}; {self._hint(reason)}")
        return found

    def _is_named(self, path: str, glob: str) -> bool:
        turn = self._turn(path)
        return any(fnmatchcase(name, glob) for name in (path, turn.module, turn.name))

    @staticmethod
    def _hint(reason: str) -> str:
        if reason.startswith("fires"):
            return "set `each_step` for a site at each of them"
        return "see the sites command"
