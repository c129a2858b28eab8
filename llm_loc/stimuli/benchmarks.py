"""What a model is judged on: sets of items in two groups, and texts beside them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import takewhile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from common.base.errors import DataError, ManifestError, SettingError
from common.base.files import digest_of
from common.base.tables import is_table, lines_of, one_line, read_text
from common.data.manifest import Manifest, Pairs, check_kind, data_folder, load_manifest, matching
from common.effects.described import Subset
from llm_loc import phantom
from llm_loc.stimuli import arithmetic, facts
from llm_loc.stimuli.localizers import condition
from llm_loc.stimuli.tables import LINES, alternatives, items_in
from llm_loc.stimuli.texts import digest_of_text

REST, NEITHER = "rest", "neither"
WHOLE = "version of"  # no name of a column that somebody's table may have
WINDOW, FEWEST_WINDOWS = 128, 30  # the fewest that a verdict takes


@dataclass(frozen=True)
class RunningText:
    """A text whose perplexity is measured.

    Attributes
    ----------
    name, text : str
        What it is called, and all of it.
    window : int, default=128
        Tokens that are read at a time.
    share : float, default=1
        Of its windows, evenly spread over the text, at least :data:`FEWEST_WINDOWS` of them.
    """

    name: str
    text: str
    window: int = WINDOW
    share: float = 1.0


@dataclass(frozen=True)
class Benchmark:
    """Items, minimal pairs or multiple choice, and texts to be measured beside them.

    What is lost at large is asked of one group, and what is lost more of two.

    Attributes
    ----------
    names : tuple of str
        What each item is called.
    choices : tuple of tuple of str
        The texts that each item lets the model choose between, two at least, the right one first.
    levels : mapping of str to array of str of shape (n_items,)
        Ways to sort the items, coarse ones first.
    groups : array of str of shape (n_items,)
        The group of each item.
    target, other : str, str or None
        The group that should lose, and the one that should not, where there is one.
    texts : tuple of RunningText
        Texts whose perplexity is measured.
    warning : str, optional
        What a reader should know of the groups.
    subset : Subset, optional
        Which part it is of a larger one; see :mod:`llm_loc.stimuli.fewer`.
    whole : tuple of str, optional
        What each item is a version of, where some are asked in several versions; of the others
        nothing.
    """

    name: str
    names: tuple[str, ...]
    choices: tuple[tuple[str, ...], ...]
    levels: Mapping[str, np.ndarray]
    groups: np.ndarray
    target: str
    other: str | None
    texts: tuple[RunningText, ...] = ()
    warning: str | None = None
    subset: Subset | None = None
    whole: tuple[str | None, ...] | None = None

    @property
    def good(self) -> tuple[str, ...]:
        """The right text of each item."""
        return tuple(texts[0] for texts in self.choices)

    @property
    def bad(self) -> tuple[str, ...]:
        """A wrong text of each item: of a pair the other one."""
        return tuple(texts[1] for texts in self.choices)

    @property
    def labels(self) -> np.ndarray:
        """Of each item the part of the finest level, its paradigm: such items are alike."""
        return [*self.levels.values()][-1] if self.levels else np.full(len(self.names), "")

    @property
    def chances(self) -> dict[str, float]:
        """The share of each group's items that guessing gets right."""
        guessed = np.array([1 / len(texts) for texts in self.choices])
        names = np.unique(self.groups).tolist()
        return {name: float(guessed[self.groups == name].mean()) for name in names}

    def fingerprint(self) -> str:
        """Fingerprint of all of it."""
        pairs = list(zip(self.names, self.choices, self.groups.tolist(), strict=True))
        texts = [
            (text.name, text.text, text.window, *([] if text.share == 1 else [text.share]))
            for text in self.texts
        ]
        levels = {level: values.tolist() for level, values in self.levels.items()}
        return digest_of([pairs, texts, levels])

    def digests(self) -> list[tuple[str, str]]:
        """Item and fingerprint of every text of it, and of every line of the running texts.

        What the choices of an item begin with is one of its texts, too: a prompt is no news to a
        localizer that has seen it, whatever the answers.
        """
        sentences = [
            (name, digest_of_text(sentence))
            for name, texts in zip(self.names, self.choices, strict=True)
            for sentence in (*texts, _beginning(texts))
        ]
        lines = [
            (f"{text.name}:{number}", digest_of_text(line))
            for text in self.texts
            for number, line in enumerate(lines_of(text.text), 1)
            if line.strip()
        ]
        return sentences + lines


