"""Bad input: exit status 1, one line that says what is wrong, and nothing written half."""

from __future__ import annotations

import errno
import json
import os
import pickle
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn

import numpy as np
import pytest
import safetensors.torch
import timm
import torch
from huggingface_hub import constants
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from PIL import Image

from common.base import hub
from common.report import make_report
from common.study.results import load_results
from vision_loc import cli, phantom
from vision_loc.models import load_model

from .test_models import PROCESSORS, timm_folder, transformers_folder, vit

LIMIT_S = 5.0  # the most that a download without a network may take
Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Call:
    """Run ``vision-loc …``: its exit status, and both streams."""
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.delenv("FUNCLOC_DATA", raising=False)

    def run(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["vision-loc", *map(str, words)])
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            cli.main()
        out, err = capfd.readouterr()
        assert isinstance(ended.value.code, int)
        return ended.value.code, out, err

    return run


@pytest.fixture
def refused(call: Call) -> Callable[..., str]:
    """Run ``vision-loc …``, which must fail with one line; gives that line."""

    def run(*words: object) -> str:
        status, out, err = call(*words)
        assert status == 1, (out, err)
        assert out == ""
        assert err.startswith("vision-loc: ")
        assert err.count("\n") == 1, err
        assert "Traceback" not in err
        return err

    return run


def draw_into(folder: Path, what: str, split: str, n: int) -> Path:
    folder.mkdir(parents=True)
    for i in range(n):
        phantom.draw_planted(what, i, split).save(folder / f"{i:02d}.png")
    return folder


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """Somebody's own pictures: two folders for the localizer, and a table to evaluate on."""
    folder = tmp_path / "mine"
    draw_into(folder / "target", "target", "localizer", 6)
    draw_into(folder / "control", "control", "localizer", 6)
    rows = ["file,class_index,group"]
    for label, what in enumerate(phantom.CONDITIONS):
        draw_into(folder / "eval" / what, what, "eval", 6)
        rows += [f"{what}/{i:02d}.png,{label},{what}" for i in range(6)]
    (folder / "eval" / "labels.csv").write_text("\n".join(rows) + "\n")
    return folder


def words(mine: Path, out: Path, **changed: object) -> list[object]:
    """The words of a run on somebody's own pictures."""
    options = {
        "model": "phantom/planted",
        "target": mine / "target",
        "control": mine / "control",
        "eval": mine / "eval",
        "top": "6.25",
        "controls": "random:2",
        "batch-size": 4,
        "device": "cpu",
        "out": out,
    } | {name.replace("_", "-"): value for name, value in changed.items()}
    return [
        "run",
        "-q",
        *(word for name, value in options.items() for word in (f"--{name}", value)),
    ]


def check_resumable(out: Path) -> None:
    """The folder is not there, or holds whole files and no results."""
    if not out.exists():
        return
    assert not (out / "results.json").exists()
    assert not list(out.rglob("*.part"))
    assert json.loads((out / "run.json").read_text())["fingerprint"]


def finishes(call: Call, line: list[object], out: Path) -> dict[str, Any]:
    """The same command comes to its end once the cause is gone."""
    status, _, err = call(*line)
    assert (status, err) == (0, "")
    return json.loads((out / "results.json").read_text())  # type: ignore[no-any-return]


# --- pictures ---


def missing(path: Path) -> None:
    path.unlink()


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:200])


def text(path: Path) -> None:
    path.write_text("no picture")


def bomb(path: Path) -> None:
    Image.new("1", (20_000, 10_000)).save(path)


def dangling(path: Path) -> None:
    path.unlink()
    path.symlink_to("nowhere.png")


def a_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


BROKEN = {
    truncated: "broken",
    text: "no picture",
    bomb: "far too many pixels",
    dangling: "no such picture",
    a_pipe: "cannot be read (it is no file)",
}


