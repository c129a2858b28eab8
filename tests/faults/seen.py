"""Pictures and tables of pictures: pixels and labels that are known before they are written."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tests.faults.cases import Case, chance, pick
from tests.faults.tabular import form, saved, text_of
from vision_loc.stimuli.files import files_in
from vision_loc.stimuli.own import own_set
from vision_loc.stimuli.pictures import open_picture

Array = np.ndarray
Encoded = tuple[bytes, Array]  # the file, and its pixels as RGB


def noise(rng: np.random.Generator, *shape: int) -> Array:
    """Any bytes."""
    return rng.integers(0, 256, shape, dtype=np.uint8)


def size(rng: np.random.Generator) -> tuple[int, int]:
    """Height and width."""
    return int(rng.integers(1, 24)), int(rng.integers(1, 24))


def file_of(picture: Image.Image, kind: str, **how: Any) -> bytes:
    """A picture's file."""
    out = io.BytesIO()
    picture.save(out, kind, **how)
    return out.getvalue()


def rgb(rng: np.random.Generator) -> Encoded:
    """Colours, in a format that loses nothing."""
    pixels = noise(rng, *size(rng), 3)
    kind, how = pick(
        rng,
        [("PNG", {}), ("BMP", {}), ("PPM", {}), ("TGA", {}), ("TGA", {"rle": True}), ("TIFF", {}),
         ("TIFF", {"compression": "tiff_lzw"}), ("WEBP", {"lossless": True, "exact": True}),
         ("JPEG2000", {"irreversible": False})],
    )  # fmt: skip
    return file_of(Image.fromarray(pixels), kind, **how), pixels


def grey(rng: np.random.Generator) -> Encoded:
    """Grey of 8 bits."""
    pixels = noise(rng, *size(rng))
    kind = pick(rng, ["PNG", "BMP", "PPM", "TIFF"])
    return file_of(Image.fromarray(pixels), kind), np.repeat(pixels[..., None], 3, 2)


def deep(rng: np.random.Generator) -> Encoded:
    """Grey of 16 bits."""
    pixels = rng.integers(0, 1 << 16, size(rng), dtype=np.uint16)
    scaled = np.rint(pixels / 257.0).astype(np.uint8)
    return file_of(Image.fromarray(pixels), pick(rng, ["PNG", "TIFF"])), np.repeat(
        scaled[..., None], 3, 2
    )


def palette(rng: np.random.Generator) -> Encoded:
    """A few colours by their numbers, sometimes with more frames behind the first."""
    colours, numbers = noise(rng, 16, 3), rng.integers(0, 16, size(rng), dtype=np.uint8)
    picture = Image.fromarray(numbers, "L").convert("P")
    picture.putdata(numbers.ravel().tolist())
    picture.putpalette(colours.ravel().tolist())
    how: dict[str, Any] = {}
    kind = pick(rng, ["GIF", "PNG"])
    if kind == "GIF" and chance(rng, 0.5):
        how = {"save_all": True, "append_images": [picture.rotate(180)], "duration": 90}
    return file_of(picture, kind, **how), colours[numbers]


def clear(rng: np.random.Generator) -> Encoded:
    """Transparency, which lies on white."""
    pixels = noise(rng, *size(rng), 4)
    pixels[..., 3] = rng.choice([0, 255, 100], pixels.shape[:2])
    share = pixels[..., 3:] / 255.0
    wanted = np.rint(pixels[..., :3] * share + 255 * (1 - share)).astype(np.uint8)
    kind, how = pick(rng, [("PNG", {}), ("WEBP", {"lossless": True, "exact": True})])
    return file_of(Image.fromarray(pixels), kind, **how), wanted


def turned(rng: np.random.Generator) -> Encoded:
    """With a note that it should be turned, which is ignored."""
    pixels = noise(rng, *size(rng), 3)
    picture = Image.fromarray(pixels)
    exif = picture.getexif()
    exif[0x0112] = int(rng.integers(2, 9))
    return file_of(picture, "PNG", exif=exif), pixels


def smooth(rng: np.random.Generator) -> Encoded:
    """A slope, which JPEG changes little."""
    height, width = size(rng)
    down, along = np.linspace(0, 1, height)[:, None, None], np.linspace(0, 1, width)[None, :, None]
    ends = rng.uniform(0, 255, (3, 3))
    pixels = (ends[0] + (ends[1] - ends[0]) * down / 2 + (ends[2] - ends[0]) * along / 2).astype(
        np.uint8
    )
    return file_of(Image.fromarray(pixels), "JPEG", quality=100, subsampling=0), pixels


