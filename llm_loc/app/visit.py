"""What a visitor of the Language page can choose, what they found: the page without its looks."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from browser.found import FoundMap, localized, localizer_in, settings_in
from browser.offer import MORE_DRAWS, Offer, as_in_the_demo, belonging, check_offered
from browser.shipped import Shipped
from browser.visitors import Shelf
from common.base.errors import MaskError
from common.base.progress import Progress, silent
from common.data.manifest import contrasts_here, manifests_here
from common.measure.control_rules import control
from common.measure.masks import Mask, top_percent
from common.measure.massive import without_massive
from common.measure.scores import SelectivityMap
from common.models.catalogue import bundled, local_files, on_this_machine
from common.models.places import name_in_roots
from common.study.declared import completed
from common.study.listing import list_runs
from llm_loc import phantom
from llm_loc.experiment import FRONT, Settings, open_model
from llm_loc.gguf import SUFFIX
from llm_loc.packages import PACKAGES

DEMO = completed(Settings, {"model": "phantom/lm", "controls": as_in_the_demo(MORE_DRAWS)})
SHIPPED = Shipped(Path(__file__).parent / "shipped")  # made by ship.py
DOSES = ("0.5", "1", "2", "5", "10", "20")
PREDICTS = ("ForCausalLM", "LMHeadModel")
ABOVE = "above"  # the model of the result that the page shows
QUICK_TEXTS = 60  # texts of either side of a map that is made for writing

STEPS = {
    "localize": "Step 1 of 5: reading the localizer's texts",
    "untrained": "Step 2 of 5: letting untrained networks read them",
    "evaluate": "Step 3 of 5: evaluating mask by mask",
    "write": "Step 4 of 5: letting the model write",
    "profile": "Step 5 of 5: reading texts of every kind",
    "respond": "Reading the localizer's texts once more",
}

# --- what can be chosen ---


def model_choices() -> list[tuple[str, str]]:
    """Labels and names of the models on offer: phantoms, folders, what the hub's cache holds."""
    files = (*PACKAGES.here(), *local_files(SUFFIX, "GGUF"))
    here = (*bundled(phantom.NAMES), *files, *on_this_machine(_predicts))
    return [(entry.label, name_in_roots(entry.name)) for entry in here]


def _predicts(config: Mapping[str, Any]) -> str | None:
    """What a causal language model is, as far as its configuration tells; nothing if it is none.

    By its names alone: transformers' own table of language models is slow to import.
    """
    names = map(str, config.get("architectures") or [])
    return next((name for name in names if name.endswith(PREDICTS)), None)


def localizer_choices() -> list[str]:
    """The contrasts of the manifests whose texts are here."""
    return contrasts_here("texts")


def evaluation_choices() -> list[str]:
    """The benchmarks of pairs that are here, alone and with each running text beside them."""
    here = manifests_here("texts")
    texts = [each.name for each in here if each.text is not None]
    pairs = [each.name for each in here if each.pairs is not None]
    return [name for pair in pairs for name in (pair, *(f"{pair},{text}" for text in texts))]


def fit(model: str) -> tuple[list[str], list[str]]:
    """The localizers and the benchmarks that go with a model, the best fit first."""
    own = Settings.brought.get(model)
    localizers = belonging(model, localizer_choices(), own.localizer if own else None)
    if own is None:
        localizers.sort(key=lambda name: not name.endswith(":language"))
    return localizers, belonging(model, evaluation_choices(), own.evaluation if own else None)


OFFER = Offer(
    settings=Settings,
    program="llm-loc",
    model=DEMO.model,
    models=model_choices,
    localizers=localizer_choices,
    evaluations=evaluation_choices,
    fit=fit,
    doses=DOSES,
    help={
        "model": "The phantoms work offline; folders come from FUNCLOC_MODELS, downloads from the "
        "hub's cache.",
        "localizer": "Which texts against which; the stimuli that are here.",
        "evaluation": "Pairs of a good and a bad sentence, and running text beside them.",
    },
)


# --- what was found ---


class Found(FoundMap[Settings]):
    """What a visitor found: the map, and where it came from."""

    def voices(self, percent: float) -> tuple[dict[str, Mask], list[str]]:
        """The masks that a text is read and written under, by voice, and what to know of them."""
        top, said = top_percent(self.map, percent), []
        masks = {"top": top}
        for voice, rule in (("loud", "magnitude-matched"), ("control", "layer-matched")):
            try:
                masks[voice] = control(self.map, rule, percent, seed=self.settings.seed)
            except MaskError as error:
                said.append(f"No {rule} control of this size: {error.plain}.")
        loud = masks.get("loud")
        if loud is not None and len(loud) < len(top):
            said.append(
                f"Loudness-matched units are {len(loud):,}: so many of the top have an equally "
                f"loud partner in their layer, and the other {len(top) - len(loud):,} have none."
            )
        if (quiet := without_massive(self.map, top)) is not None:
            masks["quiet"] = quiet
            said.append(f"{len(top) - len(quiet):,} of the top units are massive.")
        return masks, said


def found_in(folder: Path) -> Found:
    """What a run folder holds, for a page.

    Raises
    ------
    RunError
        If it is not of a language model.
    """
    settings = settings_in(folder, FRONT)
    found = SelectivityMap.load(folder / "selectivity.safetensors")
    return Found(settings, folder, found, localizer_in(folder))


MODELS = Shelf(open_model)


@cache
def phantom_found() -> Found:
    """The phantom's map as it ships, for a visitor who has run nothing yet."""
    return found_in(SHIPPED.folder)


def writers() -> list[tuple[str, str]]:
    """Labels and names of the models that can write: that of the result above, and all others."""
    return [("that of the result above", ABOVE), *model_choices()]


def found_of(model: str, progress: Progress = silent) -> Found:
    """The newest map of a model here, or a quick one: of a part of its first localizer's texts.

    Parameters
    ----------
    model : str
        One of those on offer.
    progress : Progress
        Told how far it has come; may raise to stop.

    Raises
    ------
    SettingError
        If the model is not on offer.
    """
    check_offered("model", model, [name for _, name in model_choices()])
    for entry in list_runs():
        mapped = (entry.folder / "selectivity.safetensors").is_file()
        if mapped and entry.front == FRONT.program and name_in_roots(entry.model) == model:
            found = found_in(entry.folder)
            if not found.settings.untrained and found.settings.adapter is None:
                return found
    quick = Settings(model, localizer=fit(model)[0][0], stimuli=QUICK_TEXTS)
    return localized(FRONT, quick, found_in, progress)