@pytest.mark.parametrize("harm", BROKEN, ids=lambda harm: harm.__name__)
@pytest.mark.parametrize("where", ["target/03.png", "eval/control/04.png"])
def test_a_broken_picture_is_named_and_the_run_goes_on_once_it_is_whole(
    harm: Callable[[Path], None],
    where: str,
    mine: Path,
    tmp_path: Path,
    refused: Callable[..., str],
    call: Call,
) -> None:
    path, out = mine / where, tmp_path / "run"
    whole = path.read_bytes()
    harm(path)
    said = refused(*words(mine, out))
    assert where.removeprefix("eval/") in said
    in_table = where.startswith("eval") and harm in (dangling, a_pipe)
    assert ("1 of 12 files are missing" if in_table else BROKEN[harm]) in said
    check_resumable(out)
    if out.exists():
        shutil.rmtree(out)  # other pictures are another run
    path.unlink()
    path.write_bytes(whole)
    if harm is not truncated:
        return
    assert finishes(call, words(mine, out), out)["localizer"]["skipped"] == []


def test_a_missing_picture_of_a_table(
    mine: Path, tmp_path: Path, refused: Callable[..., str]
) -> None:
    for i in range(5):
        (mine / "eval" / "target" / f"{i:02d}.png").unlink()
    said = refused(*words(mine, tmp_path / "run"))
    assert (
        "5 of 12 files are missing, the first: target/00.png, target/01.png, target/02.png" in said
    )
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("kind", ["animated", "16 bit", "CMYK"])
def test_odd_pictures_go_through_a_run(kind: str, mine: Path, tmp_path: Path, call: Call) -> None:
    path = mine / "target" / "03.png"
    with Image.open(path) as opened:
        picture = opened.convert("RGB")
    if kind == "animated":
        picture.save(path, save_all=True, append_images=[Image.new("RGB", picture.size)])
    elif kind == "16 bit":
        Image.fromarray(np.asarray(picture.convert("L")).astype(np.uint16) * 257).save(path)
    else:
        picture.convert("CMYK").save(path.with_suffix(".jpg"), quality=100)
        path.unlink()
    results = finishes(call, words(mine, tmp_path / "run"), tmp_path / "run")
    assert results["selectivity"]["n_target"] == 6


def test_too_few_pictures(mine: Path, tmp_path: Path, refused: Callable[..., str]) -> None:
    for path in (mine / "control").iterdir():
        path.unlink()
    assert "holds no pictures" in refused(*words(mine, tmp_path / "run"))
    draw_into(mine / "few", "control", "localizer", 3)
    said = refused(*words(mine, tmp_path / "run", control=mine / "few"))
    assert "3 control pictures; a contrast with its split halves needs 4 at least" in said
    assert "no such folder" in refused(*words(mine, tmp_path / "run", control=mine / "gone"))
    assert not (tmp_path / "run").exists()


# --- going on past broken pictures ---


def test_skip_goes_on_and_reports_each(mine: Path, tmp_path: Path, call: Call) -> None:
    out = tmp_path / "run"
    text(mine / "target" / "03.png")
    truncated(mine / "eval" / "control" / "00.png")
    missing(mine / "eval" / "control" / "01.png")
    dangling(mine / "eval" / "control" / "02.png")
    bomb(mine / "eval" / "target" / "05.png")
    status, printed, err = call(*words(mine, out, on_error="skip"))
    assert (status, err) == (0, "")
    results = json.loads((out / "results.json").read_text())
    assert results["localizer"]["n_target"] == results["selectivity"]["n_target"] == 5
    assert results["localizer"]["skipped"] == [
        {
            "name": str(mine / "target" / "03.png"),
            "reason": "no picture, or of a kind that cannot be read",
        }
    ]
    left_out = {entry["name"]: entry["reason"] for entry in results["evaluation"]["skipped"]}
    assert list(left_out) == ["control/00.png", "control/01.png", "control/02.png", "target/05.png"]
    assert left_out["control/01.png"] == "no such picture"
    assert [results["intact"][group]["n"] for group in ("target", "control")] == [5, 3]
    assert results["evaluation"]["n_items"] == 8
    said = (
        "4 stimuli of the evaluation were broken or missing and left out: control/00.png, "
        "control/01.png, control/02.png, …."
    )
    assert said in results["warnings"]
    assert said in " ".join(printed.split())
    assert "1 stimulus of the localizer was broken or missing and left out" in printed
    report = make_report(out, load_results(out))
    assert "4 stimuli of the evaluation" in report.read_text()
    assert "nothing was computed" in call(*words(mine, out, on_error="skip"))[1]


