"""``vision-loc data``: what it says of folders, whole and not."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from common.base.errors import DataError
from common.data.manifest import data_folder, find, load_manifest
from vision_loc import cli

REFERENCE = Path(os.environ.get("FUNCLOC_REFERENCE", "../shared")) / "data"
Command = Callable[..., tuple[int, str, str]]

MANIFEST = """
name: set
about: Two conditions and a benchmark, made by a test.
source: {url: "http://nowhere.invalid/set"}
download:
  base: http://nowhere.invalid/set
  checksums: set.sha256
conditions:
  cat: {files: "pictures/cat/*.png", n: 4}
  dog: {files: "pictures/dog/*.png", n: 4}
contrasts:
  cats: {target: [cat], control: [dog]}
evaluation: {table: labels.csv, target: face, other: nonface}
"""
ALONE = """
name: set
about: A benchmark alone.
source: {url: "http://nowhere.invalid/set"}
evaluation: {table: labels.csv, table_from: "make it by hand", target: face, other: nonface}
"""


@pytest.fixture
def command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Command:
    """Run ``vision-loc data …``: its exit status, and both streams."""
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("FUNCLOC_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("FUNCLOC_DATA", raising=False)

    def call(*words: str | Path) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["vision-loc", "data", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        out, err = capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return ended.value.code, out, err

    return call


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A data root with a whole set, and its manifest and checksums beside it."""
    folder = tmp_path / "data" / "set"
    rng = np.random.default_rng(0)
    lines, rows = [], ["file,class_index,group"]
    for kind in ("cat", "dog", "other"):
        (folder / "pictures" / kind).mkdir(parents=True)
        for i in range(4):
            path = folder / "pictures" / kind / f"{i}.png"
            Image.fromarray(rng.integers(0, 255, (8, 8, 3), dtype=np.uint8)).save(path)
            name = path.relative_to(folder).as_posix()
            lines.append(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {name}")
            rows.append(f"{name},{i},{'face' if kind == 'cat' else 'nonface'}")
    (folder / "labels.csv").write_text("\n".join(rows) + "\n")
    (tmp_path / "set.yaml").write_text(MANIFEST)
    (tmp_path / "alone.yaml").write_text(ALONE)
    (tmp_path / "set.sha256").write_text("# made by a test\n" + "\n".join(lines) + "\n")
    return tmp_path / "data"


def test_list_says_what_is_here_and_what_is_to_be_had(command: Command, tmp_path: Path) -> None:
    (tmp_path / "mine" / "floc").mkdir(parents=True)
    status, out, _ = command("list", "--data-root", tmp_path / "mine")
    assert status == 0
    rows = {line.split("│")[1].strip(): line for line in out.splitlines() if line[:1] == "│"}
    assert "faces, bodies, places, characters, objects" in " ".join(rows["floc"].split())
    assert str(tmp_path / "mine")[:20] in rows["floc"]
    assert "download (1,000 files)" in rows["imagenet-sample"]
    assert "face, nonface" in rows["imagenet-sample"]
    assert "own copy needed" in rows["tinyimagenet100"]
    assert "drawn by the program" in rows["phantom"]


def test_check_of_a_whole_set(command: Command, root: Path, tmp_path: Path) -> None:
    status, out, err = command(
        "check", tmp_path / "set.yaml", "--data-root", root, "--strict", "-q"
    )
    assert (status, err) == (0, "")
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in out.splitlines()]
    assert [row for row in rows if row] == [
        ["cat", "4 of 4", "4", "as published"],
        ["dog", "4 of 4", "4", "as published"],
        ["other", "4 of 4", "4", "as published"],
        ["labels.csv", "1 of 1", "1", "none published"],
    ]
    assert "set: 13 of 13 files present and readable; 12 checksums as published" in out


def test_check_tells_a_resized_copy_and_strict_refuses_it(
    command: Command, root: Path, tmp_path: Path
) -> None:
    path = root / "set" / "pictures" / "dog" / "2.png"
    Image.open(path).resize((4, 4)).save(path)
    words = ("check", tmp_path / "set.yaml", "--data-root", root, "-q")
    status, out, _ = command(*words)
    assert status == 0
    assert "1 of 12 checksums differ from the original's (a resized copy?)" in out
    status, _, err = command(*words, "--strict")
    assert status == 1
    assert err.startswith("vision-loc: set: 13 of 13 files present and readable, but 1 of 12")
    assert err.count("\n") == 1


def remove(folder: Path) -> None:
    (folder / "pictures" / "cat" / "1.png").unlink()
    (folder / "pictures" / "other" / "3.png").unlink()


def truncate(folder: Path) -> None:
    path = folder / "pictures" / "cat" / "1.png"
    path.write_bytes(path.read_bytes()[:60])


def add(folder: Path) -> None:
    shutil.copy(folder / "pictures" / "cat" / "1.png", folder / "pictures" / "cat" / "new.png")


def point_elsewhere(folder: Path) -> None:
    with (folder / "labels.csv").open("a") as table:
        table.write("gone.png,1,face\n")


def drop_table(folder: Path) -> None:
    (folder / "labels.csv").unlink()


