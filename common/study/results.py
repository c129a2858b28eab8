"""``results.json``: the one place where it is read and written, and what older ones become."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

import pandas as pd
from pydantic import BaseModel, ValidationError

from common.base.errors import DataError, RunError
from common.base.files import digest_of_bytes, json_text, read_json, save_text
from common.base.tables import read_large
from common.effects.finding import finding
from common.effects.judge import judge
from common.effects.results import Localized, Results
from common.study.digests import check_digests, save_digests

NAME = "results.json"
SCHEMA = 2
"""Rises when a key goes, moves or changes its meaning; a further key needs no new number."""

AnyPart = TypeVar("AnyPart", bound=BaseModel)

OTHERS = {
    "dissociation.json": "a dissociation",
    "sites.json": "a comparison of kinds of sites",
    "seeds.json": "runs of several seeds, each in a folder inside",
}
"""What else a folder may hold that is no run."""


def load_results(folder: Path) -> Results:
    """What a finished run found.

    Raises
    ------
    RunError
        If the folder holds no finished run, or its results are damaged, naming the key.

    Examples
    --------
    >>> load_results(run_folder).headline_percent
    1.0
    """
    path = folder / NAME
    if not path.is_file():
        what = next((what for name, what in OTHERS.items() if (folder / name).is_file()), "")
        if what:
            raise RunError(f"{folder}: holds {what}, and no run of its own (no {NAME})")
        raise RunError(f"{folder}: holds no finished run (no {NAME})")
    check_digests(folder, NAME)
    return checked(Results, _migrated(read_json(path), path), path)


def save_results(folder: Path, results: Results) -> None:
    """Write the results of a run, after the digests of all else: that makes it a finished one.

    Raises
    ------
    RunError
        If they cannot be written.
    """
    text = json_text(results_json(results))
    save_digests(folder, {NAME: digest_of_bytes(text.encode())})
    save_text(folder / NAME, text)


def results_json(results: Localized) -> dict[str, Any]:
    """What JSON holds of the results, or of their first half."""
    return {"schema": SCHEMA, **results.as_json()}


def checked(kind: type[AnyPart], value: Any, where: Path) -> AnyPart:
    """A part of a file as its type.

    Raises
    ------
    RunError
        If it is none, naming the file and the first key that is wrong.
    """
    try:
        return kind.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        key = ".".join(map(str, first["loc"])) or "all of it"
        raise RunError(f"{where}: damaged at {key} ({first['msg']})") from error


def _migrated(value: Any, path: Path) -> Any:
    """The results of any schema as those of today; without a number they are the first ones."""
    if not isinstance(value, dict):
        return value
    schema = value.get("schema", 0)
    if not isinstance(schema, int):
        raise RunError(f"{path}: damaged at schema (it is no number)")
    if schema > SCHEMA:
        raise RunError(
            f"{path}: was written by a newer funcloc (schema {schema}; this one reads up to "
            f"{SCHEMA}); update funcloc"
        )
    if schema < 2:
        value = _judged_anew(value, path)
    return {key: each for key, each in value.items() if key != "schema"}


def _judged_anew(value: dict[str, Any], path: Path) -> dict[str, Any]:
    """Results of a time before there were judgements: the verdict is made of the items."""
    try:
        items = read_items(path.with_name("items.csv"))
        masks = pd.DataFrame(value["ablations"])[["mask", "rule", "percent"]]
        tested = value["evaluation"]
        found = judge(items.merge(masks, on="mask", how="left"), tested["target"], tested["other"])
    except (KeyError, TypeError, ValueError, OSError, DataError) as error:
        raise RunError(
            f"{path}: was written by an older funcloc, and its items cannot be judged anew "
            f"({error}); run it again in a new folder"
        ) from error
    return {**value, "judgement": found.as_json(), "verdict": finding(found)}


def read_items(path: Path) -> pd.DataFrame:
    """A table of items, as ``items.csv`` and ``windows.csv`` hold it.

    Raises
    ------
    DataError
        If the file cannot be read as a table.
    RunError
        If it lies in a run folder, and is not what the run wrote.
    """
    check_digests(path.parent, path.name)
    words = dict.fromkeys(("item", "group", "label", "mask", "rule", "margin"), str)
    empty = {name: [""] for name in ("percent", "correct")}
    try:
        items = read_large(path, dtype=words, keep_default_na=False, na_values=empty)
        # As Python reads numbers, to the last bit.
        return items.assign(margin=items["margin"].astype(float))
    except (KeyError, ValueError) as error:
        raise DataError(f"{path}: cannot be read as a table of items ({error})") from error
