"""What a front end says of its model, its localizer and its evaluation."""

from __future__ import annotations

from pydantic import Field

from common.effects.items import Items
from common.effects.measured import Measure
from common.effects.parts import OpenPart, Part


class DescribedModel(OpenPart):
    """Which model was used."""

    name: str
    """As it was asked for: ``phantom/cnn``."""
    fingerprint: str
    """Of its class and all its weights."""
    config: str | None = None
    """Fingerprint of its configuration, where it was read from a folder or a hub."""
    untrained: bool = False
    """Whether its weights are random."""
    seed: int | None = None
    """Of random weights."""
    phantom: bool = False
    """Whether it is one of the bundled calibration models."""
    n_parameters: int
    """How many numbers it was trained in."""
    dtype: str
    """Type of its numbers: ``float32``."""
    n_classes: int | None = None
    """How many classes it tells apart (vision)."""
    chance: float | None = None
    """The share that guessing gets right, where it is the same for all items."""
    adapter: str | None = None
    """Checksum of the adapter that was merged into its weights, where one was (language)."""
    context: int | None = None
    """The longest text that it reads, in tokens (language)."""
    preprocessing: str | None = None
    """What is done to a stimulus before the model sees it."""
    unsaid: str | None = None
    """What nobody said of a model of one's own, and was supposed."""


class SkippedStimulus(Part):
    """A stimulus that was left out."""

    name: str
    """Which one."""
    reason: str
    """Why it could not be read."""


class TokenLengths(Part):
    """How long the texts of one side are, in tokens."""

    mean: float
    """As they were read, on average."""
    range: tuple[int, int]
    """The shortest and the longest."""
    whole_mean: float
    """On average before any was cut."""
    n_cut: int
    """How many were cut."""


class MatchedTexts(Part):
    """How texts were paired by their length, so that the contrast is none of length."""

    by: str
    """What was counted: ``tokens`` or ``words``."""
    n_pairs: int
    """Texts that are left on either side."""
    n_left_out: tuple[int, int]
    """Target and control texts that have no partner, and were left out."""
    length: float
    """Mean length of those that are left, the same on both sides."""


class DescribedLocalizer(OpenPart):
    """Which contrast found the units."""

    name: str
    """As it was asked for: ``floc:faces``."""
    target: tuple[str, ...]
    """Conditions that the units shall prefer."""
    control: tuple[str, ...]
    """Conditions that they are held against."""
    n_target: int
    """Stimuli of the target conditions."""
    n_control: int
    """Stimuli of the control conditions."""
    skipped: tuple[SkippedStimulus, ...] = ()
    """Stimuli that were broken or missing and left out because the settings said so."""
    protocol: str | None = None
    """``full``, or ``paper`` where texts are cut as the paper did (language)."""
    tokens: dict[str, TokenLengths] | None = None
    """Length of the texts by side, ``target`` and ``control`` (language)."""
    matched: MatchedTexts | None = None
    """How texts were paired by their length, where they were (language)."""
    warning: str | None = None
    """What a reader should know of its stimuli."""


class WithinClass(Part):
    """How the groups were compared within classes."""

    at_least: int
    """Items that a class must have of either group."""
    classes: dict[str, tuple[int, int]]
    """By class that has as many, its items of the target group and of the other."""
    n_left_out: int
    """Items of the other classes, which were left out."""


class Occlusion(Part):
    """How every picture was shown whole, with its faces greyed, and with as much grey elsewhere."""

    n_pictures: int
    """Pictures that were shown in all three versions."""
    n_without_box: int
    """Pictures of the target group that no face was found in, and that were left out."""
    n_without_room: int
    """Those that have no room for a box of the same size elsewhere."""


class Subset(Part):
    """Which part of the items was evaluated."""

    each: int
    """Items of each class or paradigm, as asked for; versions of one picture count once."""
    by: str
    """``class`` or ``paradigm``; ``group`` where items have no class."""
    n_parts: int
    """Classes, paradigms or groups."""
    n_short: int
    """Those that have fewer, of which all items were taken."""
    n_left_out: int
    """Items that were not evaluated."""


class ClassMatch(Part):
    """How the classes of the evaluation were matched to those of the model."""

    by: str
    """``wnid``, ``name``, or ``number`` where one of the two names none."""
    source: str
    """How the model's classes are known: ``model`` (its configuration), ``names`` (its names are
    those of a list of ImageNet's), ``number`` (it names none, and has as many), ``none``."""
    listed: str | None = None
    """That list, as timm calls it."""
    n_model: int
    """Classes of the model."""
    n_shared: int
    """Classes that both have."""
    n_unknown: int
    """Classes of the evaluation that the model lacks."""
    n_left_out: int
    """Items of these, which were left out."""
    choices: str
    """What the model chose from: ``all`` its classes, or those that are ``shared``."""


class WithinMargin(Part):
    """How items were paired by their intact margin."""

    caliper: float
    """How far apart a pair may lie, in standard deviations within the groups."""
    n_pairs: int
    """Pairs that were found."""
    n_left_out: int
    """Items of the two groups without a partner, which were left out."""
    gap: tuple[float, float]
    """Mean intact margin of the target group minus that of the other, before and after."""


class DescribedEvaluation(OpenPart):
    """On what the masks were tried: what the front end says of it."""

    name: str
    """As it was asked for: ``tinyimagenet100``."""
    warning: str | None = None
    """What a reader should know of its items."""
    skipped: tuple[SkippedStimulus, ...] = ()
    """Items that were broken or missing and left out because the settings said so."""
    classes: dict[str, str] = Field(default_factory=dict)
    """Names of the classes of its items by their number (vision)."""
    chances: dict[str, float] = Field(default_factory=dict)
    """By group, the share that guessing gets right (language)."""
    class_match: ClassMatch | None = None
    """How its classes were matched to the model's (vision)."""
    within_class: WithinClass | None = None
    """How the groups were compared within classes, where they were."""
    occlusion: Occlusion | None = None
    """How faces were greyed, where they were."""
    subset: Subset | None = None
    """Which part of the items was evaluated, where not all were."""
    within_margin: WithinMargin | None = None
    """How items were paired by their intact margin, where they were."""
    shown: str | None = None
    """Digest of its items by name, group and content, whatever classes a model has."""

    def of(self, items: Items, overlap: int) -> Evaluation:
        """The same with what the items say.

        Parameters
        ----------
        items : Items
            What was evaluated on.
        overlap : int
            How many of them the localizer had used.
        """
        sizes = {"target": items.target, "other": items.other, "n_items": len(items.names)}
        told = {"overlap": overlap, "measure": items.measure, **sizes}
        return Evaluation.model_validate({**self.as_json(), **told})


class Evaluation(DescribedEvaluation):
    """On what the masks were tried."""

    overlap: int = 0
    """Items that the localizer had used too."""
    measure: Measure = "accuracy"
    """What counts as right: the item's label (``accuracy``), or what the intact model gives
    (``agreement``), of which the intact model has all by definition."""
    target: str
    """The group that the units are said to serve."""
    other: str | None
    """The group that it is held against; ``null`` where it is judged by itself."""
    n_items: int
    """Items of all groups."""
