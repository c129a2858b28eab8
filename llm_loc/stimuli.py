"""Texts: from manifests, from somebody's own files, or drawn by the program."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from common.errors import DataError, ManifestError, SettingError
from common.files import digest_of
from common.manifest import Condition, Manifest, Pairs, data_folder, load_manifest
from llm_loc import arithmetic

REST, NEITHER = "rest", "neither"
WINDOW = 128
TEXT_COLUMNS = ("text", "sentence", "stimulus")


@dataclass(frozen=True)
class Text:
    """One stimulus.

    Attributes
    ----------
    name : str
        What it is called in tables: its file and line.
    condition : str
        The condition that it belongs to.
    text : str
        What the model reads.
    """

    name: str
    condition: str
    text: str

    def digest(self) -> str:
        """Fingerprint of the content; see :func:`digest_of_text`."""
        return digest_of_text(self.text)


def digest_of_text(text: str) -> str:
    """Fingerprint of what a text says: case and spacing do not make it another one."""
    return digest_of(" ".join(text.casefold().split()))


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
            if len(getattr(self, side)) < 4:
                raise DataError(
                    f"{self.name}: {len(getattr(self, side))} {side} texts; "
                    "a contrast with its split halves needs 4 at least"
                )


@dataclass(frozen=True)
class RunningText:
    """A text whose perplexity is measured."""

    name: str
    text: str
    window: int = WINDOW


@dataclass(frozen=True)
class Benchmark:
    """Minimal pairs in two groups, and texts to be measured beside them.

    Attributes
    ----------
    names : tuple of str
        What each pair is called.
    good, bad : tuple of str
        The sentence that the model should prefer, and the other.
    levels : mapping of str to array of str of shape (n_pairs,)
        Ways to sort the pairs, coarse ones first.
    groups : array of str of shape (n_pairs,)
        The group of each pair.
    target, other : str
        The group that should lose, and the one that should not.
    texts : tuple of RunningText
        Texts whose perplexity is measured.
    warning : str, optional
        What a reader should know of the groups.
    """

    name: str
    names: tuple[str, ...]
    good: tuple[str, ...]
    bad: tuple[str, ...]
    levels: Mapping[str, np.ndarray]
    groups: np.ndarray
    target: str
    other: str
    texts: tuple[RunningText, ...] = ()
    warning: str | None = None

    def fingerprint(self) -> str:
        """Fingerprint of all of it."""
        pairs = list(zip(self.names, self.good, self.bad, self.groups.tolist(), strict=True))
        texts = [(text.name, text.text, text.window) for text in self.texts]
        return digest_of([pairs, texts])

    def digests(self) -> list[tuple[str, str]]:
        """Item and fingerprint of every sentence, and of every line of the texts."""
        sentences = [
            (name, digest_of_text(sentence))
            for name, *pair in zip(self.names, self.good, self.bad, strict=True)
            for sentence in pair
        ]
        lines = [
            (f"{text.name}:{number}", digest_of_text(line))
            for text in self.texts
            for number, line in enumerate(text.text.splitlines(), 1)
            if line.strip()
        ]
        return sentences + lines


# --- localizers ---


def localizer(spec: str, data_root: Path | None = None) -> Localizer:
    """The localizer called ``MANIFEST:CONTRAST``.

    Raises
    ------
    DataError
        If there is none, it is not of text, or its files are missing.
    """
    name, _, wanted = spec.partition(":")
    manifest = load_manifest(name)
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
        raise DataError(f"{target}: is both --target and --control, so there is one condition only")
    sides = [tuple(_own(path, path.stem)) for path in (target, control)]
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
        texts = arithmetic.draw(entry.draw, entry.n or 1, entry.seed)
        return [Text(f"{manifest.name}/{name}/{i}", name, text) for i, text in enumerate(texts)]
    if not entry.words:
        raise ManifestError(f"{manifest.name}: its stimuli are no texts (see vision-loc)")
    folder = data_folder(manifest, data_root)
    paths = sorted(folder.glob(entry.files or ""))
    found = [text for path in paths for text in _rows(path, folder, name, entry)]
    if not found or entry.n not in (None, len(found)):
        raise DataError(
            f"{folder / (entry.files or '')}: {len(found)} texts of {name} where {manifest.name} "
            f"has {entry.n or 'some'}; is the folder complete?"
        )
    return found


def _rows(path: Path, folder: Path, name: str, entry: Condition) -> list[Text]:
    table = read_table(path)
    if missing := [c for c in (*entry.words, *entry.where) if c not in table.columns]:
        raise DataError(f"{path}: has no column {missing[0]!r}; it has {', '.join(table.columns)}")
    for column, value in entry.where.items():
        table = table[table[column].str.strip() == value]
    where = path.relative_to(folder)
    lines = [number + 2 for number in table.index]
    joined = [" ".join(cell.strip() for cell in row) for row in table[list(entry.words)].to_numpy()]
    return [
        Text(f"{where}:{line}", name, text.lower() if entry.lower else text)
        for line, text in zip(lines, joined, strict=True)
    ]


def read_table(path: Path) -> pd.DataFrame:
    """A CSV table, every cell of it text: ``NA`` is a word here and no gap.

    Raises
    ------
    DataError
        If it cannot be read or has no rows.
    """
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file") from error
    except pd.errors.EmptyDataError as error:
        raise DataError(f"{path}: is empty") from error
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read as a table ({_line(error)})") from error
    if table.empty:
        raise DataError(f"{path}: has a header and no rows")
    return table


def read_text(path: Path) -> str:
    """A text file.

    Raises
    ------
    DataError
        If it cannot be read as UTF-8, or holds nothing.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file") from error
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read as text ({_line(error)})") from error
    if not text.strip():
        raise DataError(f"{path}: is empty")
    return text


