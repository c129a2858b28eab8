"""Pictures: from manifests, from somebody's own folders, or drawn by the phantom."""

from vision_loc.stimuli.alike import OCCLUSION, occluded, within_class
from vision_loc.stimuli.benchmarks import Benchmark, benchmark
from vision_loc.stimuli.fewer import fewer
from vision_loc.stimuli.localizers import Localizer, localizer, localizer_of_folders
from vision_loc.stimuli.pictures import Picture, Skipped, drawn, open_picture
from vision_loc.stimuli.pixels import (
    benchmark_without_broken,
    fingerprint,
    identified,
    localizer_without_broken,
    pixel_batches,
    reported,
)
from vision_loc.stimuli.store import Pixels, pixel_folder, pixel_store
from vision_loc.stimuli.unlabelled import named_folders

__all__ = [
    "OCCLUSION",
    "Benchmark",
    "Localizer",
    "Picture",
    "Pixels",
    "Skipped",
    "benchmark",
    "benchmark_without_broken",
    "drawn",
    "fewer",
    "fingerprint",
    "identified",
    "localizer",
    "localizer_of_folders",
    "localizer_without_broken",
    "named_folders",
    "occluded",
    "open_picture",
    "pixel_batches",
    "pixel_folder",
    "pixel_store",
    "reported",
    "within_class",
]
