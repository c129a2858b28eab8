"""Libraries that are imported when something of them is used."""

from __future__ import annotations

import subprocess
import sys
import threading

import pytest
import torch

from common.base import heavy
from common.base.heavy import Later

# The module by itself: with the package comes all else.
ALONE = f"""
import runpy, sys, threading
heavy = runpy.run_path({heavy.__file__!r})
slow = lambda: sorted({{"sklearn", "torch", "scipy.stats"}} & sys.modules.keys())
print(slow())
asked = [lambda: heavy["functional"].relu, lambda: heavy["weak"].ref, lambda: heavy["torch"].ones,
         lambda: heavy["preprocessing"].scale, lambda: heavy["stats"].norm]
failed = []
threading.excepthook = failed.append
heavy["warm_up"]()
threads = [threading.Thread(target=each) for each in asked]
for each in threads: each.start()
for each in threads: each.join()
print(failed, slow())
"""


def test_threads_that_ask_at_once_all_get_what_they_asked_for() -> None:
    done = subprocess.run([sys.executable, "-c", ALONE], capture_output=True, text=True)
    assert done.stdout == "[]\n[] ['scipy.stats', 'sklearn', 'torch']\n", done.stderr


def test_what_stands_for_a_module_has_what_the_module_has() -> None:
    assert heavy.torch.Tensor is torch.Tensor
    assert heavy.functional.relu is torch.nn.functional.relu
    absent = "nothing_of_the_kind"
    with pytest.raises(AttributeError, match=absent):
        getattr(heavy.torch, absent)


def test_a_library_that_is_missing_is_said_when_it_is_needed() -> None:
    absent = Later("no_such_library.part")
    with pytest.raises(ModuleNotFoundError, match="no_such_library"):
        _ = absent.anything


def test_warming_up_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    failed: list[threading.ExceptHookArgs] = []
    monkeypatch.setattr(threading, "excepthook", failed.append)
    heavy.warm_up()
    for each in [each for each in threading.enumerate() if each.name == "warm-up"]:
        each.join()
    assert not failed
