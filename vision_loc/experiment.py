"""The vision experiment: settings in, run folder out. The command line and the app call it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np

from common.base.device import choose_device, choose_dtype
from common.base.errors import SettingError
from common.base.files import digest_of
from common.base.progress import Progress, silent
from common.effects.described import DescribedEvaluation, DescribedModel
from common.effects.items import Items, Outcome
from common.effects.measured import ACCURACY, AGREEMENT
from common.measure.donors import Donors
from common.measure.masks import Mask
from common.measure.scores import SelectivityMap
from common.measure.sites import WEIGHT, Kind
from common.study import verbs as study
from common.study.front import FrontEnd, Localizing, stimuli_table
from common.study.journal import mask_key
from common.study.kinds import OfKind, of_kinds
from common.study.localizers import chosen_localizer, describe_localizer
from common.study.onepass import OnePass, of_each
from common.study.sides import on_both_sides
from common.study.together import EvaluatingTogether
from vision_loc.driving import driving_of
from vision_loc.evaluate import PictureBatches, picture_donors
from vision_loc.gallery import responses, save_gallery
from vision_loc.localize import find_sites, survey_of
from vision_loc.maps import map_maker
from vision_loc.matching import check_intact, matched, without_classes
from vision_loc.models import VisionModel, load_model
from vision_loc.preprocess import Preprocess
from vision_loc.settings import Settings as Settings
from vision_loc.stimuli import (
    OCCLUSION,
    Benchmark,
    Localizer,
    Picture,
    Pixels,
    benchmark,
    benchmark_without_broken,
    fewer,
    fingerprint,
    identified,
    localizer,
    localizer_of_folders,
    localizer_without_broken,
    occluded,
    pixel_batches,
    pixel_store,
    reported,
    within_class,
)

ALONE = "The evaluation has {} alone: whether other pictures lose as much is not asked."
SAMPLE = 16  # pictures from which is guessed how long a run takes


def open_model(settings: Settings) -> VisionModel:
    """The model that the settings name, where and in the type in which they want it."""
    return load_model(
        settings.model,
        untrained=settings.untrained,
        seed=settings.seed,
        device=choose_device(settings.device),
        dtype=choose_dtype(settings.dtype),
    )


@dataclass(kw_only=True, eq=False)
class Pictures(EvaluatingTogether):
    """A benchmark's pictures, shown to a model.

    Attributes
    ----------
    model, benchmark, settings
        What is shown to what, and how.
    pixels : Pixels
        Decoded and resized, once prepared.
    """

    model: VisionModel
    benchmark: Benchmark
    settings: Settings
    made_by: Settings | None = None
    pixels: Pixels = field(init=False)
    _driven: tuple[str, np.ndarray] | None = field(init=False, default=None)

    def prepare(self, scratch: Path, progress: Progress = silent) -> None:
        """Decode every picture into a file that all masks read, or find it in the cache."""
        super().prepare(scratch, progress)
        self.pixels = pixel_store(
            self.benchmark.pictures,
            [digest for _, digest in self.digests],
            self.model.preprocess,
            scratch / "pixels.npy",
            progress,
        )

    def sample(self) -> tuple[PictureBatches, int]:
        """A few pictures, decoded for that."""
        some = self.benchmark.pictures[:SAMPLE]
        _, pixels = next(pixel_batches(some, self.model.preprocess, len(some)))
        labels = None if self._labels is None else self._labels[: len(some)]
        return PictureBatches(self.model, pixels, labels, batch_size=len(some)), 0

    @property
    def _labels(self) -> np.ndarray | None:
        return None if self.items.labels is None else np.asarray(self.items.labels)

    @property
    def versions(self) -> int:  # type: ignore[override]
        """Pictures that are one with different things greyed."""
        return 1 if self.benchmark.occlusion is None else 3

    def shown(self) -> PictureBatches:
        """The pictures in batches."""
        return PictureBatches(
            self.model,
            self.pixels,
            self._labels,
            self.benchmark.choose_from,
            self.settings.batch_size,
            self.items.names,
        )

    def read_donors(self, found: SelectivityMap) -> Donors:
        """Pictures of the localizer's control condition that are not evaluated on."""
        stimuli = localizer_of(self.made_by or self.settings, self.model.preprocess)
        _, digests = fingerprint(stimuli.control)
        seen = {digest for _, digest in self.digests}
        return picture_donors(self.model, stimuli.control, digests, seen, found, self.settings.seed)

    def check(self, intact: Outcome) -> None:
        """Refuse classes that are matched blindly, and wrongly."""
        check_intact(self.benchmark, self.model, intact)

    def know(self, intact: Outcome) -> None:
        """By agreement the classes that there are are those that the intact model saw."""
        super().know(intact)
        if self.items.measure == AGREEMENT:
            seen = sorted({*intact.prediction.tolist()})
            names = {str(number): self.benchmark.class_name(number) for number in seen}
            self.described = self.described.model_copy(update={"classes": names})

    def responses(self, top: Mask, found: SelectivityMap) -> np.ndarray | None:
        """How strongly a mask's units answer to every picture, once a mask; of weights none."""
        if found.unit == WEIGHT:
            return None
        key = mask_key(top)
        if self._driven is None or self._driven[0] != key:
            driven = responses(self.model, self.pixels, top, found, self.settings.batch_size)
            self._driven = key, driven
        return self._driven[1]

    def illustrate(
        self,
        folder: Path,
        found: SelectivityMap,
        top: Mask,
        intact: Outcome,
        ablated: Outcome,
        progress: Progress = silent,  # noqa: ARG002  (it is done in no time)
    ) -> None:
        """The pictures that drive the top units, and those that are no longer recognised."""
        driven = self.responses(top, found)
        shown = (self.benchmark, self.pixels, driven, intact, ablated)
        save_gallery(folder / "gallery", *shown, self.items.measure)


