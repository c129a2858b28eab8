"""Tables, texts, items and pairs: values, their encodings, and damages that must be refused."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from common.base.tables import lines_of, read_table, read_text
from common.study.results import read_items
from llm_loc.stimuli.benchmarks import benchmark
from llm_loc.stimuli.tables import items_in, texts_in
from tests.faults.cases import Case, chance, pick

LETTERS = "abcXYZ 0159.:!?'äßéπ中🙂"
HARD = ',;\t"\n\u2028\u0085\x0c|#=+-'
CELLS = (
    "NA",
    "nan",
    "null",
    "",
    "0",
    "1e5",
    "=1+1",
    "'",
    "True",
    "  x ",
    "a,b",
    "a;b",
    'a"b',
    '""',
)
Table = tuple[list[str], list[list[str]]]


def word(rng: np.random.Generator, hard: float = 0.2, empty: bool = True) -> str:
    """A cell of any letters."""
    if chance(rng, 0.15) and empty:
        return str(pick(rng, CELLS))
    size = int(rng.integers(0 if empty else 1, 9))
    return "".join(pick(rng, HARD if chance(rng, hard) else LETTERS) for _ in range(size))


def name(rng: np.random.Generator) -> str:
    """A column's name, which has no space around it."""
    found = word(rng, 0.1, empty=False).strip()
    return found or "x"


def quoted(cell: str) -> str:
    """A cell between quotes."""
    return '"' + cell.replace('"', '""') + '"'


def encoded(rng: np.random.Generator, cell: str, sign: str, header: bool, alone: bool) -> str:
    """A cell as a table may have it: in quotes where it must, and sometimes where it need not."""
    must = (
        any(each in cell for each in (sign, "\n", "\r")) or cell[:1] == '"' or (alone and not cell)
    )
    must |= header and any(each in cell for each in ",;\t")
    return quoted(cell) if must or chance(rng, 0.2) else cell


def a_table(rng: np.random.Generator, names: Sequence[str] = ()) -> Table:
    """Names and rows."""
    wanted = [*names] or [name(rng) for _ in range(int(rng.integers(1, 5)))]
    unique = [*dict.fromkeys(wanted)]
    rows = [[word(rng) for _ in unique] for _ in range(int(rng.integers(1, 7)))]
    return unique, rows


def text_of(
    rng: np.random.Generator, table: Table, sign: str, rows: Sequence[Sequence[str]] | None = None
) -> tuple[str, list[int]]:
    """A table's text, and the numbers of its rows."""
    names, every = table
    end = pick(rng, ["\n", "\r\n"])
    lines, numbers = [], []
    for at, row in enumerate([names, *(every if rows is None else rows)]):
        while at and chance(rng, 0.05):
            lines.append("")  # rows that are empty are passed over
        cells = [encoded(rng, cell, sign, not at, len(row) == 1) for cell in row]
        lines.append(sign.join(cells))
        numbers.append(len(lines))
    text = end.join(lines) + (end if chance(rng, 0.8) else "")
    return text, numbers[1:]


def saved(rng: np.random.Generator, path: Path, text: str) -> None:
    """Write a text in UTF-8, with a mark at its beginning or without."""
    path.write_bytes((b"\xef\xbb\xbf" if chance(rng, 0.2) else b"") + text.encode())


def plain(table: pd.DataFrame) -> Any:
    """A table as lists."""
    return [*table.columns], table.index.tolist(), table.to_numpy().tolist()


def form(rng: np.random.Generator, n_columns: int) -> tuple[str, str]:
    """Suffix and separator."""
    if n_columns == 1:
        return pick(rng, [(".csv", ","), (".tsv", "\t")])  # type: ignore[no-any-return]
    return pick(rng, [(".csv", ","), (".csv", ";"), (".csv", "\t"), (".tsv", "\t")])  # type: ignore[no-any-return]


def tables(rng: np.random.Generator, folder: Path) -> Case:
    """The one reader of tables."""
    table = a_table(rng)
    suffix, sign = form(rng, len(table[0]))
    path = folder / f"table{suffix}"
    text, numbers = text_of(rng, table, sign)
    if chance(rng, 0.5):
        saved(rng, path, text)
        rows = [[cell.replace("\r\n", "\n") for cell in row] for row in table[1]]
        return Case(lambda: plain(read_table(path)), (table[0], numbers, rows))
    return damaged(rng, path, table, sign)


