"""The language experiment: settings in, run folder out. The command line and the app call it."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from common.base.device import choose_device, choose_dtype
from common.base.errors import FunclocError, SettingError
from common.base.files import digest_of
from common.base.progress import Progress, silent
from common.effects.described import DescribedEvaluation, DescribedModel
from common.effects.items import Items, Outcome
from common.effects.perplexity import MeasuredText
from common.measure.control_rules import plan_masks
from common.measure.donors import Donors
from common.measure.masks import Mask
from common.measure.matching import PARTS
from common.measure.scores import SelectivityMap
from common.measure.sites import WEIGHT, Kind
from common.study import verbs as study
from common.study.digests import is_whole, note_digest
from common.study.front import FrontEnd, Localizing
from common.study.kinds import OfKind, of_kinds
from common.study.onepass import OnePass, of_each
from common.study.plan import Plan
from common.study.together import EvaluatingTogether
from llm_loc.chat import in_template
from llm_loc.described import describe_texts, items_warning, texts_table
from llm_loc.driving import driving_of
from llm_loc.evaluate import TextBatches, Tokenized
from llm_loc.gallery import layer_matched, prompts, save_continuations, save_strip
from llm_loc.generate import Sampling, continuations
from llm_loc.harness import TaskScores, check_installed, evaluate_tasks
from llm_loc.load import load_model
from llm_loc.localize import find_sites, survey_of
from llm_loc.maps import besides, check_localizing, map_maker
from llm_loc.match import matched
from llm_loc.models import LanguageModel
from llm_loc.profile import profile, responses, save_profile, text_kinds
from llm_loc.settings import Settings as Settings
from llm_loc.stimuli import Benchmark, Localizer, benchmark, fewer
from llm_loc.used import donors_in, donors_of, used_by
from llm_loc.used import localizer_of as localizer_of

PROFILE_DRAWS = 5  # control masks beside the top one in the response profile


def generate_under(
    source: Path,
    prompt: str,
    sampling: Sampling,
    *,
    chat: bool = False,
    warn: Callable[[str], None] = warnings.warn,
    **changed: Any,
) -> dict[str, list[str]]:
    """Continuations of a prompt, intact and under the masks of an earlier map, side by side.

    Parameters
    ----------
    source : Path
        A folder of :func:`run` or :func:`localize_only`.
    prompt, sampling
        What is continued, and how; all masks draw from the same seed.
    chat : bool, default=False
        Whether the prompt is what a user says, in the model's own template.
    warn : callable
        Told what a user should know of the template.
    **changed
        The settings that choose the masks; those of the localizer are the folder's own.

    Returns
    -------
    dict of str to list of str
        ``intact``, then each mask by its name.
    """
    at_hand = study.open_source(FRONT, source, **changed)
    found, plan = at_hand.found, at_hand.settings.plan
    masks: list[Mask | None] = [None, *masks_of_plan(found, plan)]
    donors = donors_in(at_hand)
    if chat:
        prompt, warning = in_template(at_hand.model, prompt)
        if warning:
            warn(warning)
    how = {"by": plan.ablation, "found": found, "donors": donors, "special": not chat}
    return {
        "intact" if mask is None else mask.name: continuations(
            at_hand.model, prompt, sampling, mask, **how
        )
        for mask in masks
    }


def masks_of_plan(found: SelectivityMap, plan: Plan) -> list[Mask]:
    """The top masks and their controls, without the parts of the top that only a verdict needs."""
    masks = plan_masks(found, plan.percents, plan.controls, plan.seed)
    return [mask for mask in masks if mask.rule not in PARTS]


def tasks_under(
    source: Path,
    tasks: Sequence[str],
    *,
    include: Path | None = None,
    limit: int | None = None,
    progress: Progress = silent,
    **changed: Any,
) -> list[TaskScores]:
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
    list of TaskScores
        See :func:`llm_loc.harness.evaluate_tasks`.
    """
    check_installed()
    at_hand = study.open_source(FRONT, source, **changed)
    found, plan = at_hand.found, at_hand.settings.plan
    if plan.ablation == "resample":
        raise SettingError("`ablation` resample: lm-eval does not say which item it reads")
    return evaluate_tasks(
        at_hand.model,
        tasks,
        masks_of_plan(found, plan),
        found,
        by=plan.ablation,
        seed=plan.seed,
        progress=progress,
        include=include,
        limit=limit,
        batch_size=at_hand.settings.batch_size,
    )


