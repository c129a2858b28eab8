"""What a user of the vision front end can set."""

from __future__ import annotations

from dataclasses import dataclass

from common.measure.sites import check_pooling
from common.study import settings as study
from vision_loc import phantom


@dataclass(frozen=True)
class Settings(study.Settings):
    """Everything that a user can set; the pooling is that of the unit where none is named."""

    brought = phantom.BROUGHT

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "pooling", check_pooling(self.unit, self.pooling))
