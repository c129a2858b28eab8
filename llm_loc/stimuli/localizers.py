"""Contrasts of texts: from manifests, from somebody's own files, or drawn by the program."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from common.base.errors import DataError, ManifestError
from common.base.files import apart_by_name
from common.base.tables import read_table, read_text
from common.data.manifest import (
    Condition,
    Manifest,
    check_kind,
    data_folder,
    load_manifest,
    matching,
)
from llm_loc import phantom
from llm_loc.stimuli import arithmetic, formal
from llm_loc.stimuli.tables import OLD_ENCODING, texts_in
from llm_loc.stimuli.texts import Text

LEAST_TEXTS = 4  # of a side: two for each half


@dataclass(frozen=True)
class Localizer:
    """A contrast with its stimuli.

    Attributes
    ----------
    name : str
        As in ``langloc:language``.
    target, control : tuple of Text
        The stimuli of each side.
    """

    name: str
    target: tuple[Text, ...]
    control: tuple[Text, ...]

    def __post_init__(self) -> None:
        for side in ("target", "control"):
            if len(getattr(self, side)) < LEAST_TEXTS:
                raise DataError(
                    f"{self.name}: {len(getattr(self, side))} {side} texts; "
                    f"a contrast with its split halves needs {LEAST_TEXTS} at least"
                )


def localizer(spec: str, data_root: Path | None = None) -> Localizer:
    """The localizer called ``MANIFEST:CONTRAST``, or ``MANIFEST:CONTRAST:CONDITIONS``.

    Raises
    ------
    DataError
        If there is none, it is not of text, or its files are missing.
    """
    name, _, wanted = spec.partition(":")
    manifest = load_manifest(name)
    check_kind(manifest, f"`localizer` {spec}", "texts")
    if not manifest.contrasts:
        raise ManifestError(
            f"`localizer` {spec}: holds no contrast; it is a control set for the response profile"
            if manifest.conditions
            else f"`localizer` {spec}: holds no contrast; it is for `evaluation`"
        )
    chosen, contrast = manifest.contrast(wanted or None)
    sides = [
        tuple(text for name in names for text in condition(manifest, name, data_root))
        for names in (contrast.target, contrast.control)
    ]
    return Localizer(f"{manifest.name}:{chosen}", *sides)


def localizer_of_files(target: Path, control: Path) -> Localizer:
    """A localizer of somebody's own two files of text.

    Raises
    ------
    DataError
        If a file is missing, broken or empty, or both are the same.
    """
    if target.resolve() == control.resolve():
        raise DataError(f"{target}: is both `target` and `control`, so there is one condition only")
    sides = [
        tuple(Text(f"{path}:{line}", name, text) for line, text in texts_in(path))
        for name, path in zip(apart_by_name(target, control), (target, control), strict=True)
    ]
    return Localizer(f"{target.stem}-vs-{control.stem}", *sides)


def condition(manifest: Manifest, name: str, data_root: Path | None = None) -> list[Text]:
    """The texts of one condition of a manifest.

    Raises
    ------
    DataError
        If it is not of text, or its files are missing, broken or incomplete.
    """
    entry = manifest.conditions[name]
    if entry.draw is not None:
        texts = _drawn(entry.draw, entry.n or 1, entry.seed)
        return [Text(f"{manifest.name}/{name}/{i}", name, text) for i, text in enumerate(texts)]
    check_kind(manifest, manifest.name, "texts")
    folder = data_folder(manifest, data_root)
    paths = matching(folder, entry.files or "")
    if entry.story is not None:
        found = _stories(paths, folder, name, entry)
    else:
        found = [text for path in paths for text in _rows(path, folder, name, entry)]
    if not found or entry.n not in (None, len(found)):
        raise DataError(
            f"{folder / (entry.files or '')}: {len(found)} texts of {name} where {manifest.name} "
            f"has {entry.n or 'some'}; is the folder complete?"
        )
    return found


def _drawn(what: str, n: int, seed: int) -> list[str]:
    """Texts that the program writes itself."""
    source, _, kind = what.partition("-")
    if source == "phantom" and kind in phantom.TEXTS:
        return phantom.draw(kind, n, "localizer", seed)
    if what in formal.PATTERNS:
        return formal.draw(what, n, seed)
    return arithmetic.draw(what, n, seed)


def _stories(paths: Sequence[Path], folder: Path, name: str, entry: Condition) -> list[Text]:
    """Each story with its question and an answer; which answer is drawn, each equally often."""
    asked = entry.story
    assert asked is not None
    before, _, after = str(entry.files).partition("*")
    rng = np.random.default_rng([entry.seed, *name.encode()])
    answers = rng.permutation(np.resize(asked.answers, len(paths)))
    texts = []
    for path, answer in zip(paths, answers.tolist(), strict=True):
        number = path.relative_to(folder).as_posix().removeprefix(before).removesuffix(after)
        parts = {
            part: " ".join(read_text(file, OLD_ENCODING).split())
            for part, file in (
                ("story", path),
                ("question", folder / asked.question.replace("*", number)),
            )
        }
        text = asked.template.format(**parts, answer=answer)
        texts.append(Text(path.relative_to(folder).as_posix(), name, text))
    return texts


def _rows(path: Path, folder: Path, name: str, entry: Condition) -> list[Text]:
    table = read_table(path, [*entry.words, *entry.where])
    for column, value in entry.where.items():
        table = table[table[column].str.strip() == value]
    where = path.relative_to(folder)
    joined = [" ".join(cell.strip() for cell in row) for row in table[list(entry.words)].to_numpy()]
    return [
        Text(f"{where}:{line}", name, text.lower() if entry.lower else text)
        for line, text in zip(table.index, joined, strict=True)
    ]
