"""``sites.json``: the one place where it is read and written."""

from __future__ import annotations

from common.effects.site_kinds import ComparedSites
from common.study.finished import FinishedFile

NAME = "sites.json"
SITES = FinishedFile(NAME, ComparedSites, "comparison of sites")
