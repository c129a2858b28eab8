"""Files that are either whole or not there, and the fingerprints of what lies in them."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from common.base.errors import RunError
from common.base.heavy import torch

if TYPE_CHECKING:
    from torch import Tensor, nn

DIGEST = "digest"  # what a kept file calls that of its content


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
        denied = error.strerror if isinstance(error, OSError) and error.errno in full else None
        if left < n_bytes or denied:
            # Room that is left may not be ours: a quota, or what the system keeps for itself.
            why = (
                f"the disk has only {left / 1e9:.1f}"
                if left < n_bytes
                else f"cannot be written ({denied})"
            )
            raise RunError(
                f"{Path(file.name).parent}: {what} need {n_bytes / 1e9:.1f} GB and {why}; "
                "make room, or choose another place (FUNCLOC_CACHE, `out`)"
            ) from error


def remove_file(path: Path) -> None:
    """Remove a file, or a link, if it is there.

    Raises
    ------
    RunError
        If it cannot be removed (a folder of that name, or no right to write).
    """
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise RunError(f"{path}: cannot be removed ({error.strerror})") from error


def file_name(words: str) -> str:
    """Any words as the name of a file or folder that every system takes."""
    return re.sub(r"[^A-Za-z0-9._-]+", "_", words).lstrip(".") or "_"


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


def json_text(value: Any) -> str:
    """Readable JSON; NaN is refused, for it is no JSON."""
    return json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def save_json(path: Path, value: Any) -> None:
    """Write :func:`json_text` atomically."""
    save_text(path, json_text(value))


def save_sealed(path: Path, value: Mapping[str, Any]) -> None:
    """Write a JSON object atomically, with the digest of the rest of it as one more key."""
    save_json(path, {**value, DIGEST: digest_of(json.loads(json_text(value)))})


def read_sealed(path: Path) -> Any:
    """Read what :func:`save_sealed` wrote, without the digest; other JSON as it is.

    Raises
    ------
    RunError
        If the file cannot be read, or its digest is not that of its content.
    """
    value = read_json(path)
    if not isinstance(value, dict) or DIGEST not in value:
        return value
    told = value.pop(DIGEST)
    if told != digest_of(value):
        raise RunError(f"{path}: is damaged (its digest does not fit)")
    return value


def save_arrays(path: Path, arrays: Mapping[str, np.ndarray], about: dict[str, str]) -> None:
    """Write a safetensors file atomically, with its digest in what it says of itself.

    That has one key at most where the file's bytes shall always be the same, for safetensors writes
    several in any order; it holds a JSON object then, and the digest is in there.
    """
    whole = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    plain, _ = _without_digest(about)
    said = _with_digest(plain, _digest_of_arrays(whole, plain))

    def write(draft: Path) -> None:
        try:
            save_file(whole, draft, metadata=said)
        except SafetensorError as error:  # its name for a full disk
            raise OSError(str(error)) from error

    write_atomically(path, write)


def read_arrays(path: Path) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Arrays of a safetensors file, and what it says of itself.

    Raises
    ------
    OSError, SafetensorError, ValueError
        If it cannot be read, or its digest is not that of its content; older files have none.
    """
    check_regular(path)
    with safe_open(path, framework="numpy") as file:
        about = dict(file.metadata() or {})
        arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    about, told = _without_digest(about)
    if told is not None and told != _digest_of_arrays(arrays, about):
        raise ValueError("it is damaged: its digest does not fit")
    return arrays, about


def _digest_of_arrays(arrays: Mapping[str, np.ndarray], about: Mapping[str, str]) -> str:
    digest = hashlib.blake2b(json.dumps(about, sort_keys=True).encode(), digest_size=16)
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        digest.update(f"{name} {array.dtype} {array.shape}\n".encode())
        digest.update(array.data if array.size else b"")
    return digest.hexdigest()


def _with_digest(about: Mapping[str, str], digest: str) -> dict[str, str]:
    key, said = _only_object(about)
    if said is None:
        return {**about, DIGEST: digest}
    return {key: json.dumps({**said, DIGEST: digest}, sort_keys=True)}


def _without_digest(about: Mapping[str, str]) -> tuple[dict[str, str], str | None]:
    key, said = _only_object(about)
    if said is None:
        return {key: told for key, told in about.items() if key != DIGEST}, about.get(DIGEST)
    digest = said.pop(DIGEST, None)
    return {key: json.dumps(said, sort_keys=True)}, digest


def _only_object(about: Mapping[str, str]) -> tuple[str, dict[str, Any] | None]:
    """The one key of what a file says, and the JSON object that it holds, if that is all of it."""
    if len(about) != 1:
        return "", None
    ((key, told),) = about.items()
    try:
        said = json.loads(told)
    except ValueError:
        return key, None
    return key, said if isinstance(said, dict) else None


def read_json(path: Path) -> Any:
    """Read JSON.

    Raises
    ------
    RunError
        If the file cannot be read or is no JSON.
    """
    try:
        check_regular(path)
        return json.loads(path.read_text(encoding="utf-8"))
    except RecursionError as error:
        raise RunError(f"{path}: cannot be read (it is nested too deeply)") from error
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


def digest_of_bytes(content: bytes) -> str:
    """What :func:`digest_of_file` gives of a file that holds this."""
    return hashlib.blake2b(content).hexdigest()[:32]


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