def damaged(rng: np.random.Generator, path: Path, table: Table, sign: str) -> Case:
    """A table that must be refused, most often by the number of a row."""
    names, rows = table
    how = pick(rng, ["more", "fewer", "quote", "behind", "bytes", "nul", "twice", "unnamed", "none",
                     "signs", "utf-16", "trailing"])  # fmt: skip
    at, told = int(rng.integers(len(rows))), ""
    if how in ("more", "fewer", "trailing"):
        if len(names) == 1:
            how = "more"
        rows = [[*row] for row in rows]
        rows[at] = {
            "more": [*rows[at], word(rng)], "fewer": rows[at][:-1], "trailing": [*rows[at], ""],
        }[how]  # fmt: skip
        if rows[at] == [""]:
            rows[at] = ["x", "y", *names]
    if how == "twice":
        names = [*names, names[0]]
        rows = [[*row, "z"] for row in rows]
    if how == "unnamed":
        names = ["", *names]
        rows = [["z", *row] for row in rows]
    text, numbers = text_of(rng, (names, rows), sign, [] if how == "none" else rows)
    if how in ("more", "fewer", "trailing"):
        told = f"row {numbers[at]} "
    if how == "quote":
        text = text.rstrip("\r\n") + f'\n"never closed{sign}' + "x\n"
    if how == "behind":
        text = text.rstrip("\r\n") + "\n" + sign.join(['"a"b', *names[1:]]) + "\n"
    if how == "signs" and path.suffix == ".csv":
        first = f"{quoted(names[0])},b;c"
        text = first + "\n" + "x,y;z\n"
    elif how == "signs":
        text = ""
    content = text.encode("utf-16") if how == "utf-16" else text.encode()
    if how in ("bytes", "nul"):
        place = int(rng.integers(len(content) + 1))
        content = content[:place] + (b"\0" if how == "nul" else b"\xff") + content[place:]
    path.write_bytes(content)
    return Case(lambda: plain(read_table(path)), None, "must", told, about=how)


def texts(rng: np.random.Generator, folder: Path) -> Case:
    """Texts, one a line, or in a column of a table; running text."""
    if chance(rng, 0.4):
        return column_of_texts(rng, folder)
    n = int(rng.integers(1, 8))
    lines = [word(rng, 0.1).replace("\n", " ") for _ in range(n)]
    text = pick(rng, ["\n", "\r\n"]).join(lines) + ("\n" if chance(rng, 0.7) else "")
    path = folder / str(pick(rng, ["a.txt", "a.text", "a.TXT"]))
    saved(rng, path, text)
    stripped = [(number, line.strip()) for number, line in enumerate(lines, 1) if line.strip()]
    tabs = {line.count("\t") for _, line in stripped}
    refused = not stripped or (len(stripped) > 1 and len(tabs) == 1 and tabs != {0})
    if chance(rng, 0.2):
        content = path.read_bytes()
        place = int(rng.integers(3 * content.startswith(b"\xef\xbb\xbf"), len(content) + 1))
        bad = pick(rng, [b"\0", b"\xff", b"\xc3("])
        path.write_bytes(content[:place] + bad + content[place:])
        return Case(lambda: texts_in(path), None, "must", about=f"{bad!r} in it")
    if chance(rng, 0.2):
        whole = text.replace("\r\n", "\n")
        refused = not whole.strip()
        return Case(lambda: read_text(path), whole, "must" if refused else "never")
    return Case(lambda: texts_in(path), stripped, "must" if refused else "never")


def column_of_texts(rng: np.random.Generator, folder: Path) -> Case:
    """A table of which one column holds the texts."""
    called = pick(rng, ["text", "sentence", "stimulus", "words"])
    others = [f"c{number}" for number in range(int(rng.integers(0, 3)))]
    table = a_table(rng, [*others, called])
    suffix, sign = form(rng, len(table[0]))
    path = folder / f"texts{suffix}"
    text, numbers = text_of(rng, table, sign)
    saved(rng, path, text)
    found = [(number, row[-1].strip()) for number, row in zip(numbers, table[1], strict=True)]
    right = [(number, cell) for number, cell in found if cell]
    return Case(lambda: texts_in(path), right, "must" if called == "words" else "never")


def items(rng: np.random.Generator, folder: Path) -> Case:
    """Somebody's own pairs and choices, by the rows of a table."""
    pairs = chance(rng, 0.5)
    wrong = [f"wrong{number}" for number in range(int(rng.integers(1, 3)))]
    names = ["good", "bad"] if pairs else ["prompt", "answer", *wrong]
    grouped = chance(rng, 0.5)
    names += ["group"] if grouped else []
    rng.shuffle(names)
    table = a_table(rng, names)
    suffix, sign = form(rng, len(names))
    path = folder / f"items{suffix}"
    text, numbers = text_of(rng, table, sign)
    saved(rng, path, text)
    right, bad = [], 0
    for number, row in zip(numbers, table[1], strict=True):
        cells = dict(zip(names, row, strict=True))
        choices = choices_of(cells, pairs, [each for each in names if each in wrong])
        if not bad and (len(set(choices)) < 2 or not all(each.strip() for each in choices)):
            bad = number
        right.append((f"{path.name}:{number}", choices, cells.get("group", "").strip()))

    def read() -> Any:
        found = items_in(path)
        groups = found["group"] if grouped else [""] * len(found)
        return [*zip(found["name"], found["choices"], groups, strict=True)]

    return Case(read, right, "must" if bad else "never", f"row {bad} " if bad else "")


