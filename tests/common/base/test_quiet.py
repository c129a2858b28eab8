"""What libraries say while a program runs."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from common.base import quiet
from common.base.quiet import TALKERS

# The module by itself: with the package come torch and all else, which takes seconds.
TALK = f"""
import logging, runpy, warnings
hush_libraries = runpy.run_path({quiet.__file__!r})["hush_libraries"]
import huggingface_hub
hush_libraries()
import transformers
warnings.simplefilter("always")  # as some libraries do
warnings.warn("soon otherwise", FutureWarning)
logging.getLogger("timm.models").warning("odd weights")
transformers.utils.logging.get_logger("transformers.models").warning("an odd config")
huggingface_hub.utils.logging.get_logger("huggingface_hub.file_download").warning("no token")
logging.getLogger("timm.models").error("this is wrong")
warnings.filterwarnings("error", category=UserWarning)
try:
    warnings.warn("a bomb")
except UserWarning:
    print("raised")
"""


@pytest.mark.parametrize("asked", [False, True])
def test_errors_alone_are_seen_unless_python_was_asked_for_warnings(asked: bool) -> None:
    options = ["-W", "default"] if asked else []
    # A program that was called in a test before may have left its own there.
    env = {name: each for name, each in os.environ.items() if name not in TALKERS.values()}
    command = [sys.executable, *options, "-c", TALK]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=env)
    assert done.stdout == "raised\n"
    if not asked:
        assert done.stderr == "this is wrong\n"
    for word in ("soon otherwise", "odd weights", "an odd config", "no token"):
        assert (word in done.stderr) == asked