def _line(error: Exception) -> str:
    return " ".join(str(error).split())


def _own(path: Path, name: str) -> list[Text]:
    """One text a line, or one a row of a CSV table."""
    if path.suffix.lower() != ".csv":
        lines = enumerate(read_text(path).splitlines(), 1)
        return [Text(f"{path}:{i}", name, line.strip()) for i, line in lines if line.strip()]
    table = read_table(path)
    column = next((c for c in TEXT_COLUMNS if c in table.columns), None)
    if column is None:
        if len(table.columns) > 1:
            raise DataError(f"{path}: name the column of its texts {TEXT_COLUMNS[0]!r}")
        column = table.columns[0]
    cells = enumerate(table[column].str.strip(), 2)
    return [Text(f"{path}:{i}", name, cell) for i, cell in cells if cell]


# --- benchmarks ---


def benchmark(
    names: str,
    data_root: Path | None = None,
    target: str | None = None,
    other: str | None = None,
) -> Benchmark:
    """What to evaluate on: one set of pairs, and any number of texts.

    Parameters
    ----------
    names : str
        Manifests, ``.csv`` files of pairs (columns ``good``, ``bad``, ``group``) and ``.txt`` files
        with commas between them: ``blimp,prose``.
    target, other : str, optional
        The two groups that are contrasted: a part of any level (a field, a phenomenon, a paradigm),
        or ``rest`` for all that is not the target.

    Raises
    ------
    DataError
        If there is none, or it holds no pairs.
    SettingError
        If there is no such group, or the two share pairs.
    """
    pairs: list[_Pairs] = []
    texts: list[RunningText] = []
    for name in (part.strip() for part in names.split(",")):
        found = _own_evaluation(name) or _from_manifest(load_manifest(name), data_root)
        if isinstance(found, RunningText):
            texts.append(found)
        else:
            pairs.append(found)
    if len(pairs) != 1:
        raise SettingError(
            f"--eval {names}: give one benchmark of pairs, which are right or wrong, and with a "
            "comma any texts to measure beside it, as in blimp,prose"
        )
    return _grouped(pairs[0], texts, target, other)


@dataclass(frozen=True)
class _Pairs:
    name: str
    table: pd.DataFrame
    levels: Sequence[str]
    target: str | None = None
    other: str | None = None
    warning: str | None = field(default=None)


