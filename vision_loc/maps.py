"""How the maps of a run are made: what the settings say, told to the localizer."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from common.base.progress import Progress
from common.measure.contrasts import Place
from common.measure.scores import SelectivityMap
from vision_loc.localize import localize_all, pictures_of
from vision_loc.models import VisionModel
from vision_loc.settings import Settings
from vision_loc.stimuli import Localizer, Pixels, pixel_store


def map_maker(
    settings: Settings,
    model: VisionModel,
    localizers: Sequence[Localizer],
    digests: Sequence[Sequence[str]],
    own: Sequence[Place],
) -> Callable[[VisionModel, Progress], list[SelectivityMap]]:
    """What makes the maps of localizers in a model, each at its own sites.

    Pictures are decoded once, and shown in one pass.

    Parameters
    ----------
    settings, model, localizers
        What is shown to what, and how.
    digests : sequence of sequence of str
        By localizer a fingerprint of each picture.
    own : sequence of Place
        By localizer where it is read.
    """
    kept: list[Pixels] = []  # for the networks with random weights, too

    def make_maps(shown: VisionModel, progress: Progress) -> list[SelectivityMap]:
        if not kept:
            pictures, every = pictures_of(localizers, digests)
            known = {
                place: digest
                for sides, keys in zip(every, digests, strict=True)
                for place, digest in zip(sides.places.tolist(), keys, strict=True)
            }
            names = [known[place] for place in range(len(pictures))]
            kept.append(pixel_store(pictures, names, model.preprocess, progress=progress))
        return localize_all(
            shown,
            localizers,
            (),
            digests=digests,
            own=own,
            unit=settings.unit,
            pooling=settings.pooling,
            statistic=settings.statistic,
            score=settings.score,
            effort=settings.effort,
            splits=settings.splits,
            exclude_massive=settings.exclude_massive,
            seed=settings.seed,
            batch_size=settings.batch_size,
            pixels=kept[0],
            progress=progress,
        )

    return make_maps
