"""What a user of the vision front end can set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from common.measure.sites import check_pooling
from common.study import settings as study
from common.study.declared import EVALUATING, Brought, Setting

CHOICES = ("all", "shared")
BROUGHT = {
    "phantom/planted": Brought("phantom-planted:pattern", "phantom-planted", (6.25,)),
    "phantom/cnn": Brought("phantom:faces", "phantom", (0.5, 1, 2, 5)),
    "phantom/vit": Brought("phantom:faces", "phantom", (1, 5)),
}
"""What each phantom is run with where nothing else is said.

Not beside the code that draws: a run's identity holds a fingerprint of that.
"""


@dataclass(frozen=True)
class Settings(study.Settings):
    """Everything that a user can set; the pooling is that of the unit where none is named."""

    brought = BROUGHT

    classes: Annotated[
        str,
        Setting("What the model may choose from, all its classes or those alone that the "
                "evaluation has too", EVALUATING, CHOICES),
    ] = "all"  # fmt: skip

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "pooling", check_pooling(self.unit, self.pooling))
