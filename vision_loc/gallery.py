"""The pictures of a report: what drives the masked units, and what changed without them."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from common.base.files import save_bytes, save_json
from common.base.heavy import torch
from common.effects.items import Outcome
from common.effects.measured import AGREEMENT, Measure
from common.measure.masks import Mask
from common.measure.respond import respond
from common.measure.scores import SelectivityMap
from vision_loc.models import VisionModel
from vision_loc.stimuli import Benchmark, Pixels

CHANGED = "Pictures whose prediction changed"
SHOWN = 8
OF_CHANGED, OF_LEAST = 4, 2  # pictures that are shown with the answers to them
SIDE = 160


def responses(
    model: VisionModel,
    pixels: np.ndarray | Pixels,
    mask: Mask,
    found: SelectivityMap,
    batch_size: int = 64,
) -> np.ndarray:
    """How strongly a mask's units answer to each picture: array of shape (n_pictures,).

    1 is an answer of average strength over the localizer's pictures.
    """
    with torch.inference_mode(), respond(model.module, mask, found) as passes:
        for start in range(0, len(pixels), batch_size):
            model.logits(torch.from_numpy(pixels[start : start + batch_size].copy()))
    return np.concatenate(passes)


def save_gallery(
    folder: Path,
    items: Benchmark,
    pixels: np.ndarray | Pixels,
    driven: np.ndarray | None,
    intact: Outcome,
    ablated: Outcome,
    measure: Measure = "accuracy",
) -> None:
    """Keep the pictures that the report shows, as small JPEGs with an index.

    Parameters
    ----------
    folder : Path
        Where ``gallery.json`` and the pictures go.
    items, pixels
        The benchmark and its decoded pictures.
    driven : array of shape (n_pictures,)
        From :func:`responses`; weights answer to nothing, and then no picture drives them.
    intact, ablated : Outcome
        Without a mask and under the top one.
    measure : {"accuracy", "agreement"}
        What counts as right.
    """
    lost = np.flatnonzero(intact.correct & ~ablated.correct)
    won = np.flatnonzero(~intact.correct & ablated.correct)
    worst = lost[np.argsort(ablated.margin[lost] - intact.margin[lost], kind="stable")]
    labels = np.array([picture.label for picture in items.pictures])
    caption = (
        f"Right when intact and wrong without the top units: {_counted(lost, items)}; the other "
        f"way round: {_counted(won, items)}. Of the former, one"
    )
    if measure == AGREEMENT:
        labels = intact.prediction
        caption = f"Another class without the top units: {_counted(lost, items)}. Of these, one"

    def change(number: int) -> str:
        before, after = (_named(items, int(o.prediction[number])) for o in (intact, ablated))
        return f"{items.pictures[number].condition}: {before} → {after}"

    galleries = [
        *_driving(driven, items),
        _gallery(
            CHANGED,
            f"{caption} of each class comes before a second of any, those first whose margin fell "
            "most. Before → after.",
            _spread(worst, labels)[: 2 * SHOWN], items, change,
        ),
    ]  # fmt: skip
    for gallery in galleries:
        for entry in gallery["pictures"]:
            save_bytes(folder / entry["file"], jpeg(pixels[entry.pop("number")]))
    save_json(folder / "gallery.json", galleries)
    save_json(folder / "strip.json", _strip(galleries))


def _strip(galleries: list[dict[str, Any]]) -> dict[str, Any]:
    """The pictures that are shown with the answers to them, and how they were chosen."""
    *driving, changed = (gallery["pictures"] for gallery in galleries)
    some, least = changed[:OF_CHANGED], driving[-1][:OF_LEAST] if driving else []
    told = []
    if some:
        told.append(f"{len(some)} whose answer changed, those first whose margin fell most")
    if least:
        told.append(f"{len(least)} that drive the units least")
    return {
        "note": f"Pictures: {'; '.join(told)}.",
        "cards": [{"item": each["alt"], "file": each["file"]} for each in (*some, *least)],
    }


def _driving(driven: np.ndarray | None, items: Benchmark) -> list[dict[str, Any]]:
    """The pictures that drive the top units most, and least."""
    if driven is None:
        return []
    answers = driven

    def answer(number: int) -> str:
        return f"{items.pictures[number].condition}, answer {answers[number]:.2f}"

    most, least = (np.argsort(sign * driven, kind="stable")[:SHOWN] for sign in (-1, 1))
    told = (
        "Of the evaluation pictures. Answer: mean over the top units of the activation over "
        "the unit’s average in the localizer."
    )
    called = "Pictures that drive the top units"
    return [
        _gallery(f"{called} most", told, most, items, answer),
        _gallery(f"{called} least", _ties(driven, least), least, items, answer),
    ]


def _named(items: Benchmark, index: int) -> str:
    """A class as a reader can tell it from a number: the model may choose one without a name."""
    return items.classes.get(index, f"class {index}")


def _ties(driven: np.ndarray, least: np.ndarray) -> str:
    """That the pictures shown are only some of those that tie for the last place, if so."""
    last = driven[least].max()
    tied, shown = int((driven == last).sum()), int((driven[least] == last).sum())
    if tied <= shown:
        return ""
    return f"{tied} pictures tie at {last:.2f}; those shown come first among them by order alone."


def _counted(numbers: np.ndarray, items: Benchmark) -> str:
    """How many pictures, and how many of each group: ``3 pictures (2 face, 1 object)``."""
    groups = [items.pictures[number].condition for number in numbers]
    parts = [f"{groups.count(name)} {name}" for name in (items.target, items.other) if name]
    word = "picture" if len(numbers) == 1 else "pictures"
    return f"{len(numbers)} {word} ({', '.join(parts)})" if len(numbers) else "none"


def _spread(numbers: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The same numbers, every class's first before any class's second, otherwise in order."""
    seen: dict[int, int] = {}
    turns = []
    for label in labels[numbers].tolist():
        turns.append(seen.get(label, 0))
        seen[label] = turns[-1] + 1
    return numbers[np.argsort(turns, kind="stable")]


def _gallery(
    heading: str, caption: str, numbers: np.ndarray, items: Benchmark, say: Any
) -> dict[str, Any]:
    pictures = [
        {
            "number": int(number),
            "file": f"{int(number)}.jpg",
            "alt": items.pictures[number].name,
            "caption": say(number),
        }
        for number in numbers
    ]
    return {"heading": heading, "caption": caption, "pictures": pictures}


def jpeg(pixels: np.ndarray) -> bytes:
    """A small JPEG of pixels of shape (3, H, W)."""
    picture = Image.fromarray(np.ascontiguousarray(pixels.transpose(1, 2, 0)))
    scale = SIDE / max(picture.size)
    size = (round(picture.width * scale), round(picture.height * scale))
    method = Image.Resampling.NEAREST if scale >= 2 else Image.Resampling.LANCZOS
    buffer = io.BytesIO()
    picture.resize(size, method).save(buffer, "JPEG", quality=80)
    return buffer.getvalue()