def open_model(settings: Settings) -> LanguageModel:
    """The model that the settings name, where and in the type in which they want it.

    Raises
    ------
    SettingError
        If both a device and a device map are asked for.
    """
    device_map = settings.device_map
    if device_map is not None and settings.device != "auto":
        raise SettingError("`device_map`: chooses the devices; leave `device` out")
    return load_model(
        settings.model,
        untrained=settings.untrained,
        seed=settings.seed,
        device=choose_device(settings.device),
        dtype=choose_dtype(settings.dtype),
        adapter=settings.adapter,
        device_map=device_map,
    )


@dataclass(kw_only=True, eq=False)
class Texts(EvaluatingTogether):
    """A benchmark's items and texts, read by a model.

    Attributes
    ----------
    model, benchmark, settings
        What is read by what, and how.
    tokens : Tokenized
        All of it in tokens.
    """

    model: LanguageModel
    benchmark: Benchmark
    settings: Settings
    made_by: Settings | None = None
    tokens: Tokenized

    def read_donors(self, found: SelectivityMap) -> Donors:
        """Texts of the localizer's control condition that are not evaluated on."""
        evaluated = {digest for _, digest in self.digests}
        made_by = self.made_by or self.settings
        return donors_of(made_by, self.model, found, evaluated, seed=self.settings.seed)

    @property
    def _used(self) -> Localizer | None:
        """The localizer's texts, if they are still where they were when the map was made.

        Without them nobody could tell which texts of a profile chose its units.
        """
        try:
            return used_by(self.made_by or self.settings, self.model)
        except FunclocError:
            return None

    def shown(self) -> TextBatches:
        """The items and texts in batches."""
        return TextBatches(self.model, self.tokens, self.settings.batch_size)

    @property
    def work(self) -> float:
        """Tokens of the items and of the running texts."""
        return float(sum(self.shown().work))

    def responses(self, top: Mask, found: SelectivityMap) -> np.ndarray | None:
        """How strongly a mask's units answer to the right text of every item; weights do not."""
        if found.unit == WEIGHT:
            return None
        right = np.cumsum([0, *self.tokens.sizes[:-1]]).tolist()
        ids = [self.tokens.sentences[place] for place in right]
        return responses(self.model, ids, [top], found, self.settings.batch_size)[0]

    def illustrate(
        self,
        folder: Path,
        found: SelectivityMap,
        top: Mask,
        intact: Outcome,
        ablated: Outcome,
        progress: Progress = silent,
    ) -> None:
        """What the model writes, and what its top units answer to."""
        settings = self.settings
        save_strip(folder / "gallery" / "strip.json", self.benchmark, intact, ablated)
        controls = layer_matched(found, top.percent, settings.seed, PROFILE_DRAWS)
        said = folder / "gallery" / "continuations.json"
        if not is_whole(said):
            save_continuations(
                said,
                self.model,
                prompts(self.benchmark, settings.seed),
                [top, *controls[:1]],
                by=settings.plan.ablation,
                found=found,
                donors=self.donors(found) if settings.ablation == "resample" else None,
                progress=progress,
            )
            note_digest(said)
        answered = folder / "profile.csv"
        if found.unit == WEIGHT:
            return  # weights answer to nothing
        if not is_whole(answered) and (used := self._used) is not None:
            table = profile(
                self.model,
                text_kinds(used, settings.data_root, settings.seed),
                [top, *controls],
                found,
                protocol=settings.protocol,
                seed=settings.seed,
                batch_size=settings.batch_size,
                progress=progress,
            )
            save_profile(answered, table)
            note_digest(answered)


