"""Manifests and sweeps: what a YAML file says, and what it must not say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from common.data.manifest import load_manifest
from tests.faults.cases import Case, chance, pick

WORDS = (
    "faces",
    "a b",
    "no",
    "yes",
    "null",
    "1e3",
    "010",
    "ü",
    "x: y",
    "# z",
    "- q",
    "'",
    '"',
    "~",
    "1:30",
)


def a_manifest(rng: np.random.Generator) -> dict[str, Any]:
    """A manifest of pictures, of texts, or of pairs."""
    about = {"name": "mine", "about": pick(rng, WORDS), "source": {"url": pick(rng, WORDS)}}
    if chance(rng, 0.3):
        levels = {"part": pick(rng, WORDS), "b": "c"}
        entry = {
            "files": "*.jsonl",
            "levels": levels,
            "good": pick(rng, WORDS),
            "rename": {"x": "y"},
        }
        return {**about, "pairs": entry, "warning": pick(rng, WORDS)}
    names = [f"c{number}" for number in range(int(rng.integers(2, 5)))]
    conditions = {name: a_condition(rng, name) for name in names}
    contrast = {"target": names[:1], "control": names[1:]}
    found = {**about, "conditions": conditions, "contrasts": {"one": contrast}}
    if chance(rng, 0.4):
        found["evaluation"] = {
            "table": "labels.csv", "target": "face", "other": pick(rng, WORDS),
            "within": {"at_least": int(rng.integers(1, 9))},
        }  # fmt: skip
    return found


def a_condition(rng: np.random.Generator, name: str) -> dict[str, Any]:
    """Files, rows of tables, or what is drawn."""
    kind = int(rng.integers(3))
    if kind == 0:
        return {"files": f"{name}/**/*.png", "n": int(rng.integers(1, 99))}
    if kind == 1:
        where = {pick(rng, WORDS): pick(rng, WORDS)}
        return {
            "files": f"{name}-*.csv",
            "words": ["w1", pick(rng, WORDS)],
            "where": where,
            "lower": True,
        }
    return {"draw": "phantom-sentence", "n": int(rng.integers(1, 99)), "seed": int(rng.integers(9))}


def dumped(rng: np.random.Generator, value: Any) -> str:
    """A value as YAML, in one of its styles; JSON is one of them."""
    if chance(rng, 0.25):
        return json.dumps(value, ensure_ascii=chance(rng, 0.5), indent=pick(rng, [None, 2]))
    return str(
        yaml.safe_dump(
            value, allow_unicode=chance(rng, 0.5), sort_keys=chance(rng, 0.5),
            default_flow_style=pick(rng, [True, False, None]), default_style=pick(rng, [None, '"']),
            width=int(rng.integers(20, 200)),
        )
    )  # fmt: skip


def said(found: Any, wanted: Any) -> bool:
    """Whether a manifest says all that was written, and of the rest what it says by default."""
    told = json.loads(found.model_dump_json(exclude_unset=True))
    return bool(told == json.loads(json.dumps(wanted)))


def manifests(rng: np.random.Generator, folder: Path) -> Case:
    """Manifests by the path of a file."""
    value = a_manifest(rng)
    path = folder / f"m{pick(rng, ['.yaml', '.yml'])}"
    style = np.random.default_rng(int(rng.integers(1 << 30)))
    text, how = dumped(style, value), ""
    if chance(rng, 0.55):
        how = pick(rng, ["key", "lacks", "type", "unknown", "glob", "both", "cut", "deep", "bytes",
                         "twice", "list", "bomb", "nan"])  # fmt: skip
        text = spoilt(rng, value, how, style)
    path.write_bytes(text.encode() if how != "bytes" else text.encode() + b"\xff")

    def read() -> Any:
        return load_manifest(str(path))

    return Case(read, value, "must" if how else "never", "m.y", same=said, about=how)


def spoilt(rng: np.random.Generator, value: dict[str, Any], how: str, style: Any) -> str:
    """A manifest that must be refused."""
    part = "pairs" if "pairs" in value else "conditions"
    inner = value[part] if part == "pairs" else value[part]["c0"]
    if how == "key":
        inner["colour"] = 1
    if how == "lacks":
        del value[pick(rng, ["name", "about", "source"])]
    if how == "type":
        value[pick(rng, ["name", "about"])] = pick(rng, [1, None, ["x"], {"a": "b"}, True])
    if how == "unknown":
        value["contrasts"] = {"x": {"target": ["nowhere"], "control": ["c1"]}}
    if how == "glob":
        inner["files"] = pick(rng, ["../*", "/etc/*", "", "~/x", "a**b", "x\0y", "x" * 600])
    if how == "both":
        inner.update(files="*.png", draw="face")
        inner.pop("n", None)
    if how == "nan":
        value["evaluation"] = {"table": "t.csv", "target": "a", "other": "a"}
    text = dumped(style, value)
    if how == "cut":
        text = json.dumps(value)[: int(rng.integers(1, len(json.dumps(value))))]
    if how == "twice":  # the first of them would be forgotten
        text = (
            f"{text.rstrip()}\nabout: again\n" if text[0] not in "{" else text[:-1].rstrip() + "x"
        )
        text = text if text.endswith("again\n") else json.dumps(value)[:-1] + ', "about": "again"}'
    return {"deep": "[" * 1500, "list": "- a\n- b\n", "bomb": BOMB}.get(how, text)


BOMB = "a: &a [x, x]\n" + "\n".join(
    f"{chr(98 + at)}: &{chr(98 + at)} [*{chr(97 + at)}, *{chr(97 + at)}]" for at in range(24)
)
"""Names of lists of names of lists, which would fill the memory once they are all written out."""
