"""Groups that differ in nothing else: the same classes on both sides, or the same pictures.

``docs/groups.md`` says what each is good for.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from PIL import Image

from common.base.errors import DataError
from common.effects.described import Occlusion, WithinClass
from vision_loc.stimuli.benchmarks import Benchmark
from vision_loc.stimuli.boxes import Box, elsewhere, greyed, in_pixels
from vision_loc.stimuli.pictures import Picture

OCCLUSION = "occlusion:"  # before the name of a set
WHOLE, SHOWN, GREYED = "whole", "shown", "greyed"  # versions; the group's name goes before two


def within_class(items: Benchmark) -> Benchmark:
    """Only the classes that have enough pictures of both groups.

    Raises
    ------
    DataError
        If there is no such class, or one group alone.
    """
    if (other := items.other) is None:
        raise DataError(f"{items.name}: has one group alone, so there is no other within a class")
    least = items.within.at_least
    counts = Counter((picture.label, picture.condition) for picture in items.pictures)
    by_class = {
        label: (counts[label, items.target], counts[label, other])
        for label in sorted({picture.label for picture in items.pictures})
    }
    classes = {label: n for label, n in by_class.items() if min(n) >= least}
    if not classes:
        raise DataError(
            f"{items.name}: no class has {least} pictures of {items.target} and as many of "
            f"{other}, so the groups cannot be compared within a class"
        )
    kept = tuple(picture for picture in items.pictures if picture.label in classes)
    told = WithinClass(
        at_least=least,
        classes={items.class_name(label): n for label, n in classes.items()},
        n_left_out=len(items.pictures) - len(kept),
    )
    return replace(items, pictures=kept, within_class=told, warning=items.within.warning)


def occluded(items: Benchmark, seed: int = 0) -> Benchmark:
    """Every picture of the target group three times: whole, its faces greyed, as much elsewhere.

    The groups are the same pictures then: ``… shown``, where boxes of the faces' sizes are greyed
    elsewhere, and ``… greyed``, where the faces are. The third version, ``whole``, is in neither.

    Parameters
    ----------
    seed : int, default=0
        Of the places elsewhere; a picture's own do not depend on which others there are.

    Raises
    ------
    DataError
        If no picture of the target group has a box and room for another one.
    """
    target = [picture for picture in items.pictures if picture.condition == items.target]
    boxed = [picture for picture in target if picture.faces]
    versions = [_versions(picture, items.target, seed) for picture in boxed]
    placed = [found for found in versions if found]
    if not placed:
        raise DataError(
            f"{OCCLUSION}{items.name}: none of its {len(target)} pictures of {items.target} has a "
            "box around a face and room for another; boxes come from vision-loc data tag-faces"
        )
    told = Occlusion(
        n_pictures=len(placed),
        n_without_box=len(target) - len(boxed),
        n_without_room=len(boxed) - len(placed),
    )
    return replace(
        items,
        name=f"{OCCLUSION}{items.name}",
        pictures=tuple(version for found in zip(*placed, strict=True) for version in found),
        target=f"{items.target} {SHOWN}",
        other=f"{items.target} {GREYED}",
        occlusion=told,
        warning=None,
    )


def _versions(picture: Picture, target: str, seed: int) -> tuple[Picture, ...]:
    """The picture whole, with grey beside the faces, and over them; none if there is no room."""
    size = picture.open().size
    faces = tuple(in_pixels(box, size) for box in picture.faces)
    beside = elsewhere(faces, size, np.random.default_rng([seed, *picture.name.encode()]))
    if beside is None:
        return ()
    whole = replace(picture, name=f"{picture.name}:{WHOLE}", condition=WHOLE, whole=picture.name)
    return (
        whole,
        _covered(picture, f"{target} {SHOWN}", SHOWN, beside),
        _covered(picture, f"{target} {GREYED}", GREYED, faces),
    )


def _covered(picture: Picture, group: str, version: str, boxes: Sequence[Box]) -> Picture:
    def opened() -> Image.Image:
        return greyed(picture.open(), boxes)

    return replace(
        picture,
        name=f"{picture.name}:{version}",
        condition=group,
        open=opened,
        greyed=tuple(boxes),
        whole=picture.name,
    )
