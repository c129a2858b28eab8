"""The one file that makes a folder of a verb besides ``run`` a finished one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from common.base.errors import RunError
from common.base.files import digest_of_bytes, json_text, read_json, save_text
from common.effects.parts import Part
from common.study.digests import check_digests, save_digests
from common.study.results import checked

P = TypeVar("P", bound=Part)


@dataclass(frozen=True)
class FinishedFile(Generic[P]):
    """How such a file is read and written.

    Attributes
    ----------
    name : str
        What it is called.
    kind : type of Part
        What it holds.
    what : str
        The same in a word.
    schema : int
        Rises when a key goes or changes its meaning.
    """

    name: str
    kind: type[P]
    what: str
    schema: int = 1

    def load(self, folder: Path) -> P:
        """What a finished folder holds.

        Raises
        ------
        RunError
            If it holds none, or a damaged one.
        """
        path = folder / self.name
        if not path.is_file():
            raise RunError(f"{folder}: holds no finished {self.what} (no {self.name})")
        check_digests(folder, self.name)
        told = read_json(path)
        if not isinstance(told, dict) or told.get("schema") != self.schema:
            raise RunError(f"{path}: was written by another funcloc; run it again in a new folder")
        return checked(self.kind, {k: v for k, v in told.items() if k != "schema"}, path)

    def as_json(self, found: P) -> dict[str, Any]:
        """What the file holds."""
        return {"schema": self.schema, **found.as_json()}

    def save(self, folder: Path, found: P) -> None:
        """Write it, after the digests of all else: that makes the folder a finished one."""
        text = json_text(self.as_json(found))
        save_digests(folder, {self.name: digest_of_bytes(text.encode())})
        save_text(folder / self.name, text)