def test_what_was_skipped_is_part_of_the_run(
    mine: Path, tmp_path: Path, call: Call, refused: Callable[..., str]
) -> None:
    out = tmp_path / "run"
    finishes(call, words(mine, out), out)
    # Nothing is broken, so skipping changes nothing: it is the same run.
    assert "nothing was computed" in call(*words(mine, out, on_error="skip"))[1]
    text(mine / "target" / "03.png")
    said = refused(*words(mine, out, on_error="skip"))
    assert "holds another run (it differs in localizer.stimuli" in said


def test_skip_needs_enough_that_is_whole(
    mine: Path, tmp_path: Path, refused: Callable[..., str]
) -> None:
    for i in range(3):
        text(mine / "control" / f"{i:02d}.png")
    said = refused(*words(mine, tmp_path / "run", on_error="skip"))
    assert "3 control pictures; a contrast with its split halves needs 4 at least" in said
    for i in range(6):
        text(mine / "eval" / "control" / f"{i:02d}.png")
    (mine / "more").mkdir()
    for i in range(4):
        Image.new("RGB", (8, 8), (i, i, i)).save(mine / "more" / f"{i}.png")
    said = refused(*words(mine, tmp_path / "run", on_error="skip", control=mine / "more"))
    assert "evaluation group 'control' is empty" in said
    assert not (tmp_path / "run").exists()


def test_localize_and_evaluate_skip_too(mine: Path, tmp_path: Path, call: Call) -> None:
    text(mine / "target" / "03.png")
    text(mine / "eval" / "target" / "00.png")
    where = ["--device", "cpu", "-q", "--on-error", "skip"]
    own = ["--target", mine / "target", "--control", mine / "control", "--out", tmp_path / "map"]
    status, out, _ = call("localize", "--model", "phantom/planted", *own, *where)
    assert status == 0
    assert "1 stimulus of the localizer was broken or missing and left out" in " ".join(out.split())
    chosen = ["--map", tmp_path / "map", "--eval", mine / "eval", "--out", tmp_path / "run"]
    status, out, _ = call("evaluate", *chosen, *where, "--json")
    assert status == 0
    results = json.loads(out)
    assert [len(results[part]["skipped"]) for part in ("localizer", "evaluation")] == [1, 1]
    assert sum("left out" in warning for warning in results["warnings"]) == 2


@pytest.mark.usefixtures("mine")
def test_skip_counts_what_a_manifest_lacks(tmp_path: Path, call: Call) -> None:
    (tmp_path / "set.yaml").write_text(
        "name: mine\nabout: x\nsource: {url: x}\n"
        "conditions:\n"
        "  a: {files: 'target/*.png', n: 8}\n"
        "  b: {files: 'control/*.png', n: 6}\n"
        "contrasts: {ab: {target: [a], control: [b]}}\n"
    )
    chosen = ["--localizer", tmp_path / "set.yaml", "--data-root", tmp_path, "--device", "cpu"]
    line = ["localize", "--model", "phantom/planted", *chosen, "--out", tmp_path / "map", "-q"]
    status, _, err = call(*line)
    assert status == 1
    assert "6 pictures where mine has 8" in err
    status, out, _ = call(*line, "--on-error", "skip", "--json")
    assert status == 0
    skipped = json.loads(out)["localizer"]["skipped"]
    assert skipped == [{"name": "target/*.png", "reason": "no such picture"}] * 2


def test_on_error_has_two_values(mine: Path, tmp_path: Path, refused: Callable[..., str]) -> None:
    said = refused(*words(mine, tmp_path / "run", on_error="ignore"))
    assert "--on-error ignore: choose one of stop, skip" in said


# --- tables and manifests ---


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("03.png,1,", "03.png,2,", "class index 2, but phantom/planted has 2 classes"),
        ("03.png,1,", "03.png,-1,", "class index -1"),
        ("03.png,1,", "03.png,cat,", "holds 'cat' in row 11, which is no class index"),
        (",control\n", ",target\n", "has 1 groups (target) where two are compared"),
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


