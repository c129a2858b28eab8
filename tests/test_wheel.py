"""The wheel: made from the sdist, installed alone, run outside the checkout."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import sysconfig
import tarfile
import time
import urllib.request
import zipfile
from email import message_from_string
from pathlib import Path

import pytest

# It builds twice, makes an environment, runs an experiment and starts the app: a minute or two.
pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
LEFT = (".git", ".venv*", "*.egg-info", "build", "dist", "runs", "__pycache__", ".*_cache")
EXTRAS = {"adapters", "big", "dev", "docs", "faces", "gguf", "lm-eval", "notebooks"}


def called(*words: object, cwd: Path) -> str:
    """What a program prints, in an environment that knows nothing of the checkout."""
    own = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run([*map(str, words)], cwd=cwd, env=own, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of the sdist, so that this holds all that is needed."""
    pytest.importorskip("setuptools", minversion="77")
    place = tmp_path_factory.mktemp("built")
    shutil.copytree(ROOT, place / "checkout", ignore=shutil.ignore_patterns(*LEFT))
    build = "from setuptools import build_meta; build_meta.build_{}({!r})"
    called(sys.executable, "-c", build.format("sdist", str(place)), cwd=place / "checkout")
    (source,) = place.glob("funcloc-*.tar.gz")
    with tarfile.open(source) as packed:
        packed.extractall(place, filter="data")
    unpacked = place / source.name.removesuffix(".tar.gz")
    called(sys.executable, "-c", build.format("wheel", str(place)), cwd=unpacked)
    (built,) = place.glob("funcloc-*.whl")
    return built


@pytest.fixture(scope="module")
def programs(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where an environment has the programs; it sees the libraries of this one, and no checkout."""
    home = tmp_path_factory.mktemp("clean") / "env"
    called(sys.executable, "-m", "venv", "--without-pip", home, cwd=home.parent)
    (packages,) = home.glob("lib/python*/site-packages")
    # A path in a .pth is no site of its own: the .pth files there, an editable one, are not read.
    (packages / "others.pth").write_text(f"{sysconfig.get_paths()['purelib']}\n")
    words = ("install", "-q", "--no-deps", "--ignore-installed", "--no-index", wheel)
    called(sys.executable, "-m", "pip", "--python", home / "bin" / "python", *words, cwd=home)
    return home / "bin"


def test_the_wheel_holds_one_package_with_all_of_its_data(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as file:
        names = {*file.namelist()}
        (about,) = (name for name in names if name.endswith(".dist-info/METADATA"))
        told = message_from_string(file.read(about).decode())
        top = file.read(about.replace("METADATA", "top_level.txt")).decode()
        sources = [file.read(name).decode() for name in names if name.endswith(".py")]
    assert {name.split("/")[0] for name in names} == {"funcloc", about.split("/")[0]}
    assert top.split() == ["funcloc"]
    assert not any("\nfrom common" in text or "\nimport common" in text for text in sources)
    data = [
        *ROOT.glob("data_manifests/*.yaml"), *ROOT.glob("data_manifests/checksums/*"),
        *ROOT.glob("common/report/templates/*"), *ROOT.glob("*_loc/phantom/weights/**/*.*"),
        *ROOT.glob("*/py.typed"),
    ]  # fmt: skip
    assert len(data) > 30
    wanted = {file.relative_to(ROOT) for file in data if not file.parent.samefile(ROOT / "funcloc")}
    assert {f"funcloc/{file}" for file in wanted} - names == set()
    assert {*told.get_all("Provides-Extra", [])} == EXTRAS
    assert (told["Name"], told["License-Expression"]) == ("funcloc", "MIT")


def test_nothing_of_it_collides_with_others(programs: Path, tmp_path: Path) -> None:
    (tmp_path / "common.py").write_text("MINE = True\n")
    (tmp_path / "app.py").write_text("MINE = True\n")
    code = (
        "import sys, app, common, funcloc\n"
        "from funcloc.common import figures, sites\n"
        "from funcloc.vision_loc.notebook import experiment\n"
        "assert common.MINE and app.MINE and funcloc.sites is sites\n"
        "print(funcloc.__file__, funcloc.__version__)"
    )
    place, version = called(programs / "python", "-c", code, cwd=tmp_path).split()
    assert str(programs.parent) in place
    assert version.startswith("0.")


def test_it_runs_outside_the_checkout(programs: Path, tmp_path: Path) -> None:
    words = (
        "run", "--model", "phantom/cnn", "--top", "1", "--untrained-seeds", "0", "--items", "2",
        "--controls", "layer-matched:2", "--out", "mine", "-q",
    )  # fmt: skip
    told = called(programs / "vision-loc", *words, cwd=tmp_path)
    assert "Run folder: mine" in told
    assert "phantom:faces in phantom/cnn" in (tmp_path / "mine" / "report.html").read_text()
    assert "phantom-lm" in called(programs / "llm-loc", "data", "list", cwd=tmp_path)


@pytest.fixture
def port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def test_the_app_starts_from_it(programs: Path, tmp_path: Path, port: int) -> None:
    own = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    words = [str(programs / "funcloc-app"), "--port", str(port)]
    with subprocess.Popen(words, cwd=tmp_path, env=own, stdout=subprocess.DEVNULL) as app:
        try:
            page = answered(f"http://127.0.0.1:{port}/", app)
        finally:
            app.terminate()
    assert "funcloc" in page


def answered(address: str, app: subprocess.Popen[bytes]) -> str:
    """The page, as soon as there is one."""
    for _ in range(240):
        assert app.poll() is None, "the app has ended"
        try:
            with urllib.request.urlopen(address, timeout=5) as page:
                return str(page.read().decode())
        except OSError:
            time.sleep(0.5)
    raise AssertionError("the app does not answer")
