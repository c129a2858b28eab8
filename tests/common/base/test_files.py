"""Files are written whole or not at all; what is broken is one line; a file has its fingerprint."""

from __future__ import annotations

import json
import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file
from torch import nn

from common.base.errors import RunError
from common.base.files import (
    digest_of,
    digest_of_file,
    digest_of_module,
    read_json,
    save_arrays,
    save_json,
    save_text,
    write_atomically,
)


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """A disk that is full for this process beyond `size` bytes a file."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


WRITERS: dict[str, Callable[[Path], None]] = {
    "text": lambda path: save_text(path, "new" * 9000),
    "json": lambda path: save_json(path, ["new"] * 9000),
    "arrays": lambda path: save_arrays(path, {"new": np.zeros(9000)}, {}),
}


@pytest.mark.parametrize("kind", WRITERS)
def test_a_full_disk_is_an_error_of_one_line_and_leaves_the_old_file(
    tmp_path: Path, kind: str
) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    with files_of_at_most(4096), pytest.raises(RunError) as caught:
        WRITERS[kind](path)
    assert str(caught.value).startswith(f"{path}: cannot write (")
    assert "File too large" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_an_interrupted_write_leaves_the_old_file(
    tmp_path: Path, error: type[BaseException]
) -> None:
    def write(draft: Path) -> None:
        draft.write_text("half")
        raise error

    path = tmp_path / "file"
    path.write_text("old")
    with pytest.raises(error):
        write_atomically(path, write)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_the_old_file_stands_until_the_new_one_is_whole(tmp_path: Path) -> None:
    path, seen = tmp_path / "file", []
    path.write_text("old")

    def write(draft: Path) -> None:
        draft.write_text("new")
        seen.append(path.read_text())

    write_atomically(path, write)
    assert (seen, path.read_text()) == (["old"], "new")


def test_arrays_are_written_as_they_look_whatever_their_strides(tmp_path: Path) -> None:
    turned = np.arange(12.0).reshape(3, 4).T
    save_arrays(tmp_path / "file", {"a": turned, "b": turned[::2]}, {"about": "é"})
    again = load_file(tmp_path / "file")
    np.testing.assert_array_equal(again["a"], turned)
    np.testing.assert_array_equal(again["b"], turned[::2])


def test_json_is_readable_and_knows_no_nan(tmp_path: Path) -> None:
    save_json(tmp_path / "file", {"d′": 1})
    assert (tmp_path / "file").read_text(encoding="utf-8") == '{\n  "d′": 1\n}\n'
    with pytest.raises(ValueError, match="not JSON compliant"):
        save_json(tmp_path / "file", float("nan"))


@pytest.mark.parametrize("content", [b"{", b"\xff", None])
def test_json_that_cannot_be_read_is_an_error_of_one_line(
    tmp_path: Path, content: bytes | None
) -> None:
    path = tmp_path / "file"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(RunError, match="cannot be read") as caught:
        read_json(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_models_fingerprint_follows_every_number_in_it() -> None:
    def net(seed: int = 0) -> nn.Module:
        torch.manual_seed(seed)
        return nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))

    nudged, shifted, halved = net(), net(), net().half()
    with torch.no_grad():
        nudged[0].weight[0, 0, 0, 0] += 1e-6
        shifted[1].running_mean[1] += 1e-6
    wrapped = nn.Sequential(net())
    every = [net(), nudged, shifted, halved, wrapped, net(1)]
    assert len({digest_of_module(one) for one in every}) == 6
    assert digest_of_module(net()) == digest_of_module(net())


def test_fingerprints_ignore_the_order_of_keys_and_nothing_else(tmp_path: Path) -> None:
    one = {"a": 1, "b": [1.5, None, "x"]}
    assert digest_of(one) == digest_of(json.loads('{"b": [1.5, null, "x"], "a": 1}'))
    assert digest_of(one) != digest_of({**one, "a": 2})
    (tmp_path / "one").write_bytes(b"1")
    (tmp_path / "two").write_bytes(b"2")
    assert digest_of_file(tmp_path / "one") != digest_of_file(tmp_path / "two")
