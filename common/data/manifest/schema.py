"""What a manifest says: the stimuli of a set, their contrasts, and what they are judged on."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from string import Formatter
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

from common.base.errors import ManifestError
from common.data.download import Download, Sha256

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=100)]
"""What a set, a condition or a contrast is called."""
LONGEST = 500  # characters of a glob
Kind = Literal["pictures", "texts"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Source(_Strict):
    """Where the stimuli come from."""

    url: str
    revision: str | None = None
    licence: str | None = None
    citation: str | None = None


def _checked_glob(value: str) -> str:
    parts = PurePosixPath(value).parts
    if not parts or value.startswith(("/", "~")) or ".." in parts or len(value) > LONGEST:
        raise ValueError("a glob is relative, stays inside the set's folder and is not empty")
    if any("**" in part and part != "**" for part in parts) or "\0" in value:
        raise ValueError("in a glob ** stands for whole folders alone")
    return value


Glob = Annotated[str, AfterValidator(_checked_glob)]


class Story(_Strict):
    """What is asked about each story of a condition, and answered.

    Attributes
    ----------
    question : str
        Glob of the files with the questions; its ``*`` stands for the same as in the stories' one.
    answers : tuple of str
        The possible answers. Each comes equally often, and the condition's seed draws which story
        gets which, so that the answer tells nothing of the condition.
    template : str
        The whole text, with ``{story}``, ``{question}`` and ``{answer}``.
    """

    question: Glob
    answers: tuple[str, ...] = Field(default=("True", "False"), min_length=1)
    template: str = "Story: {story}\nQuestion: {question}\nAnswer: {answer}"

    @field_validator("template")
    @classmethod
    def _filled(cls, value: str) -> str:
        try:
            names = {name for _, name, _, _ in Formatter().parse(value) if name is not None}
        except ValueError as error:
            raise ValueError(f"the template cannot be filled in ({error})") from error
        if names != {"story", "question", "answer"}:
            raise ValueError("the template names {story}, {question} and {answer}, and no more")
        return value


class Condition(_Strict):
    """The stimuli of one condition: files by a glob, rows of tables, or drawn by the program.

    Attributes
    ----------
    words : tuple of str
        Columns of a CSV table whose cells, with spaces between them, are one text a row.
    where : dict of str to str
        Only the rows that have these values.
    lower : bool
        Whether the text is lower-cased.
    story : Story, optional
        Each file is a story, read with a question and an answer.
    n : int, optional
        How many stimuli there are: files, or rows, or how many are drawn.
    seed : int
        Seed of what is drawn.
    """

    files: Glob | None = None
    draw: str | None = None
    n: int | None = Field(default=None, ge=1)
    words: tuple[str, ...] = ()
    where: dict[str, str] = {}
    lower: bool = False
    story: Story | None = None
    seed: int = Field(default=0, ge=0)

    @model_validator(mode="after")
    def _one_of(self) -> Condition:
        if (self.files is None) == (self.draw is None):
            raise ValueError("a condition has either files or draw")
        if (self.where or self.lower) and not self.words:
            raise ValueError("where and lower are for the rows of tables: name the words columns")
        if self.words and self.files is None:
            raise ValueError("words are columns of files")
        if self.story and any((glob or "").count("*") != 1 for glob in self.globs):
            raise ValueError("a story has files and a question, each a glob with one *")
        return self

    @property
    def globs(self) -> list[str]:
        """What the names of its files are like; a story's questions come last."""
        asked = [self.story.question] if self.story else []
        return [*([self.files] if self.files is not None else []), *asked]

    @property
    def is_text(self) -> bool:
        """Whether its files are of text."""
        return bool(self.words) or self.story is not None


