"""Texts: from manifests, from somebody's own files, or drawn by the program."""

from llm_loc.stimuli.benchmarks import Benchmark, RunningText, benchmark
from llm_loc.stimuli.fewer import fewer
from llm_loc.stimuli.localizers import Localizer, condition, localizer, localizer_of_files
from llm_loc.stimuli.texts import Text, digest_of_text

__all__ = [
    "Benchmark",
    "Localizer",
    "RunningText",
    "Text",
    "benchmark",
    "condition",
    "digest_of_text",
    "fewer",
    "localizer",
    "localizer_of_files",
]
