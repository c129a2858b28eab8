"""What is installed: one package, ``funcloc``, under which a checkout has the same modules."""

from __future__ import annotations

import importlib
import importlib.util
import re
import runpy
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from unittest.mock import patch

import pytest
import typer
from typer.testing import CliRunner

import common
import funcloc
import llm_loc.cli
import vision_loc.cli

ROOT = Path(__file__).parents[1]
COMMANDS = {f"setuptools.command.{name}": name for name in ("build_py", "egg_info")}


@pytest.fixture(scope="module")
def packed() -> Callable[[str], str]:
    """That of ``setup.py``, without setuptools, which takes the place of distutils for good."""
    stubs = {name: ModuleType(name) for name in ("setuptools", *COMMANDS)}
    for name, kind in (("setuptools", "setup"), *COMMANDS.items()):
        setattr(stubs[name], kind, type(kind, (), {}))
    with patch.dict("sys.modules", stubs):
        found: Callable[[str], str] = runpy.run_path(str(ROOT / "setup.py"))["packed"]
    return found


def test_in_a_checkout_the_parts_are_the_same_modules_under_the_one_name() -> None:
    for name in ("common", "common.measure.masks", "data_manifests", "vision_loc.settings"):
        own = importlib.import_module(name)
        spec = own.__spec__
        assert importlib.import_module(f"funcloc.{name}") is own
        assert own.__spec__ is spec
        assert own.__spec__.name == name  # type: ignore[union-attr]
    assert funcloc.ablate is common.ablate
    with pytest.raises(AttributeError, match="no attribute 'ablation'"):
        _ = funcloc.ablation
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("funcloc.common.nothing")
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("funcloc.tests")


def test_python_m_finds_the_programs_under_the_one_name() -> None:
    spec = importlib.util.find_spec("funcloc.vision_loc.__main__")
    code = spec.loader.get_code(spec.name)  # type: ignore[union-attr]
    assert Path(code.co_filename) == ROOT / "vision_loc" / "__main__.py"


@pytest.mark.parametrize("app", [vision_loc.cli.app, llm_loc.cli.app])
def test_a_program_says_its_version(app: typer.Typer) -> None:
    told = CliRunner().invoke(app, ["--version"])
    assert told.exit_code == 0
    assert ": funcloc " in told.output
    assert "torch 2." in told.output


def test_every_import_of_the_parts_is_one_of_the_package_in_a_wheel(
    packed: Callable[[str], str],
) -> None:
    files = [file for part in funcloc.PARTS for file in (ROOT / part).rglob("*.py")]
    texts = [file.read_text(encoding="utf-8") for file in files]
    odd = re.compile(rf"^\s*import [^\n]*\b(?:{'|'.join(funcloc.PARTS)})\b", re.MULTILINE)
    for text in [text for text in texts if odd.search(text)] + texts[::20]:
        packed(text)  # one that it does not see raises
    assert len(texts) > 200


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("from common.base import team\n", "from funcloc.common.base import team\n"),
        ("if 1:\n    from app import main\n", "if 1:\n    from funcloc.app import main\n"),
        ("import data_manifests\n", "from funcloc import data_manifests\n"),
        ('"""\n>>> from common import a\n"""', '"""\n>>> from funcloc.common import a\n"""'),
        ("from commons import x\nfrom . import common\n",) * 2,
        ("common = 'from common import x'\n", "common = 'from common import x'\n"),
    ],
)  # fmt: skip
def test_imports_and_examples_become_those_of_the_package(
    source: str, told: str, packed: Callable[[str], str]
) -> None:
    assert packed(source) == told


@pytest.mark.parametrize("source", ["import common.base as base\n", "import os, common\n"])
def test_an_import_that_is_not_seen_ends_the_build(
    source: str, packed: Callable[[str], str]
) -> None:
    with pytest.raises(ValueError, match=r"line 1: write `from common"):
        packed(source)