# --- models ---


class Malice:
    """Runs a command when it is unpickled without care."""

    def __init__(self, proof: Path) -> None:
        self.proof = proof

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.proof}",)


def timm_model(folder: Path) -> Path:
    timm_folder(folder)
    return folder


def transformers_model(folder: Path) -> Path:
    transformers_folder(folder, vit(), PROCESSORS["vit"]())
    return folder


FOLDERS = {"timm": timm_model, "transformers": transformers_model}


@pytest.fixture(params=FOLDERS)
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return FOLDERS[request.param](tmp_path / "model")


def change_weights(folder: Path, change: Callable[[dict[str, torch.Tensor]], None]) -> None:
    path = folder / "model.safetensors"
    weights = safetensors.torch.load_file(path)
    change(weights)
    safetensors.torch.save_file(weights, path, {"format": "pt"})


def a_classifier(weights: dict[str, torch.Tensor]) -> str:
    return next(name for name in weights if name in ("fc.weight", "classifier.weight"))


def cut(weights: dict[str, torch.Tensor]) -> None:
    name = a_classifier(weights)
    weights[name] = weights[name][:3].clone()


def lose(weights: dict[str, torch.Tensor]) -> None:
    del weights[a_classifier(weights)]


def rename(weights: dict[str, torch.Tensor]) -> None:
    for name in [*weights]:
        weights[f"other.{name}"] = weights.pop(name)


@pytest.mark.parametrize("change", [cut, lose, rename], ids=lambda change: change.__name__)
def test_a_checkpoint_that_does_not_fit(
    change: Callable[[dict[str, torch.Tensor]], None],
    folder: Path,
    mine: Path,
    tmp_path: Path,
    refused: Callable[..., str],
) -> None:
    change_weights(folder, change)
    said = refused(*words(mine, tmp_path / "run", model=f"local/{folder}"))
    assert f"--model local/{folder}: " in said
    assert "classifier" in said or "fc.weight" in said or change is rename
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("damage", ["none", "truncated", "text", "empty"])
def test_weights_that_are_not_there_or_broken_are_never_random_ones(
    damage: str, folder: Path, mine: Path, tmp_path: Path, refused: Callable[..., str]
) -> None:
    path = folder / "model.safetensors"
    if damage == "none":
        path.unlink()
    elif damage == "truncated":
        path.write_bytes(path.read_bytes()[:-100])
    else:
        path.write_text("" if damage == "empty" else "no weights")
    said = refused(*words(mine, tmp_path / "run", model=f"local/{folder}"))
    assert f"--model local/{folder}: cannot be " in said
    assert not (tmp_path / "run").exists()


def test_the_number_of_classes_is_not_adapted_in_silence(
    mine: Path, tmp_path: Path, refused: Callable[..., str]
) -> None:
    timm_folder(tmp_path / "model")
    config = json.loads((tmp_path / "model" / "config.json").read_text())
    config["model_args"] = {"num_classes": 4}
    (tmp_path / "model" / "config.json").write_text(json.dumps(config))
    said = refused(*words(mine, tmp_path / "run", model=f"local/{tmp_path / 'model'}"))
    assert "says both 7 and 4 classes" in said


@pytest.mark.parametrize("archive", [True, False], ids=["torch archive", "bare pickle"])
def test_a_pickle_that_would_run_code(
    archive: bool, folder: Path, mine: Path, tmp_path: Path, refused: Callable[..., str]
) -> None:
    proof = tmp_path / "proof"
    (folder / "model.safetensors").unlink()
    weights = {"fc.weight": Malice(proof)}
    if archive:
        torch.save(weights, folder / "pytorch_model.bin")
    else:
        (folder / "pytorch_model.bin").write_bytes(pickle.dumps(weights))
    said = refused(*words(mine, tmp_path / "run", model=f"local/{folder}"))
    assert "which could run code; save them as safetensors" in said
    assert not proof.exists()
    assert not (tmp_path / "run").exists()