def choices_of(cells: dict[str, str], pairs: bool, wrong: Sequence[str]) -> tuple[str, ...]:
    """What is chosen between, the right one first, as the docs say it."""
    if pairs:
        return cells["good"], cells["bad"]
    prompt, answers = cells["prompt"], [cells["answer"]]
    for each in (cells[column] for column in wrong):
        if each not in answers[1:] and each.strip() not in ("", cells["answer"].strip()):
            answers.append(each)
    space = "" if prompt == "" or prompt[-1].isspace() else " "
    return tuple(prompt + space + answer.strip() for answer in answers)


MANIFEST = """
name: mine
about: pairs
source: {url: here}
pairs: {files: "*.jsonl", good: good, bad: bad, levels: {part: part}}
"""


def pairs(rng: np.random.Generator, folder: Path) -> Case:
    """Minimal pairs in JSON lines, by a manifest."""
    root = folder / "data" / "mine"
    root.mkdir(parents=True)
    (folder / "mine.yaml").write_text(MANIFEST)
    n = int(rng.integers(1, 6))
    values = [{"good": f"a{at}{word(rng)}", "bad": f"b{at}{word(rng)}", "part": pick(rng, "xyz"),
               **({"more": [1, {"x": None}]} if chance(rng, 0.2) else {})}
              for at in range(n)]  # fmt: skip
    lines = [shuffled_json(rng, value) for value in values]
    how, told = "", ""
    if chance(rng, 0.45):
        how = pick(rng, ["empty", "key", "type", "list", "cut", "deep", "twice", "nul", "blank"])
        at = int(rng.integers(n))
        told = f"line {at + 1} "
        lines[at] = {
            "empty": "", "list": "[1]", "cut": lines[at][: len(lines[at]) // 2],
            "deep": "[" * 100_000, "key": '{"good": "a", "bad": "b"}', "nul": lines[at] + "\0",
            "twice": '{"good": "a", "bad": "b", "part": "x", "good": "c"}',
            "type": json.dumps({**values[at], "bad": pick(rng, [1, None, ["x"], {"y": 1}])}),
            "blank": json.dumps({**values[at], "good": "  "}),
        }[how]  # fmt: skip
        if how == "nul" or (how == "empty" and n == 1):
            told = ""
    end = pick(rng, ["\n", "\r\n"])
    saved(rng, root / "p.jsonl", end.join(lines) + end)
    right = [(f"p:{at}", (value["good"], value["bad"]), value["part"])
             for at, value in enumerate(values, 1)]  # fmt: skip

    def read() -> Any:
        found = benchmark(str(folder / "mine.yaml"), folder / "data")
        return [*zip(found.names, found.choices, found.levels["part"].tolist(), strict=True)]

    return Case(read, right, "must" if how else "never", told, about=how)


def shuffled_json(rng: np.random.Generator, value: dict[str, Any]) -> str:
    """An object on one line, its keys in any order."""
    keys = list(value)
    rng.shuffle(keys)
    said = json.dumps({key: value[key] for key in keys}, ensure_ascii=chance(rng, 0.5))
    return pick(rng, ["", " "]) + said + pick(rng, ["", "  "])  # type: ignore[no-any-return]


def item_tables(rng: np.random.Generator, folder: Path) -> Case:
    """A table of items as runs write it, which somebody may have edited."""
    masks = [("intact", "", ""), ("top-1", "top", "1.0"), ("random-1-s00", "random", "1.0")]
    columns = [
        "item",
        "group",
        "mask",
        "rule",
        "percent",
        "label",
        "prediction",
        "correct",
        "margin",
    ]
    rows = [
        [f"i{item}", pick(rng, ["face", "o,ther"]), *mask, str(item), str(int(rng.integers(9))),
         str(int(rng.integers(2))), repr(float(rng.normal()))]
        for mask in masks for item in range(int(rng.integers(2, 5)))
    ]  # fmt: skip
    path = folder / "items.csv"
    how = pick(rng, ["", "", "fewer", "more", "word", "quote"])
    at = int(rng.integers(len(rows)))
    kept = [[*row] for row in rows]
    if how == "fewer":
        kept[at] = kept[at][: -int(rng.integers(1, 3))]
    if how == "more":
        kept[at] = [*kept[at], "1"]
    if how == "word":
        kept[at][-1] = "much"
    text = "\n".join(",".join(quoted(cell) if "," in cell else cell for cell in row)
                     for row in [columns, *kept]) + "\n"  # fmt: skip
    if how == "quote":
        text += '"never closed,'
    path.write_text(text)
    margins = [float(row[-1]) for row in rows]

    def read() -> Any:
        found = read_items(path)
        return found["item"].tolist(), found["group"].tolist(), found["margin"].tolist()

    right = [row[0] for row in rows], [row[1] for row in rows], margins
    return Case(read, right, "must" if how else "never", about=how)


def lines(rng: np.random.Generator, folder: Path) -> Case:
    r"""Lines end at \n, or \r\n, and nowhere else."""
    del folder
    value = [word(rng, 0.3).replace("\n", "") for _ in range(int(rng.integers(1, 9)))]
    value[-1] = value[-1] or "x"
    text = "".join(line + pick(rng, ["\n", "\r\n"]) for line in value)
    return Case(lambda: lines_of(text), value)