KINDS: dict[Callable[[np.random.Generator], Encoded], int] = {
    rgb: 0, grey: 0, deep: 0, palette: 0, clear: 1, turned: 0, smooth: 6,
}  # fmt: skip
"""How far a pixel may be off."""


def near(most: int) -> Callable[[Array, Array], bool]:
    """Whether two pictures are the same to so many steps."""

    def same(one: Array, two: Array) -> bool:
        return one.shape == two.shape and bool(
            (np.abs(one.astype(int) - two.astype(int)) <= most).all()
        )

    return same


def pictures(rng: np.random.Generator, folder: Path) -> Case:
    """The one reader of pictures."""
    make = pick(rng, KINDS)
    content, pixels = make(rng)
    path = folder / f"picture{pick(rng, ['.png', '.jpg', '.JPEG', '.bmp', '.webp'])}"

    def read() -> Array:
        return np.asarray(open_picture(path))

    if chance(rng, 0.55):
        path.write_bytes(content)
        return Case(read, pixels, same=near(KINDS[make]), about=make.__name__)
    how = pick(rng, ["cut", "cut", "cut", "flip", "else", "bomb", "odd", "no file"])
    if how == "cut":  # what has all its pixels is whole, though its end is missing
        path.write_bytes(content[: int(rng.integers(len(content)))])
        about = f"{make.__name__} {content[:12]!r} cut"
        return Case(read, pixels, "may", same=near(KINDS[make]), about=about)
    if how == "flip":  # a PNG has checksums; of others nobody can tell
        pixels = noise(rng, *size(rng), 3)
        damaged = bytearray(file_of(Image.fromarray(pixels), "PNG"))
        damaged[int(rng.integers(len(damaged)))] ^= 1 << int(rng.integers(8))
        path.write_bytes(bytes(damaged))
        return Case(read, pixels, "may", same=near(0), about="PNG, one bit flipped")
    place(rng, path, how)
    return Case(read, None, "must", about=how)


def place(rng: np.random.Generator, path: Path, how: str) -> None:
    """Something that is no picture, or of a kind that is not read."""
    if how == "else":
        path.write_bytes(
            pick(rng, [b"", b"text", b"<html>", noise(rng, 500).tobytes(), b"\x89PNG\r\n\x1a\n"])
        )
    elif how == "bomb":
        head = bytearray(file_of(Image.new("1", (8, 8)), "PNG"))
        head[16:24] = (90_000).to_bytes(4, "big") * 2
        import zlib

        head[29:33] = zlib.crc32(bytes(head[12:29])).to_bytes(4, "big")
        path.write_bytes(bytes(head))
    elif how == "odd":
        values = rng.normal(size=(4, 4)).astype(np.float32)
        wide = rng.integers(1 << 17, 1 << 20, (4, 4), dtype=np.int32)
        path.write_bytes(file_of(Image.fromarray(pick(rng, [values, wide])), "TIFF"))
    elif chance(rng, 0.5):
        path.mkdir()
    else:
        os.mkfifo(path)


# --- tables of pictures ---


def labelled(rng: np.random.Generator, folder: Path) -> Case:
    """A table with file, class and group; some rows are of neither group."""
    n = int(rng.integers(2, 9))
    inner = [pick(rng, ["", "a/", "a/b/", "ß π/"]) for _ in range(n)]
    files = [f"{where}{number}{pick(rng, ['.png', '.JPEG'])}" for number, where in enumerate(inner)]
    for file in files:
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).touch()
    one, two = pick(rng, [("face", "nonface"), ("zebra", "control"), ("a", "b"), ("b", "faces")])
    target = {"zebra": "zebra", "b": "faces"}.get(one, one)
    groups = [one, two, *(pick(rng, [one, two, "ambiguous", ""]) for _ in range(n - 2))]
    labels = [int(rng.integers(1000)) for _ in range(n)]
    said = [pick(rng, [str(label), f" {label}", f"{label}.0"]) for label in labels]
    kept = [*zip(files, said, groups, strict=True)]
    how, told = "", ""
    if chance(rng, 0.5):
        how = pick(rng, ["missing", "twice", "class", "third", "gap"])
        at = int(rng.integers(2))
        file, label, group = kept[at]
        kept[at] = {
            "missing": ("none.png", label, group), "twice": kept[1 - at],
            "class": (file, pick(rng, ["cat", "1.5", "", "nan", "inf", "0x10", "1 2"]), group),
            "third": kept[at], "gap": ("", label, group),
        }[how]  # fmt: skip
        if how == "third":
            kept.append((files[0] + "x", "1", "third"))
        told = {"missing": "none.png", "twice": files[1 - at]}.get(how, "")
    rows = [[file, label, group] for file, label, group in kept]
    return read_labels(rng, folder, rows, how, told, (files, labels, groups, target))