class LanguageFront(FrontEnd[Settings, LanguageModel]):
    """What the language front end brings to a run."""

    program = "llm-loc"
    settings = Settings

    def load(self, settings: Settings) -> tuple[LanguageModel, DescribedModel]:
        """The model, and what ``results.json`` says of it."""
        model = open_model(settings)
        return model, DescribedModel.model_validate(model.describe())

    def localizing(self, settings: Settings) -> Localizing[LanguageModel]:
        """The model, the localizer's texts and the sites to read."""
        return self._named([settings])[0]

    def localizing_each(
        self, settings: Settings, names: Sequence[str]
    ) -> list[Localizing[LanguageModel]]:
        """The model, and several localizers whose texts it reads in one pass."""
        return self._named([replace(settings, localizer=name) for name in names])

    def localizing_kinds(
        self, settings: Settings, kinds: Sequence[Kind], n_units: int | None
    ) -> tuple[list[Localizing[LanguageModel]], dict[str, str]]:
        """The model and the localizer, its texts read in one pass at all kinds of sites."""
        check_localizing(settings, settings.pooling or "last")
        read, loaded = localizer_of(settings), self.load(settings)
        survey = survey_of(loaded[0], settings.each_step)
        truncated = settings.protocol == "paper"
        every, missing = of_kinds(settings, kinds, n_units, survey, truncated=truncated)
        return self._localizing(every, [read] * len(every), loaded), missing

    def _named(self, every: Sequence[Settings]) -> list[Localizing[LanguageModel]]:
        """Settings differ in their localizers alone."""
        check_localizing(every[0], every[0].pooling or "last")
        read, loaded = [localizer_of(each) for each in every], self.load(every[0])
        one = every[0]
        sites = find_sites(loaded[0], one.kind, one.sites, one.level, one.each_step)
        return self._localizing([OfKind(each, sites) for each in every], read, loaded)

    def _localizing(
        self,
        every: Sequence[OfKind[Settings]],
        read: Sequence[Localizer],
        loaded: tuple[LanguageModel, DescribedModel],
    ) -> list[Localizing[LanguageModel]]:
        """Settings differ in their localizers or kinds of sites alone."""
        if not every:
            return []
        (model, described), settings = loaded, every[0].settings
        settings = replace(settings, pooling=settings.pooling or "last")
        left = of_each(lambda one: matched(model, one, settings.match), read)
        told = of_each(lambda one: describe_texts(model, one[0], settings.protocol, one[1]), left)
        maps = OnePass(map_maker(settings, [each for each, _ in left], [e.place for e in every]))
        found = []
        for number, (own, (stimuli, pairs)) in enumerate(zip(every, left, strict=True)):
            table = texts_table(stimuli)
            found += [Localizing(
                model=model,
                described=described,
                localizer=told[number],
                stimuli=table,
                fingerprint=digest_of(table.to_dict("list")),
                sites=own.sites,
                settings=replace(own.settings, pooling=settings.pooling),
                make_map=maps.of(number),
                more=besides(model, settings, pairs),
                illustrate=driving_of(model, stimuli, settings.protocol, settings.batch_size),
            )]  # fmt: skip
        return found

    def evaluating(self, settings: Settings, model: LanguageModel) -> Texts:
        """The benchmark's items and texts, in tokens."""
        if settings.within == "class":
            raise SettingError("`within` class: items of text have no classes; choose margin")
        read = benchmark(
            settings.evaluation, settings.data_root, settings.target_group, settings.other_group
        )
        if settings.items is not None:
            read = fewer(read, settings.items, settings.seed)
        tokens = Tokenized(model, read)
        digest = read.fingerprint()
        described = DescribedEvaluation(
            name=read.name, warning=items_warning(read), chances=read.chances, shown=digest
        )
        if read.subset is not None:
            described = described.model_copy(update={"subset": read.subset})
        return Texts(
            items=Items(read.names, read.groups, read.target, read.other, read.labels, read.levels),
            described=described,
            stimuli=digest,
            digests=read.digests(),
            word="texts",
            texts=[
                MeasuredText(text.name, text.window, tokens.bytes[text.name]) for text in read.texts
            ],
            area=model.area,
            area_of=("phantom-lm:language",) if settings.localizer else ("",),
            model=model,
            benchmark=read,
            settings=settings,
            tokens=tokens,
        )


FRONT = LanguageFront()

# The verbs, from a notebook: run(Settings(…)); see common.study.verbs.
run = partial(study.run, FRONT)
localize_only = partial(study.localize_only, FRONT)
evaluate_map = partial(study.evaluate_map, FRONT)
