"""The settings in the page's address, so that a link opens them again.

What an address says is somebody else's input: a value is taken only if the control at hand offers
it, and is compared with what is offered, never looked up.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import gradio as gr

from browser.blocks import titled
from browser.events import QUIET, told
from browser.history import follow_history
from browser.offer import Names, value_of

PAGE = "tab"  # gradio takes "page" for one of its own pages
LONGEST = 400  # characters of a value that are looked at

# Read from the address when the page is left behind for another, or a control is changed.
WRITE = """(...values) => {
  if (!window.funclocRestored) return;  // the first tab opens by itself, before the link is read
  const names = %(names)s, tabs = %(tabs)s, opened = %(opened)s;
  const before = new URLSearchParams(location.search);
  const query = new URLSearchParams();
  for (const key of ["__theme", "view"]) if (before.has(key)) query.set(key, before.get(key));
  const page = before.get("tab");
  if (opened === null && page !== null && !tabs.includes(page)) return;  // of a page out of sight
  query.set("tab", opened ?? (tabs.includes(page) ? page : tabs[0]));
  names.forEach((name, i) => {
    const said = String(values[i] ?? "");
    if (said) query.set(name, said);
  });
  // Another tab, or another run under Runs, is an entry of the history of its own.
  const same = (name) => before.get(name) === query.get(name);
  const stays = page === null || (same("tab") && (page !== "runs" || same("run")));
  history[stays ? "replaceState" : "pushState"](null, "", "?" + query.toString());
}"""


@dataclass(frozen=True)
class Remembered:
    """The controls of one front end that the address remembers.

    Attributes
    ----------
    tabs : mapping of str to gr.Tab
        Its tabs by their ids, the first being its main one.
    controls : mapping of str to component
        By their names in the address.
    here : mapping of str to callable
        By the names of some controls: gives what they take now. What was downloaded since the app
        was started is on offer whenever the page is opened.
    runs : mapping of str to callable
        By the names of others: gives what they take now, and nothing to choose from.
    free : collection of str
        The names of those that take any text; whoever reads it compares it with what there is.
    beside : callable, optional
        Of the values that are chosen, by name: gives what these controls propose beside them. Left
        out, all that they take.
    """

    tabs: Mapping[str, gr.Tab]
    controls: Mapping[str, Any]
    here: Mapping[str, Callable[[], Names]] = field(default_factory=dict)
    beside: Callable[[Mapping[str, Any]], Mapping[str, Names]] | None = None
    runs: Mapping[str, Callable[[], Names]] = field(default_factory=dict)
    free: Collection[str] = ()

    def proposed(self, values: Mapping[str, Any]) -> dict[str, list[Any]]:
        """By the names of the controls in `here`, what to choose from beside some values."""
        found = self.beside(values) if self.beside else {n: here() for n, here in self.here.items()}
        return {name: list(found[name]) for name in self.here}


def remember(demo: gr.Blocks, tabs: gr.Tabs, fronts: Sequence[Remembered]) -> None:
    """Write the settings into the address whenever one changes, and read them when it is opened.

    What can be chosen is looked up then, too.

    Parameters
    ----------
    demo : gr.Blocks
        The app that is being built.
    tabs : gr.Tabs
        Of all pages.
    fronts : sequence of Remembered
        One for each front end.
    """
    for front in fronts:
        controls = [*front.controls.values()]
        gr.on([control.change for control in controls], None, controls, None, js=_js(front, None))
        for name, tab in front.tabs.items():
            tab.select(None, controls, None, js=_js(front, name))

    def restore(query: dict[str, str], before: bool) -> list[Any]:
        updates, selected, notes = opened(query, fronts, before)
        for note in notes:
            gr.Warning(titled("Not everything in the link is on offer here", note))
        return [gr.Tabs(selected=selected) if selected else gr.skip(), *updates]

    every = [control for front in fronts for control in front.controls.values()]
    restored = follow_history(demo, restore, [tabs, *every])
    _look_up(restored, fronts)


def _look_up(restored: Any, fronts: Sequence[Remembered]) -> None:
    """What there is to choose from beside what was restored, which did not wait for this."""
    fronts = [front for front in fronts if front.here]

    @told
    def look_up(*values: Any) -> list[Any]:
        left = iter(values)
        named = [dict(zip(front.controls, left, strict=False)) for front in fronts]
        return [
            gr.update(choices=names)
            for front, chosen in zip(fronts, named, strict=True)
            for names in front.proposed(chosen).values()
        ]

    every = [control for front in fronts for control in front.controls.values()]
    offering = [front.controls[name] for front in fronts for name in front.here]
    restored.then(look_up, every, offering, **QUIET)


def _js(front: Remembered, opened: str | None) -> str:
    parts = {"names": [*front.controls], "tabs": [*front.tabs], "opened": opened}
    return WRITE % {name: json.dumps(value) for name, value in parts.items()}


def opened(
    query: Mapping[str, str], fronts: Sequence[Remembered], before: bool = False
) -> tuple[list[Any], str | None, list[str]]:
    """What an address asks for, as far as it is on offer.

    Parameters
    ----------
    query : mapping of str to str
        The address's.
    fronts : sequence of Remembered
        Whose controls there are; only those of the page that the address names are filled.
    before : bool, default=False
        Whether the page was open before, so that a run which the address does not name is closed.

    Returns
    -------
    (list, str or None, list of str)
        An update of every control of every front end; the tab to open; what was not on offer.
    """
    page = query.get(PAGE)
    asked = next((front for front in fronts if page in front.tabs), None if page else fronts[0])
    notes = [] if asked else ["tab: there is no such tab, so the first one is shown"]
    updates: list[Any] = []
    for front in fronts:
        for name, control in front.controls.items():
            text = query.get(name) or None if front is asked else None
            update: dict[str, Any] = {} if text is None else _taken(front, name, text)
            if text is not None and not update:
                notes.append(f"{control.label}: what the link asks for is left at its default")
            if text is None and before and front is asked and control.value is None:
                update = {"value": None}
            updates.append(gr.update(**update))
    return updates, page if asked and page else None, notes


def _taken(front: Remembered, name: str, text: str) -> dict[str, Any]:
    """The update that a text asks for; nothing if the control does not offer it, not even now."""
    text, control = text[:LONGEST], front.controls[name]
    if name in front.free:
        return {"value": text}
    if name in front.runs:
        return {"value": text} if text in map(value_of, front.runs[name]()) else {}
    value = accepted(control, text, getattr(control, "choices", ()))
    if value is not None or name not in front.here:
        return {} if value is None else {"value": value}
    value = accepted(control, text, names := list(front.here[name]()))
    return {} if value is None else {"value": value, "choices": names}


def accepted(control: Any, text: str, offered: Names) -> Any:
    """The value that a text stands for, if the control offers it; ``None`` otherwise.

    Parameters
    ----------
    control : component
        Says what kind of value it is, and of a number from where to where.
    text : str
        Of the address.
    offered : sequence of str or of (str, str)
        What there is to choose from; of pairs the second is the value.
    """
    if isinstance(control, (gr.Slider, gr.Number)):
        return _number(control, text)
    values = {*map(value_of, offered)}
    if isinstance(control, gr.CheckboxGroup):
        chosen = text.split(",")
        return chosen if set(chosen) <= values and len(set(chosen)) == len(chosen) else None
    return text if text in values else None


def _number(control: gr.Slider | gr.Number, text: str) -> float | int | None:
    try:
        value = float(text)
    except ValueError:
        return None
    low = -math.inf if control.minimum is None else control.minimum
    high = math.inf if control.maximum is None else control.maximum
    if not (math.isfinite(value) and low <= value <= high):
        return None
    if getattr(control, "precision", None) == 0:
        return int(value) if value == int(value) else None
    return value
