"""What a user of the vision front end can set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from common.base.errors import SettingError
from common.effects.measured import ACCURACY, AGREEMENT, MEASURES
from common.measure.sites import check_pooling
from common.study import settings as study
from common.study.declared import EVALUATING, Brought, Setting
from vision_loc.stimuli.unlabelled import FORM, named_folders

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
    """Everything that a user can set; the pooling is that of the unit where none is named.

    Two folders without classes are measured by agreement.
    """

    brought = BROUGHT

    evaluation: Annotated[
        str,
        Setting("What to evaluate on: a manifest, your own folder or table, or two folders of "
                f"pictures without classes, {FORM}", EVALUATING, label="Evaluate on", short="e",
                metavar="NAME", unset="a phantom's own"),
    ] = ""  # fmt: skip

    measure: Annotated[
        str,
        Setting("What counts, the classes that are right (accuracy) or the intact model's own "
                "predictions that stay (agreement), which asks for no classes", EVALUATING,
                MEASURES, label="Measure", unset="accuracy, or agreement of two folders"),
    ] = ACCURACY  # fmt: skip

    classes: Annotated[
        str,
        Setting("What the model may choose from, all its classes or those alone that the "
                "evaluation has too", EVALUATING, CHOICES),
    ] = "all"  # fmt: skip

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.level == "unit":
            object.__setattr__(self, "pooling", check_pooling(self.unit, self.pooling))
        if named_folders(self.evaluation) is not None:  # which have no classes
            object.__setattr__(self, "measure", AGREEMENT)
        if self.measure == AGREEMENT:
            for name, value in (("classes", "shared"), ("within", "class")):
                if getattr(self, name) == value:
                    raise SettingError(
                        f"`{name}` {value}: needs classes, and `measure` agreement has none"
                    )