def test_code_that_comes_with_a_model_is_not_run(
    mine: Path, tmp_path: Path, refused: Callable[..., str]
) -> None:
    folder, proof = transformers_model(tmp_path / "model"), tmp_path / "proof"
    (folder / "own.py").write_text(f"import pathlib; pathlib.Path({str(proof)!r}).touch()\n")
    config = json.loads((folder / "config.json").read_text())
    config["model_type"] = "their_own"
    config["auto_map"] = {
        "AutoConfig": "own.Config",
        "AutoModelForImageClassification": "own.Model",
    }
    (folder / "config.json").write_text(json.dumps(config))
    refused(*words(mine, tmp_path / "run", model=f"local/{folder}"))
    assert not proof.exists()


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ("{", "is no JSON"),
        ("[]", "names neither"),
        ("{}", "names neither"),
        ('{"architecture": "no_such_net"}', "cannot be built"),
        ('{"model_type": "gpt2"}', "cannot be "),
    ],
)
def test_a_bad_configuration(
    config: str, said: str, mine: Path, tmp_path: Path, refused: Callable[..., str]
) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text(config)
    assert said in refused(*words(mine, tmp_path / "run", model=f"local/{tmp_path / 'model'}"))
    assert not (tmp_path / "run").exists()


def test_a_model_for_grey_pictures(mine: Path, tmp_path: Path, refused: Callable[..., str]) -> None:
    torch.manual_seed(3)
    module = timm.create_model("test_resnet", num_classes=7, in_chans=1)
    timm.models.save_for_hf(module, tmp_path / "model", safe_serialization=True)
    config = json.loads((tmp_path / "model" / "config.json").read_text())
    config["model_args"] = {"in_chans": 1}
    (tmp_path / "model" / "config.json").write_text(json.dumps(config))
    said = refused(*words(mine, tmp_path / "run", model=f"local/{tmp_path / 'model'}"))
    assert "takes pictures of 1 channels" in said


def test_nan_activations_name_the_site_and_the_stimulus(
    mine: Path, tmp_path: Path, refused: Callable[..., str]
) -> None:
    folder = timm_model(tmp_path / "model")

    def spoil(weights: dict[str, torch.Tensor]) -> None:
        name = next(name for name in weights if name.startswith("layer2") and "conv1" in name)
        weights[name][0, 0, 0, 0] = torch.nan

    change_weights(folder, spoil)
    out = tmp_path / "run"
    said = refused(*words(mine, out, model=f"local/{folder}"))
    assert "layer2.0:output: activations are NaN or infinite for " in said
    assert str(mine) in said
    check_resumable(out)


def test_a_run_whose_model_gave_nan_goes_on_with_the_same_folder(
    mine: Path,
    tmp_path: Path,
    refused: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
    call: Call,
) -> None:
    out = tmp_path / "run"
    real = type(load_model("phantom/planted").preprocess).normalize
    with monkeypatch.context() as patch:

        def spoilt(self: Any, pixels: torch.Tensor, *rest: Any) -> torch.Tensor:
            values = real(self, pixels, *rest)
            if len(values) == 4:
                values[2] = torch.nan
            return values

        patch.setattr("vision_loc.preprocess.Preprocess.normalize", spoilt)
        said = refused(*words(mine, out))
    assert ".png; are the weights whole" in said
    check_resumable(out)
    finishes(call, words(mine, out), out)


# --- settings ---


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"top": "0"}, "--top 0: give percentages above 0 and at most 100"),
        ({"top": "101"}, "--top 101: give percentages above 0 and at most 100"),
        ({"top": "nan"}, "--top nan: give percentages"),
    ],
)
def test_a_percent_out_of_range(
    changed: dict[str, str],
    said: str,
    mine: Path,
    tmp_path: Path,
    refused: Callable[..., str],
) -> None:
    assert said in refused(*words(mine, tmp_path / "run", **changed))
    assert not (tmp_path / "run").exists()


def test_a_control_that_cannot_be_drawn_says_why(
    mine: Path, tmp_path: Path, refused: Callable[..., str]
) -> None:
    out = tmp_path / "run"
    said = refused(*words(mine, out, top="60", controls="bottom:1"))
    assert "bottom control" in said
    assert "would overlap the top" in said
    check_resumable(out)


