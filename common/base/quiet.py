"""What libraries have to say to programmers stays out of a user's terminal.

For programs alone, which call it before they begin: in a notebook, warnings are the caller's.
"""

from __future__ import annotations

import logging
import os
import sys

# Libraries that print their log themselves, and what else sets its level.
TALKERS = {"transformers": "TRANSFORMERS_VERBOSITY", "huggingface_hub": "HF_HUB_VERBOSITY"}


def hush_libraries() -> None:
    """Show errors of libraries, but no warnings, unless Python was asked for them (``-W``).

    A filter that makes a warning an error still does.
    """
    if sys.warnoptions:
        return
    # To the log, which nobody sees who has not set it up: a library could undo a filter.
    logging.captureWarnings(True)
    if logging.lastResort is not None:  # what shows the log of who has not set one up
        logging.lastResort.setLevel(logging.ERROR)
    for library, level in TALKERS.items():
        if level not in os.environ:
            os.environ[level] = "error"  # read when it is imported
            logging.getLogger(library).setLevel(logging.ERROR)  # it may have been before
