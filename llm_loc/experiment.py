"""The language experiment: settings in, run folder out. The command line and the app call it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from common.base.device import choose_device, choose_dtype
from common.base.errors import FunclocError, SettingError
from common.base.files import digest_of
from common.base.progress import Progress, silent
from common.effects.described import (
    DescribedEvaluation,
    DescribedLocalizer,
    DescribedModel,
    TokenLengths,
)
from common.effects.items import Items, Outcome
from common.effects.perplexity import MeasuredText
from common.effects.results import Localized, Results
from common.measure.masks import Mask, plan_masks
from common.measure.scores import SelectivityMap
from common.measure.sites import Pooling
from common.study import verbs as study
from common.study.folder import RunFolder
from common.study.settings import Settings as CommonSettings
from common.study.verbs import Evaluating, Localizing
from llm_loc.evaluate import Tokenized, evaluate
from llm_loc.gallery import layer_matched, prompts, save_continuations
from llm_loc.generate import Sampling, continuations
from llm_loc.harness import check_installed, evaluate_tasks
from llm_loc.load import load_model
from llm_loc.localize import check_protocol, find_sites, lengths, localize
from llm_loc.models import LanguageModel
from llm_loc.profile import profile, save_profile, text_kinds
from llm_loc.stimuli import Localizer, benchmark, localizer, localizer_of_files

PROFILE_DRAWS = 5  # control masks beside the top one in the response profile


@dataclass(frozen=True)
class Settings(CommonSettings):
    """Everything that a user can set; see the options of ``llm-loc run`` for their meaning."""

    pooling: Pooling | None = "last"
    protocol: str = "full"
    target_group: str | None = None
    other_group: str | None = None
    device_map: str | None = None


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


def generate_under(
    source: Path, prompt: str, sampling: Sampling, **changed: Any
) -> dict[str, list[str]]:
    """Continuations of a prompt, intact and under the masks of an earlier map, side by side.

    Parameters
    ----------
    source : Path
        A folder of :func:`run` or :func:`localize_only`.
    prompt, sampling
        What is continued, and how; all masks draw from the same seed.
    **changed
        The settings that choose the masks; those of the localizer are the folder's own.

    Returns
    -------
    dict of str to list of str
        ``intact``, then each mask by its name.
    """
    at_hand = study.open_source(FRONT, source, **changed)
    found, plan = at_hand.found, at_hand.settings.plan
    masks: list[Mask | None] = [None, *plan_masks(found, plan.percents, plan.controls, plan.seed)]
    return {
        "intact" if mask is None else mask.name: continuations(
            at_hand.model, prompt, sampling, mask, by=plan.ablation, found=found
        )
        for mask in masks
    }


def tasks_under(
    source: Path,
    tasks: Sequence[str],
    *,
    include: Path | None = None,
    limit: int | None = None,
    progress: Progress = silent,
    **changed: Any,
) -> list[dict[str, Any]]:
    """Tasks of ``lm-eval``, intact and under the masks of an earlier map.

    Parameters
    ----------
    source : Path
        A folder of :func:`run` or :func:`localize_only`.
    tasks, include, limit
        See :func:`llm_loc.harness.item_scores`.
    **changed
        The settings that choose the masks; those of the localizer are the folder's own.

    Returns
    -------
    list of dict
        See :func:`llm_loc.harness.evaluate_tasks`.
    """
    check_installed()
    at_hand = study.open_source(FRONT, source, **changed)
    found, plan = at_hand.found, at_hand.settings.plan
    return evaluate_tasks(
        at_hand.model,
        tasks,
        plan_masks(found, plan.percents, plan.controls, plan.seed),
        found,
        by=plan.ablation,
        seed=plan.seed,
        progress=progress,
        include=include,
        limit=limit,
        batch_size=at_hand.settings.batch_size,
    )


def open_model(settings: CommonSettings) -> LanguageModel:
    """The model that the settings name, where and in the type in which they want it.

    Raises
    ------
    SettingError
        If both a device and a device map are asked for.
    """
    device_map = _ours(settings).device_map
    if device_map is not None and settings.device != "auto":
        raise SettingError("--device-map: chooses the devices; leave --device out")
    return load_model(
        settings.model,
        untrained=settings.untrained,
        seed=settings.seed,
        device=choose_device(settings.device),
        dtype=choose_dtype(settings.dtype),
        device_map=device_map,
    )


class LanguageFront:
    """What the language front end brings to a run."""

    program = "llm-loc"
    settings: type[CommonSettings] = Settings

    def load(self, settings: CommonSettings) -> tuple[LanguageModel, DescribedModel]:
        """The model, and what ``results.json`` says of it."""
        model = open_model(settings)
        return model, DescribedModel.model_validate(model.describe())

    def localizing(self, settings: CommonSettings) -> Localizing[LanguageModel]:
        """The model, the localizer's texts and the sites to read."""
        chosen = _ours(settings)
        pooling, protocol = chosen.pooling or "last", chosen.protocol
        check_protocol(protocol, pooling)
        if chosen.unit != "channel":
            raise SettingError(f"--unit {chosen.unit}: texts differ in length; a unit is a channel")
        stimuli = localizer_of(chosen)
        model, described = self.load(chosen)
        sites = find_sites(model, chosen.kind, chosen.sites)
        table = _table(stimuli)
        identity = {
            "model": {
                "name": described.name,
                "fingerprint": described.fingerprint,
                "dtype": described.dtype,
            },
            "preprocessing": described.preprocessing,
            "localizer": {"name": stimuli.name, "stimuli": digest_of(table.to_dict("list"))},
            "protocol": protocol,
            "sites": digest_of([str(site) for site in sites]),
            "unit": "channel",
            "pooling": pooling,
            "statistic": chosen.statistic,
            "seed": chosen.seed,
        }

        def make_map(progress: Progress) -> SelectivityMap:
            return localize(
                model,
                stimuli,
                sites,
                pooling=pooling,
                statistic=chosen.statistic,
                protocol=protocol,
                percents=chosen.percents,
                seed=chosen.seed,
                batch_size=chosen.batch_size,
                progress=progress,
            )

        shown = _describe_localizer(model, stimuli, protocol)
        return Localizing(model, described, shown, table, identity, make_map)

    def evaluating(
        self,
        settings: CommonSettings,
        model: LanguageModel,
        progress: Progress = silent,
    ) -> Evaluating:
        """The benchmark's items and texts, in tokens once a run."""
        chosen = _ours(settings)
        items = benchmark(
            chosen.evaluation, chosen.data_root, chosen.target_group, chosen.other_group
        )
        tokens = Tokenized(model, items)
        by, size = chosen.plan.ablation, chosen.batch_size

        def outcome(_folder: RunFolder, mask: Mask | None, found: SelectivityMap) -> Outcome:
            return evaluate(
                model, tokens, mask, by=by, found=found, batch_size=size, progress=progress
            )

        def illustrate(
            folder: RunFolder, found: SelectivityMap, top: Mask, _intact: Outcome, _ablated: Outcome
        ) -> None:
            controls = layer_matched(found, top.percent, chosen.seed, PROFILE_DRAWS)
            said = folder.path / "gallery" / "continuations.json"
            if not said.exists():
                starts = prompts(items, chosen.seed)
                voices = [top, *controls[:1]]
                save_continuations(
                    said, model, starts, voices, by=by, found=found, progress=progress
                )
            answered = folder.path / "profile.csv"
            if not answered.exists() and (used := _used(chosen)) is not None:
                table = profile(
                    model,
                    text_kinds(used, chosen.data_root, chosen.seed),
                    [top, *controls],
                    found,
                    protocol=chosen.protocol,
                    seed=chosen.seed,
                    batch_size=size,
                    progress=progress,
                )
                save_profile(answered, table)

        labels = np.zeros(len(items.names), dtype=int)
        return Evaluating(
            items=Items(items.names, items.groups, items.target, items.other, labels, items.levels),
            described=DescribedEvaluation(
                name=items.name, warning=items.warning, chances=items.chances
            ),
            stimuli=items.fingerprint(),
            digests=items.digests(),
            word="texts",
            outcome=outcome,
            texts=[
                MeasuredText(text.name, text.window, tokens.bytes[text.name])
                for text in items.texts
            ],
            illustrate=illustrate,
        )


