"""The vision experiment: settings in, run folder out. The command line and the app call it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from common.device import choose_device, choose_dtype
from common.errors import DataError, RunError, SettingError
from common.experiment import (
    DEFAULT_CONTROLS,
    Described,
    Items,
    Plan,
    describe_map,
    parse_ablation,
    parse_percents,
    run_experiment,
)
from common.files import digest_of, read_json, write_atomically
from common.masks import Mask, parse_controls, save_masks, top_percent
from common.moments import Statistic
from common.progress import Progress, silent
from common.report import make_report
from common.runs import Outcome, RunFolder
from common.selectivity import SelectivityMap
from common.units import Kind, Pooling, Site, Unit
from vision_loc.evaluate import check_labels, evaluate
from vision_loc.gallery import responses, save_gallery
from vision_loc.localize import find_sites, localize
from vision_loc.models import VisionModel, load_model
from vision_loc.stimuli import (
    Benchmark,
    Localizer,
    benchmark,
    fingerprint,
    localizer,
    localizer_of_folders,
    pixel_store,
)


@dataclass(frozen=True)
class Settings:
    """Everything that a user can set; see the options of ``vision-loc run`` for their meaning."""

    model: str
    localizer: str | None = None
    target: Path | None = None
    control: Path | None = None
    evaluation: str = ""
    top: str = "1"
    controls: str = DEFAULT_CONTROLS
    kind: Kind = "block"
    sites: str | None = None
    unit: Unit = "channel"
    pooling: Pooling | None = None
    statistic: Statistic = "magnitude"
    ablation: str = "zero"
    seed: int = 0
    untrained: bool = False
    allow_overlap: bool = False
    device: str = "auto"
    dtype: str = "float32"
    batch_size: int = 64
    data_root: Path | None = None

    @property
    def percents(self) -> tuple[float, ...]:
        """The doses."""
        return parse_percents(self.top)

    @property
    def plan(self) -> Plan:
        """The masks to try."""
        controls = parse_controls(self.controls)
        return Plan(self.percents, controls, self.seed, parse_ablation(self.ablation))


@dataclass(frozen=True)
class _Localizing:
    """A model, a localizer and where to read: what a map is made of, and what identifies it."""

    model: VisionModel
    described: dict[str, Any]
    stimuli: Localizer
    digests: list[str]
    sites: list[Site]
    identity: dict[str, Any]

    def table(self) -> pd.DataFrame:
        """``stimuli.csv``: the localizer's stimuli, their sides and fingerprints."""
        pictures = [*self.stimuli.target, *self.stimuli.control]
        n_target = len(self.stimuli.target)
        return pd.DataFrame(
            {
                "stimulus": [picture.name for picture in pictures],
                "condition": [picture.condition for picture in pictures],
                "side": ["target" if i < n_target else "control" for i in range(len(pictures))],
                "digest": self.digests,
            }
        )


def run(
    settings: Settings, out: Path | None = None, progress: Progress = silent
) -> tuple[dict[str, Any], Path, bool]:
    """The whole experiment, from wherever an earlier run of the same settings stopped.

    Returns
    -------
    (dict, Path, bool)
        What ``results.json`` holds, the run folder, and whether it had been finished before.
    """
    plan = settings.plan
    at_hand = _prepare(settings)
    items = benchmark(settings.evaluation, settings.data_root)
    identity = {**at_hand.identity, **_evaluation_identity(settings, items)}
    path = out or _default_folder(settings, identity)
    about = _about(settings, _describe_localizer(at_hand.stimuli))
    with RunFolder(path, identity, about) as folder:
        done = folder.results()
        if done is not None:
            if not folder.report.exists():
                make_report(path)
            return done, path, True
        overlap = _check_overlap(items, at_hand.digests, settings.allow_overlap)
        _keep_stimuli(folder, at_hand)
        results = _measure(
            folder,
            plan,
            settings,
            at_hand.model,
            _described(at_hand.model, at_hand.described, at_hand.stimuli, items, overlap),
            items,
            lambda: _map(settings, at_hand, progress),
            progress,
        )
    return results, path, False


