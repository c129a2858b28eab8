"""The Faces pages of the browser app: find the units, try a picture without them, look at runs.

Each handler calls the functions of the command line and puts what they return on the page. Models
are shared between visitors and held by one event at a time; what belongs to a visitor (the map,
the folder of the run) lives in the session's state. Hooks are attached inside an event only.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field, fields, replace
from functools import wraps
from html import escape
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import gradio as gr
import numpy as np
import torch
from PIL import Image

from common import figures
from common.device import choose_device, choose_dtype
from common.errors import DataError, FunclocError, MaskError, RunError, SettingError
from common.experiment import parse_ablation
from common.files import read_json
from common.hooks import ablate
from common.manifest import find_folder, known_manifests, load_manifest
from common.masks import Mask, control, top_percent
from common.options import results_table
from common.progress import Progress
from common.report import make_report
from common.selectivity import SelectivityMap
from common.units import KINDS, UNITS
from common.verdict import has_evidence
from vision_loc import phantom
from vision_loc.experiment import Settings, localize_only, run
from vision_loc.gallery import responses
from vision_loc.models import VisionModel, load_model
from vision_loc.stimuli import benchmark, open_picture

RUNS = Path("runs")
DEMO = Settings(
    model="phantom/cnn",
    localizer="phantom:faces",
    evaluation="phantom",
    top="1,5",
    controls="magnitude-matched:19",
)
DOWNLOADS = (
    "torchvision/resnet18.IMAGENET1K_V1",
    "timm/vit_tiny_patch16_224.augreg_in21k_ft_in1k",
)
DOSES = ("0.1", "0.5", "1", "2", "5", "10")
EXAMPLES = (0, 3, 5, 9, 12, 16, 19, 22, 26, 30)  # classes of the phantom
PICTURES = ("PNG", "JPEG", "WEBP", "GIF", "BMP")  # kinds that an upload may have
MODELS_KEPT = 2
STEPS = {
    "localize": "Step 1 of 3: showing the localizer's pictures",
    "decode": "Step 2 of 3: reading the evaluation's pictures",
    "evaluate": "Step 3 of 3: evaluating mask by mask",
}
FILES = ("report.html", "results.json", "masks.safetensors")

BAR = gr.Progress()  # stands for the bar of the event that is running

P = ParamSpec("P")
R = TypeVar("R")


# --- what a visitor can choose ---


def model_choices() -> list[tuple[str, str]]:
    """Labels and names of the models on offer: phantoms, folders of ``FUNCLOC_MODELS``, downloads.

    ``FUNCLOC_MODELS`` names one folder, or several, that hold model folders.
    """
    places = filter(None, os.environ.get("FUNCLOC_MODELS", "").split(os.pathsep))
    folders = [
        path.parent for place in places for path in sorted(Path(place).glob("*/config.json"))
    ]
    return [
        *((f"phantom/{name}", f"phantom/{name}") for name in phantom.NAMES),
        *((folder.name, f"local/{folder}") for folder in folders if _sees(folder)),
        *((f"{name} (download)", name) for name in DOWNLOADS),
    ]


def _sees(folder: Path) -> bool:
    """Whether a model folder holds an image classifier, as far as its configuration tells."""
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    names = config.get("architectures") or [] if isinstance(config, dict) else []
    timms = isinstance(config, dict) and "architecture" in config
    return timms or any(str(name).endswith("ForImageClassification") for name in names)


def localizer_choices() -> list[str]:
    """The contrasts of the manifests whose stimuli are here."""
    manifests = [load_manifest(name) for name in known_manifests()]
    here = [each for each in manifests if each.is_drawn or find_folder(each) is not None]
    return [f"{each.name}:{contrast}" for each in here for contrast in each.contrasts]


def evaluation_choices() -> list[str]:
    """The benchmarks whose items are here."""
    manifests = [load_manifest(name) for name in known_manifests()]
    rated = [each for each in manifests if each.evaluation is not None]
    return [each.name for each in rated if each.is_drawn or find_folder(each) is not None]


def fitting(model: str) -> tuple[str, str]:
    """The localizer and the benchmark that go with a model, to begin with."""
    if model == "phantom/planted":
        return "phantom-planted:pattern", "phantom-planted"
    drawn = model.startswith("phantom/")
    for_model = [
        [name for name in names if name.startswith("phantom") == drawn] or names
        for names in (localizer_choices(), evaluation_choices())
    ]
    faces = [name for name in for_model[0] if name.endswith(":faces")]
    return (faces or for_model[0])[0], for_model[1][0]


# --- errors, stopping, progress ---


class Stopped(FunclocError):
    """The visitor stopped the run."""


def told(handler: Callable[P, R]) -> Callable[P, R]:
    """Let what is the input's fault reach the visitor as one line."""

    @wraps(handler)
    def safe(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return handler(*args, **kwargs)
        except FunclocError as error:
            line = escape(" ".join(str(error).split()))
            raise gr.Error(line, title="That did not work", print_exception=False) from error

    return safe


@dataclass
class Visitors:
    """Whose runs are under way, and which of them shall stop."""

    _asked: dict[str, bool] = field(default_factory=dict)

    def begin(self, session: str) -> None:
        """Expect a run; an old wish to stop is forgotten."""
        self._asked[session] = False

    def stop(self, session: str) -> None:
        """Let the visitor's run stop at its next step, if there is one."""
        if session in self._asked:
            self._asked[session] = True

    def check(self, session: str) -> None:
        """Raise :class:`Stopped` if the visitor wants it."""
        if self._asked.get(session):
            raise Stopped("stopped; the same settings go on where this run stopped")

    def end(self, session: str) -> None:
        """Forget the visitor's run."""
        self._asked.pop(session, None)


VISITORS = Visitors()


def session_of(request: gr.Request | None) -> str:
    """What tells one visitor from another."""
    return str(getattr(request, "session_hash", None) or "")


def follow(session: str, bar: Callable[..., Any]) -> Progress:
    """A progress callback that fills the page's bar, and stops the run when the visitor asks."""
    began: dict[str, float] = {}

    def show(step: str, done: int, total: int) -> None:
        VISITORS.check(session)
        elapsed = time.monotonic() - began.setdefault(step, time.monotonic())
        left = f", about {elapsed * (total - done) / done:.0f} s left" if done and elapsed else ""
        bar((done, total), desc=f"{STEPS.get(step, step)}{left}")

    return show


# --- models: shared, one event at a time ---


class Models:
    """The models in memory. Each is lent to one event at a time, and comes back without a hook."""

    def __init__(self, kept: int = MODELS_KEPT) -> None:
        self.kept = kept
        self._guard = threading.Lock()
        self._shelf: OrderedDict[Settings, tuple[threading.Lock, list[VisionModel]]] = OrderedDict()

    @contextmanager
    def held(self, settings: Settings) -> Iterator[VisionModel]:
        """The model that the settings name, for this block alone."""
        lock, slot = self._place(settings)
        with lock:
            if not slot:
                slot.append(
                    load_model(
                        settings.model,
                        untrained=settings.untrained,
                        seed=settings.seed,
                        device=choose_device(settings.device),
                        dtype=choose_dtype(settings.dtype),
                    )
                )
            yield slot[0]

    def _place(self, settings: Settings) -> tuple[threading.Lock, list[VisionModel]]:
        names = ("model", "untrained", "seed", "device", "dtype")
        key = Settings(**{name: getattr(settings, name) for name in names})
        with self._guard:
            place = self._shelf.setdefault(key, (threading.Lock(), []))
            self._shelf.move_to_end(key)
            while len(self._shelf) > self.kept:
                self._shelf.popitem(last=False)
            return place


MODELS = Models()
_LOCALIZING = threading.Lock()


# --- Faces: run and show ---


@dataclass(frozen=True)
class Found:
    """What a visitor found: the map, where it came from, and the names of the classes."""

    settings: Settings
    folder: Path
    map: SelectivityMap
    classes: dict[int, str]

    @property
    def title(self) -> str:
        """Localizer and model in words."""
        return f"{self.settings.localizer} in {self.settings.model}"


def chosen_settings(
    model: str,
    localizer: str,
    evaluation: str,
    statistic: str,
    kind: str,
    unit: str,
    doses: list[str],
) -> Settings:
    """The settings of the form.

    Raises
    ------
    SettingError
        If something is not on offer, or no dose was chosen.
    """
    offered: list[tuple[str, str, list[str]]] = [
        ("model", model, [name for _, name in model_choices()]),
        ("localizer", localizer, localizer_choices()),
        ("evaluation", evaluation, evaluation_choices()),
        ("statistic", statistic, ["magnitude", "signed"]),
        ("kind", kind, list(KINDS)),
        ("unit", unit, list(UNITS)),
        *(("dose", dose, list(DOSES)) for dose in doses or [""]),
    ]
    for what, value, known in offered:
        if value not in known:
            raise SettingError(f"{what} {value or '(none)'}: choose from {', '.join(known)}")
    return Settings(
        model=model,
        localizer=localizer,
        evaluation=evaluation,
        statistic=statistic,  # type: ignore[arg-type]
        kind=kind,  # type: ignore[arg-type]
        unit=unit,  # type: ignore[arg-type]
        top=",".join(sorted(doses, key=float)),
    )


def find(settings: Settings, session: str, bar: Callable[..., Any]) -> Found:
    """Run the experiment, or what is left of it, and hand over what it found.

    Raises
    ------
    Stopped
        If the visitor asked for it; the run folder can be resumed.
    """
    try:
        VISITORS.check(session)
        bar(0, desc="Loading the model and looking at the pictures")
        _, folder, _ = run(settings, progress=follow(session, bar))
    finally:
        VISITORS.end(session)
    return found_in(folder)


def found_in(folder: Path) -> Found:
    """What a run folder holds, for a page."""
    entry = read_json(folder / "run.json")
    known = {each.name for each in fields(Settings)}
    try:
        given = {name: value for name, value in entry["settings"].items() if name in known}
        settings = Settings(**given)
    except (KeyError, TypeError, AttributeError) as error:
        raise RunError(f"{folder.name}: not a run of a vision model") from error
    root = None if settings.data_root is None else Path(settings.data_root)
    # The numbers of a run do not depend on the device, and this one is there.
    settings = replace(settings, device="auto", data_root=root)
    found = SelectivityMap.load(folder / "selectivity.safetensors")
    return Found(settings, folder, found, _classes(folder, settings))


def _classes(folder: Path, settings: Settings) -> dict[int, str]:
    if (folder / "results.json").is_file():
        named = read_json(folder / "results.json")["evaluation"].get("classes", {})
        return {int(index): str(name) for index, name in named.items()}
    return dict(benchmark(settings.evaluation, settings.data_root).classes)


def run_demo(request: gr.Request | None = None, progress: gr.Progress = BAR) -> list[Any]:
    """The first visitor's button: the whole experiment on the phantom."""
    return _run_and_show(DEMO, request, progress)


@told
def run_chosen(
    model: str,
    localizer: str,
    evaluation: str,
    statistic: str,
    kind: str,
    unit: str,
    doses: list[str],
    request: gr.Request | None = None,
    progress: gr.Progress = BAR,
) -> list[Any]:
    """The experiment with the settings of the form."""
    settings = chosen_settings(model, localizer, evaluation, statistic, kind, unit, doses)
    return _run_and_show(settings, request, progress)


@told
def _run_and_show(settings: Settings, request: gr.Request | None, bar: Any) -> list[Any]:
    try:
        found = find(settings, session_of(request), bar)
    except Stopped as stopped:
        note = f"<p class='fl-note'>{escape(str(stopped).capitalize())}.</p>"
        return [gr.skip(), note, *[gr.skip()] * 8]
    return [found, *shown(found)]


def shown(found: Found) -> list[Any]:
    """A finished run as the page shows it: finding, table, figures, files."""
    results = read_json(found.folder / "results.json")
    top = top_percent(found.map, results["headline_percent"])
    doses = {entry["percent"] for entry in results["ablations"]}
    curve = figures.dose_curve(results) if len(doses) > 1 else None
    return [
        finding_html(results),
        table_html(results),
        gr.Plot(curve, visible=curve is not None),
        gr.Plot(figures.interactions(results), visible=True),
        gr.Plot(figures.units_by_site(found.map, top, str(found.settings.localizer)), visible=True),
        gr.Row(visible=True),
        *_files(found.folder),
    ]


def _files(folder: Path) -> list[Any]:
    there = [folder / name for name in FILES]
    return [
        gr.DownloadButton(value=str(path) if path.is_file() else None, interactive=path.is_file())
        for path in there
    ]


def finding_html(results: dict[str, Any]) -> str:
    """The finding in one sentence, and what to know before believing it."""
    style = "fl-yes" if has_evidence(results) else "fl-no"
    notes = "".join(f"<p class='fl-warn'>{escape(line)}</p>" for line in results["warnings"])
    area = results.get("area")
    if area:
        share = area["share"][f"{results['headline_percent']:g}"]["of_top"]
        notes += (
            f"<p class='fl-note'>This phantom has a face area by construction: {100 * share:.0f} % "
            f"of the top {results['headline_percent']:g} % lie in it; by chance it would be "
            f"{area['percent']:.0f} %.</p>"
        )
    return f"<p class='fl-finding {style}'>{escape(results['verdict'])}</p>{notes}"


def table_html(results: dict[str, Any]) -> str:
    """The table of the command line, with all its intervals."""
    table = results_table(results, intervals=True)
    rows = "".join(
        f"<tr{_row_style(cells)}>"
        + "".join(f"<td>{escape(str(cell))}</td>" for cell in cells)
        + "</tr>"
        for cells in zip(*(column.cells for column in table.columns), strict=True)
    )
    return (
        f"<div class='fl-scroll' tabindex='0'><table class='fl-table'><caption>"
        f"{escape(str(table.caption))}</caption>{_heads(str(c.header) for c in table.columns)}"
        f"<tbody>{rows}</tbody></table></div>"
    )


def _heads(names: Iterable[str]) -> str:
    cells = "".join(f"<th scope='col'>{escape(name)}</th>" for name in names)
    return f"<thead><tr>{cells}</tr></thead>"


def _row_style(cells: tuple[Any, ...]) -> str:
    return " class='fl-top'" if str(cells[0]).startswith("top") else ""


# --- Try it: one picture, three ways ---


def upload_path(payload: Any) -> str | None:
    """Where an uploaded picture lies, unopened: what it is worth is for :func:`read_upload`."""
    return None if payload is None else payload.path


def read_upload(upload: str) -> Image.Image:
    """Read an uploaded picture of a common kind.

    Raises
    ------
    DataError
        If it is no such picture, broken, or has far too many pixels.
    """
    path = Path(upload)
    try:
        with Image.open(path, formats=PICTURES):
            pass
        return open_picture(path)
    except DataError as error:
        raise DataError(str(error).replace(str(path), path.name)) from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise DataError(f"{path.name}: far too many pixels") from error
    except (OSError, ValueError, SyntaxError) as error:
        raise DataError(f"{path.name}: no picture; give {', '.join(PICTURES)}") from error


@told
def look(
    upload: str | None,
    percent: float,
    found: Found | None,
    progress: gr.Progress = BAR,
) -> tuple[Any, ...]:
    """What the model sees in a picture: intact, without the top units, without a matched control.

    Parameters
    ----------
    upload : str or None
        The uploaded file.
    percent : float
        Share of all units to ablate.
    found : Found or None
        The session's own; left out, the phantom is localized first.

    Returns
    -------
    tuple
        The three top-5, a note, and the session's `found`.
    """
    found = found or phantom_found(progress)
    if upload is None:
        return None, None, None, _units_note(found, "Choose a picture."), found
    picture = read_upload(upload)
    top = top_percent(found.map, percent)
    rival, problem = _matched(found.map, percent)
    with MODELS.held(found.settings) as model:
        pixels = model.preprocess.geometry(picture).transpose(2, 0, 1)[None].copy()
        seen = [top_five(model, pixels, found, mask) for mask in (None, top, rival)]
        driven = float(responses(model, pixels, top, found.map)[0])
    if rival is None:
        seen[2] = {}
    words = (
        f"The {len(top)} top units answer to this picture {driven:.1f} times as strongly as to the "
        f"localizer's pictures on average. {problem}"
    )
    return *seen, _units_note(found, words), found


def phantom_found(bar: Any) -> Found:
    """The phantom's map, for a visitor who has run nothing yet."""
    with _LOCALIZING:
        *_, folder = localize_only(DEMO, progress=follow("", bar))
    return found_in(folder)


def _matched(found: SelectivityMap, percent: float) -> tuple[Mask | None, str]:
    """A magnitude-matched control, or why there is none."""
    try:
        return control(found, "magnitude-matched", percent, seed=0), ""
    except MaskError as error:
        return None, f"No control of this size: {error}."


def _units_note(found: Found, words: str) -> str:
    return f"<p class='fl-note'>Units for {escape(found.title)}. {escape(words)}</p>"


def top_five(
    model: VisionModel, pixels: np.ndarray, found: Found, mask: Mask | None
) -> dict[str, float]:
    """The five likeliest classes of one picture, intact or with a mask's units replaced.

    Parameters
    ----------
    model : VisionModel
        Held by the caller.
    pixels : array of uint8 of shape (1, 3, H, W)
        After the model's own resizing.
    found : Found
        Says how to replace the units, and what the classes are called.
    mask : Mask or None
        The units to replace; ``None`` for the intact model.

    Returns
    -------
    dict of str to float
        Name and probability, likeliest first.
    """
    under: AbstractContextManager[None] = nullcontext()
    if mask is not None:
        by = parse_ablation(found.settings.ablation)
        means = found.map.by_site("output_control") if by == "mean" else None
        under = ablate(model.module, mask, by, means)
    with torch.inference_mode(), under:
        shares = model.logits(torch.from_numpy(pixels)).softmax(dim=1)[0].cpu()
    values, indices = shares.topk(min(5, len(shares)))
    names = [found.classes.get(index, "class") for index in indices.tolist()]
    labels = [
        name if names.count(name) == 1 else f"{name} {index}"
        for name, index in zip(names, indices.tolist(), strict=True)
    ]
    return dict(zip(labels, values.tolist(), strict=True))


def examples() -> list[tuple[Image.Image, str]]:
    """Pictures of the phantom, of the stream that no localizer has seen, with their classes."""
    return [(phantom.draw(label, 0, "eval"), phantom.CLASSES[label]) for label in EXAMPLES]


def pick_example(event: gr.SelectData) -> Image.Image:
    """The example that was clicked, as drawn."""
    return phantom.draw(EXAMPLES[int(event.index)], 0, "eval")


# --- Runs ---


@dataclass(frozen=True)
class Entry:
    """One run folder in the list."""

    folder: Path
    model: str
    localizer: str
    started: str
    finished: bool
    verdict: str


def list_runs() -> list[Entry]:
    """The run folders under ``runs/``, newest first; links are not followed."""
    folders = RUNS.iterdir() if RUNS.is_dir() else iter(())
    there = [each for each in folders if (each / "run.json").is_file() and not each.is_symlink()]
    entries = [entry for entry in map(_entry, there) if entry is not None]
    return sorted(entries, key=lambda entry: (entry.started, entry.folder.name), reverse=True)


def _entry(folder: Path) -> Entry | None:
    try:
        about = read_json(folder / "run.json")
        finished = (folder / "results.json").is_file()
        localizing = not finished and "evaluation" not in about["identity"]
        verdict = "a map only" if localizing else "not finished"
        if finished:
            verdict = str(read_json(folder / "results.json")["verdict"])
        return Entry(
            folder,
            str(about["settings"]["model"]),
            str(about["localizer"]["name"]),
            str(about["started"]),
            finished,
            verdict,
        )
    except (RunError, KeyError, TypeError):
        return None  # a folder that is being written, or somebody else's


def runs_html(entries: list[Entry]) -> str:
    """The list as a table."""
    if not entries:
        return "<p class='fl-note'>No runs yet. Start one under Faces.</p>"
    rows = "".join(
        f"<tr><td>{escape(each.folder.name)}<br><small>{escape(each.started[:16])}</small></td>"
        f"<td>{escape(each.model)}</td><td>{escape(each.localizer)}</td>"
        f"<td class='fl-words'>{escape(each.verdict)}</td></tr>"
        for each in entries
    )
    heads = _heads(("run", "model", "localizer", "verdict"))
    return (
        f"<div class='fl-scroll fl-runs-box' tabindex='0'><table class='fl-table fl-runs'>{heads}"
        f"<tbody>{rows}</tbody></table></div>"
    )


def refresh() -> list[Any]:
    """The list, and the names to choose from."""
    entries = list_runs()
    names = [entry.folder.name for entry in entries if entry.finished]
    return [runs_html(entries), gr.Dropdown(choices=names, value=None)]


@told
def open_run(name: str | None) -> list[Any]:
    """A run's report and files, and what Try it needs of it.

    Only a folder that the listing finds is opened, whatever name is sent.
    """
    if not name:
        return [gr.skip()] * 6
    entry = next((each for each in list_runs() if each.folder.name == name), None)
    if entry is None or not entry.finished:
        raise RunError(f"{name}: no finished run of that name")
    report = entry.folder / "report.html"
    if not report.is_file():
        make_report(entry.folder)
    page = escape(report.read_text(encoding="utf-8"), quote=True)
    frame = (
        f"<iframe class='fl-report' title='Report of {escape(name, quote=True)}' sandbox='' "
        f'srcdoc="{page}"></iframe>'
    )
    return [frame, gr.Row(visible=True), *_files(entry.folder), _state_of(entry.folder)]


def _state_of(folder: Path) -> Any:
    try:
        return found_in(folder)
    except FunclocError:
        return gr.skip()  # of another front end


# --- the pages ---

CSS = """
.fl-finding { font-size: 1.12rem; line-height: 1.5; padding: .9rem 1.1rem; margin: .2rem 0 .6rem;
  border-left: 5px solid var(--body-text-color-subdued); color: var(--body-text-color);
  background: var(--background-fill-secondary); }
.fl-finding.fl-yes { border-left-color: #d55e00; }
.fl-warn, .fl-note { margin: .3rem 0; color: var(--body-text-color); font-size: .92rem; }
.fl-warn { background: color-mix(in srgb, #e69f00 18%, transparent); padding: .4rem .8rem;
  border-radius: 4px; }
.fl-scroll { overflow-x: auto; }
table.fl-table { border-collapse: collapse; border: 0; width: 100%; font-size: .86rem;
  font-variant-numeric: tabular-nums; color: var(--body-text-color); }
.fl-table caption { caption-side: bottom; text-align: left; font-size: .8rem; padding-top: .4rem;
  color: var(--body-text-color); opacity: .8; }
.fl-table tr { border: 0; background: none; }
.fl-table th, .fl-table td { padding: .3rem .55rem; text-align: right; white-space: nowrap;
  border: 0; border-bottom: 1px solid var(--border-color-primary); font-size: inherit; }
.fl-table th { font-family: inherit; font-weight: 600; }
.fl-table th:first-child, .fl-table td:first-child { text-align: left; }
.fl-table tr.fl-top td { font-weight: 600; border-top: 2px solid var(--body-text-color-subdued); }
.fl-table.fl-runs th, .fl-table.fl-runs td { text-align: left; vertical-align: top; }
.fl-runs td.fl-words { white-space: normal; min-width: 18rem; }
.fl-report { width: 100%; height: 80vh; border: 1px solid var(--border-color-primary);
  background: Canvas; }
.fl-intro p { max-width: 46rem; margin: .2rem 0; color: var(--body-text-color); }
.fl-runs-box { max-height: 20rem; overflow: auto; }
#picture img { width: 100%; height: 100%; object-fit: contain; }
#examples .grid-wrap { min-height: 0; height: auto; max-height: none; }
#examples .grid-container { grid-template-columns: repeat(5, minmax(0, 1fr)) !important;
  height: auto; }
#examples .caption-label { font-size: .68rem; padding: 0 .25rem; max-width: 100%; inset: auto 0 0; }
@media (max-width: 640px) {
  .fl-runs thead { display: none; }
  .fl-table.fl-runs tr, .fl-table.fl-runs td { display: block; white-space: normal; border: 0; }
  .fl-table.fl-runs tr { border-bottom: 1px solid var(--border-color-primary); padding: .4rem 0; }
  .fl-table.fl-runs td { padding: .1rem 0; min-width: 0; overflow-wrap: anywhere; }
}
"""


def build(demo: gr.Blocks) -> None:
    """Put the pages into the tabs that are open.

    Parameters
    ----------
    demo : gr.Blocks
        The app that is being built.
    """
    with gr.Tab("Faces", id="faces"):
        found = gr.State(None, time_to_live=6 * 3600)
        _faces_page(found)
    with gr.Tab("Try it", id="try"):
        _try_page(found)
    with gr.Tab("Runs", id="runs") as tab:
        _runs_page(demo, tab, found)
    demo.unload(leave)


def leave(request: gr.Request) -> None:
    """Stop the run of a visitor who closed the page."""
    VISITORS.stop(session_of(request))


def ask_to_stop(request: gr.Request) -> dict[str, Any]:
    """The stop button."""
    VISITORS.stop(session_of(request))
    return gr.update(interactive=False, value="Stopping …")


def _expect(request: gr.Request) -> list[Any]:
    VISITORS.begin(session_of(request))
    return [gr.update(interactive=False)] * 2 + [gr.update(interactive=True, value="Stop")]


def _settle() -> list[Any]:
    return [gr.update(interactive=True)] * 2 + [gr.update(interactive=False, value="Stop")]


def _faces_page(found: gr.State) -> None:
    gr.HTML(
        "<div class='fl-intro'><p>Show a model faces and objects, find the units that prefer "
        "faces, silence them, and see what the model can no longer recognise, beside equally loud "
        "units of the same layers. The phantom is a small model with a face area that was built "
        "in, so the right answer is known.</p></div>"
    )
    with gr.Row():
        first = gr.Button("Show me on the phantom", variant="primary", size="lg", scale=3)
        stop = gr.Button(
            "Stop", variant="stop", size="lg", interactive=False, scale=1, min_width=110
        )
    with gr.Accordion("Choose model, localizer and doses yourself", open=False):
        form = _form()
        go = gr.Button("Run", variant="secondary")
    finding = gr.HTML(min_height=96, elem_id="finding")
    table = gr.HTML(elem_id="table")
    with gr.Row():
        curve = gr.Plot(
            label="Dose curve", show_label=False, format="png", visible=False, min_width=320
        )
        rivals = gr.Plot(
            label="Interactions", show_label=False, format="png", visible=False, min_width=320
        )
    units = gr.Plot(label="Units by site", show_label=False, format="png", visible=False)
    row, files = _download_row()
    outputs = [found, finding, table, curve, rivals, units, row, *files]
    for button, handler, inputs, name in (
        (first, run_demo, [], "demo"),
        (go, run_chosen, form, "run"),
    ):
        button.click(
            _expect, None, [first, go, stop], queue=False, show_progress="hidden",
            api_visibility="private",
        ).then(
            handler, inputs, outputs, concurrency_limit=1, concurrency_id="run", api_name=name,
            show_progress_on=finding,
        ).then(
            _settle, None, [first, go, stop], queue=False, show_progress="hidden",
            api_visibility="private",
        )  # fmt: skip
    stop.click(
        ask_to_stop, None, stop, queue=False, show_progress="hidden", api_name="stop"
    )  # fmt: skip


def _form() -> list[Any]:
    localizer, evaluation = fitting(DEMO.model)
    with gr.Row():
        model = gr.Dropdown(
            model_choices(), value=DEMO.model, label="Model",
            info="A phantom works offline; folders come from FUNCLOC_MODELS.",
        )  # fmt: skip
        contrast = gr.Dropdown(
            localizer_choices(), value=localizer, label="Localizer",
            info="Which pictures against which; the stimuli that are here.",
        )  # fmt: skip
        items = gr.Dropdown(
            evaluation_choices(), value=evaluation, label="Evaluate on",
            info="Labelled pictures that the localizer has not seen.",
        )  # fmt: skip
    with gr.Row():
        statistic = gr.Radio(
            ["magnitude", "signed"], value="magnitude", label="Statistic",
            info="Welch's t on the absolute or on the signed activation.",
        )  # fmt: skip
        kind = gr.Dropdown(
            list(KINDS), value="block", label="Sites",
            info="Which modules are read: blocks, attention, MLPs, or all operations.",
        )  # fmt: skip
        unit = gr.Radio(
            list(UNITS), value="channel", label="Unit",
            info="A channel over all positions, or each position by itself.",
        )  # fmt: skip
    doses = gr.CheckboxGroup(
        list(DOSES), value=["1"], label="Doses (% of all units)",
        info="How many units to silence; each dose brings 50 control masks.",
    )  # fmt: skip
    model.change(
        lambda name: fitting(name), model, [contrast, items], show_progress="hidden",
        api_visibility="private",
    )  # fmt: skip
    return [model, contrast, items, statistic, kind, unit, doses]


def _download_row() -> tuple[gr.Row, list[gr.DownloadButton]]:
    with gr.Row(visible=False) as row:
        names = ("Report", "Numbers (results.json)", "Masks")
        files = [gr.DownloadButton(name, size="sm", min_width=140) for name in names]
    return row, files


def _try_page(found: gr.State) -> None:
    gr.HTML(
        "<div class='fl-intro'><p>One picture, three times: the model intact, without its most "
        "selective units, and without as many equally loud units of the same layers.</p></div>"
    )
    with gr.Row():
        with gr.Column(scale=1, min_width=280):
            picture = gr.Image(
                type="filepath", sources=["upload", "webcam", "clipboard"], height=280,
                label="Picture",
                placeholder="Drop one in, use the camera, or click an example. "
                "PNG, JPEG, WebP, GIF or BMP, at most 10 MB.", elem_id="picture",
            )  # fmt: skip
            # A file that cannot be read shall get our one line, not the component's exception.
            picture.preprocess = upload_path  # type: ignore[method-assign]
            gallery = gr.Gallery(
                examples(), label="Examples, drawn by the phantom", show_label=False, columns=5,
                height="auto",
                allow_preview=False, object_fit="contain", interactive=False, buttons=[],
                elem_id="examples",
            )  # fmt: skip
        with gr.Column(scale=2, min_width=300):
            percent = gr.Slider(
                0.1, 20, value=1, step=0.1, label="Units silenced (% of all)", elem_id="percent",
                info="Top units by t, and as many matched ones; drag it, or use the arrow keys.",
            )  # fmt: skip
            with gr.Row():
                three = [
                    gr.Label(label=label, num_top_classes=5, min_width=190, elem_id=name)
                    for name, label in (
                        ("intact", "Intact"),
                        ("without-top", "Without the top units"),
                        ("without-control", "Without a matched control"),
                    )
                ]
            note = gr.HTML("<p class='fl-note'>Choose a picture.</p>", elem_id="note")
    gallery.select(pick_example, None, picture, show_progress="hidden", api_visibility="private")
    gr.on(
        [picture.change, percent.change], look, [picture, percent, found], [*three, note, found],
        concurrency_limit=1, concurrency_id="look", trigger_mode="always_last", api_name="look",
        show_progress="minimal",
    )  # fmt: skip


def _runs_page(demo: gr.Blocks, tab: gr.Tab, found: gr.State) -> None:
    name = gr.Dropdown(
        [], value=None, label="Run", elem_id="run",
        info="Finished runs; choosing one opens its report, and Try it takes its units.",
    )  # fmt: skip
    table = gr.HTML(elem_id="runs")
    row, files = _download_row()
    frame = gr.HTML(elem_id="report")
    demo.load(refresh, None, [table, name], show_progress="hidden", queue=False, api_name="runs")
    tab.select(
        refresh, None, [table, name], show_progress="hidden", queue=False,
        api_visibility="private",
    )  # fmt: skip
    name.input(open_run, name, [frame, row, *files, found], api_name="open")