def read_labels(
    rng: np.random.Generator,
    folder: Path,
    rows: Sequence[Sequence[str]],
    how: str,
    told: str,
    value: tuple[list[str], list[int], list[str], str],
) -> Case:
    """The case of a table of pictures, its columns in any order."""
    names = ["file", "class_index", "group"]
    order = rng.permutation(3).tolist()
    _, sign = form(rng, 3)
    shuffled = [[str(row[at]) for at in order] for row in rows]
    text, _ = text_of(rng, ([names[at] for at in order], shuffled), sign)
    suffix = ".tsv" if sign == "\t" else ".csv"
    path = folder / f"labels{suffix}"
    saved(rng, path, text)
    files, labels, groups, target = value
    right = [
        (file, label, group) for file, label, group in zip(files, labels, groups, strict=True)
        if group not in ("", "ambiguous")
    ]  # fmt: skip

    def read() -> Any:
        found = own_set(path)
        columns = (found.table[name].tolist() for name in names)
        return [*zip(*columns, strict=True)], found.target

    return Case(read, (right, target), "must" if how else "never", told, about=how)


def ground_truth(rng: np.random.Generator, folder: Path) -> Case:
    """``val.txt``, or Kaggle's table, beside pictures that lie flat or in class folders."""
    n = int(rng.integers(2, 7))
    flat = chance(rng, 0.6)
    files = [
        f"val_{number:04}.JPEG" if flat else f"c{number % 2}/val_{number}.JPEG"
        for number in range(n)
    ]
    for file in files:
        (folder / file).parent.mkdir(exist_ok=True)
        (folder / file).touch()
    labels = [int(rng.integers(1000)) for _ in range(n)]
    groups = ["face", "nonface", *(pick(rng, ["face", "nonface"]) for _ in range(n - 2))]
    named = [pick(rng, [file, f"val/{file}"]) for file in files]
    listed = [f"{name} {label}" for name, label in zip(named, labels, strict=True)]
    how = ""
    if chance(rng, 0.4):
        how = pick(rng, ["beyond", "words", "contradicts"])
        listed[0] = {"beyond": f"{named[0]} 1000", "words": f"{named[0]} 1 2",
                     "contradicts": f"{named[0]} 1\n{named[0]} 2"}[how]  # fmt: skip
    (folder / "val.txt").write_text("\n".join(rng.permutation(listed).tolist()) + "\n")
    rows = [f"{file},{group}" for file, group in zip(files, groups, strict=True)]
    (folder / "groups.csv").write_text("file,group\n" + "\n".join(rows) + "\n")
    right = sorted(zip(files, labels, groups, strict=True))

    def read() -> Any:
        found = own_set(folder)
        columns = (found.table[name].tolist() for name in ("file", "class_index", "group"))
        return sorted(zip(*columns, strict=True))

    return Case(read, right, "must" if how else "never", about=how)


def folders(rng: np.random.Generator, folder: Path) -> Case:
    """Which files of a folder are pictures: by their suffix, hidden ones aside, linked ones too."""
    wanted = []
    root = folder / "pictures"
    for number in range(int(rng.integers(1, 9))):
        where = pick(rng, ["", "a/", "a/b.png/", ".git/", "a/.hidden/", "ü/"])
        suffix = pick(rng, [".png", ".JPG", ".avif", ".txt", ".heic", "", ".jfif", ".csv", ".webp"])
        name = f"{where}{pick(rng, ['', '.'])}{number}{suffix}"
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
        seen = suffix.lower() in (".png", ".jpg", ".avif", ".jfif", ".webp")
        if seen and not any(part.startswith(".") for part in Path(name).parts):
            wanted.append(name)
    outer = folder / "elsewhere"
    outer.mkdir()
    (outer / "linked.png").touch()
    if chance(rng, 0.3):
        (root / "link").symlink_to(outer, target_is_directory=True)
        wanted.append("link/linked.png")
    loop = chance(rng, 0.1)
    if loop:
        (root / "again").symlink_to(root, target_is_directory=True)

    def read() -> Any:
        return sorted(path.relative_to(root).as_posix() for path in files_in(root))

    return Case(read, sorted(wanted), "must" if loop or not wanted else "never")