FRONT = LanguageFront()


def _ours(settings: CommonSettings) -> Settings:
    assert isinstance(settings, Settings)
    return settings


def localizer_of(settings: Settings) -> Localizer:
    """The localizer that the settings name.

    Raises
    ------
    DataError
        If there is none, or its texts are missing.
    SettingError
        If the settings name no localizer, or two.
    """
    own = (settings.target, settings.control)
    if settings.localizer is not None and own == (None, None):
        return localizer(settings.localizer, settings.data_root)
    if settings.localizer is None and None not in own:
        return localizer_of_files(*own)  # type: ignore[arg-type]
    raise SettingError("give either --localizer, or both --target and --control")


def _used(settings: Settings) -> Localizer | None:
    """The localizer's texts, if they are still where they were when the map was made.

    Without them nobody could tell which texts of a profile chose its units.
    """
    try:
        return localizer_of(settings)
    except FunclocError:
        return None


# --- what is written down ---


def _table(stimuli: Localizer) -> pd.DataFrame:
    """``stimuli.csv``: the localizer's texts, their sides and fingerprints."""
    texts = [*stimuli.target, *stimuli.control]
    n_target = len(stimuli.target)
    return pd.DataFrame(
        {
            "stimulus": [text.name for text in texts],
            "condition": [text.condition for text in texts],
            "side": ["target" if i < n_target else "control" for i in range(len(texts))],
            "digest": [text.digest() for text in texts],
            "text": [text.text for text in texts],
        }
    )


def _describe_localizer(
    model: LanguageModel, stimuli: Localizer, protocol: str
) -> DescribedLocalizer:
    tokens = lengths(model, stimuli, protocol)
    return DescribedLocalizer(
        name=stimuli.name,
        target=tuple(sorted({text.condition for text in stimuli.target})),
        control=tuple(sorted({text.condition for text in stimuli.control})),
        n_target=len(stimuli.target),
        n_control=len(stimuli.control),
        protocol=protocol,
        tokens=tokens,
        warning=_length_warning(tokens),
    )


def _length_warning(tokens: Mapping[str, TokenLengths]) -> str | None:
    """What a reader should know of the lengths of the two sides, or of what was cut."""
    one, two = tokens["target"], tokens["control"]
    if one.n_cut or two.n_cut:
        return (
            f"The paper's protocol cut texts at 12 tokens: {one.n_cut} target texts (on average "
            f"{one.whole_mean:.1f} tokens long) and {two.n_cut} control texts "
            f"({two.whole_mean:.1f}), so the last token is rarely the last word."
        )
    ratio = max(one.mean, two.mean) / min(one.mean, two.mean)
    if ratio < 1.2:
        return None
    return (
        f"Target texts have {one.mean:.1f} tokens on average, control texts {two.mean:.1f}: "
        "the contrast is one of length too."
    )
