"""One picture: where it comes from, and reading it."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from common.base.errors import DataError, ManifestError
from common.base.files import check_regular, digest_of, digest_of_file
from vision_loc import phantom
from vision_loc.stimuli.boxes import Box

# PIL warns of many pixels and refuses twice as many. A warning is refused here too; it is made an
# error once and for all, since warnings.catch_warnings is not safe among threads.
warnings.filterwarnings("error", category=Image.DecompressionBombWarning)


@dataclass(frozen=True)
class Picture:
    """One stimulus.

    Attributes
    ----------
    name : str
        What it is called in tables.
    condition : str
        The condition (localizer) or the group (evaluation) that it belongs to.
    open : callable
        Gives the picture, RGB.
    path : Path, optional
        The file it comes from; drawn pictures have none.
    label : int
        Class index; -1 where there is none.
    faces : tuple of Box
        Where faces were found in it, as far as that was noted.
    greyed : tuple of Box
        What was greyed in it.
    whole : str
        Of a version of a picture, what the picture itself is called.
    """

    name: str
    condition: str
    open: Callable[[], Image.Image] = field(repr=False, compare=False)
    path: Path | None = None
    label: int = -1
    faces: tuple[Box, ...] = ()
    greyed: tuple[Box, ...] = ()
    whole: str = ""

    def digest(self) -> str:
        """Fingerprint of the content: of the file's bytes, or of what is drawn.

        Raises
        ------
        DataError
            If the file cannot be read.
        """
        if self.path is None:
            return digest_of([self.name, _drawing()])
        try:
            check_regular(self.path)
            return digest_of_file(self.path)
        except FileNotFoundError as error:
            raise DataError(f"{self.path}: no such picture") from error
        except OSError as error:
            raise DataError(f"{self.path}: cannot be read ({error.strerror})") from error


@dataclass(frozen=True)
class Skipped:
    """A picture that was left out, and why."""

    name: str
    reason: str


@cache
def _drawing() -> str:
    """Fingerprint of the program that draws: other code may draw other pictures."""
    sources = sorted(Path(phantom.__file__).parent.glob("*.py"))
    return digest_of([digest_of_file(source) for source in sources])


def open_picture(path: Path) -> Image.Image:
    """Read a picture as RGB.

    Of an animation, the first frame. 16-bit grey is scaled to 8 bits, CMYK converted without a
    colour profile, transparency laid on white. The EXIF orientation is ignored, as in the
    pipelines that trained the models.

    Raises
    ------
    DataError
        If the file is missing, broken, has far too many pixels, or is no picture.
    """
    try:
        check_regular(path)
        with Image.open(path) as picture:
            return _as_rgb(picture)
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such picture") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise DataError(f"{path}: far too many pixels ({error})") from error
    except UnidentifiedImageError as error:
        raise DataError(f"{path}: no picture, or of a kind that cannot be read") from error
    except Exception as error:  # a decoder may fail in any way over a broken file
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise DataError(f"{path}: broken, or no picture ({reason})") from error


def _as_rgb(picture: Image.Image) -> Image.Image:
    if picture.mode == "F":
        raise ValueError("its pixels are fractions; save it with 8 or 16 bits")
    if picture.mode.startswith("I"):
        return _from_16_bits(picture).convert("RGB")
    if not picture.has_transparency_data:
        return picture.convert("RGB")
    above = picture.convert("RGBA")
    white = Image.new("RGBA", above.size, "white")
    return Image.alpha_composite(white, above).convert("RGB")


def _from_16_bits(picture: Image.Image) -> Image.Image:
    """Scale 16-bit grey to 8 bits; PIL's own conversion would clip everything above 255."""
    values = np.asarray(picture).astype(np.int64)
    if values.min() < 0 or values.max() > 65535:
        raise ValueError("its pixels have 32 bits; save it with 8 or 16")
    return Image.fromarray(((values + 128) // 257).astype(np.uint8))


def drawn(condition: str, what: str, n: int, split: str) -> list[Picture]:
    """`n` pictures a class, drawn by the phantom: ``face``, ``object``, or a planted condition."""
    if what in ("target", "control"):
        return [
            Picture(
                f"phantom/planted/{split}/{what}/{i}",
                condition,
                partial(phantom.draw_planted, what, i, split),
                label=phantom.CONDITIONS.index(what),
            )
            for i in range(n)
        ]
    classes = {"face": phantom.FACE_CLASSES, "object": phantom.OBJECT_CLASSES}
    if what not in classes:
        raise ManifestError(f"nothing called {what!r} can be drawn")
    return [
        Picture(
            f"phantom/{split}/{phantom.CLASSES[label]}/{i}",
            condition,
            partial(phantom.draw, label, i, split),
            label=label,
        )
        for label in classes[what]
        for i in range(n)
    ]
