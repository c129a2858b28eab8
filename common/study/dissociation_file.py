"""``dissociation.json``: the one place where it is read and written."""

from __future__ import annotations

from common.effects.dissociation import Dissociation
from common.study.finished import FinishedFile

NAME = "dissociation.json"
DISSOCIATED = FinishedFile(NAME, Dissociation, "dissociation")

load_dissociation = DISSOCIATED.load