def _own_evaluation(name: str) -> _Pairs | RunningText | None:
    path = Path(name)
    if path.suffix.lower() == ".txt":
        return RunningText(path.stem, read_text(path))
    if path.suffix.lower() != ".csv":
        return None
    table = read_table(path)
    if missing := [column for column in ("good", "bad", "group") if column not in table.columns]:
        raise DataError(f"{path}: has no column {missing[0]!r}; pairs need good, bad and group")
    table["name"] = [f"{path.name}:{line}" for line in range(2, len(table) + 2)]
    parts = sorted(set(table["group"]))
    target, other = parts if len(parts) == 2 else (None, None)
    return _Pairs(path.stem, table, ("group",), target, other)


def _from_manifest(manifest: Manifest, data_root: Path | None) -> _Pairs | RunningText:
    if manifest.text is not None:
        path = data_folder(manifest, data_root) / manifest.text.file
        return RunningText(manifest.name, read_text(path), manifest.text.window)
    entry = manifest.pairs
    if entry is None:
        raise ManifestError(f"--eval {manifest.name}: holds neither pairs nor a text")
    folder = data_folder(manifest, data_root)
    paths = sorted(folder.glob(entry.files))
    if not paths:
        raise DataError(f"{folder / entry.files}: no such files; is the folder complete?")
    table = pd.concat([_pairs_in(path, entry) for path in paths], ignore_index=True)
    return _Pairs(
        manifest.name, table, tuple(entry.levels), entry.target, entry.other, manifest.warning
    )


def _pairs_in(path: Path, entry: Pairs) -> pd.DataFrame:
    rows = []
    for number, line in enumerate(read_text(path).splitlines(), 1):
        try:
            item = json.loads(line)
            row = {"good": item[entry.good], "bad": item[entry.bad]}
            for level, key in entry.levels.items():
                row[level] = entry.rename.get(item[key], item[key])
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(f"{path}: line {number} is no pair ({_line(error)})") from error
        rows.append({"name": f"{path.stem}:{number}", **row})
    return pd.DataFrame(rows)


def _grouped(
    pairs: _Pairs, texts: Sequence[RunningText], target: str | None, other: str | None
) -> Benchmark:
    levels = {level: pairs.table[level].to_numpy(dtype=str) for level in pairs.levels}
    target = target or pairs.target
    if target is None:
        raise SettingError(
            f"{pairs.name}: say --target-group and --other-group ({_offered(levels)})"
        )
    other = other or (pairs.other if target == pairs.target and pairs.other else REST)
    return Benchmark(
        name=",".join([pairs.name, *(text.name for text in texts)]),
        names=tuple(pairs.table["name"]),
        good=tuple(pairs.table["good"]),
        bad=tuple(pairs.table["bad"]),
        levels=levels,
        groups=_groups(pairs.name, levels, target, other),
        target=target,
        other=other,
        texts=tuple(texts),
        warning=pairs.warning,
    )


def _groups(name: str, levels: Mapping[str, np.ndarray], target: str, other: str) -> np.ndarray:
    """The group of each pair: target, other, or neither."""
    inside = _part(name, levels, target, "--target-group")
    outside = ~inside if other == REST else _part(name, levels, other, "--other-group")
    if (inside & outside).any():
        raise SettingError(f"--other-group {other}: shares pairs with --target-group {target}")
    return np.where(inside, target, np.where(outside, other, NEITHER))


def _part(name: str, levels: Mapping[str, np.ndarray], part: str, option: str) -> np.ndarray:
    for values in levels.values():
        if (values == part).any():
            return values == part
    raise SettingError(f"{option} {part}: {name} has none such; it has {_offered(levels)}")


def _offered(levels: Mapping[str, np.ndarray]) -> str:
    return "; ".join(
        f"{level}: {', '.join(sorted(set(values.tolist())))}"
        for level, values in levels.items()
        if len(set(values.tolist())) <= 20
    )
