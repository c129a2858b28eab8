"""The findings that come with the program: on the screen before anything is pressed.

Each is a run of a phantom, made when the version was released, of which a page needs few files. It
is opened as any run folder is, and never written to.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from PIL import Image

from browser import pictures
from browser.heading import heading
from common.base.files import read_json, read_sealed, save_sealed
from common.effects.results import Results
from common.report import figures
from common.report.strip import KEPT, SHOWN, Strip, keep_answers, strip_of
from common.study.digests import save_digests
from common.study.results import NAME as RESULTS
from common.study.results import load_results
from common.study.verbs import run

if TYPE_CHECKING:
    from common.study.front import FrontEnd, S

PARTS = ("run.json", RESULTS, "selectivity.safetensors", KEPT, SHOWN)
TOLD = "Made when this version was released; run it to make your own."
CURVE = "curve.png"
COLOURS = 48  # of the curve, which has few: a third of the bytes
CALLED = "as it ships"


@dataclass(frozen=True)
class Shipped:
    """A finding that comes with the program.

    Attributes
    ----------
    folder : Path
        Where it lies, inside the package.
    """

    folder: Path

    @cached_property
    def results(self) -> Results:
        """What was found."""
        return load_results(self.folder)

    @cached_property
    def strip(self) -> Strip | None:
        """A few items with what the model answered."""
        return strip_of(self.folder, self.results)

    @cached_property
    def curve(self) -> Image.Image:
        """The dose curve, as it was drawn then: drawing takes a start of the app half a second."""
        return Image.open(self.folder / CURVE)

    @property
    def heading(self) -> str:
        """Whose finding it is, and that it came with the program."""
        return heading(self.folder, shipped=TOLD)


def ship(front: FrontEnd[S, Any], settings: S, folder: Path) -> None:
    """Make a finding that ships, anew.

    Parameters
    ----------
    front, settings
        Of the run.
    folder : Path
        Where it goes, inside the package; what lies there is replaced.
    """
    with TemporaryDirectory() as scratch:
        run(front, settings, Path(scratch) / "run")
        pack(Path(scratch) / "run", folder)


def pack(made: Path, folder: Path) -> None:
    """Copy what a page needs of a finished run, in the place of what lies in a folder."""
    results = load_results(made)
    keep_answers(made, results)
    about = read_sealed(made / "run.json")
    shutil.rmtree(folder, ignore_errors=True)
    for name in (*PARTS[2:], *_pictures(made)):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(made / name, folder / name)
    numbers = json.dumps(read_json(made / RESULTS), separators=(",", ":"))  # half the bytes
    (folder / RESULTS).write_text(numbers + "\n", encoding="utf-8")
    own = {"command": about["command"].partition(" --out ")[0], "platform": ""}
    save_sealed(folder / "run.json", {**about, **own})
    curve = pictures.as_picture(figures.dose_curve(results)).convert("RGB")
    curve.quantize(COLOURS).save(folder / CURVE, optimize=True)
    save_digests(folder)


def _pictures(run: Path) -> list[str]:
    """The pictures of the strip."""
    cards = read_json(run / SHOWN)["cards"]
    return [f"gallery/{card['file']}" for card in cards if "file" in card]
