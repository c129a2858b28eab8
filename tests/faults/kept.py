"""What lies on a disk: model folders and run folders, whole and damaged."""

from __future__ import annotations

import atexit
import json
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from common.base.files import digest_of_module
from common.study import verbs
from common.study.listing import list_runs
from common.study.results import load_results, read_items
from llm_loc.load import load_model as load_language
from tests.common.study.test_toy_front import FRONT, SETTINGS, run
from tests.faults.cases import Case, chance, pick
from tests.llm_loc.conftest import save_model
from vision_loc.models import load_model as load_vision

HOME = Path(mkdtemp(prefix="funcloc-faults-"))
atexit.register(shutil.rmtree, HOME, ignore_errors=True)
WEIGHTS = "model.safetensors"


@cache
def language_folder() -> Path:
    """A language model as transformers writes it."""
    return save_model(HOME / "llama")


@cache
def vision_folder() -> Path:
    """A classifier as transformers writes it."""
    from transformers import ViTConfig, ViTForImageClassification, ViTImageProcessor

    torch.manual_seed(0)
    sizes: dict[str, Any] = {
        "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "num_labels": 3,
        "intermediate_size": 24, "image_size": 16, "patch_size": 8,
    }  # fmt: skip
    config = ViTConfig(**sizes)
    ViTForImageClassification(config).save_pretrained(HOME / "vit")
    ViTImageProcessor(size={"height": 16, "width": 16}).save_pretrained(HOME / "vit")
    return HOME / "vit"


@cache
def fingerprint_of(kind: str) -> str:
    """Of the model that lies in a folder."""
    return fingerprint(kind, language_folder() if kind == "language" else vision_folder())


def fingerprint(kind: str, folder: Path) -> str:
    """What is read of a folder, by the program's own loader."""
    load = load_language if kind == "language" else load_vision
    return digest_of_module(load(f"local/{folder}").module)


def models(rng: np.random.Generator, folder: Path) -> Case:
    """A model's folder: whole in another form, or damaged."""
    kind = pick(rng, ["language", "vision"])
    source = language_folder() if kind == "language" else vision_folder()
    right = fingerprint_of(kind)
    place = shutil.copytree(source, folder / "model")

    def read() -> Any:
        return fingerprint(kind, place)

    if chance(rng, 0.35):
        how = pick(rng, [same_weights, in_shards, pickled_numbers, beside])
        how(rng, place)
        return Case(read, right, about=f"{kind}: {how.__name__}")
    how = pick(rng, [cut_weights, spoil_header, lose_weight, reshape_weight, fewer_layers,
                     cut_config, spoil_config, endless, run_code, no_weights])  # fmt: skip
    how(rng, place)
    return Case(read, right, "must", about=f"{kind}: {how.__name__}")


def weights_of(place: Path) -> dict[str, torch.Tensor]:
    """The weights, by name."""
    return load_file(place / WEIGHTS)


def same_weights(_: np.random.Generator, place: Path) -> None:
    """Written again."""
    save_file(weights_of(place), place / WEIGHTS, metadata={"format": "pt"})


def in_shards(rng: np.random.Generator, place: Path) -> None:
    """In two files and an index."""
    weights = weights_of(place)
    names = {name: f"model-0000{int(rng.integers(1, 3))}-of-00002.safetensors" for name in weights}
    for file in set(names.values()):
        own = {name: tensor for name, tensor in weights.items() if names[name] == file}
        save_file(own, place / file, metadata={"format": "pt"})
    index = {"metadata": {"total_size": 1}, "weight_map": names}
    (place / f"{WEIGHTS}.index.json").write_text(json.dumps(index))
    (place / WEIGHTS).unlink()


def pickled_numbers(_: np.random.Generator, place: Path) -> None:
    """As torch writes them: numbers, and no code."""
    torch.save(weights_of(place), place / "pytorch_model.bin")
    (place / WEIGHTS).unlink()


def beside(_: np.random.Generator, place: Path) -> None:
    """With files beside it that nobody reads."""
    (place / "README.md").write_text("---")
    (place / "notes.json").write_text("{")


def cut_weights(rng: np.random.Generator, place: Path) -> None:
    content = (place / WEIGHTS).read_bytes()
    (place / WEIGHTS).write_bytes(content[: int(rng.integers(len(content)))])


def spoil_header(rng: np.random.Generator, place: Path) -> None:
    """Another length of the header, or a name in it that is none of the model's."""
    content = bytearray((place / WEIGHTS).read_bytes())
    if chance(rng, 0.5):
        content[int(rng.integers(8))] ^= 1 << int(rng.integers(8))
    else:
        at = content.index(b".weight")
        content[at + 1] ^= 1
    (place / WEIGHTS).write_bytes(bytes(content))


def lose_weight(rng: np.random.Generator, place: Path) -> None:
    weights = weights_of(place)
    del weights[pick(rng, sorted(weights))]
    save_file(weights, place / WEIGHTS, metadata={"format": "pt"})


