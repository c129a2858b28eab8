"""Everything that a user can set, declared once: what it is, how it is written, who knows it.

How they are declared, read and written is in :mod:`common.study.declared`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields, replace
from functools import partial
from pathlib import Path
from typing import Annotated, Self, get_args

from common.base.errors import SettingError
from common.data.manifest import DATA_VARIABLE
from common.measure.ablate import Ablation
from common.measure.control_rules import CONTROL_RULES, ControlPlan, parse_controls
from common.measure.loudness import THRESHOLD
from common.measure.moments import Statistic
from common.measure.saliency import SALIENCY
from common.measure.scores import (
    DEFAULT_SCORE,
    LEAST_D_PRIME,
    LEAST_INDEX,
    SCORE_RULES,
    check_effort,
    check_level,
)
from common.measure.sites import KINDS, UNITS, Kind, Pooling, Unit
from common.measure.weights import LEVELS, PARAMETER, Level
from common.study.declared import (
    ALWAYS,
    EVALUATING,
    LISTED,
    LOCALIZING,
    MASKING,
    ONE_KIND,
    ONE_LOCALIZER,
    ONE_MAP,
    ONE_VERDICT,
    WITH_STIMULI,
    Declared,
    Setting,
    read_bytes,
    say_bytes,
)
from common.study.plan import (
    DEFAULT_CONTROLS,
    Plan,
    parse_ablation,
    parse_count,
    parse_loudness,
    parse_percents,
    parse_threshold,
    say_ablation,
    say_controls,
    say_percents,
    say_threshold,
)

ON_ERROR = ("stop", "skip")
WITHIN = ("class", "margin")
UNTRAINED_SEEDS = 5
COUNTED = (
    ("untrained_seeds", 0),
    ("items", 1),
    ("stimuli", 1),
    ("cache_memory", 1),
    ("effort", 1),
    ("sufficient", 2),
)
NOT_OF_WEIGHTS = {
    "kind": "tensors of weights are scored, all of them or those that `sites` names",
    "each_step": "a weight is one, however often it is read",
    "unit": "a unit is a weight",
    "pooling": "no activation is read, and none pooled",
    "statistic": "|weight · gradient| is what is compared",
    "ablation": "weights are set to zero",
    "least_d_prime": "there is no d′",
    "least_index": "there is no selectivity index",
    "splits": "they would keep one number for each stimulus and weight",
    "sufficient": "the other weights have no mean to be set to",
}
"""What cannot be said of weights, and why."""

OTHER_LOSS = "scores are in nats of a network's own loss, and random weights have another one"
LARGEST_UNTRAINED = 500_000_000  # numbers that a model was trained in
STATISTICS: tuple[Statistic, ...] = get_args(Statistic)


def read_controls(text: str) -> tuple[ControlPlan, ...]:
    """Control rules and their draws; see :func:`~common.measure.control_rules.parse_controls`."""
    return tuple(parse_controls(text))


@dataclass(frozen=True)
class Settings(Declared):
    """Everything that a user can set.

    Raises
    ------
    SettingError
        If one is not what it may be.
    """

    localizer: Annotated[
        str | None,
        Setting("A contrast, MANIFEST:CONTRAST, or MANIFEST:CONTRAST:CONDITIONS for its target "
                "against these conditions alone, as in floc:faces:scrambled", ONE_LOCALIZER,
                label="Localizer", short="l", metavar="NAME", unset="a phantom's own"),
    ] = None  # fmt: skip
    target: Annotated[
        Path | None,
        Setting("Your own target stimuli, instead of a localizer", ONE_LOCALIZER, read=Path,
                metavar="PATH"),
    ] = None  # fmt: skip
    control: Annotated[
        Path | None,
        Setting("Your own control stimuli, instead of a localizer", ONE_LOCALIZER, read=Path,
                metavar="PATH"),
    ] = None  # fmt: skip
    evaluation: Annotated[
        str,
        Setting("What to evaluate on: a manifest, or your own folder or table", EVALUATING,
                label="Evaluate on", short="e", metavar="NAME", unset="a phantom's own"),
    ] = ""  # fmt: skip
    top: Annotated[
        tuple[float, ...],
        Setting("Doses: shares of all units in percent, with commas between them", ALWAYS,
                read=parse_percents, say=say_percents, label="Doses (% of all units)",
                metavar="PERCENTS", unset="1, or a phantom's own"),
    ] = (1.0,)  # fmt: skip
    controls: Annotated[
        tuple[ControlPlan, ...],
        Setting("Control masks of the same size, RULE:DRAWS with commas between them; rules: "
                f"{', '.join(rule.written for rule in CONTROL_RULES.values())}; empty for none",
                MASKING, read=read_controls, say=say_controls, label="Controls", metavar="RULES"),
    ] = field(default_factory=lambda: read_controls(DEFAULT_CONTROLS))  # fmt: skip
    level: Annotated[
        Level,
        Setting("What is scored and ablated, units (what modules give) or parameters (single "
                "weights, which are set to zero); docs/parameters.md", ONE_MAP, LEVELS,
                label="Level"),
    ] = "unit"  # fmt: skip
    stimuli: Annotated[
        int | None,
        Setting("Localize with N stimuli of either side, drawn by the seed and as equally from its "
                "conditions as can be, for a quick first map", LOCALIZING,
                read=partial(parse_count, "stimuli", 1), label="Stimuli of either side",
                metavar="N", unset="all"),
    ] = None  # fmt: skip
    kind: Annotated[
        Kind,
        Setting("Which modules are read and ablated; head, attention heads, a unit each",
                ONE_KIND, KINDS, label="Sites"),
    ] = "block"  # fmt: skip
    sites: Annotated[
        str | None,
        Setting("Module paths instead of a kind: globs with commas between them, MODULE or "
                "MODULE:input; of parameters modules or their own names, with :all biases and "
                "norms, too", ONE_KIND, metavar="GLOBS"),
    ] = None  # fmt: skip
    each_step: Annotated[
        bool,
        Setting("A site at each call of a module that runs several times in a pass, a recurrent "
                "cell or one block for all layers: MODULE@2 is its second",
                (*LOCALIZING, "sites")),
    ] = False  # fmt: skip
    unit: Annotated[
        Unit,
        Setting("What a unit is, a channel over all positions or a neuron at each",
                LOCALIZING, UNITS, label="Unit"),
    ] = "channel"  # fmt: skip
    pooling: Annotated[
        Pooling | None,
        Setting("How a channel's positions become one number; a neuron keeps its one (none)",
                LOCALIZING, ("mean", "max", "cls", "none"), unset="mean, or none of a neuron"),
    ] = None  # fmt: skip
    statistic: Annotated[
        Statistic,
        Setting("What is compared, the absolute activation (the paper's) or the signed one",
                LOCALIZING, STATISTICS, label="Statistic"),
    ] = "magnitude"  # fmt: skip
    score: Annotated[
        str,
        Setting("What ranks the units, so that the highest are the mask: how differently they "
                "answer (welch), or what the loss would gain without "
                "them (gradient); saliency is of weights, all others of units; docs/scores.md",
                LOCALIZING, SCORE_RULES, label="Score"),
    ] = DEFAULT_SCORE  # fmt: skip
    effort: Annotated[
        int | None,
        Setting("How much the score may take, where that is a choice: steps of integrated on the "
                "way to zero, masks that causal tries", LOCALIZING, metavar="N",
                read=partial(parse_count, "effort", 1), unset="the score's own"),
    ] = None  # fmt: skip
    least_d_prime: Annotated[
        float,
        Setting("Units are counted from this d′ on, the difference of the means in standard "
                "deviations", LOCALIZING, metavar="X",
                read=partial(parse_threshold, "least_d_prime"), say=say_threshold),
    ] = LEAST_D_PRIME  # fmt: skip
    least_index: Annotated[
        float,
        Setting("Units are counted from this selectivity index on, (target - control) / (target + "
                "control) of the means", LOCALIZING, metavar="X",
                read=partial(parse_threshold, "least_index"), say=say_threshold),
    ] = LEAST_INDEX  # fmt: skip
    units: Annotated[
        Path | None,
        Setting("A mask of your own in place of the top one: a table with the columns site and "
                "unit, as the command units writes it, and mask where it holds several", LISTED,
                read=Path, metavar="FILE"),
    ] = None  # fmt: skip
    mask: Annotated[
        str | None,
        Setting("Which mask of units", LISTED, metavar="NAME", unset="all, one after the other"),
    ] = None  # fmt: skip
    ablation: Annotated[
        Ablation,
        Setting("What replaces a unit: zero, mean (its own over the control condition), resample "
                "(its value on another stimulus of that, drawn by the seed) or scale:X", MASKING,
                read=parse_ablation, say=say_ablation, label="Replacement", metavar="HOW"),
    ] = "zero"  # fmt: skip
    exclude_massive: Annotated[
        float | None,
        Setting("Choose masks and controls without massive units, which are this many times as "
                f"loud as the median unit of their site; usual takes {THRESHOLD:g}", ALWAYS,
                read=parse_loudness, say=say_threshold, label="Leave out massive units",
                metavar="TIMES", unset="all units"),
    ] = None  # fmt: skip
    seed: Annotated[
        int,
        Setting("Seed of halves, control masks, bootstrap and random weights", ALWAYS, read=int,
                label="Seed", metavar="N", least=0),
    ] = 0  # fmt: skip
    untrained: Annotated[
        bool, Setting("Random weights of the same architecture", LOCALIZING)
    ] = False  # fmt: skip
    untrained_seeds: Annotated[
        int | None,
        Setting("Networks of the same architecture with random weights that the localizer is shown "
                "too, to say what training added; 0 for none. Each takes as long as localizing",
                ONE_MAP, read=partial(parse_count, "untrained_seeds", 0),
                label="Untrained networks", metavar="N",
                unset=f"{UNTRAINED_SEEDS}, or 0 for models above "
                f"{LARGEST_UNTRAINED // 1_000_000} M parameters"),
    ] = None  # fmt: skip
    allow_overlap: Annotated[
        bool, Setting("Evaluate even on stimuli that the localizer used", EVALUATING)
    ] = False  # fmt: skip
    device: Annotated[
        str,
        Setting("Where to compute: auto, cpu, cuda, cuda:1 or mps", (*ALWAYS, "sites"),
                metavar="NAME"),
    ] = "auto"  # fmt: skip
    dtype: Annotated[
        str,
        Setting("Numbers that the model computes with: float32, float16 or bfloat16", LOCALIZING,
                metavar="NAME"),
    ] = "float32"  # fmt: skip
    batch_size: Annotated[
        int,
        Setting("Stimuli a pass at most; fewer where memory does not hold as many",
                (*WITH_STIMULI, "lm-eval"), read=int, metavar="N", least=1),
    ] = 64  # fmt: skip
    data_root: Annotated[
        Path | None,
        Setting(f"Folder that holds the manifests' folders (or {DATA_VARIABLE})", WITH_STIMULI,
                read=Path, metavar="FOLDER"),
    ] = None  # fmt: skip
    on_error: Annotated[
        str,
        Setting("At a stimulus that is broken or missing stop, or leave it out and report it",
                WITH_STIMULI, ON_ERROR),
    ] = "stop"  # fmt: skip
    within: Annotated[
        str | None,
        Setting("Make the groups alike: of the same classes, or in pairs of equal intact margin",
                ONE_VERDICT, WITHIN, unset="as they are"),
    ] = None  # fmt: skip

    splits: Annotated[
        int | None,
        Setting("Also tell how stable the map and its masks are over N random halves of the "
                "stimuli; no further pass, but one number a stimulus and unit in memory",
                ONE_MAP, read=partial(parse_count, "splits", 2), metavar="N", unset="one split"),
    ] = None  # fmt: skip
    sufficient: Annotated[
        int | None,
        Setting("Also ask what still works with the top units alone left of their layers, the "
                "others at their mean, against N draws each of layer-matched and magnitude-matched "
                "units left alone: 2 N + 2 masks more, as a rule about as many as the controls of "
                "one dose for N = 20", ONE_VERDICT, read=partial(parse_count, "sufficient", 2),
                metavar="N", unset="not asked"),
    ] = None  # fmt: skip
    items: Annotated[
        int | None,
        Setting("Evaluate on N items of each class (vision) or paradigm (language), drawn by the "
                "seed, the groups as equal as can be, for a quick first answer; versions of one "
                "picture count once, and of running texts the same share is read", EVALUATING,
                read=partial(parse_count, "items", 1), label="Items of each class or paradigm",
                metavar="N", unset="all"),
    ] = None  # fmt: skip

    cache_memory: Annotated[
        int | None,
        Setting("Bytes that may be kept of a batch's intact pass for the masks, as in 512M or 2G; "
                "beyond it masks begin at an earlier site, with the same numbers", EVALUATING,
                read=partial(read_bytes, "cache_memory"), say=say_bytes, metavar="BYTES",
                unset="a quarter of what is free"),
    ] = None  # fmt: skip

    plain: Annotated[
        bool,
        Setting("Compute as the model comes, without trying for a moment whether another layout of "
                "its numbers is faster", EVALUATING),
    ] = False  # fmt: skip

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, fewest in COUNTED:
            if (n := getattr(self, name)) is not None and n < fewest:
                raise SettingError(f"`{name}` {n}: give {fewest} or more")
        if self.level == PARAMETER:
            self._check_weights()
        check_level(self.score, self.level)
        check_effort(self.score, self.effort)
        if self.mask is not None and self.units is None:
            raise SettingError(f"`mask` {self.mask}: is one of the table `units`; name that, too")
        for name in ("least_d_prime", "least_index"):
            if not 0 < (least := getattr(self, name)) < math.inf:
                raise SettingError(f"`{name}` {least:g}: give a number above 0")
        if (times := self.exclude_massive) is not None and not 1 < times < math.inf:
            raise SettingError(f"`exclude_massive` {times:g}: give a number above 1, or usual")
        if self.kind == "head" and self.sites is None:
            self._check_heads()

    def _check_weights(self) -> None:
        """Take the score of weights where none was chosen, and refuse what weights have not."""
        if self.score == DEFAULT_SCORE:
            object.__setattr__(self, "score", SALIENCY.name)
        usual = {each.name: each.default for each in fields(self)}
        for name, why in NOT_OF_WEIGHTS.items():
            if (value := getattr(self, name)) != usual[name]:
                raise SettingError(f"`{name}` {value}: at `level` parameter {why}; leave it out")
        if self.untrained_seeds:
            raise SettingError(
                f"`untrained_seeds` {self.untrained_seeds}: at `level` parameter {OTHER_LOSS}; "
                "leave it out"
            )

    def _check_heads(self) -> None:
        """Refuse at once what a slice of channels cannot be asked."""
        if self.statistic == "signed":
            raise SettingError(
                "`statistic` signed: a head has no sign; choose magnitude or mean-magnitude"
            )
        if self.sufficient is not None:
            raise SettingError(
                "`sufficient`: sets other units to their mean, and a head is a slice of channels, "
                "of which the map keeps one number; leave it out"
            )
        if "mean" in say_ablation(self.ablation).split(","):
            raise SettingError(
                "`ablation` mean: a head is a slice of channels, of which the map keeps one "
                "number; choose zero, resample or scale:X"
            )

    @property
    def plan(self) -> Plan:
        """The masks to try."""
        ways = (self.ablation, self.within, self.sufficient)
        return Plan(self.top, self.controls, self.seed, *ways)

    def to_evaluate(self) -> Self:
        """These settings, with the evaluation that the model brings where none is named.

        Raises
        ------
        SettingError
            If none is named and the model brings none.
        """
        if self.evaluation:
            return self
        if (own := self.brought.get(self.model)) is None:
            raise SettingError(
                f"`evaluation` is missing, and {self.model} brings none: say what to evaluate on "
                "(localize needs none)"
            )
        return replace(self, evaluation=own.evaluation)
