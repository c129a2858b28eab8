"""The language experiment: settings in, run folder out. The command line and the app call it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from common import study
from common.device import choose_device, choose_dtype
from common.errors import SettingError
from common.experiment import Items, MeasuredText
from common.files import digest_of
from common.masks import Mask, plan_masks
from common.progress import Progress, silent
from common.runs import Outcome, RunFolder
from common.selectivity import SelectivityMap
from common.study import Evaluating, Localizing
from common.units import Pooling
from llm_loc.evaluate import Tokenized, evaluate
from llm_loc.generate import Sampling, continuations
from llm_loc.localize import check_protocol, find_sites, lengths, localize
from llm_loc.models import LanguageModel, load_model
from llm_loc.stimuli import Localizer, benchmark, localizer, localizer_of_files

CHANCE = 0.5


@dataclass(frozen=True)
class Settings(study.Settings):
    """Everything that a user can set; see the options of ``llm-loc run`` for their meaning."""

    pooling: Pooling | None = "last"
    protocol: str = "full"
    target_group: str | None = None
    other_group: str | None = None


def run(
    settings: Settings, out: Path | None = None, progress: Progress = silent
) -> tuple[dict[str, Any], Path, bool]:
    """The whole experiment; see :func:`common.study.run`."""
    return study.run(FRONT, settings, out, progress)


def localize_only(
    settings: Settings, out: Path | None = None, progress: Progress = silent
) -> tuple[dict[str, Any], SelectivityMap, Path]:
    """The map and its top masks alone; see :func:`common.study.localize_only`."""
    return study.localize_only(FRONT, settings, out, progress)


def evaluate_map(
    source: Path, out: Path | None = None, progress: Progress = silent, **changed: Any
) -> tuple[dict[str, Any], Path, bool]:
    """Evaluate under masks of an earlier map; see :func:`common.study.evaluate_map`."""
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


class LanguageFront:
    """What the language front end brings to a run."""

    settings: type[study.Settings] = Settings

    def load(self, settings: study.Settings) -> tuple[LanguageModel, dict[str, Any]]:
        """The model, and what ``results.json`` says of it."""
        model = load_model(
            settings.model,
            untrained=settings.untrained,
            seed=settings.seed,
            device=choose_device(settings.device),
            dtype=choose_dtype(settings.dtype),
        )
        return model, model.describe()

    def localizing(self, settings: study.Settings) -> Localizing[LanguageModel]:
        """The model, the localizer's texts and the sites to read."""
        chosen = _ours(settings)
        pooling, protocol = chosen.pooling or "last", chosen.protocol
        check_protocol(protocol, pooling)
        stimuli = _localizer(chosen)
        model, described = self.load(chosen)
        sites = find_sites(model, chosen.kind, chosen.sites)
        table = _table(stimuli)
        identity = {
            "model": {name: described[name] for name in ("name", "fingerprint", "dtype")},
            "preprocessing": described["preprocessing"],
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
        settings: study.Settings,
        model: LanguageModel,
        progress: Progress = silent,  # noqa: ARG002  (there is nothing to decode)
    ) -> Evaluating:
        """The benchmark's pairs and texts, in tokens once a run."""
        chosen = _ours(settings)
        items = benchmark(
            chosen.evaluation, chosen.data_root, chosen.target_group, chosen.other_group
        )
        tokens = Tokenized(model, items)
        by, size = chosen.plan.ablation, chosen.batch_size

        def outcome(_folder: RunFolder, mask: Mask | None, found: SelectivityMap) -> Outcome:
            return evaluate(model, tokens, mask, by=by, found=found, batch_size=size)

        labels = np.zeros(len(items.names), dtype=int)
        return Evaluating(
            items=Items(items.names, items.groups, items.target, items.other, labels, items.levels),
            described={"name": items.name, "warning": items.warning, "chance": CHANCE},
            stimuli=items.fingerprint(),
            digests=items.digests(),
            word="texts",
            outcome=outcome,
            texts=[MeasuredText(text.name, text.window) for text in items.texts],
        )


FRONT = LanguageFront()


def _ours(settings: study.Settings) -> Settings:
    assert isinstance(settings, Settings)
    return settings


def _localizer(settings: Settings) -> Localizer:
    own = (settings.target, settings.control)
    if settings.localizer is not None and own == (None, None):
        return localizer(settings.localizer, settings.data_root)
    if settings.localizer is None and None not in own:
        return localizer_of_files(*own)  # type: ignore[arg-type]
    raise SettingError("give either --localizer, or both --target and --control")


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


def _describe_localizer(model: LanguageModel, stimuli: Localizer, protocol: str) -> dict[str, Any]:
    tokens = lengths(model, stimuli, protocol)
    return {
        "name": stimuli.name,
        "target": sorted({text.condition for text in stimuli.target}),
        "control": sorted({text.condition for text in stimuli.control}),
        "n_target": len(stimuli.target),
        "n_control": len(stimuli.control),
        "protocol": protocol,
        "tokens": tokens,
        "warning": _length_warning(tokens),
    }


def _length_warning(tokens: dict[str, Any]) -> str | None:
    """What a reader should know of the lengths of the two sides, or of what was cut."""
    one, two = tokens["target"], tokens["control"]
    if one["n_cut"] or two["n_cut"]:
        return (
            f"The paper's protocol cut texts at 12 tokens: {one['n_cut']} target texts (on average "
            f"{one['whole_mean']:.1f} tokens long) and {two['n_cut']} control texts "
            f"({two['whole_mean']:.1f}), so the last token is rarely the last word."
        )
    ratio = max(one["mean"], two["mean"]) / min(one["mean"], two["mean"])
    if ratio < 1.2:
        return None
    return (
        f"Target texts have {one['mean']:.1f} tokens on average, control texts {two['mean']:.1f}: "
        "the contrast is one of length too."
    )
