"""What ran in a pass of a model, and which ends of it can be sites."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from common.base.heavy import torch
from common.measure.axes import channel_axis
from common.measure.example import doubled, example_input, n_tokens
from common.measure.joins import evaluating, joining
from common.measure.sites import EACH_TOKEN, Kind, Site
from common.measure.trace import Call, trace
from common.measure.turns import Turn, called_apart, told_apart

if TYPE_CHECKING:
    from torch import nn


class Seen:
    """A model that has run on one stimulus and on two; parameters as of a ``Survey``."""

    def __init__(
        self,
        model: nn.Module,
        example: Any = None,
        through: str = "",
        *,
        each_step: bool = False,
    ) -> None:
        example = example_input(model) if example is None else example
        with evaluating(model):
            calls = trace(model, example, through)
            twice = trace(model, doubled(example), through)
        self.modules, self._turns = dict(model.named_modules()), dict[str, Turn]()
        if each_step:
            (twice, _), (calls, self._turns) = told_apart(twice), told_apart(calls)
            self.modules = called_apart(self.modules, self._turns)
        self._joining = partial(self._that_join, partial(joining, model, example, through))
        self.root = calls[-1]
        self.tokens = n_tokens(example)
        self.left_out: dict[str, str] = {}
        self._two = {call.module: call for call in twice}
        self.calls = self._fired_once(calls, through)
        self._order = {path: i for i, path in enumerate(self.calls)}

    def _fired_once(self, calls: list[Call], through: str) -> dict[str, Call]:
        by_path: dict[str, list[Call]] = defaultdict(list)
        for call in calls:
            by_path[call.module].append(call)
        lists = (torch.nn.ModuleList, torch.nn.ModuleDict)
        for path, module in self.modules.items():
            times = len(by_path[path])
            if through and not path.startswith(f"{through}."):
                if path not in ("", through):
                    self.left_out[path] = f"lies outside {through}, the part that is called"
            elif times == 0 and not isinstance(module, lists):
                self.left_out[path] = "never fires in a forward pass"
            elif times > 1:
                self.left_out[path] = f"fires {times} times in a forward pass"
            elif times and path not in self._two:
                self.left_out[path] = "does not fire as often for two stimuli"
        return {
            path: group[0]
            for path, group in by_path.items()
            if len(group) == 1 and path not in ("", through) and path in self._two
        }

    def _that_join(self, joining: Callable[[], set[str]]) -> set[str]:
        found = joining()
        return found | {path for path, turn in self._turns.items() if turn.module in found}

    def _turn(self, path: str) -> Turn:
        return self._turns.get(path, Turn(path, 1, 1))

    def site(
        self, path: str, kind: Kind = "op", end: Literal["output", "input"] = "output"
    ) -> Site | None:
        """The site at a module, or ``None`` with a reason in `left_out` if it cannot be one."""
        one, two = self.calls[path], self._two[path]
        key = one.out if end == "output" else next(iter(one.given), None)
        double = two.out if end == "output" else next(iter(two.given), None)
        if key is None or double is None or len(key.shape) < 2:
            self.left_out[path] = f"its {end} is no tensor with stimuli and units"
            return None
        if double.shape[0] != 2 * key.shape[0] or double.shape[1:] != key.shape[1:]:
            self.left_out[path] = f"its {end} does not have one row a stimulus"
            return None
        fold = key.shape[0]
        shape = key.shape[1:] if fold == 1 else key.shape
        axis = channel_axis(self.modules, self.calls, path, key.shape) + (fold > 1)
        if self.tokens is not None:
            if len(shape) != 2 or shape[0] != self.tokens or axis != 2:
                why = f"its {end} is not one row of units for each token of each text"
                self.left_out[path] = why
                return None
            fold = EACH_TOKEN if fold > 1 else 1
        turn = self._turn(path)
        return Site(turn.module, end, kind, axis, shape, fold, 1, turn.step, turn.steps)

    def _in_order(self, found: Iterable[Site]) -> list[Site]:
        order = {self._turn(path).name: n for path, n in self._order.items()}
        return sorted(found, key=lambda site: order[site.place])