def localize_only(
    settings: Settings, out: Path | None = None, progress: Progress = silent
) -> tuple[dict[str, Any], SelectivityMap, Path]:
    """The first half: the selectivity map and its top masks in a folder.

    Returns
    -------
    (dict, SelectivityMap, Path)
        What ``results.json`` would say of model, localizer and map; the map; the folder.
    """
    percents = settings.percents
    at_hand = _prepare(settings)
    identity = {**at_hand.identity, "top": list(percents)}
    path = out or _default_folder(settings, identity)
    about = _about(settings, _describe_localizer(at_hand.stimuli))
    with RunFolder(path, identity, about) as folder:
        if not folder.selectivity.exists():
            _keep_stimuli(folder, at_hand)
            _map(settings, at_hand, progress).save(folder.selectivity)
        found = SelectivityMap.load(folder.selectivity)
        if not folder.masks.exists():
            save_masks(folder.masks, [top_percent(found, percent) for percent in percents])
    return (
        {
            "model": at_hand.described,
            "localizer": _describe_localizer(at_hand.stimuli),
            "selectivity": describe_map(found),
        },
        found,
        path,
    )


def evaluate_map(
    source: Path, out: Path | None = None, progress: Progress = silent, **changed: Any
) -> tuple[dict[str, Any], Path, bool]:
    """The second half: evaluate under masks chosen from the map in another folder.

    Parameters
    ----------
    source : Path
        A folder of :func:`run` or :func:`localize_only`.
    **changed
        The settings of the evaluation; those of the localizer are the folder's own.
    """
    entry = read_json(source / "run.json")
    found = SelectivityMap.load(source / "selectivity.safetensors")
    try:
        settings = Settings(**{**_known_settings(entry["settings"]), **changed})
        known = entry["identity"]["model"]
        digests = pd.read_csv(source / "stimuli.csv")["digest"].tolist()
    except (KeyError, TypeError, OSError, ValueError) as error:
        raise RunError(f"{source}: not the folder of a map ({error})") from error
    plan = settings.plan
    model, described = _load(settings)
    if described["fingerprint"] != known["fingerprint"]:
        raise RunError(f"{source}: its map was made on other weights of {settings.model}")
    items = benchmark(settings.evaluation, settings.data_root)
    identity = {"map": found.fingerprint, "model": known, **_evaluation_identity(settings, items)}
    path = out or _default_folder(settings, identity)
    with RunFolder(path, identity, _about(settings, entry["localizer"])) as folder:
        done = folder.results()
        if done is not None:
            return done, path, True
        overlap = _check_overlap(items, digests, settings.allow_overlap)
        shown = _describe_evaluation(items, overlap)
        words = Described(described, entry["localizer"], shown, model.area)
        results = _measure(folder, plan, settings, model, words, items, lambda: found, progress)
    return results, path, False


# --- the steps ---


def _load(settings: Settings) -> tuple[VisionModel, dict[str, Any]]:
    model = load_model(
        settings.model,
        untrained=settings.untrained,
        seed=settings.seed,
        device=choose_device(settings.device),
        dtype=choose_dtype(settings.dtype),
    )
    return model, model.describe()


def _prepare(settings: Settings) -> _Localizing:
    stimuli = _localizer(settings)
    model, described = _load(settings)
    sites = find_sites(model, settings.kind, settings.sites)
    digest, digests = fingerprint([*stimuli.target, *stimuli.control])
    identity = {
        "model": {name: described[name] for name in ("name", "fingerprint", "dtype")},
        "preprocessing": described["preprocessing"],
        "localizer": {"name": stimuli.name, "stimuli": digest},
        "sites": digest_of([str(site) for site in sites]),
        "unit": settings.unit,
        "pooling": settings.pooling,
        "statistic": settings.statistic,
        "seed": settings.seed,
    }
    return _Localizing(model, described, stimuli, digests, sites, identity)


def _localizer(settings: Settings) -> Localizer:
    own = (settings.target, settings.control)
    if settings.localizer is not None and own == (None, None):
        return localizer(settings.localizer, settings.data_root)
    if settings.localizer is None and None not in own:
        return localizer_of_folders(*own)  # type: ignore[arg-type]
    raise SettingError("give either --localizer, or both --target and --control")


def _map(settings: Settings, at_hand: _Localizing, progress: Progress) -> SelectivityMap:
    found = localize(
        at_hand.model,
        at_hand.stimuli,
        at_hand.sites,
        unit=settings.unit,
        pooling=settings.pooling,
        statistic=settings.statistic,
        percents=settings.percents,
        seed=settings.seed,
        batch_size=settings.batch_size,
        progress=progress,
    )
    found.about["model_fingerprint"] = at_hand.described["fingerprint"]
    return found


