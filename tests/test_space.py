"""The files that a hosted Space needs say the same as the project's own."""

from __future__ import annotations

import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

import app

ROOT = Path(app.__file__).parent


def test_a_space_installs_what_the_project_depends_on() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    asked = [line for line in lines if line and not line.startswith(("#", "--"))]
    assert asked == project["dependencies"]


def test_the_readme_of_a_space_starts_the_app_with_the_gradio_that_was_tested() -> None:
    _, front, _ = (ROOT / "docs" / "space.md").read_text().split("---\n", 2)
    entry = yaml.safe_load(front)
    assert entry["sdk"] == "gradio"
    assert (ROOT / entry["app_file"]).is_file()
    assert entry["sdk_version"].split(".")[0] == version("gradio").split(".")[0]
    assert len(entry["short_description"]) <= 60  # what the hub takes


@pytest.mark.parametrize(("host", "may_delete"), [("0.0.0.0", False), ("127.0.0.1", True)])
def test_the_environment_says_where_to_listen_and_strangers_delete_nothing(
    host: str, may_delete: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: dict[str, object] = {}

    class Served:
        def __init__(self, may_delete: bool) -> None:
            asked["may_delete"] = may_delete

        def launch(self, **options: object) -> None:
            asked.update(options)

    monkeypatch.setattr(app, "build", Served)
    environment = {"GRADIO_SERVER_NAME": host, "GRADIO_SERVER_PORT": "7861"}
    program = app.typer.Typer()  # type: ignore[attr-defined]
    program.command()(app.main)
    assert CliRunner().invoke(program, [], env=environment).exit_code == 0
    assert asked["server_name"] == host
    assert asked["server_port"] == 7861
    assert asked["share"] is False
    assert asked["may_delete"] is may_delete
