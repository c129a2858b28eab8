"""What a visitor of the Faces page can choose, and what they found: the page without its looks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from PIL import Image

from browser.found import FoundMap, localizer_in, settings_in
from browser.offer import DRAWS, Offer, as_in_the_demo, belonging
from browser.shipped import Shipped
from browser.visitors import Shelf
from common.base.errors import DataError, MaskError
from common.data.manifest import contrasts_here, manifests_here
from common.measure.control_rules import matched_control
from common.measure.masks import Mask, top_percent
from common.measure.scores import SelectivityMap
from common.models.catalogue import Entry, bundled, on_this_machine
from common.models.places import name_in_roots
from common.study.declared import completed
from common.study.results import load_results
from vision_loc import phantom
from vision_loc.app.fit import fitting
from vision_loc.catalogue import downloaded
from vision_loc.experiment import FRONT, Settings, open_model
from vision_loc.stimuli import benchmark, open_picture

DEMO = completed(
    Settings, {"model": "phantom/cnn", "top": "0.5,1,5", "controls": as_in_the_demo(DRAWS)}
)
SHIPPED = Shipped(Path(__file__).parent / "shipped")  # made by ship.py
DOWNLOADS = (
    "torchvision/resnet18.IMAGENET1K_V1",
    "timm/vit_tiny_patch16_224.augreg_in21k_ft_in1k",
)
DOSES = ("0.1", "0.5", "1", "2", "5", "10")
PICTURES = ("PNG", "JPEG", "WEBP", "GIF", "BMP")  # kinds that an upload may have

STEPS = {
    "localize": "Step 1 of 4: showing the localizer's pictures",
    "untrained": "Step 2 of 4: showing them to untrained networks",
    "decode": "Step 3 of 4: reading the evaluation's pictures",
    "evaluate": "Step 4 of 4: evaluating mask by mask",
    "respond": "Showing the localizer's pictures once more",
}

# --- what can be chosen ---


def model_choices() -> list[tuple[str, str]]:
    """Labels and names of the models on offer: phantoms, folders of ``FUNCLOC_MODELS``, downloads.

    Models of the zoos that were downloaded appear by themselves; two that were not are offered.
    """
    here = [*bundled(phantom.NAMES), *on_this_machine(_sees), *downloaded()]
    names = {entry.name for entry in here}
    there = [Entry(name, "download", "") for name in DOWNLOADS if name not in names]
    return [(entry.label, name_in_roots(entry.name)) for entry in (*here, *there)]


def _sees(config: Mapping[str, Any]) -> str | None:
    """What an image classifier is, as far as its configuration tells; nothing if it is none.

    By its names alone: transformers' own table of classifiers is slow to import.
    """
    if "architecture" in config:
        return f"timm, {config['architecture']}"
    names = map(str, config.get("architectures") or [])
    return next((name for name in names if name.endswith("ForImageClassification")), None)


def localizer_choices() -> list[str]:
    """The contrasts of the manifests whose stimuli are here."""
    return contrasts_here("pictures")


def evaluation_choices() -> list[str]:
    """The benchmarks whose items are here."""
    return [each.name for each in manifests_here("pictures") if each.evaluation is not None]


def fit(model: str, measure: str = "accuracy") -> tuple[list[str], list[str]]:
    """The localizers and the benchmarks that go with a model, the best fit first."""
    own = Settings.brought.get(model)
    localizers = belonging(model, localizer_choices(), own.localizer if own else None)
    evaluations = belonging(model, evaluation_choices(), own.evaluation if own else None)
    if own is None:
        localizers.sort(key=lambda name: not name.endswith(":faces"))
    if own is None and measure == "accuracy":
        evaluations = fitting(model, evaluations)
    return localizers, evaluations


OFFER = Offer(
    settings=Settings,
    program="vision-loc",
    model=DEMO.model,
    models=model_choices,
    localizers=localizer_choices,
    evaluations=evaluation_choices,
    fit=fit,
    doses=DOSES,
    help={
        "model": "A phantom works offline; folders come from FUNCLOC_MODELS.",
        "localizer": "Which pictures against which; the stimuli that are here.",
        "evaluation": "Labelled pictures that the localizer has not seen.",
    },
)


# --- what was found ---


@dataclass(frozen=True, eq=False)
class Found(FoundMap[Settings]):
    """What a visitor found: the map, where it came from, and the names of the classes."""

    classes: dict[int, str]

    def matched(self, percent: float) -> tuple[Mask | None, str]:
        """As many equally loud other units of the same sites as the top mask, or why none."""
        try:
            return matched_control(self.map, top_percent(self.map, percent), self.settings.seed), ""
        except MaskError:
            return None, (
                "No control of this size can be drawn: one of the layers does not have as many "
                "other units that are as loud. Lower the percentage."
            )


def found_in(folder: Path) -> Found:
    """What a run folder holds, for a page."""
    settings = settings_in(folder, FRONT)
    found = SelectivityMap.load(folder / "selectivity.safetensors")
    return Found(settings, folder, found, localizer_in(folder), _classes(folder, settings))


def _classes(folder: Path, settings: Settings) -> dict[int, str]:
    if (folder / "results.json").is_file():
        named = load_results(folder).evaluation.classes
        return {int(index): name for index, name in named.items()}
    tested = benchmark(settings.evaluation, settings.data_root)
    return dict(tested.classes) if tested.numbered == "model" else {}


MODELS = Shelf(open_model)


@cache
def phantom_found() -> Found:
    """The phantom's map as it ships, for a visitor who has run nothing yet."""
    return found_in(SHIPPED.folder)


# --- pictures ---


def read_upload(upload: str) -> Image.Image:
    """Read an uploaded picture of a common kind.

    Raises
    ------
    DataError
        If it is no such picture, broken, or has far too many pixels.
    """
    path = Path(upload)
    try:
        with Image.open(path, formats=PICTURES):
            pass
        return open_picture(path)
    except DataError as error:
        raise DataError(str(error).replace(str(path), path.name)) from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise DataError(f"{path.name}: far too many pixels") from error
    except (OSError, ValueError, SyntaxError) as error:
        raise DataError(f"{path.name}: no picture; give {', '.join(PICTURES)}") from error
