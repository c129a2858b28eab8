"""Manifests: which stimuli exist, where they come from, and which contrasts they offer.

A manifest is a YAML file ``NAME.yaml`` in ``data_manifests/`` (or anywhere, given by its path). It
holds facts, never data. Its stimuli are looked for in ``--data-root`` or ``FUNCLOC_DATA`` as
``NAME/…``, then in the cache, and then downloaded into it if the manifest says from where.
"""

from common.data.manifest.check import PartCheck, check_folder
from common.data.manifest.find import (
    COMMANDS,
    DATA_VARIABLE,
    bundled_folder,
    check_kind,
    contrasts_here,
    data_folder,
    download_data,
    find_folder,
    known_manifests,
    load_manifest,
    manifests_here,
    matching,
    missing_data,
    missing_table,
    places,
)
from common.data.manifest.schema import (
    Condition,
    Contrast,
    Evaluation,
    FoundBoxes,
    Kind,
    Manifest,
    Pairs,
    RunningText,
    Source,
    Story,
    Within,
)

__all__ = [
    "COMMANDS",
    "DATA_VARIABLE",
    "Condition",
    "Contrast",
    "Evaluation",
    "FoundBoxes",
    "Kind",
    "Manifest",
    "Pairs",
    "PartCheck",
    "RunningText",
    "Source",
    "Story",
    "Within",
    "bundled_folder",
    "check_folder",
    "check_kind",
    "contrasts_here",
    "data_folder",
    "download_data",
    "find_folder",
    "known_manifests",
    "load_manifest",
    "manifests_here",
    "matching",
    "missing_data",
    "missing_table",
    "places",
]
