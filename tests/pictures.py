"""Pictures that tests send and nobody should open."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

from PIL import Image


def save_bomb(path: Path, side: int = 30_000) -> None:
    """A small PNG whose header says that it is far larger than it is."""
    file = io.BytesIO()
    Image.new("1", (8, 8)).save(file, "PNG")
    signature, head, rest = file.getvalue()[:12], file.getvalue()[12:29], file.getvalue()[33:]
    lying = head[:4] + struct.pack(">II", side, side) + head[12:]
    path.write_bytes(signature + lying + struct.pack(">I", zlib.crc32(lying)) + rest)
