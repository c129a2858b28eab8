"""The browser's own history: tabs and opened runs are its entries, and a run outlives a reload.

A page that is left stops its run, which can go on; the browser remembers for this one window that
there was one, and the page offers it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import parse_qsl

import gradio as gr

from browser.events import QUIET, told

BACK = "fl-back"
GOING = "funclocGoing"

# Once the address was read: Back and links within the page read it again, and a run that was under
# way is offered where it was started.
_READY = """() => {
  window.funclocRestored = true;
  if (window.funclocReady) return;
  window.funclocReady = true;
  const read = () => {
    window.funclocRestored = false;
    document.getElementById("%(back)s").click();
  };
  addEventListener("popstate", read);
  document.addEventListener("click", (event) => {
    const link = event.target.closest?.("a.fl-go");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    history.pushState(null, "", link.href);
    read();
  });
  const going = JSON.parse(sessionStorage.getItem("%(going)s") ?? "null");
  const offered = going && document.getElementById(going.button + "-going");
  if (!offered) return;
  offered.hidden = false;
  offered.querySelector("button").addEventListener("click", () => {
    offered.hidden = true;
    history.replaceState(null, "", going.query);
    read();
    let opened = false;
    const press = () => {
      const button = document.getElementById(going.button);
      if (window.funclocRestored && button) return button.click();
      if (!button && !opened) {  // a form that is closed is not on the page
        opened = true;
        document.querySelector(`#${going.button.split("-")[0]}-form > button`).click();
      }
      setTimeout(press, 50);
    };
    press();
  });
}"""
READY = _READY % {"back": BACK, "going": GOING}

# With the id of the button that was pressed.
BEGUN = """() => {
  const going = {button: "%s", query: location.search};
  sessionStorage.setItem("funclocGoing", JSON.stringify(going));
  document.querySelectorAll(".fl-going").forEach((each) => { each.hidden = true; });
  return [];
}"""

ENDED = f"""() => {{ sessionStorage.removeItem("{GOING}"); return []; }}"""


def going_on(button: str) -> str:
    """The offer to go on with a run that a button started, out of sight until there is one."""
    return (
        f"<div id='{button}-going' class='fl-going' hidden role='status'><p>A run was under way "
        "when this page was left. What it had is kept.</p>"
        "<button type='button'>Go on with it</button></div>"
    )


def follow_history(
    demo: gr.Blocks, restore: Callable[[dict[str, str], bool], list[Any]], outputs: Sequence[Any]
) -> Any:
    """Read the address when the page is opened, and whenever Back or a link changes it.

    Parameters
    ----------
    demo : gr.Blocks
        The app that is being built.
    restore : callable
        Updates by what the address says, and by whether the page was open before.
    outputs : sequence of components
        What they are of.

    Returns
    -------
    The event after the page was opened and the address read.
    """
    asked = gr.Textbox(visible=False, label="Address", info="What the page's address asks for.")
    back = gr.Button("Read the address again", elem_id=BACK, visible="hidden")

    @told
    def first(request: gr.Request) -> list[Any]:
        return restore(dict(request.query_params), False)

    @told
    def again(address: str | None) -> list[Any]:
        return restore(dict(parse_qsl((address or "").removeprefix("?"))), True)

    # Queued: a notice of an event that is not never reaches the page.
    read = back.click(again, asked, list(outputs), js="() => [location.search]", **QUIET)
    for event in (read.success, read.failure):
        event(None, None, None, js=READY, **QUIET)
    return demo.load(first, None, list(outputs), **QUIET).then(None, None, None, js=READY)
