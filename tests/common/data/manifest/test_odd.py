"""Manifests that say something odd: one line, before any file is looked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from common.base.errors import ManifestError
from common.data.manifest import load_manifest, matching


def written(tmp_path: Path, **more: Any) -> str:
    told = {"name": "odd", "about": "a", "source": {"url": "u"}, **more}
    (tmp_path / "odd.yaml").write_text(yaml.safe_dump(told))
    return str(tmp_path / "odd.yaml")


def story(template: str) -> dict[str, Any]:
    asked = {"question": "*_q.txt", "template": template}
    return {"conditions": {"a": {"files": "*_s.txt", "story": asked}}}


@pytest.mark.parametrize("glob", ["/etc/*", "../*", "a/../../b", "", "~/x", "a**", "x" * 5000])
def test_a_glob_stays_in_its_folder(glob: str, tmp_path: Path) -> None:
    name = written(tmp_path, conditions={"a": {"files": glob}})
    with pytest.raises(ManifestError, match=r"conditions.a.files: Value error, (in )?a glob"):
        load_manifest(name)


@pytest.mark.parametrize(
    "template", ["{story", "{story} {question} {answer} {more}", "{story.__class__}", "{0}", "none"]
)
def test_a_template_names_its_three_parts(template: str, tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"conditions.a.story.template: Value error, the templ"):
        load_manifest(written(tmp_path, **story(template)))
    assert load_manifest(written(tmp_path, **story("{story}{question} ({answer})")))


@pytest.mark.parametrize("name", ["x" * 5000 + ".yaml", "x" * 5000])
def test_a_name_may_be_any_length(name: str) -> None:
    with pytest.raises(ManifestError):
        load_manifest(name)


@pytest.mark.parametrize(
    "more", ["about: b", "conditions: {a: {draw: face}, b: {draw: face}, a: {draw: object}}"]
)
def test_a_key_comes_once(more: str, tmp_path: Path) -> None:
    name = written(tmp_path)
    with Path(name).open("a") as file:
        file.write(more)
    with pytest.raises(ManifestError, match=r"the key '(about|a)' comes twice") as caught:
        load_manifest(name)
    assert "\n" not in str(caught.value)


def test_nesting_is_no_way_in(tmp_path: Path) -> None:
    (tmp_path / "odd.yaml").write_text("[" * 20_000)
    with pytest.raises(ManifestError, match="no YAML"):
        load_manifest(str(tmp_path / "odd.yaml"))


def test_what_is_hidden_or_a_folder_matches_nothing(tmp_path: Path) -> None:
    for file in ("a.png", "._a.png", ".git/b.png", "in/c.png"):
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).write_bytes(b"")
    (tmp_path / "d.png").mkdir()
    found = matching(tmp_path, "**/*.png")
    assert [path.relative_to(tmp_path).as_posix() for path in found] == ["a.png", "in/c.png"]
