"""What a user of the language front end can set."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from common.measure.sites import Pooling, Unit
from common.study import settings as study
from common.study.declared import ALWAYS, EVALUATING, LOCALIZING, Brought, Setting
from llm_loc import phantom
from llm_loc.localize import POOLINGS, PROTOCOLS
from llm_loc.match import MATCHES

BROUGHT = {
    f"phantom/{name}": Brought("phantom-lm:language", "phantom-lm", (1, 2, 5))
    for name in phantom.NAMES
}
"""What each phantom is run with where nothing else is said: its texts, and doses to try, up to the
size of the area that one of them has."""


@dataclass(frozen=True)
class Settings(study.Settings):
    """Everything that a user can set."""

    brought = BROUGHT

    evaluation: Annotated[
        str,
        Setting("What to evaluate on: pairs or multiple choice, and with a comma any texts whose "
                "perplexity is measured beside them, as in blimp,prose; a manifest, or a file: "
                ".csv of items, .txt of text", EVALUATING, label="Evaluate on", short="e",
                metavar="NAMES", unset="a phantom's own"),
    ] = ""  # fmt: skip
    unit: Annotated[Unit, Setting("Texts differ in length, so a unit is a channel", ())] = "channel"
    pooling: Annotated[
        Pooling | None,
        Setting("How a text's tokens become one number", LOCALIZING, POOLINGS),
    ] = "last"  # fmt: skip
    on_error: Annotated[str, Setting("A text that is broken stops a run", ())] = "stop"
    protocol: Annotated[
        str,
        Setting("How texts are read, whole, or as in the paper in batches of one, cut at 12 tokens "
                "(which cuts non-words short)", LOCALIZING, PROTOCOLS),
    ] = "full"  # fmt: skip
    match: Annotated[
        str,
        Setting("Pair each target text with a control text of as many tokens, or words, and leave "
                "out the rest, so that the contrast is none of length", LOCALIZING, MATCHES,
                label="Equal length"),
    ] = "none"  # fmt: skip
    adapter: Annotated[
        Path | None,
        Setting("A folder with a LoRA adapter of the model, as PEFT saves one; it is merged into "
                "the weights, so sites and masks are the model's (needs the extra "
                "funcloc[adapters])", LOCALIZING, read=Path, metavar="FOLDER"),
    ] = None  # fmt: skip
    target_group: Annotated[
        str | None,
        Setting("The items expected to lose: a field, phenomenon or paradigm of the benchmark",
                EVALUATING, metavar="PART"),
    ] = None  # fmt: skip
    other_group: Annotated[
        str | None,
        Setting("The items expected to hold: another part, or rest for all that is not the target",
                EVALUATING, metavar="PART"),
    ] = None  # fmt: skip
    device_map: Annotated[
        str | None,
        Setting("auto spreads a model that is larger than one device over all of them, instead of "
                "a device; needs accelerate", ALWAYS, metavar="NAME"),
    ] = None  # fmt: skip
