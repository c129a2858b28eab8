"""funcloc's core: find the units that prefer one kind of stimulus, and ablate them.

It reads like this from a notebook::

    from common import ablate, record, sites, top_percent, welch

    where = sites(model, kind="block")
    with record(model, where) as faces:
        for batch in face_batches:
            model(batch)
    with record(model, where) as objects:
        for batch in object_batches:
            model(batch)
    found = welch(faces.moments, objects.moments)
    with ablate(model, top_percent(found, 1.0)):
        logits = model(images)

Somebody's own ablation is judged from a table of items, which :func:`evaluate` makes::

    from common import evaluate, judge

    items = evaluate(model, batches, labels, groups, masks)
    judge(items, target="face", other="object").outcome

``docs/python.md`` has a whole analysis. In the examples of the docstrings `model` is a small
network, `faces` and `objects` are pictures, `labels` and `groups` are of both, `where` are its
sites, `found` is a map of them, `items` a table of items; `folder` and `run_folder` are folders.

The core knows torch, numpy and scipy; never a model zoo, never a browser.
"""

from common.base import threads as threads
from common.base.errors import FunclocError
from common.effects.judge import judge
from common.effects.judgement import Judgement
from common.effects.results import Results
from common.measure.ablate import ablate
from common.measure.control_rules import control
from common.measure.hand import load_map, mask_by_hand
from common.measure.masks import Mask, load_masks, save_masks, top_percent
from common.measure.moments import Moments
from common.measure.record import Recorder, record
from common.measure.respond import respond, respond_each
from common.measure.scores import SelectivityMap, welch
from common.measure.shares import split_half
from common.measure.sites import Site
from common.measure.survey import Survey, sites
from common.measure.trace import trace
from common.measure.unit_table import unit_table
from common.report import figures
from common.report.draws import adjusted_effects
from common.study.evaluate import evaluate
from common.study.results import load_results

__all__ = [
    "FunclocError",
    "Judgement",
    "Mask",
    "Moments",
    "Recorder",
    "Results",
    "SelectivityMap",
    "Site",
    "Survey",
    "ablate",
    "adjusted_effects",
    "control",
    "evaluate",
    "figures",
    "judge",
    "load_map",
    "load_masks",
    "load_results",
    "mask_by_hand",
    "record",
    "respond",
    "respond_each",
    "save_masks",
    "sites",
    "split_half",
    "top_percent",
    "trace",
    "unit_table",
    "welch",
]