class VisionFront(FrontEnd[Settings, VisionModel]):
    """What the vision front end brings to a run."""

    program = "vision-loc"
    settings = Settings

    def load(self, settings: Settings) -> tuple[VisionModel, DescribedModel]:
        """The model, and what ``results.json`` says of it."""
        model = open_model(settings)
        return model, DescribedModel.model_validate(model.describe())

    def localizing(self, settings: Settings) -> Localizing[VisionModel]:
        """The model, the localizer's pictures and the sites to read."""
        return self._named([settings])[0]

    def localizing_each(
        self, settings: Settings, names: Sequence[str]
    ) -> list[Localizing[VisionModel]]:
        """The model, and several localizers whose pictures it is shown in one pass."""
        return self._named([replace(settings, localizer=name) for name in names])

    def localizing_kinds(
        self, settings: Settings, kinds: Sequence[Kind], n_units: int | None
    ) -> tuple[list[Localizing[VisionModel]], dict[str, str]]:
        """The model and the localizer, its pictures shown in one pass to all kinds of sites."""
        read, loaded = _localizer(settings), self.load(settings)
        survey = survey_of(loaded[0], settings.each_step)
        every, missing = of_kinds(settings, kinds, n_units, survey)
        return self._localizing(every, [read] * len(every), loaded), missing

    def _named(self, every: Sequence[Settings]) -> list[Localizing[VisionModel]]:
        """Settings differ in their localizers alone."""
        read, loaded = [_localizer(each) for each in every], self.load(every[0])
        one = every[0]
        sites = find_sites(loaded[0], one.kind, one.sites, one.level, one.each_step)
        return self._localizing([OfKind(each, sites) for each in every], read, loaded)

    def _localizing(
        self,
        every: Sequence[OfKind[Settings]],
        read: Sequence[Localizer],
        loaded: tuple[VisionModel, DescribedModel],
    ) -> list[Localizing[VisionModel]]:
        """Settings differ in their localizers or kinds of sites alone."""
        if not every:
            return []
        (model, described), places = loaded, [each.place for each in every]
        usable = of_each(lambda one: _usable(one, every[0].settings, model.preprocess), read)
        prints = of_each(lambda one: fingerprint([*one.target, *one.control]), usable)
        keys = [digests for _, digests in prints]
        maps = OnePass(map_maker(every[0].settings, model, usable, keys, places))
        return [
            Localizing(
                model=model,
                described=described,
                localizer=describe_localizer(
                    stimuli.name,
                    stimuli.target,
                    stimuli.control,
                    skipped=reported(stimuli.skipped),
                    warning=_of_both_sides(stimuli, digests),
                ),
                stimuli=stimuli_table(stimuli.target, stimuli.control, digests),
                fingerprint=identified(digest, stimuli.skipped),
                sites=own.sites,
                settings=own.settings,
                make_map=maps.of(number),
                illustrate=driving_of(model, stimuli, own.settings.batch_size),
            )
            for number, (own, stimuli, (digest, digests)) in enumerate(
                zip(every, usable, prints, strict=True)
            )
        ]

    def evaluating(self, settings: Settings, model: VisionModel) -> Pictures:
        """The benchmark's pictures, checked against the model's classes."""
        shown = _benchmark(settings, model)
        labels = np.array([picture.label for picture in shown.pictures])
        agreed = settings.measure == AGREEMENT
        digest, digests = fingerprint(shown.pictures)
        names = [picture.name for picture in shown.pictures]
        groups = np.array([picture.condition for picture in shown.pictures])
        return Pictures(
            items=Items(
                names,
                groups,
                shown.target,
                shown.other,
                None if agreed else labels,
                measure=AGREEMENT if agreed else ACCURACY,
            ),
            described=_describe_evaluation(
                replace(shown, warning=_warning(shown, digests)),
                _digest(shown.pictures, digests),
            ),
            stimuli=_identity(identified(digest, shown.skipped), settings),
            digests=list(zip(names, digests, strict=True)),
            word="pictures",
            area=model.area,
            area_of=("phantom:faces", "floc:faces", "phantom-planted:")
            if settings.localizer
            else ("",),
            model=model,
            benchmark=shown,
            settings=settings,
        )


