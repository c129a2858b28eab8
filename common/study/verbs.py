"""The verbs of both front ends, run, localize and evaluate: settings in, run folder out.

A front end (:class:`common.study.front.FrontEnd`) loads its model and prepares its localizer and
its evaluation; what a run is, where it lies, when it is finished and when it is refused is said
here, once.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Generic

import pandas as pd

from common.base import team
from common.base.device import choose_device, described_device
from common.base.errors import DataError, RunError, SettingError
from common.base.files import digest_of, file_name, read_sealed, save_bytes
from common.base.progress import Progress, silent
from common.effects.baseline import Baseline
from common.effects.described import DescribedLocalizer, DescribedModel
from common.effects.localized import describe_map
from common.effects.results import Localized, Results
from common.measure.loudness import EXCLUDED
from common.measure.masks import save_masks, top_percent
from common.measure.scores import SelectivityMap
from common.models.own import short_name
from common.report import make_report
from common.report.dissociation import make_dissociation_report
from common.report.mapped import make_map_report
from common.report.site_kinds import make_sites_report
from common.study.baseline import Asked, keep_baseline, kept_baseline
from common.study.commands import command
from common.study.declared import check_names, read_setting, read_settings, say_settings
from common.study.digests import check_digests, save_digests
from common.study.dissociation_file import NAME as DISSOCIATION
from common.study.dissociation_file import load_dissociation
from common.study.experiment import Described, run_experiment
from common.study.folder import UNTRAINED, RunFolder, check_front, opened, other_config
from common.study.front import Evaluating, FrontEnd, Localizing, Model, S
from common.study.mapped import illustrate_map, is_map, load_map_results, save_map_results
from common.study.plan import Plan, say_ablation, say_percents
from common.study.results import checked, load_results
from common.study.settings import Settings
from common.study.sites_file import NAME as SITES_NAME
from common.study.sites_file import SITES
from common.study.unit_list import chosen_map, dose_of

STIMULI = "stimuli.csv"
ONE = (1.0,)  # the dose where none is said


def run(
    front: FrontEnd[S, Model], settings: S, out: Path | None = None, progress: Progress = silent
) -> tuple[Results, Path, bool]:
    """The whole experiment, from wherever an earlier run of the same settings stopped.

    Returns
    -------
    (Results, Path, bool)
        What ``results.json`` holds, the run folder, and whether it had been finished before.
    """
    settings = settings.to_evaluate()
    plan = settings.plan
    at_hand = front.localizing(settings)
    tested = front.evaluating(settings, at_hand.model)
    asked = Asked.of(settings, at_hand.described)
    identity = {
        **at_hand.identity,
        **asked.identity,
        **evaluation_identity(settings, tested),
    }
    path = out or _default_folder(settings, identity)
    about = _about(front, "run", settings, path, at_hand.localizer)
    overlap = check_overlap(tested, at_hand.stimuli["digest"], settings.allow_overlap)
    with opened(path, identity, about) as folder:
        if (done := _finished(folder)) is not None:
            return done, path, True
        before = at_hand.work * (1 + len(asked.seeds)) if not folder.selectivity.exists() else 0.0
        tested.forewarn(plan.n_masks, before, progress)
        found = _keep_map(folder, at_hand, progress)
        baseline = keep_baseline(folder, front, at_hand, asked, found, progress)
        words = _described(at_hand.described, at_hand.localizer, tested, overlap, baseline)
        del at_hand  # and the stimuli that it keeps in memory
        results = _measure(folder, plan, words, tested, lambda: found, progress)
    return results, path, False


def localize_only(
    front: FrontEnd[S, Model],
    settings: S,
    out: Path | None = None,
    progress: Progress = silent,
    *,
    report: bool = True,
) -> tuple[Localized, SelectivityMap, Path]:
    """The first half: the selectivity map, its top masks and their report in a folder.

    Parameters
    ----------
    front, settings, out, progress
        As of :func:`run`.
    report : bool, default=True
        Whether the report is made, for which the localizer's stimuli are shown once more.

    Returns
    -------
    (Localized, SelectivityMap, Path)
        What ``results.json`` would say of model, localizer and map; the map; the folder.
    """
    percents = settings.top
    at_hand = front.localizing(settings)
    asked = Asked.of(settings, at_hand.described)
    identity = {**at_hand.identity, **asked.identity, "top": list(percents)}
    identity.update(_loudness_identity(settings))
    path = out or _default_folder(settings, identity)
    about = _about(front, "localize", settings, path, at_hand.localizer)
    with opened(path, identity, about) as folder:
        found = _keep_map(folder, at_hand, progress)
        save_masks(folder.masks, [top_percent(found, percent) for percent in percents])
        baseline = keep_baseline(folder, front, at_hand, asked, found, progress)
        team.leave()
        told = Localized(
            model=at_hand.described,
            localizer=at_hand.localizer,
            selectivity=describe_map(found),
            **({} if baseline is None else {"baseline": baseline}),
        )
        save_map_results(folder.path, told)
        if report:
            illustrate_map(folder.path, at_hand, found, settings.plan.headline, progress)
        save_digests(folder.path)
        if report:
            make_map_report(folder.path, told)
    return told, found, path


@dataclass(frozen=True)
class Source(Generic[S, Model]):
    """An earlier run's folder with its map, and the model that the map was made on.

    Attributes
    ----------
    settings : Settings
        The folder's own, with what was changed.
    identity : dict
        Of its model, as its ``run.json`` has it; and what is done to stimuli now, if that is not
        what was done to the map's.
    localizer : DescribedLocalizer
        Of its map.
    made_by : Settings
        Those by which the map was made: `settings` with what says which stimuli it was made of.
    """

    settings: S
    made_by: S
    identity: dict[str, Any]
    localizer: DescribedLocalizer
    found: SelectivityMap
    digests: list[str]
    model: Model
    described: DescribedModel
    baseline: Baseline | None = None


def open_source(front: FrontEnd[S, Model], folder: Path, **changed: Any) -> Source[S, Model]:
    """Open the folder of :func:`run` or :func:`localize_only` and load its model.

    Parameters
    ----------
    **changed
        Settings other than the folder's own.

    Raises
    ------
    RunError
        If it is no such folder, is another front end's, or the model has other weights or another
        configuration now.
    SettingError
        If what is changed is no setting, or makes no sense.
    """
    check_names(front.settings, changed)
    check_digests(folder, "run.json", "selectivity.safetensors", STIMULI, UNTRAINED)
    entry = read_sealed(folder / "run.json")
    check_front(entry, front.program, folder)
    found = SelectivityMap.load(folder / "selectivity.safetensors")
    try:
        own = read_settings(front.settings, entry["settings"])
        settings = read_settings(front.settings, {**entry["settings"], **changed})
        known, contrast = entry["identity"]["model"], entry["localizer"]
        prepared = entry["identity"].get("preprocessing")
        digests = pd.read_csv(folder / STIMULI)["digest"].tolist()
    except (KeyError, TypeError, OSError, ValueError) as error:
        raise RunError(f"{folder}: not the folder of a map ({error})") from error
    localizer = checked(DescribedLocalizer, contrast, folder / "run.json")
    model, described = front.load(settings)
    if described.fingerprint != known["fingerprint"]:
        raise RunError(f"{folder}: its map was made on other weights of {settings.model}")
    if other_config(known.get("config"), described.config):
        raise RunError(f"{folder}: its map was made under another config.json of {settings.model}")
    if described.config is not None:
        known = {**known, "config": described.config}
    if prepared is not None and described.preprocessing != prepared:
        known = {**known, "preprocessing": described.preprocessing}
    baseline = kept_baseline(folder)
    found = found.without(settings.exclude_massive)
    if settings.units is not None:
        if (top := read_setting(front.settings, "top", changed.get("top", ONE))) != ONE:
            raise SettingError(f"`top` {say_percents(top)}: `units` says which; leave `top` out")
        found = chosen_map(found, settings.units, settings.mask)
        settings = replace(settings, top=(dose_of(found),))
    made_by = replace(settings, seed=own.seed, on_error=own.on_error)
    return Source(settings, made_by, known, localizer, found, digests, model, described, baseline)


def evaluate_map(
    front: FrontEnd[S, Model],
    source: Path,
    out: Path | None = None,
    progress: Progress = silent,
    **changed: Any,
) -> tuple[Results, Path, bool]:
    """The second half: evaluate under masks chosen from the map in another folder.

    Parameters
    ----------
    source : Path
        A folder of :func:`run` or :func:`localize_only`.
    **changed
        The settings of the evaluation; those of the localizer are the folder's own.
    """
    at_hand = open_source(front, source, **changed)
    settings, localizer = at_hand.settings.to_evaluate(), at_hand.localizer
    tested = front.evaluating(settings, at_hand.model)
    tested.made_by = at_hand.made_by
    identity = {
        "map": at_hand.found.fingerprint,
        "model": at_hand.identity,
        **evaluation_identity(settings, tested),
    }
    path = out or _default_folder(settings, identity)
    said = {"model": settings.model, **changed, "evaluation": settings.evaluation}
    spoken = read_settings(front.settings, said)
    about = _about(front, "evaluate", settings, path, localizer)
    about["command"] = command(front.program, "evaluate", spoken, path, source)
    overlap = check_overlap(tested, at_hand.digests, settings.allow_overlap)
    with opened(path, identity, about) as folder:
        if (done := _finished(folder)) is not None:
            return done, path, True
        tested.forewarn(settings.plan.n_masks, 0.0, progress)
        words = _described(at_hand.described, localizer, tested, overlap, at_hand.baseline)
        results = _measure(folder, settings.plan, words, tested, lambda: at_hand.found, progress)
    return results, path, False


def report_again(folder: Path) -> Path:
    """Make the report of a finished run, a map, a dissociation or a comparison of sites again."""
    check_digests(folder)
    if (folder / DISSOCIATION).is_file():
        return make_dissociation_report(folder, load_dissociation(folder))
    if (folder / SITES_NAME).is_file():
        return make_sites_report(folder, SITES.load(folder))
    if is_map(folder):
        return make_map_report(folder, load_map_results(folder))
    return make_report(folder, load_results(folder))


# --- the steps ---


def _finished(folder: RunFolder) -> Results | None:
    done = folder.results()
    if done is not None:
        team.leave()
    if done is not None and not folder.report.exists():
        make_report(folder.path, done)
    return done


def _measure(
    folder: RunFolder,
    plan: Plan,
    words: Described,
    tested: Evaluating,
    make_map: Callable[[], SelectivityMap],
    progress: Progress,
) -> Results:
    results = run_experiment(folder, plan, tested, words, make_map, progress)
    make_report(folder.path, results)
    return results


def check_overlap(tested: Evaluating, used: Collection[str], allowed: bool) -> int:
    """How many evaluation items the localizer used.

    Raises
    ------
    DataError
        If there are any and that is not `allowed`.
    """
    seen = set(used)
    shared = list(dict.fromkeys(name for name, digest in tested.digests if digest in seen))
    if shared and not allowed:
        raise DataError(
            f"{tested.described.name}: {len(shared)} of its {tested.word} were shown to the "
            f"localizer, the first: {', '.join(shared[:3])}; take others, or set `allow_overlap`"
        )
    return len(shared)


# --- what is written down ---


def evaluation_identity(settings: Settings, tested: Evaluating) -> dict[str, Any]:
    """What the numbers of an evaluation depend on besides the map and the model."""
    return {
        "evaluation": {
            "name": tested.described.name,
            "stimuli": tested.stimuli,
            "target": tested.items.target,
            "other": tested.items.other,
        },
        "top": list(settings.top),
        "controls": [asdict(plan) for plan in settings.controls],
        "ablation": say_ablation(settings.ablation),
        "evaluation_seed": settings.seed,
        **({} if settings.within is None else {"within": settings.within}),
        **({} if settings.items is None else {"items": settings.items}),
        **({} if settings.sufficient is None else {"sufficient": settings.sufficient}),
        **_loudness_identity(settings),
    }


def _loudness_identity(settings: Settings) -> dict[str, float]:
    """What masks are chosen from; nothing where that is all units, as in older runs."""
    least = settings.exclude_massive
    return {} if least is None else {EXCLUDED: least}


def _about(
    front: FrontEnd[Any, Any],
    verb: str,
    settings: Settings,
    out: Path,
    localizer: DescribedLocalizer,
) -> dict[str, Any]:
    return {
        "front": front.program,
        "command": command(front.program, verb, settings, out),
        "device": described_device(choose_device(settings.device)),
        "settings": say_settings(settings),
        "localizer": localizer.as_json(),
    }


def _keep_map(folder: RunFolder, at_hand: Localizing[Any], progress: Progress) -> SelectivityMap:
    """The map, after its stimuli; as the folder holds it, whoever made it."""
    kept, table = folder.path / STIMULI, at_hand.stimuli.to_csv(index=False).encode()
    if not kept.is_file() or kept.read_bytes() != table:
        save_bytes(kept, table)
    if (found := folder.map()) is not None:
        return found
    at_hand.fresh_map(progress).save(folder.selectivity)
    return SelectivityMap.load(folder.selectivity)


def _described(
    model: DescribedModel,
    localizer: DescribedLocalizer,
    tested: Evaluating,
    overlap: int,
    baseline: Baseline | None,
) -> Described:
    area = tested.area if localizer.name.startswith(tested.area_of) else {}
    return Described(model, localizer, tested.described, overlap, area, tested.texts, baseline)


def _default_folder(settings: Settings, identity: dict[str, Any]) -> Path:
    """``runs/MODEL-LOCALIZER-FINGERPRINT``: another setting is another folder."""
    words = [short_name(settings.model), (settings.localizer or "own").replace(":", "-")]
    words += [file_name(settings.mask)] if settings.mask else []
    words += ["untrained"] if settings.untrained else []
    return Path("runs") / "-".join([*words, digest_of(identity)[:8]])
