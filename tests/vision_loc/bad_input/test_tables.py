"""Tables and manifests that cannot be meant: one line each."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.vision_loc.bad_input.said import (
    Call,
    words,
)
from tests.vision_loc.test_models import timm_folder


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("03.png,1,", "03.png,2,", "class index 2, but phantom/planted has 2 classes"),
        ("03.png,1,", "03.png,-1,", "class index -1"),
        ("03.png,1,", "03.png,cat,", "holds 'cat' in row 11, which is no class index"),
        ("03.png,1,", "03.png,1,third-", "has 3 groups"),
        ("file,", "picture,", "has no column 'file'"),
    ],
)
def test_a_bad_table(
    old: str, new: str, said: str, mine: Path, tmp_path: Path, refused: Callable[..., str]
) -> None:
    table = mine / "eval" / "labels.csv"
    table.write_text(table.read_text().replace(old, new))
    assert said in refused(*words(mine, tmp_path / "run"))
    assert not (tmp_path / "run").exists()


def manifest(tmp_path: Path, evaluation: str = "", more: str = "") -> Path:
    path = tmp_path / "set.yaml"
    path.write_text(f"name: mine\nabout: x\nsource: {{url: x}}\n{evaluation}{more}")
    return path


def test_a_manifest_with_an_unknown_key(
    mine: Path, tmp_path: Path, refused: Callable[..., str]
) -> None:
    path = manifest(tmp_path, more="colour: red\n")
    said = refused(*words(mine, tmp_path / "run", eval=path))
    assert "set.yaml: colour: Extra inputs are not permitted" in said
    assert not (tmp_path / "run").exists()


def test_an_empty_group_of_a_manifest(
    mine: Path, tmp_path: Path, refused: Callable[..., str]
) -> None:
    evaluation = "evaluation: {table: eval/labels.csv, target: target, other: nonface}\n"
    table = mine / "eval" / "labels.csv"
    table.write_text(table.read_text().replace("\ntarget/", "\neval/target/"))
    path = manifest(tmp_path, evaluation)
    said = refused(*words(mine, tmp_path / "run", eval=path, data_root=tmp_path))
    assert "evaluation group 'nonface' is empty" in said
    assert not (tmp_path / "run").exists()


def test_a_wordnet_id_that_is_another_class_of_the_model(
    mine: Path, tmp_path: Path, refused: Callable[..., str]
) -> None:
    timm_folder(tmp_path / "model")
    config = json.loads((tmp_path / "model" / "config.json").read_text())
    config["label_names"] = [f"n{i:08d}" for i in range(7)]
    (tmp_path / "model" / "config.json").write_text(json.dumps(config))
    table = mine / "eval" / "labels.csv"
    table.write_text(
        table.read_text()
        .replace("group\n", "group,wnid\n")
        .replace(",target\n", ",target,n00000002\n")
        .replace(",control\n", ",control,n00000000\n")
    )
    said = refused(*words(mine, tmp_path / "run", model=f"local/{tmp_path / 'model'}"))
    assert "class index 1 is n00000002, but n00000001 in local/" in said
    assert not (tmp_path / "run").exists()


def test_a_wrong_checksum(mine: Path, tmp_path: Path, call: Call) -> None:
    sums = "".join(f"{'0' * 64}  target/{i:02d}.png\n" for i in range(6))
    (tmp_path / "mine.sha256").write_text(sums)
    path = manifest(
        tmp_path,
        "download: {base: 'http://nowhere.invalid/', checksums: mine.sha256}\n",
        "conditions:\n  a: {files: 'target/*.png'}\n",
    )
    status, _, err = call("data", "check", path, "--data-root", mine.parent, "--strict", "-q")
    assert (status, err.count("\n")) == (1, 1)
    assert "6 of 6 checksums differ" in err
