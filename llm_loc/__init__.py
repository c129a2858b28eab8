"""funcloc's front end for language models: the language network, and others."""

from common.base import threads as threads  # before anything here imports torch