def _beginning(texts: Sequence[str]) -> str:
    """The words that all of them begin with."""
    abreast = zip(*(text.split() for text in texts), strict=False)
    return " ".join(words[0] for words in takewhile(lambda words: len(set(words)) == 1, abreast))


def benchmark(
    names: str,
    data_root: Path | None = None,
    target: str | None = None,
    other: str | None = None,
) -> Benchmark:
    """What to evaluate on: sets of items, and any number of texts.

    Parameters
    ----------
    names : str
        Manifests, tables of items (see :func:`llm_loc.stimuli.tables.items_in`) and
        ``.txt`` files with commas between them: ``blimp,prose``.
    target, other : str, optional
        The two groups that are contrasted: a part of any level (a field, a phenomenon, a paradigm),
        one of several sets, or ``rest`` for all that is not the target. Left out, they are the
        set's own, and all items are one group where it has none.

    Raises
    ------
    DataError
        If there is none, or it holds no items.
    SettingError
        If there is no such group, or the two share items.
    """
    sets: list[_Items] = []
    texts: list[RunningText] = []
    for name in (part.strip() for part in names.split(",")):
        found = _own_evaluation(name) or _from_manifest(load_manifest(name), data_root)
        if isinstance(found, RunningText):
            texts.append(found)
        else:
            sets.append(found)
    if not sets or len({each.name for each in sets}) < len(sets):
        raise SettingError(
            f"`evaluation` {names}: give a benchmark of items, which are right or wrong, each "
            "once, and with a comma any texts to measure beside it, as in blimp,prose"
        )
    return _grouped(sets[0] if len(sets) == 1 else _joined(sets), texts, target, other)


@dataclass(frozen=True)
class _Items:
    """A set of items: a table with ``name``, ``choices``, and a column for each level."""

    name: str
    table: pd.DataFrame
    levels: Sequence[str]
    target: str | None = None
    other: str | None = None
    warning: str | None = field(default=None)


def _joined(sets: Sequence[_Items]) -> _Items:
    """Several sets as one, of which each is a part; two of them are held against each other.

    A level that a set does not have is the set itself there.
    """
    levels = dict.fromkeys(level for each in sets for level in each.levels)
    tables = [
        each.table.assign(
            **{level: each.name for level in levels if level not in each.levels}, set=each.name
        )
        for each in sets
    ]
    names = [each.name for each in sets]
    target, other = names if len(names) == 2 else (None, None)
    return _Items(
        ",".join(names),
        pd.concat(tables, ignore_index=True),
        ("set", *levels),
        target,
        other,
        " ".join(each.warning for each in sets if each.warning) or None,
    )


def _own_evaluation(name: str) -> _Items | RunningText | None:
    path = Path(name)
    if path.suffix.lower() in LINES:
        return RunningText(path.stem, read_text(path))
    if not is_table(path):
        return None
    table = items_in(path)
    if "group" not in table:
        return _Items(path.stem, table, ())
    parts = sorted(set(table["group"]))
    target, other = parts if len(parts) == 2 else (None, None)
    return _Items(path.stem, table, ("group",), target, other)


def _from_manifest(manifest: Manifest, data_root: Path | None) -> _Items | RunningText:
    check_kind(manifest, f"`evaluation` {manifest.name}", "texts")
    if manifest.text is not None:
        path = data_folder(manifest, data_root) / manifest.text.file
        return RunningText(manifest.name, read_text(path), manifest.text.window)
    entry = manifest.pairs
    if entry is None:
        raise ManifestError(
            f"`evaluation` {manifest.name}: holds no items and no running text; it is a set for "
            f"`localizer` or the response profile"
        )
    if entry.files is None:
        table = _drawn_items(manifest, entry)
    else:
        folder = data_folder(manifest, data_root)
        paths = matching(folder, entry.files)
        if not paths:
            raise DataError(f"{folder / entry.files}: no such files; is the folder complete?")
        table = pd.concat([_pairs_in(path, entry) for path in paths], ignore_index=True)
    return _Items(
        manifest.name, table, tuple(entry.levels), entry.target, entry.other, manifest.warning
    )