class Contrast(_Strict):
    """Target conditions against control conditions."""

    target: tuple[Name, ...] = Field(min_length=1)
    control: tuple[Name, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _apart(self) -> Contrast:
        if shared := set(self.target) & set(self.control):
            raise ValueError(f"{', '.join(sorted(shared))} is both target and control")
        return self


class Within(_Strict):
    """Which items the groups are compared on where they shall be of the same classes.

    Attributes
    ----------
    others : str, optional
        A group that is left out otherwise: its rows are of the other group then, if `column` is
        below `below` in them.
    column : str, optional
        A column of numbers.
    below : float, optional
        What it must be below.
    at_least : int, default=3
        Items that a class must have of either group.
    warning : str, optional
        What a reader should know of the groups then, instead of the manifest's own warning.
    """

    others: str | None = None
    column: str | None = None
    below: float | None = None
    at_least: int = Field(default=3, ge=1)
    warning: str | None = None

    @model_validator(mode="after")
    def _together(self) -> Within:
        if len({value is None for value in (self.others, self.column, self.below)}) != 1:
            raise ValueError("others, column and below go together")
        return self


class FoundBoxes(_Strict):
    """Where a detector found something in the items, as a table beside the manifest.

    Attributes
    ----------
    table : Path
        CSV with the columns file and boxes (see ``docs/groups.md``).
    sha256 : str
        Its checksum.
    """

    table: Path
    sha256: Sha256

    @field_validator("table", mode="before")
    @classmethod
    def _beside(cls, value: object, info: ValidationInfo) -> object:
        beside = (info.context or {}).get("beside")
        return value if beside is None else Path(str(beside)) / str(value)


class Evaluation(_Strict):
    """A benchmark: a table of items with label and group, or items drawn by the program."""

    table: str | None = None
    table_from: str | None = None  # how to make the table, where no download brings it
    draw: bool = False
    n: int | None = Field(default=None, ge=1)
    file: str = "file"
    label: str = "class_index"
    wnid: str | None = None
    class_name: str | None = None
    group: str = "group"
    target: str
    other: str
    within: Within = Within()
    boxes: FoundBoxes | None = None

    @model_validator(mode="after")
    def _one_of(self) -> Evaluation:
        if (self.table is None) != self.draw:
            raise ValueError("an evaluation has either a table or draw")
        if self.target == self.other:
            raise ValueError("target and other are the same group")
        return self


class Pairs(_Strict):
    """A benchmark of minimal pairs, in JSON lines or drawn: of two texts the model prefers one.

    Attributes
    ----------
    files : str, optional
        Glob.
    draw : str, optional
        What is drawn by the program, where there are no files.
    n, seed : int
        How many are drawn, and the seed of the draw.
    good, bad : str
        Keys of the two texts.
    levels : dict of str to str
        Ways to sort the pairs, coarse ones first, and the key of each.
    rename : dict of str to str
        Other spellings of the same part.
    target, other : str, optional
        The parts that are contrasted by default; ``rest`` is all that is not the target. Without a
        target all pairs are one group.
    """

    files: Glob | None = None
    draw: str | None = None
    n: int | None = Field(default=None, ge=1)
    seed: int = Field(default=0, ge=0)
    good: str = "good"
    bad: str = "bad"
    levels: dict[Name, str] = Field(min_length=1)
    rename: dict[str, str] = {}
    target: str | None = None
    other: str = "rest"

    @model_validator(mode="after")
    def _one_of(self) -> Pairs:
        if (self.files is None) == (self.draw is None) or (self.n is None) != (self.draw is None):
            raise ValueError("pairs have either files, or draw and n")
        return self

    @model_validator(mode="after")
    def _apart(self) -> Pairs:
        if self.target == self.other:
            raise ValueError("target and other are the same group")
        return self


class RunningText(_Strict):
    """A text whose perplexity is measured, in windows of so many tokens."""

    file: Glob
    window: int = Field(default=128, ge=2)


class Manifest(_Strict):
    """One stimulus set or benchmark."""

    name: Name
    about: str
    source: Source
    conditions: dict[Name, Condition] = {}
    contrasts: dict[Name, Contrast] = {}
    evaluation: Evaluation | None = None
    pairs: Pairs | None = None
    text: RunningText | None = None
    download: Download | None = None
    own_copy: str | None = None  # how to come by the files, where no download brings them
    bundled: bool = False  # whether its files lie beside the manifest
    warning: str | None = None

    @model_validator(mode="after")
    def _known(self) -> Manifest:
        for name, contrast in self.contrasts.items():
            for condition in (*contrast.target, *contrast.control):
                if condition not in self.conditions:
                    raise ValueError(f"contrast {name} names the unknown condition {condition}")
        return self

    def contrast(self, name: str | None) -> tuple[str, Contrast]:
        """The contrast of that name, or the only one there is.

        Parameters
        ----------
        name : str or None
            ``faces``; or ``faces:scrambled``, its target against the conditions after the colon,
            with commas between them, instead of its own control.

        Raises
        ------
        ManifestError
            If there is no such contrast or condition, or none was named and there are several.
        """
        offered = ", ".join(self.contrasts) or "none"
        chosen, _, against = (name or "").partition(":")
        if not chosen and len(self.contrasts) == 1:
            chosen = next(iter(self.contrasts))
        if chosen not in self.contrasts:
            raise ManifestError(
                f"`localizer` {self.name}:{name or ''}: name one of its contrasts ({offered})"
            )
        contrast = self.contrasts[chosen]
        if not against:
            return chosen, contrast
        return f"{chosen}:{against}", self._against(chosen, contrast.target, against)

    def _against(self, chosen: str, target: tuple[Name, ...], against: str) -> Contrast:
        """The target against conditions of its own choosing."""
        control = tuple(against.split(","))
        rivals = [each for each in self.conditions if each not in target]
        if unknown := [each for each in control if each not in rivals]:
            raise ManifestError(
                f"`localizer` {self.name}:{chosen}:{against}: {unknown[0] or 'nothing'} cannot be "
                f"its control; choose from {', '.join(rivals)}"
            )
        return Contrast(target=target, control=tuple(dict.fromkeys(control)))

    @property
    def localizers(self) -> list[str]:
        """Its contrasts, and each against every condition that belongs to none of them."""
        used = {name for each in self.contrasts.values() for name in (*each.target, *each.control)}
        alone = [name for name in self.conditions if name not in used]
        return [*self.contrasts, *(f"{each}:{name}" for name in alone for each in self.contrasts)]

    @property
    def kind(self) -> Kind:
        """What it holds: only pictures have a table of labels, or are files of themselves."""
        files = any(entry.files and not entry.is_text for entry in self.conditions.values())
        return "pictures" if files or self.evaluation is not None else "texts"

    @property
    def is_drawn(self) -> bool:
        """Whether the program draws all of it, so that it has no files."""
        files = any(condition.files is not None for condition in self.conditions.values())
        files |= self.text is not None or (self.pairs is not None and self.pairs.files is not None)
        return not files and (self.evaluation is None or self.evaluation.draw)