def test_a_map_of_other_weights(
    mine: Path, tmp_path: Path, refused: Callable[..., str], call: Call
) -> None:
    folder = timm_model(tmp_path / "model")
    own = ["--target", mine / "target", "--control", mine / "control", "--device", "cpu", "-q"]
    model = f"local/{folder}"
    assert call("localize", "--model", model, *own, "--out", tmp_path / "map")[0] == 0

    def nudge(weights: dict[str, torch.Tensor]) -> None:
        weights["fc.bias"] += 1

    change_weights(folder, nudge)
    chosen = ["--map", tmp_path / "map", "--eval", mine / "eval", "--device", "cpu", "-q"]
    said = refused("evaluate", *chosen, "--out", tmp_path / "run")
    assert f"its map was made on other weights of {model}" in said
    assert not (tmp_path / "run").exists()


# --- the machine ---


@pytest.mark.parametrize("at", ["selectivity", "pixels", "results"])
def test_a_full_disk_leaves_a_run_that_goes_on(
    at: str,
    mine: Path,
    tmp_path: Path,
    refused: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
    call: Call,
) -> None:
    out, real = tmp_path / "run", Path.replace

    def full(self: Path, target: Path) -> Path:
        if Path(target).name.startswith(at):
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", full)
        said = refused(*words(mine, out))
    assert f"{at}." in said
    assert "cannot write (No space left on device)" in said
    check_resumable(out)
    finishes(call, words(mine, out), out)
    assert not list(out.rglob("*.part"))


@pytest.fixture
def nothing_cached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Empty caches, and no network: whatever is asked for is refused at once."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)


NAMES = ("timm/resnet10t.c3_in1k", "hf/nobody/nothing", "torchvision/squeezenet1_1")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.usefixtures("nothing_cached")
def test_no_network(
    name: str, mine: Path, tmp_path: Path, refused: Callable[..., str], monkeypatch: Any
) -> None:
    monkeypatch.setattr(hub, "SECONDS", 1.0)
    start = time.monotonic()
    said = refused(*words(mine, tmp_path / "run", model=name))
    assert time.monotonic() - start < LIMIT_S
    assert f"--model {name}: " in said
    assert "not in the cache" in said
    assert not (tmp_path / "run").exists()
    assert not constants.HF_HUB_OFFLINE


@pytest.mark.usefixtures("nothing_cached")
def test_offline_by_choice(
    mine: Path, tmp_path: Path, refused: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    for name in NAMES[:2]:
        said = refused(*words(mine, tmp_path / "run", model=name))
        assert "it is not in the cache, and the hub cannot be reached" in said
    assert constants.HF_HUB_OFFLINE


def test_a_run_folder_that_is_a_file(
    mine: Path, tmp_path: Path, refused: Callable[..., str]
) -> None:
    (tmp_path / "run").write_text("mine")
    assert "is a file, not a folder" in refused(*words(mine, tmp_path / "run"))
    assert (tmp_path / "run").read_text() == "mine"


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (GatedRepoError, "its terms must be accepted on the hub first"),
        (RepositoryNotFoundError, "the hub has no such repository"),
        (RevisionNotFoundError, "the hub has no such revision"),
    ],
)
@pytest.mark.parametrize("name", NAMES[:2])
def test_what_the_hub_refuses(
    kind: type[HfHubHTTPError],
    said: str,
    name: str,
    mine: Path,
    tmp_path: Path,
    refused: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: object, **__: object) -> NoReturn:
        inner = kind("403 of a long address", response=SimpleNamespace(headers={}, request=None))  # type: ignore[arg-type]
        raise OSError("a library's own words\nin two lines") from inner

    monkeypatch.setattr(hub, "_reachable", lambda: True)
    monkeypatch.setattr("timm.models._builder.load_state_dict_from_hf", refuse)
    monkeypatch.setattr("transformers.AutoConfig.from_pretrained", refuse)
    line = refused(*words(mine, tmp_path / "run", model=name))
    assert f"--model {name}: cannot be downloaded ({said}" in line
