"""The vision experiment: settings in, run folder out. The command line and the app call it."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from common.base.device import choose_device, choose_dtype
from common.base.errors import SettingError
from common.base.files import digest_of
from common.base.progress import Progress, silent
from common.effects.described import DescribedEvaluation, DescribedLocalizer, DescribedModel
from common.effects.items import Items, Outcome
from common.effects.results import Localized, Results
from common.measure.masks import Mask
from common.measure.scores import SelectivityMap
from common.study import verbs as study
from common.study.folder import RunFolder
from common.study.settings import Settings as Settings
from common.study.verbs import Evaluating, Localizing
from vision_loc.evaluate import check_labels, evaluate
from vision_loc.gallery import responses, save_gallery
from vision_loc.localize import find_sites, localize
from vision_loc.models import Preprocess, VisionModel, load_model
from vision_loc.stimuli import (
    Benchmark,
    Localizer,
    benchmark,
    benchmark_without_broken,
    fingerprint,
    identified,
    localizer,
    localizer_of_folders,
    localizer_without_broken,
    pixel_store,
    reported,
)


def run(
    settings: Settings, out: Path | None = None, progress: Progress = silent
) -> tuple[Results, Path, bool]:
    """The whole experiment; see :func:`common.study.verbs.run`."""
    return study.run(FRONT, settings, out, progress)


def localize_only(
    settings: Settings, out: Path | None = None, progress: Progress = silent
) -> tuple[Localized, SelectivityMap, Path]:
    """The map and its top masks alone; see :func:`common.study.verbs.localize_only`."""
    return study.localize_only(FRONT, settings, out, progress)


def evaluate_map(
    source: Path, out: Path | None = None, progress: Progress = silent, **changed: Any
) -> tuple[Results, Path, bool]:
    """Evaluate under masks of an earlier map; see :func:`common.study.verbs.evaluate_map`."""
    return study.evaluate_map(FRONT, source, out, progress, **changed)


def open_model(settings: Settings) -> VisionModel:
    """The model that the settings name, where and in the type in which they want it."""
    return load_model(
        settings.model,
        untrained=settings.untrained,
        seed=settings.seed,
        device=choose_device(settings.device),
        dtype=choose_dtype(settings.dtype),
    )


class VisionFront:
    """What the vision front end brings to a run."""

    program = "vision-loc"
    settings = Settings

    def load(self, settings: Settings) -> tuple[VisionModel, DescribedModel]:
        """The model, and what ``results.json`` says of it."""
        model = open_model(settings)
        return model, DescribedModel.model_validate(model.describe())

    def localizing(self, settings: Settings) -> Localizing[VisionModel]:
        """The model, the localizer's pictures and the sites to read."""
        stimuli = _localizer(settings)
        model, described = self.load(settings)
        stimuli = _usable(stimuli, settings, model.preprocess)
        sites = find_sites(model, settings.kind, settings.sites)
        digest, digests = fingerprint([*stimuli.target, *stimuli.control])
        identity = {
            "model": {
                "name": described.name,
                "fingerprint": described.fingerprint,
                "dtype": described.dtype,
            },
            "preprocessing": described.preprocessing,
            "localizer": {"name": stimuli.name, "stimuli": identified(digest, stimuli.skipped)},
            "sites": digest_of([str(site) for site in sites]),
            "unit": settings.unit,
            "pooling": settings.pooling,
            "statistic": settings.statistic,
            "seed": settings.seed,
        }

        def make_map(progress: Progress) -> SelectivityMap:
            return localize(
                model,
                stimuli,
                sites,
                unit=settings.unit,
                pooling=settings.pooling,
                statistic=settings.statistic,
                percents=settings.percents,
                seed=settings.seed,
                batch_size=settings.batch_size,
                progress=progress,
            )

        shown = _describe_localizer(stimuli)
        table = _table(stimuli, digests)
        return Localizing(model, described, shown, table, identity, make_map)

    def evaluating(
        self, settings: Settings, model: VisionModel, progress: Progress = silent
    ) -> Evaluating:
        """The benchmark's pictures, decoded once a run."""
        skip = settings.on_error == "skip"
        items = benchmark(settings.evaluation, settings.data_root, model.wnids, skip=skip)
        if skip:
            items = benchmark_without_broken(items, model.preprocess)
        labels = check_labels(model, items)
        digest, digests = fingerprint(items.pictures)
        size, by = settings.batch_size, settings.plan.ablation

        @cache
        def pixels(folder: RunFolder) -> np.ndarray:
            store = folder.partial / "pixels.npy"
            return pixel_store(items.pictures, model.preprocess, store, size, progress)

        def outcome(folder: RunFolder, mask: Mask | None, found: SelectivityMap) -> Outcome:
            shown = pixels(folder)
            return evaluate(
                model, shown, labels, mask, by=by, found=found, batch_size=size, progress=progress
            )

        def illustrate(
            folder: RunFolder, found: SelectivityMap, top: Mask, intact: Outcome, ablated: Outcome
        ) -> None:
            shown = pixels(folder)
            driven = responses(model, shown, top, found, size)
            save_gallery(folder.path / "gallery", items, shown, driven, intact, ablated)

        names = [picture.name for picture in items.pictures]
        groups = np.array([picture.condition for picture in items.pictures])
        return Evaluating(
            items=Items(names, groups, items.target, items.other, labels),
            described=_describe_evaluation(items),
            stimuli=identified(digest, items.skipped),
            digests=list(zip(names, digests, strict=True)),
            word="pictures",
            outcome=outcome,
            area=model.area,
            illustrate=illustrate,
        )


FRONT = VisionFront()


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
    own = (settings.target, settings.control)
    if settings.localizer is not None and own == (None, None):
        skip = settings.on_error == "skip"
        return localizer(settings.localizer, settings.data_root, skip=skip)
    if settings.localizer is None and None not in own:
        return localizer_of_folders(*own)  # type: ignore[arg-type]
    raise SettingError("give either --localizer, or both --target and --control")


# --- what is written down ---


def _table(stimuli: Localizer, digests: list[str]) -> pd.DataFrame:
    """``stimuli.csv``: the localizer's stimuli, their sides and fingerprints."""
    pictures = [*stimuli.target, *stimuli.control]
    n_target = len(stimuli.target)
    return pd.DataFrame(
        {
            "stimulus": [picture.name for picture in pictures],
            "condition": [picture.condition for picture in pictures],
            "side": ["target" if i < n_target else "control" for i in range(len(pictures))],
            "digest": digests,
        }
    )


def _describe_localizer(stimuli: Localizer) -> DescribedLocalizer:
    return DescribedLocalizer(
        name=stimuli.name,
        target=tuple(sorted({picture.condition for picture in stimuli.target})),
        control=tuple(sorted({picture.condition for picture in stimuli.control})),
        n_target=len(stimuli.target),
        n_control=len(stimuli.control),
        skipped=reported(stimuli.skipped),
    )


def _describe_evaluation(items: Benchmark) -> DescribedEvaluation:
    shown = {picture.label for picture in items.pictures}
    return DescribedEvaluation(
        name=items.name,
        warning=items.warning,
        skipped=reported(items.skipped),
        classes={str(label): items.class_name(label) for label in sorted(shown)},
    )
