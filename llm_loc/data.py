"""``llm-loc data``: what texts there are, whether they are whole, and getting them."""

from __future__ import annotations

from pathlib import Path

from common.base.tables import is_table, read_table, read_text
from common.cli.data_command import data_app
from llm_loc.stimuli.tables import OLD_ENCODING


def _read(path: Path) -> None:
    if is_table(path):
        read_table(path)
    else:
        read_text(path, OLD_ENCODING)


app = data_app("texts", _read)
