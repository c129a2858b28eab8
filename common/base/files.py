"""Files that are either whole or not there, and the fingerprints of what lies in them."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.numpy import save_file
from torch import Tensor, nn

from common.base.errors import RunError


def write_atomically(path: Path, write: Callable[[Path], None]) -> None:
    """Let `write` fill a new file beside `path`, then put it in the place of `path` in one step.

    A process killed at any moment leaves the old file, or none, or the whole new one.

    Raises
    ------
    RunError
        If the file cannot be written (a full disk, a folder without permission).
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
        os.close(handle)
        draft = Path(name)
        try:
            write(draft)
            with draft.open("rb") as file:
                os.fsync(file.fileno())
            draft.chmod(0o644)
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)
    except OSError as error:
        raise RunError(f"{path}: cannot write ({error.strerror or error})") from error


def reserve(file: BinaryIO, n_bytes: int, what: str) -> None:
    """Claim the room of a file on the disk before it is filled.

    Parameters
    ----------
    file : binary file
        Open for writing.
    n_bytes : int
        Its size, once it is full.
    what : str
        What it is to hold, for the message.

    Raises
    ------
    RunError
        If the disk has less room.
    """
    left = shutil.disk_usage(file.name).free
    try:
        os.posix_fallocate(file.fileno(), 0, n_bytes)
    except (AttributeError, OSError) as error:  # there is none (macOS), or not for this file system
        full = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        if left < n_bytes or getattr(error, "errno", None) in full:
            folder = Path(file.name).parent
            raise RunError(
                f"{folder}: {what} need {n_bytes / 1e9:.1f} GB and the disk has only "
                f"{left / 1e9:.1f}; make room, or choose another place (FUNCLOC_CACHE, `out`)"
            ) from error


def apart_by_name(one: Path, two: Path) -> tuple[str, str]:
    """What to call two files or folders: by their names alone, or by more where these are alike."""
    short = (one.stem, two.stem) if one.is_file() else (one.name, two.name)
    return short if short[0] != short[1] else (str(one), str(two))


def check_regular(path: Path) -> None:
    """Refuse what is there and no file: a folder, or a pipe, which would be waited for.

    Raises
    ------
    OSError
        If so; what is not there is left to whoever opens it.
    """
    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, "it is no file")


def save_bytes(path: Path, data: bytes) -> None:
    """Write a file atomically."""

    def write(draft: Path) -> None:
        draft.write_bytes(data)

    write_atomically(path, write)


def save_text(path: Path, text: str) -> None:
    """Write a text file atomically."""
    save_bytes(path, text.encode())


def save_json(path: Path, value: Any) -> None:
    """Write readable JSON atomically; NaN is refused, for it is no JSON."""
    save_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def save_arrays(path: Path, arrays: Mapping[str, np.ndarray], about: dict[str, str]) -> None:
    """Write a safetensors file atomically."""
    whole = {name: np.ascontiguousarray(array) for name, array in arrays.items()}

    def write(draft: Path) -> None:
        try:
            save_file(whole, draft, metadata=about)
        except SafetensorError as error:  # its name for a full disk
            raise OSError(str(error)) from error

    write_atomically(path, write)


def read_json(path: Path) -> Any:
    """Read JSON.

    Raises
    ------
    RunError
        If the file cannot be read or is no JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RunError(f"{path}: cannot be read ({error})") from error


def digest_of(value: Any) -> str:
    """Fingerprint of anything that JSON can hold."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def digest_of_module(module: nn.Module, weights: Iterable[tuple[str, Tensor]] | None = None) -> str:
    """Fingerprint of a model: its class, and every parameter's and buffer's name and bytes.

    Parameters
    ----------
    weights : iterable of (str, tensor), optional
        The items of its ``state_dict()``, where the module itself does not hold all of them.
    """
    digest = hashlib.blake2b(type(module).__name__.encode(), digest_size=16)
    named: Iterable[tuple[str, Tensor]] = module.state_dict().items()
    for name, tensor in named if weights is None else weights:
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        flat = tensor.detach().cpu().contiguous().flatten()
        if flat.numel():
            digest.update(flat.view(torch.uint8).numpy().data)
    return digest.hexdigest()


def digest_of_file(path: Path) -> str:
    """Fingerprint of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "blake2b").hexdigest()[:32]


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def mismatch(name: str, expected: str, found: str, where: str) -> str:
    """What to say of a file with another checksum than the published one."""
    return f"{name} {where}: SHA-256 should be {expected} but is {found}; the file was removed"
