"""Coloured tokens on a page: what each mask does to each token of one text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from browser import fragments
from browser.fragments import escape
from llm_loc.tokens import TokenChanges, shown_token

STEPS = (0.5, 1.5, 3.0, 6.0)  # nats; from each on a token is coloured and underlined more
LEGEND = (("l", "less likely by"), ("g", "more likely by"))


def coloured(read: TokenChanges, said: Mapping[str, str], prompt: int) -> str:
    """One text once a mask, side by side, and all of it in numbers.

    Parameters
    ----------
    read : TokenChanges
        What was read.
    said : mapping of str to str
        What each mask is called on the page, by its name there.
    prompt : int
        Letters of the prompt, after which the text is what the intact model wrote.
    """
    parts = [(said[name], _one(read, name, prompt)) for name in read.masked]
    heading = (
        "<h3>The intact model’s text, token by token</h3>"
        "<p class='fl-note'>The same text, read under each mask: how much less likely the mask "
        "makes each token, given all before it. Point at one for its numbers.</p>"
    )
    return f"{heading}{_legend()}{fragments.side_by_side(parts)}{_numbers(read, said)}"


def _one(read: TokenChanges, mask: str, prompt: int) -> str:
    lost = read.lost(mask)
    spans = []
    for place, token in enumerate(read.tokens):
        if prompt and read.begins[place] >= prompt and read.begins[place - 1] < prompt:
            spans.append("<span class='fl-from' title='from here on written by the model'>▸</span>")
        spans.append(_span(token, read, place, float(lost[place])))
    return f"<p class='fl-tokens'>{''.join(spans)}</p>{fragments.note(_mean(read, mask, prompt))}"


def _span(token: str, read: TokenChanges, place: int, lost: float) -> str:
    if not token:
        return ""
    if np.isnan(lost):
        return f"<span title='nothing predicts the first token'>{escape(token)}</span>"
    intact = read.intact[place]
    title = f"{say_change(lost)}: log p {intact:.2f} intact, {intact - lost:.2f} ablated"
    return f"<span class='{_style(lost)}' title='{escape(title)}'>{escape(token)}</span>"


def say_change(lost: float) -> str:
    """How much less likely, or more, a token became."""
    return f"{abs(lost):.2f} nats {'less' if lost >= 0 else 'more'} likely"


def _style(lost: float) -> str:
    step = int(np.searchsorted(STEPS, abs(lost), side="right"))
    return f"fl-t{'l' if lost > 0 else 'g'}{step}" if step else ""


def _mean(read: TokenChanges, mask: str, prompt: int) -> str:
    stretches = (("prompt", read.mean(mask, 0, prompt)), ("continuation", read.mean(mask, prompt)))
    told = [f"{name} {mean:+.2f} ({n} tokens)" for name, (mean, n) in stretches if n]
    return f"{read.n_units[mask]:,} units. Mean loss in nats a token: {', '.join(told)}."


def _legend() -> str:
    keys = "".join(
        f"<span>{words} "
        + " ".join(
            f"<span class='fl-t{kind}{number}'>&nbsp;{step:g}&nbsp;</span>"
            for number, step in enumerate(STEPS, 1)
        )
        + "</span>"
        for kind, words in LEGEND
    )
    return f"<p class='fl-note fl-key'>{keys}<span>nats or more</span></p>"


def _numbers(read: TokenChanges, said: Mapping[str, str]) -> str:
    heads = ("token", "log p, intact", *(said[name] for name in read.masked))
    lost = [read.lost(name) for name in read.masked]
    rows = [
        (shown_token(token, name), *_cells(read.intact[place], [each[place] for each in lost]))
        for place, (token, name) in enumerate(zip(read.tokens, read.names, strict=True))
    ]
    table = fragments.table(
        heads, rows, "Nats by which each mask makes each token less likely; below 0, more likely. "
        "The tokens of one text depend on each other, so no interval is given.", "fl-long",
    )  # fmt: skip
    return f"<details class='fl-more'><summary>Every token in numbers</summary>{table}</details>"


def _cells(intact: float, lost: Sequence[float]) -> list[str]:
    if np.isnan(intact):
        return [""] * (1 + len(lost))
    return [f"{intact:.2f}", *(f"{each:+.2f}" for each in lost)]
