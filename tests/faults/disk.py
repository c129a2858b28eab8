"""A disk that fails at one of its operations, as sqlite's tests have it.

Inside :class:`Disk` every operation on files below some folders is counted: what makes, opens to
write, writes, syncs, renames and removes. At the operation of a given number the fault happens.
What other processes or C code do is not seen, but for safetensors, which writes by itself.
"""

from __future__ import annotations

import builtins
import errno
import io
import os
import signal
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from unittest.mock import patch

from safetensors import SafetensorError

from common.base import files

Kind = Literal["kill", "torn", "full"]
KINDS: tuple[Kind, ...] = ("kill", "torn", "full")
TAKES_ROOM = ("create", "write", "sync", "mkdir", "rename")  # what a full disk refuses
BY_PATH = {"mkdir": "mkdir", "rmdir": "remove", "unlink": "remove", "remove": "remove",
           "chmod": "chmod", "utime": "chmod"}  # fmt: skip
SAYS_FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@dataclass(frozen=True)
class Fault:
    """What happens, and at which operation, counted from 1.

    ``kill`` is before it, ``torn`` in the midst of it, and from ``full`` on nothing is written.
    """

    kind: Kind
    at: int


class Disk:
    """Counts what is done to files below `roots`, and fails where `fault` says.

    Attributes
    ----------
    done : list of (str, str)
        Each operation and the name of its file.
    unsynced : list of str
        Files that were put in their place before they were on the disk.
    """

    def __init__(self, roots: Sequence[Path], fault: Fault | None = None) -> None:
        self.roots = [os.path.realpath(root) for root in roots]
        self.fault = fault
        self.done: list[tuple[str, str]] = []
        self.unsynced: list[str] = []
        self._loose: set[str] = set()  # written, and not synced yet
        self._stack = ExitStack()

    def __enter__(self) -> Disk:
        patches: dict[tuple[Any, str], Callable[..., Any]] = {
            (os, "open"): self._os_open,
            (os, "fsync"): self._fsync,
            (os, "replace"): self._moved(os.replace),
            (os, "rename"): self._moved(os.rename),
            (builtins, "open"): self._open,
            (io, "open"): self._open,
            (files, "save_file"): self._save_file,
            **{(os, name): self._by_path(name, op) for name, op in BY_PATH.items()},
        }
        if hasattr(os, "posix_fallocate"):
            patches[os, "posix_fallocate"] = self._fallocate
        self._real = {key: getattr(*key) for key in patches}
        for (module, name), function in patches.items():
            self._stack.enter_context(patch.object(module, name, function))
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    # --- the fault ---

    def operation(self, op: str, path: str, half: Callable[[], None] = lambda: None) -> None:
        """Count an operation; `half` does a part of it, where it is torn."""
        if not any(path == root or path.startswith(f"{root}/") for root in self.roots):
            return
        self.done.append((op, Path(path).name))
        fault = self.fault
        if fault is None or len(self.done) < fault.at:
            return
        if fault.kind == "full":
            if op in TAKES_ROOM:
                half()
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)
            return
        if fault.kind == "torn":
            half()
        os.kill(os.getpid(), signal.SIGKILL)

    # --- what is patched ---

    def _os_open(self, path: Any, flags: int, *args: Any, **kwargs: Any) -> int:
        name = _named(path, kwargs.get("dir_fd"))
        if flags & (os.O_CREAT | os.O_WRONLY | os.O_RDWR):
            self.operation("create", name)
        return int(self._real[os, "open"](path, flags, *args, **kwargs))

    def _open(self, file: Any, mode: str = "r", *args: Any, **kwargs: Any) -> Any:
        writes = any(letter in mode for letter in "wax+")
        if not writes or isinstance(file, int):
            return self._real[io, "open"](file, mode, *args, **kwargs)
        name = _named(file)
        self.operation("create", name)
        return Written(self._real[io, "open"](file, mode, *args, **kwargs), name, self)

    def _fsync(self, handle: int) -> None:
        name = _of_handle(handle)
        self.operation("sync", name)
        self._real[os, "fsync"](handle)
        self._loose.discard(name)

    def _moved(self, real: Callable[..., None]) -> Callable[..., None]:
        def move(source: Any, target: Any, **kwargs: Any) -> None:
            name = _named(source, kwargs.get("src_dir_fd"))
            if name in self._loose:
                self.unsynced.append(Path(_named(target)).name)
            self.operation("rename", name)
            real(source, target, **kwargs)

        return move

    def _by_path(self, name: str, op: str) -> Callable[..., Any]:
        real = getattr(os, name)

        def act(path: Any, *args: Any, **kwargs: Any) -> Any:
            self.operation(op, _named(path, kwargs.get("dir_fd")))
            return real(path, *args, **kwargs)

        return act

    def _fallocate(self, handle: int, start: int, size: int) -> None:
        self.operation("write", _of_handle(handle))
        self._real[os, "posix_fallocate"](handle, start, size)

    def _save_file(self, arrays: Any, path: Any, metadata: Any = None) -> None:
        """safetensors writes a draft of its own beside the file, and then moves it there."""
        real, name = self._real[files, "save_file"], _named(path)

        def half() -> None:
            real(arrays, path, metadata=metadata)
            whole = Path(path).read_bytes()
            for torn in (Path(path), Path(path).with_name(".tmpHalf01")):
                with self._real[io, "open"](torn, "wb") as file:
                    file.write(whole[: len(whole) // 2])
                if self.fault is not None and self.fault.kind == "full":
                    break

        try:
            self.operation("write", name, half)
        except OSError as error:
            raise SafetensorError(f"I/O error: {error.strerror} (os error 28)") from error
        real(arrays, path, metadata=metadata)
        self._loose.add(name)

    def written(self, name: str, data: Any, file: Any) -> None:
        """Count a piece that is about to be written; torn, half of it is."""

        def half() -> None:
            file.write(data[: len(data) // 2])
            file.flush()

        self.operation("write", name, half)
        self._loose.add(name)


class Written:
    """An open file whose writing is counted; of many small pieces, what fills the buffer."""

    def __init__(self, file: Any, name: str, disk: Disk) -> None:
        self._file, self._name, self._disk = file, name, disk
        self._room = 0  # in the buffer

    def write(self, data: Any) -> Any:
        """Write a piece."""
        size = len(data)
        if size > self._room:
            self._disk.written(self._name, data, self._file)
            self._room = max(size, io.DEFAULT_BUFFER_SIZE)
        self._room -= size
        return self._file.write(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def __enter__(self) -> Written:
        self._file.__enter__()
        return self

    def __exit__(self, *about: Any) -> Any:
        return self._file.__exit__(*about)

    def __iter__(self) -> Any:
        return iter(self._file)


def _named(path: Any, folder: int | None = None) -> str:
    """The whole name of a file that a call names."""
    if isinstance(path, int):
        return _of_handle(path)
    name = os.fsdecode(path)
    if folder is not None:
        name = os.path.join(_of_handle(folder), name)  # noqa: PTH118
    return os.path.join(os.path.realpath(os.path.dirname(name) or "."), os.path.basename(name))  # noqa: PTH118, PTH119, PTH120


def _of_handle(handle: int) -> str:
    try:
        return os.readlink(f"/proc/self/fd/{handle}")  # noqa: PTH115
    except OSError:
        return ""
