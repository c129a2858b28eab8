"""Which versions are installed: the tested ones by ``make setup``, each lower bound by another."""

from __future__ import annotations

import tomllib
from importlib.metadata import requires, version
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.oldest import PROJECT, lower_bounds

CONSTRAINTS = PROJECT.with_name("constraints.txt")


def pinned(path: Path) -> dict[str, str]:
    """Version by name; nothing else may be in the file."""
    lines = [line for line in path.read_text().splitlines() if not line.startswith("#")]
    pairs = [line.split("==") for line in lines]
    return {canonicalize_name(name): version for name, version in pairs}


def test_the_tested_versions_are_ones_that_the_project_admits() -> None:
    versions = pinned(CONSTRAINTS)
    project = tomllib.loads(PROJECT.read_text())["project"]
    asked = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    for requirement in map(Requirement, asked):
        assert versions[canonicalize_name(requirement.name)] in requirement.specifier, requirement


def test_whatever_make_setup_installs_is_pinned() -> None:
    versions, todo, seen = pinned(CONSTRAINTS), [("funcloc", "dev")], set()
    if version("gradio") != versions["gradio"] or version("torch") != versions["torch"]:
        pytest.skip("installed with other versions than those of constraints.txt")
    while todo:
        name, extra = todo.pop()
        for requirement in map(Requirement, requires(name) or []):
            own = canonicalize_name(requirement.name)
            wanted = requirement.marker is None or requirement.marker.evaluate({"extra": extra})
            if wanted and own not in seen and not own.startswith(("nvidia", "cuda", "triton")):
                seen.add(own)
                todo += [(own, each) for each in ("", *requirement.extras)]
    assert len(seen) > 80
    assert seen - versions.keys() == set()


def test_no_version_is_that_of_one_platform_alone() -> None:
    assert not [name for name in pinned(CONSTRAINTS) if name.startswith(("nvidia", "cuda"))]


def test_each_lower_bound_becomes_the_one_version() -> None:
    text = """
    [project]
    dependencies = ["gradio>=6,<7", "torch>=2.9"]
    optional-dependencies.dev = ["types-PyYAML>=6.0.12.2025"]
    """
    assert lower_bounds(text) == ["gradio==6", "torch==2.9", "types-PyYAML==6.0.12.2025"]
    with pytest.raises(ValueError, match="torch<3: has no lower bound"):
        lower_bounds(text.replace("torch>=2.9", "torch<3"))
