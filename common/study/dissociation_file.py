"""``dissociation.json``: the one place where it is read and written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from common.base.errors import RunError
from common.base.files import digest_of_bytes, json_text, read_json, save_text
from common.effects.dissociation import Dissociation
from common.study.digests import check_digests, save_digests
from common.study.results import checked

NAME = "dissociation.json"
SCHEMA = 1


def load_dissociation(folder: Path) -> Dissociation:
    """What a finished folder holds.

    Raises
    ------
    RunError
        If it holds none, or a damaged one.
    """
    path = folder / NAME
    if not path.is_file():
        raise RunError(f"{folder}: holds no finished dissociation (no {NAME})")
    check_digests(folder, NAME)
    told = read_json(path)
    if not isinstance(told, dict) or told.get("schema") != SCHEMA:
        raise RunError(f"{path}: was written by another funcloc; run it again in a new folder")
    return checked(Dissociation, {k: v for k, v in told.items() if k != "schema"}, path)


def dissociation_json(found: Dissociation) -> dict[str, Any]:
    """What ``dissociation.json`` holds."""
    return {"schema": SCHEMA, **found.as_json()}


def save_dissociation(folder: Path, found: Dissociation) -> None:
    """Write it, after the digests of all else: that makes the folder a finished one."""
    text = json_text(dissociation_json(found))
    save_digests(folder, {NAME: digest_of_bytes(text.encode())})
    save_text(folder / NAME, text)
