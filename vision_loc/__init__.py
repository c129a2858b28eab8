"""funcloc's front end for vision: face areas, and others, in CNNs and vision transformers."""

from common.base import threads as threads  # before anything here imports torch
