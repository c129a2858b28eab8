"""``vision-loc data``: what pictures there are, whether they are whole, and getting them."""

from __future__ import annotations

from pathlib import Path

from common.cli.data_command import data_app
from vision_loc.faces import tag_faces
from vision_loc.stimuli import SUFFIXES, open_picture


def _read(path: Path) -> None:
    if path.suffix.lower() in SUFFIXES:
        open_picture(path)
    else:
        path.read_bytes()


app = data_app("pictures", _read)
app.command("tag-faces")(tag_faces)