def spoil_table(folder: Path) -> None:
    (folder / "labels.csv").write_text("a,b\n1,2\n")


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (remove, "2 of 13 files are missing, the first: pictures/cat/1.png, pictures/other/3.png"),
        (truncate, "1 of 13 files are broken, the first: "),
        (add, "cat has 5 files where 4 belong"),
        (point_elsewhere, "1 of 14 files are missing, the first: gone.png"),
        (drop_table, "holds no labels.csv; is the folder complete?"),
        (spoil_table, "labels.csv: has no column 'file'; it has a, b"),
    ],
)
def test_check_of_a_set_that_is_not_whole(
    command: Command, root: Path, tmp_path: Path, harm: Callable[[Path], None], said: str
) -> None:
    harm(root / "set")
    status, _, err = command("check", tmp_path / "set.yaml", "--data-root", root, "-q")
    assert status == 1
    assert said in err
    assert str(root / "set") in err
    assert err.count("\n") == 1


def test_check_downloads_nothing(command: Command, root: Path, tmp_path: Path) -> None:
    status, _, err = command("check", tmp_path / "set.yaml", "--data-root", root / "elsewhere")
    assert status == 1
    assert f"not found in {root / 'elsewhere' / 'set'} or {tmp_path / 'cache' / 'set'}" in err
    assert "vision-loc data fetch set" in err
    assert not (tmp_path / "cache").exists()
    assert command("check", "phantom")[0] == 0


def test_fetch_without_a_network_says_what_to_put_where(
    command: Command, root: Path, tmp_path: Path
) -> None:
    status, _, err = command("fetch", tmp_path / "set.yaml", "-q")
    assert status == 1
    assert err.count("\n") == 1
    assert f"not found in {tmp_path / 'cache' / 'set'}, and the download failed" in err
    assert "no network" in err
    assert "get it from http://nowhere.invalid/set and put it there" in err
    with pytest.raises(DataError, match=r"the download failed \(.*no network"):
        data_folder(load_manifest(str(tmp_path / "set.yaml")), root / "elsewhere")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--localizer", "langloc", "--eval", "phantom"), "--localizer langloc: langloc"),
        (("--localizer", "phantom:faces", "--eval", "blimp"), "--eval blimp: blimp"),
    ],
)
def test_texts_are_for_the_other_command(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: tuple[str, ...],
    said: str,
) -> None:
    given = ["run", "--model", "phantom/planted", "--device", "cpu", *words]
    monkeypatch.setattr(sys, "argv", ["vision-loc", *given])
    with pytest.raises(SystemExit):
        cli.main()
    error = capsys.readouterr().err
    assert error == f"vision-loc: {said} is a set of texts; llm-loc reads it\n"


def test_fetch_of_what_cannot_be_downloaded(command: Command) -> None:
    status, _, err = command("fetch", "tinyimagenet100")
    assert status == 1
    assert "there is no download for it; pick its pictures from" in err
    status, out, _ = command("fetch", "phantom")
    assert (status, "nothing to download" in out) == (0, True)


def test_fetch_takes_what_is_here(
    command: Command, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FUNCLOC_DATA", str(root))
    status, out, _ = command("fetch", tmp_path / "set.yaml")
    assert status == 0
    assert f"set is here already: {root / 'set'}" in out
    drop_table(root / "set")
    assert "holds no labels.csv" in command("fetch", tmp_path / "set.yaml")[1]


def test_a_run_downloads_what_it_misses_into_the_cache(
    command: Command, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    del command  # for the cache that it sets

    def fake(name: str, _download: object, into: Path, _progress: object) -> Path:
        shutil.copytree(root / name, into / name)
        return into / name

    monkeypatch.setattr(find, "fetch", fake)
    found = data_folder(load_manifest(str(tmp_path / "set.yaml")))
    assert found == tmp_path / "cache" / "set"
    assert (found / "labels.csv").is_file()


def test_pictures_without_their_table_of_groups(
    command: Command, root: Path, tmp_path: Path
) -> None:
    drop_table(root / "set")
    status, _, err = command("check", tmp_path / "alone.yaml", "--data-root", root, "-q")
    assert status == 1
    assert "holds no labels.csv; make it by hand" in err
    with pytest.raises(DataError, match=r"holds no labels\.csv; make it by hand"):
        data_folder(load_manifest(str(tmp_path / "alone.yaml")), root)
    sample = load_manifest("imagenet-sample").evaluation
    assert sample is not None
    assert "vision-loc data tag-faces" in (sample.table_from or "")


@pytest.mark.parametrize("words", [("--help",), ("check", "--help"), ("fetch", "--help")])
def test_help_teaches(command: Command, words: tuple[str, ...]) -> None:
    status, out, _ = command(*words)
    assert status == 0
    assert "stimulus set" in out


@pytest.mark.reference
@pytest.mark.parametrize(
    ("name", "n", "differ"), [("floc", 1584, 1584), ("imagenet-sample", 1001, 1000)]
)
def test_the_reference_copies_are_whole_and_resized(
    command: Command, name: str, n: int, differ: int
) -> None:
    if not REFERENCE.is_dir():
        pytest.skip(f"no reference data in {REFERENCE}")
    status, out, _ = command("check", name, "--data-root", REFERENCE, "-q")
    assert status == 0
    assert f"{name}: {n:,} of {n:,} files present and readable" in out
    assert f"{differ:,} of {differ:,} checksums differ" in out
