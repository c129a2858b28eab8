"""``llm-loc data``: what texts there are, whether they are whole, and getting them."""

from __future__ import annotations

from pathlib import Path

from common.cli.data_command import data_app
from llm_loc.stimuli.tables import OLD_ENCODING, read_table, read_text


def _read(path: Path) -> None:
    if path.suffix.lower() == ".csv":
        read_table(path)
    else:
        read_text(path, OLD_ENCODING)


app = data_app("texts", _read)