def reshape_weight(rng: np.random.Generator, place: Path) -> None:
    weights = weights_of(place)
    name = pick(rng, sorted(weights))
    weights[name] = torch.cat([weights[name], weights[name]])
    save_file(weights, place / WEIGHTS, metadata={"format": "pt"})


def changed(place: Path, **said: Any) -> None:
    """Another configuration."""
    config = json.loads((place / "config.json").read_text())
    (place / "config.json").write_text(json.dumps({**config, **said}))


def fewer_layers(_: np.random.Generator, place: Path) -> None:
    """A configuration that leaves some of the weights out."""
    changed(place, num_hidden_layers=1)


def cut_config(rng: np.random.Generator, place: Path) -> None:
    content = (place / "config.json").read_text()
    (place / "config.json").write_text(content[: int(rng.integers(len(content) - 2))])


def spoil_config(rng: np.random.Generator, place: Path) -> None:
    said = pick(rng, [
        {"hidden_size": 24}, {"hidden_size": "many"}, {"model_type": "none"}, {"model_type": None},
        {"num_hidden_layers": 10**9}, {"num_hidden_layers": -1}, {"num_attention_heads": 0},
        {"vocab_size": 10**12, "num_labels": 10**12}, {"intermediate_size": None},
    ])  # fmt: skip
    changed(place, **said)


def endless(_: np.random.Generator, place: Path) -> None:
    (place / "config.json").write_text("[" * 100_000)


class Code:
    """What a pickle would run."""

    def __reduce__(self) -> Any:
        return (Path.touch, (HOME / "was run",))


def run_code(_: np.random.Generator, place: Path) -> None:
    torch.save({**weights_of(place), "x": Code()}, place / "pytorch_model.bin")
    (place / WEIGHTS).unlink()


def no_weights(_: np.random.Generator, place: Path) -> None:
    (place / WEIGHTS).unlink()


# --- run folders ---


@cache
def whole_run() -> Path:
    """A finished run."""
    return run(HOME / "whole")[1]


@cache
def broken_run() -> Path:
    """A run that was killed while it evaluated."""

    def killed(step: str, done: int, _total: int) -> None:
        if (step, done) == ("evaluate", 4):
            raise KeyboardInterrupt

    try:
        run(HOME / "cut", killed)
    except KeyboardInterrupt:
        return HOME / "cut"
    raise RuntimeError("the run was not broken off")


def files_of(folder: Path) -> list[Path]:
    """The files of a run, without its lock and without the report, which is made again."""
    return [
        path for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in (".lock", "report.html")
    ]  # fmt: skip


def harmed(rng: np.random.Generator, file: Path) -> str:
    """Damage a file, and say how."""
    content = file.read_bytes()
    at = int(rng.integers(len(content)))
    how = pick(rng, ["flip", "cut", "more", "empty", "none", "swap", "deep", "fifo", "folder"])
    if how in ("none", "fifo", "folder"):
        file.unlink()
    made: dict[str, Callable[[], Any]] = {
        "flip": lambda: file.write_bytes(
            content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]
        ),
        "cut": lambda: file.write_bytes(content[:at]),
        "more": lambda: file.write_bytes(content + b"\n{}"),
        "empty": lambda: file.write_bytes(b""),
        "none": lambda: None,
        "swap": lambda: file.write_bytes(pick(rng, files_of(whole_run())).read_bytes() + b" "),
        "deep": lambda: file.write_bytes(b"[" * 100_000),
        "fifo": lambda: __import__("os").mkfifo(file),
        "folder": file.mkdir,
    }
    made[how]()
    return f"{file.name}: {how}"


def runs(rng: np.random.Generator, folder: Path) -> Case:
    """A run whose files were damaged is refused, or goes on to the same numbers."""
    finished = chance(rng, 0.5)
    source = whole_run() if finished else broken_run()
    place = shutil.copytree(source, folder / "run")
    about = "" if chance(rng, 0.1) else harmed(rng, pick(rng, files_of(place)))
    right = (whole_run() / "results.json").read_bytes()

    def again() -> Any:
        run(place)
        return (place / "results.json").read_bytes()

    def reported() -> Any:
        verbs.report_again(place)
        return (place / "results.json").read_bytes()

    def judged() -> Any:
        return read_items(place / "items.csv").to_csv()

    def evaluated() -> Any:
        again, *_ = verbs.evaluate_map(
            FRONT, place, folder / "other", evaluation="toy", top="5,10", controls=SETTINGS.controls
        )
        return again.judgement

    def looked() -> Any:
        list_runs(folder)
        return None

    uses: list[tuple[Callable[[], Any], Any]] = [(again, right), (looked, None)]
    if finished:
        items = read_items(whole_run() / "items.csv").to_csv()
        uses += [(reported, right), (lambda: load_results(place), load_results(whole_run())),
                 (judged, items), (evaluated, load_results(whole_run()).judgement)]  # fmt: skip
    read, wanted = pick(rng, uses)
    refusal = "may" if about else "never"
    if read is looked:
        refusal = "never"  # one run does not take the list down
    return Case(read, wanted, refusal, about=f"{about} ({read.__name__})")