FRONT = VisionFront()

# The verbs, from a notebook: run(Settings(…)); see common.study.verbs.
run = partial(study.run, FRONT)
localize_only = partial(study.localize_only, FRONT)
evaluate_map = partial(study.evaluate_map, FRONT)


def _of_both_sides(stimuli: Localizer, digests: Sequence[str]) -> str | None:
    """What to know of a localizer's pictures."""
    n = len(stimuli.target)
    return on_both_sides(stimuli.name, "pictures", digests[:n], digests[n:], stimuli.warning)


def localizer_of(settings: Settings, preprocess: Preprocess) -> Localizer:
    """The localizer that the settings name, without what cannot be read if they say so.

    Raises
    ------
    DataError
        If there is none, or its pictures are missing.
    SettingError
        If the settings name no localizer, or two.
    """
    return _usable(_localizer(settings), settings, preprocess)


def _usable(stimuli: Localizer, settings: Settings, preprocess: Preprocess) -> Localizer:
    return localizer_without_broken(stimuli, preprocess) if settings.on_error == "skip" else stimuli


def _localizer(settings: Settings) -> Localizer:
    root, skip = settings.data_root, settings.on_error == "skip"
    return chosen_localizer(
        settings, lambda name: localizer(name, root, skip=skip), localizer_of_folders
    )


def _benchmark(settings: Settings, model: VisionModel) -> Benchmark:
    """What the settings name, its groups made alike if they say so."""
    skip, by_class = settings.on_error == "skip", settings.within == "class"
    name = settings.evaluation.removeprefix(OCCLUSION)
    occlusion = name != settings.evaluation
    if occlusion and by_class:
        raise SettingError("`within` class: is not for occlusion, where a picture is its own rival")
    root = settings.data_root
    agreed = settings.measure == AGREEMENT
    shown = benchmark(name, root, skip=skip, more_others=by_class, labelled=not agreed)
    if skip:
        shown = benchmark_without_broken(shown, model.preprocess)
    if not agreed:
        shown = matched(shown, model, settings.classes)
    if occlusion:
        shown = occluded(shown, settings.seed)
    elif by_class:
        shown = within_class(shown)
    if settings.within == "margin" and shown.other is None:
        raise SettingError("`within` margin: one group alone has no other to be paired with")
    if settings.items is not None:
        shown = fewer(shown, settings.items, settings.seed)
    return without_classes(shown, model) if agreed else shown


def _warning(shown: Benchmark, digests: Sequence[str]) -> str | None:
    """What to know of the pictures; of a greyed one both groups have a version."""
    if shown.occlusion is not None:
        return shown.warning
    if shown.other is None:
        return " ".join(filter(None, (shown.warning, ALONE.format(shown.target))))
    groups = [picture.condition for picture in shown.pictures]
    target, other = (
        [digest for digest, group in zip(digests, groups, strict=True) if group == side]
        for side in (shown.target, shown.other)
    )
    return on_both_sides(shown.name, "pictures", target, other, shown.warning)


def _identity(stimuli: str, settings: Settings) -> str:
    """Fingerprint of the pictures, and of how answers count if not as usual."""
    usual = {"classes": "all", "measure": ACCURACY}
    other = [value for name in usual if (value := getattr(settings, name)) != usual[name]]
    return digest_of([stimuli, *other]) if other else stimuli


def _digest(pictures: Sequence[Picture], digests: Sequence[str]) -> str:
    """What is shown, in any order, whatever numbers a model gives the classes."""
    each = zip(pictures, digests, strict=True)
    return digest_of(sorted([one.name, one.condition, str(one.greyed), of] for one, of in each))


def _describe_evaluation(items: Benchmark, digest: str) -> DescribedEvaluation:
    shown = {picture.label for picture in items.pictures if picture.label >= 0}
    groups = sorted({picture.condition for picture in items.pictures})
    alike = {
        "class_match": items.match if items.match and items.match.by != "number" else None,
        "within_class": items.within_class,
        "occlusion": items.occlusion,
        "subset": items.subset,
    }
    described = DescribedEvaluation(
        name=items.name,
        warning=items.warning,
        skipped=reported(items.skipped),
        classes={str(label): items.class_name(label) for label in sorted(shown)},
        chances=dict.fromkeys(groups, 1 / len(items.choose_from)) if items.choose_from else {},
        shown=digest,
    )
    return described.model_copy(update={key: told for key, told in alike.items() if told})
