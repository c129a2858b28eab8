"""How the commands of the pages are run on phantoms: what stands for what."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd

from vision_loc import phantom

NOT_RUN = {
    "models fetch": "downloads; tests/common/models/test_packages.py",
    "data fetch": "downloads; tests/common/data/test_download.py",
    "data check": "of stimuli that are not bundled; tests/vision_loc/test_data.py",
    "data tag-faces": "needs the extra faces; tests/vision_loc/stimuli/test_faces.py",
    "occlusion:": "needs boxes around faces; tests/vision_loc/test_groups.py",
    "--within class": "a phantom's classes are of one group; tests/vision_loc/test_groups.py",
    "torchrun": "several processes; tests/vision_loc/test_team.py",
    "srun": "a cluster's; tests/common/study/test_sweep.py",
    "sweep": "models of the zoos; tests/common/study/test_sweep.py",
    ".gguf": "needs the file; tests/llm_loc/test_gguf.py",
}
"""Parts of commands that are parsed and not run, with the reason or the tests that run them."""

VISION = {
    r"timm/\S+|torchvision/\S+|pip/\S+|local/\S+|NAME": "phantom/cnn",
    r"floc:faces": "phantom:faces",
    r"floc": "phantom",
    r"imagenet-sample|tinyimagenet100|imagenet": "phantom",
}
LANGUAGE = {
    r"pip/\S+|local/\S+|NAME": "phantom/lm",
    r"langloc": "phantom-lm",
    r"theory-of-mind": "facts",
    r"blimp|blimp,prose": "phantom-lm",
}
BRIEF = {
    "run": "--items 1 --controls random:1,layer-matched:1 --untrained-seeds 0 --device cpu --quiet",
    "localize": "--untrained-seeds 0 --device cpu --quiet",
    "evaluate": "--items 1 --controls random:1,layer-matched:1 --device cpu --quiet",
    "dissociate": "--items 2 --controls layer-matched:2 --device cpu --quiet",
    "generate": "--max-new-tokens 3 --device cpu",
}
"""What makes a verb quick, where the command does not say it itself."""

FOLDERS = {
    "faces": 0, "other-faces": 8, "portraits": 8, "objects": 16, "other-objects": 24,
    "things": 24, "scenes": 16,
}  # fmt: skip
"""A reader's folders of pictures, each of eight classes, by the first."""

RUNS = {
    "vision-loc": {"phantom:faces": ("A", "C", "NAME", "map"), "phantom:objects": ("B",)},
    "llm-loc": {
        "phantom-lm:language": ("A", "C", "NAME", "map"),
        "phantom-lm:language:sequence": ("B",),
    },
}
"""Runs that there are, by program and localizer, each with what it is called."""

MINE = {
    "vision-loc": """
from vision_loc import phantom

def build():
    return phantom.load("cnn"), {"size": 64, "mean": phantom.MEAN, "std": phantom.STD}
""",
    "llm-loc": """
from llm_loc.load import load_model

def build():
    found = load_model("phantom/lm")
    return found.module, found.tokenizer
""",
}
"""A reader's file with a network, by program."""


def stands_in(program: str, words: tuple[str, ...]) -> list[str]:
    """The words of a command, with what phantoms have in place of what others bring."""
    names = VISION if program == "vision-loc" else LANGUAGE
    found = [swapped(word, names) for word in words]
    brief = BRIEF.get(words[0], "").split()
    said = {word for word in words if word.startswith("-")}
    for number, word in enumerate(brief):
        if word.startswith("--") and word not in said:
            own = [each for each in brief[number + 1 : number + 2] if not each.startswith("--")]
            found += [word, *own]
    return found


def swapped(word: str, names: dict[str, str]) -> str:
    return next((new for old, new in names.items() if re.fullmatch(old, word)), word)


def own_files(folder: Path, program: str) -> None:
    """Pictures, texts and a network as a reader has them, made of the phantom's."""
    for name, first in FOLDERS.items():
        save(folder / "my" / name, [(label, 0) for label in range(first, first + 8)])
    for name in ("labelled", "pictures"):
        labels = [*range(4, 8), *range(20, 24)]
        names = save(folder / "my" / name, [(label, 1) for label in labels])
        groups = ["face"] * 4 + ["object"] * 4
        table = pd.DataFrame({"file": names, "class_index": labels, "group": groups})
        table.to_csv(folder / "my" / name / "labels.csv", index=False)
    (folder / "mine.py").write_text(MINE[program])
    sentences = ["the old girls sleep here", "two dogs see the boy", "the cat swims", "boys run"]
    (folder / "my/sentences.txt").write_text("\n".join(sentences))
    (folder / "my/nonwords.txt").write_text("\n".join(each[::-1] for each in sentences))
    pairs = pd.DataFrame({"good": ["the girl sleeps", "the dogs see"], "bad": ["the girl sleep",
                          "the dogs sees"]})  # fmt: skip
    pairs.to_csv(folder / "my/pairs.csv", index=False)


def save(folder: Path, wanted: list[tuple[int, int]]) -> list[str]:
    folder.mkdir(parents=True)
    names = [f"{label:02}-{index}.png" for label, index in wanted]
    for name, (label, index) in zip(names, wanted, strict=True):
        phantom.draw(label, 900 + index, "train").save(folder / name)
    return names