def _drawn_items(manifest: Manifest, entry: Pairs) -> pd.DataFrame:
    """Items that the program writes itself: the phantom's pairs, and sums to be solved."""
    n = entry.n or 1
    if entry.draw == "phantom":
        pairs = phantom.draw_pairs(n, "eval", entry.seed)
        table = pd.DataFrame([asdict(pair) for pair in pairs])
        table["name"] = [f"{manifest.name}/{pair.phenomenon}/{i}" for i, pair in enumerate(pairs)]
        table["choices"] = list(zip(table.pop("good"), table.pop("bad"), strict=True))
    elif entry.draw == "arithmetic":
        seen = {text.text for name in manifest.conditions for text in condition(manifest, name)}
        problems = arithmetic.draw_problems(n, entry.seed, seen)
        table = pd.DataFrame(
            {
                "name": [f"{manifest.name}/{p.prompt} {p.answer}" for p in problems],
                "choices": [alternatives(p.prompt, p.answer, p.wrong) for p in problems],
                "difficulty": [p.difficulty for p in problems],
            }
        )
    elif entry.draw == "facts":
        table = _asked_facts(manifest, n, entry.seed)
    else:
        raise ManifestError(
            f"{manifest.name}: no items called {entry.draw!r} can be drawn; known: phantom, "
            "arithmetic, facts"
        )
    return table.rename(columns={key: level for level, key in entry.levels.items()})


def _asked_facts(manifest: Manifest, n: int, seed: int) -> pd.DataFrame:
    """All of them: a wrong object is drawn from the whole relation."""
    items = facts.draw_items(seed)
    if n != len(items):
        raise ManifestError(f"{manifest.name}: {len(items)} items are drawn of facts, not {n}")
    return pd.DataFrame(
        {
            "name": [f"{manifest.name}/{item.name}" for item in items],
            "choices": [(item.good, item.bad) for item in items],
            "task": [item.task for item in items],
            "asked": [item.asked for item in items],
            "relation": [item.relation for item in items],
            WHOLE: [item.fact for item in items],
        }
    )


def _pairs_in(path: Path, entry: Pairs) -> pd.DataFrame:
    rows = []
    for number, line in enumerate(lines_of(read_text(path)), 1):
        try:
            item = json.loads(line, object_pairs_hook=_once)
            row = {"choices": (_text(item[entry.good]), _text(item[entry.bad]))}
            for level, key in entry.levels.items():
                row[level] = entry.rename.get(item[key], item[key])
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise DataError(f"{path}: line {number} is no pair ({one_line(error)})") from error
        rows.append({"name": f"{path.stem}:{number}", **row})
    return pd.DataFrame(rows)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object, each of whose keys comes once: of two values one would be lost."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key comes twice")
    return found


def _text(value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise TypeError(f"{str(value)[:40]!r} is no text")
    return value


def _grouped(
    items: _Items, texts: Sequence[RunningText], target: str | None, other: str | None
) -> Benchmark:
    levels = {level: items.table[level].to_numpy(dtype=str) for level in items.levels}
    target = target or items.target
    if target is None:  # what is lost at large
        if other is not None:
            raise SettingError(f"`other_group` {other}: say the `target_group` too")
        target, groups = items.name, np.full(len(items.table), items.name)
    else:
        other = other or (items.other if target == items.target and items.other else REST)
        groups = _groups(items.name, levels, target, other)
    return Benchmark(
        name=",".join([items.name, *(text.name for text in texts)]),
        names=tuple(items.table["name"]),
        choices=tuple(items.table["choices"]),
        levels=levels,
        groups=groups,
        target=target,
        other=other,
        texts=tuple(texts),
        warning=items.warning,
        whole=_whole(items.table) if WHOLE in items.table else None,
    )


def _whole(table: pd.DataFrame) -> tuple[str | None, ...]:
    known = table[WHOLE].notna()  # a set that is joined to this one may have no versions
    return tuple(str(of) if has else None for of, has in zip(table[WHOLE], known, strict=True))


def _groups(name: str, levels: Mapping[str, np.ndarray], target: str, other: str) -> np.ndarray:
    """The group of each pair: target, other, or neither."""
    inside = _part(name, levels, target, "`target_group`")
    outside = ~inside if other == REST else _part(name, levels, other, "`other_group`")
    if (inside & outside).any():
        raise SettingError(f"`other_group` {other}: shares pairs with `target_group` {target}")
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
