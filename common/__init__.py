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

Somebody's own ablation is judged from a table of items::

    from common import judge

    judge(items, target="face", other="object").outcome

The core knows torch, numpy and scipy; never a model zoo, never a browser.
"""

from common.base.errors import FunclocError
from common.effects.judge import judge
from common.effects.judgement import Judgement
from common.measure.ablate import ablate
from common.measure.control_rules import control
from common.measure.masks import Mask, load_masks, save_masks, top_percent
from common.measure.moments import Moments
from common.measure.record import Recorder, record
from common.measure.scores import SelectivityMap, welch
from common.measure.shares import split_half
from common.measure.sites import Site
from common.measure.survey import Survey, sites
from common.measure.trace import trace

__all__ = [
    "FunclocError",
    "Judgement",
    "Mask",
    "Moments",
    "Recorder",
    "SelectivityMap",
    "Site",
    "Survey",
    "ablate",
    "control",
    "judge",
    "load_masks",
    "record",
    "save_masks",
    "sites",
    "split_half",
    "top_percent",
    "trace",
    "welch",
]
