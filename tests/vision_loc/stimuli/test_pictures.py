"""Reading pictures of every kind, rightly or with one clear line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from common.base.errors import DataError
from vision_loc.stimuli import open_picture

RAMP = np.linspace(0, 65535, 64 * 64).reshape(64, 64).astype(np.uint16)


def colour(path: Path, where: tuple[int, int] = (0, 0)) -> tuple[int, ...]:
    return open_picture(path).getpixel(where)


def complaint(path: Path) -> str:
    with pytest.raises(DataError) as caught:
        open_picture(path)
    message = str(caught.value)
    assert str(path) in message
    assert "\n" not in message
    return message


def test_missing(tmp_path: Path) -> None:
    assert "no such picture" in complaint(tmp_path / "none.jpg")


def test_text_named_jpg(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_text("a letter")
    assert "no picture" in complaint(tmp_path / "a.jpg")


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".gif", ".tif", ".bmp"])
def test_truncated(tmp_path: Path, suffix: str) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    whole = tmp_path / f"whole{suffix}"
    Image.fromarray(noise).save(whole)
    assert open_picture(whole).size == (64, 64)
    broken = tmp_path / f"broken{suffix}"
    broken.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    assert "broken" in complaint(broken)


def test_empty(tmp_path: Path) -> None:
    (tmp_path / "a.png").touch()
    complaint(tmp_path / "a.png")


@pytest.mark.parametrize("limit", [49, 99], ids=["PIL refuses", "PIL only warns"])
def test_bomb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: int) -> None:
    Image.new("L", (10, 10)).save(tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
    assert "too many pixels" in complaint(tmp_path / "a.png")


@pytest.mark.parametrize("suffix", [".gif", ".webp", ".png"])
def test_animation_gives_its_first_frame(tmp_path: Path, suffix: str) -> None:
    frames = [Image.new("RGB", (8, 8), name) for name in ("red", "blue", "lime")]
    path = tmp_path / f"a{suffix}"
    lossless = {"lossless": True} if suffix == ".webp" else {}
    frames[0].save(path, save_all=True, append_images=frames[1:], **lossless)
    assert colour(path) == (255, 0, 0)


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_16_bit_grey_is_scaled_not_clipped(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    Image.fromarray(RAMP).save(path)
    pixels = np.asarray(open_picture(path))
    np.testing.assert_array_equal(pixels[..., 0], np.rint(RAMP / 257))
    assert pixels[0, 0, 0] == 0
    assert pixels[-1, -1].tolist() == [255, 255, 255]


def test_32_bit_and_float_are_refused(tmp_path: Path) -> None:
    Image.fromarray(RAMP.astype(np.int32) * 9).save(tmp_path / "i.tif")
    Image.fromarray(RAMP.astype(np.float32)).save(tmp_path / "f.tif")
    assert "32 bits" in complaint(tmp_path / "i.tif")
    assert "fractions" in complaint(tmp_path / "f.tif")


def test_cmyk(tmp_path: Path) -> None:
    Image.new("CMYK", (8, 8), (0, 255, 255, 0)).save(tmp_path / "a.jpg", quality=100)
    np.testing.assert_allclose(colour(tmp_path / "a.jpg"), (255, 0, 0), atol=4)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparency_is_laid_on_white(tmp_path: Path, mode: str) -> None:
    picture = Image.new("RGBA", (8, 8), (0, 0, 0, 0))
    picture.putpixel((1, 0), (0, 0, 0, 255))
    path = tmp_path / "a.png"
    (picture.quantize(4) if mode == "P" else picture.convert(mode)).save(path)
    with Image.open(path) as stored:
        assert stored.mode == mode
    assert colour(path) == (255, 255, 255)
    assert colour(path, (1, 0)) == (0, 0, 0)


def test_half_transparency_is_mixed(tmp_path: Path) -> None:
    Image.new("RGBA", (4, 4), (255, 0, 0, 127)).save(tmp_path / "a.png")
    np.testing.assert_allclose(colour(tmp_path / "a.png"), (255, 128, 128), atol=1)


def test_exif_orientation_is_ignored(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (20, 10)).save(tmp_path / "a.jpg", exif=exif)
    assert open_picture(tmp_path / "a.jpg").size == (20, 10)


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB"])
def test_plain_modes_are_read_as_pil_reads_them(tmp_path: Path, mode: str) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    Image.fromarray(noise).convert(mode).save(tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as stored:
        np.testing.assert_array_equal(open_picture(tmp_path / "a.png"), stored.convert("RGB"))