def _measure(
    folder: RunFolder,
    plan: Plan,
    settings: Settings,
    model: VisionModel,
    described: Described,
    items: Benchmark,
    make_map: Callable[[], SelectivityMap],
    progress: Progress,
) -> dict[str, Any]:
    labels = check_labels(model, items)
    size = settings.batch_size

    @cache
    def pixels() -> np.ndarray:
        store = folder.partial / "pixels.npy"
        return pixel_store(items.pictures, model.preprocess, store, size, progress)

    def outcome(mask: Mask | None, found: SelectivityMap) -> Outcome:
        by = plan.ablation
        return evaluate(model, pixels(), labels, mask, by=by, found=found, batch_size=size)

    def illustrate(found: SelectivityMap, top: Mask, intact: Outcome, ablated: Outcome) -> None:
        driven = responses(model, pixels(), top, found, size)
        save_gallery(folder.path / "gallery", items, pixels(), driven, intact, ablated)

    names = [picture.name for picture in items.pictures]
    groups = np.array([picture.condition for picture in items.pictures])
    table = Items(names, groups, items.target, items.other, labels)
    results = run_experiment(
        folder, plan, table, described, make_map, outcome, progress, illustrate
    )
    make_report(folder.path)
    return results


def _check_overlap(items: Benchmark, digests: list[str], allowed: bool) -> int:
    """How many evaluation items the localizer used; refused unless allowed."""
    used = set(digests)
    shared = [picture.name for picture in items.pictures if picture.digest() in used]
    if shared and not allowed:
        raise DataError(
            f"{items.name}: {len(shared)} of its pictures were shown to the localizer, the first: "
            f"{', '.join(shared[:3])}; take others, or say --allow-overlap"
        )
    return len(shared)


# --- what is written down ---


def _evaluation_identity(settings: Settings, items: Benchmark) -> dict[str, Any]:
    return {
        "evaluation": {"name": items.name, "stimuli": fingerprint(items.pictures)[0]},
        "top": list(settings.percents),
        "controls": [asdict(plan) for plan in parse_controls(settings.controls)],
        "ablation": settings.ablation,
        "evaluation_seed": settings.seed,
    }


def _about(settings: Settings, localizer: dict[str, Any]) -> dict[str, Any]:
    plain = {k: str(v) if isinstance(v, Path) else v for k, v in asdict(settings).items()}
    return {"settings": plain, "localizer": localizer}


def _known_settings(entry: dict[str, Any]) -> dict[str, Any]:
    paths = ("target", "control", "data_root")
    return {k: Path(v) if k in paths and v is not None else v for k, v in entry.items()}


def _keep_stimuli(folder: RunFolder, at_hand: _Localizing) -> None:
    table = at_hand.table()
    write_atomically(folder.path / "stimuli.csv", lambda draft: table.to_csv(draft, index=False))


def _described(
    model: VisionModel,
    described: dict[str, Any],
    stimuli: Localizer,
    items: Benchmark,
    overlap: int,
) -> Described:
    return Described(
        described, _describe_localizer(stimuli), _describe_evaluation(items, overlap), model.area
    )


def _describe_localizer(stimuli: Localizer) -> dict[str, Any]:
    return {
        "name": stimuli.name,
        "target": sorted({picture.condition for picture in stimuli.target}),
        "control": sorted({picture.condition for picture in stimuli.control}),
        "n_target": len(stimuli.target),
        "n_control": len(stimuli.control),
    }


def _describe_evaluation(items: Benchmark, overlap: int) -> dict[str, Any]:
    shown = {picture.label for picture in items.pictures}
    return {
        "name": items.name,
        "overlap": overlap,
        "warning": items.warning,
        "classes": {str(label): items.class_name(label) for label in sorted(shown)},
    }


def _default_folder(settings: Settings, identity: dict[str, Any]) -> Path:
    """``runs/MODEL-LOCALIZER-FINGERPRINT``: another setting is another folder."""
    words = [settings.model.split("/")[-1], (settings.localizer or "own").replace(":", "-")]
    untrained = ["untrained"] if settings.untrained else []
    return Path("runs") / "-".join([*words, *untrained, digest_of(identity)[:8]])
