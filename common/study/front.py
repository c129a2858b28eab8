"""What a front end is: an object that loads models, prepares stimuli and shows them to the model.

All else of a run (the masks and their controls, the folder, the resuming, the numbers, the report)
is the core's. A front end brings three classes:

* a :class:`FrontEnd`, of which there is one object;
* its settings, :class:`common.study.settings.Settings` or a class of these;
* an :class:`Evaluating`: what is evaluated on, with ``prepare``, ``outcome`` and ``illustrate``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
import pandas as pd

from common.base.errors import SettingError
from common.base.files import digest_of
from common.base.progress import Progress, silent
from common.effects.described import DescribedEvaluation, DescribedLocalizer, DescribedModel
from common.effects.items import Items, Outcome
from common.effects.localized import D_PRIME, INDEX
from common.effects.perplexity import MeasuredText
from common.measure.ablate import Ablation
from common.measure.donors import CONTROL, Donors
from common.measure.masks import Mask
from common.measure.scores import (
    LEAST_D_PRIME,
    LEAST_INDEX,
    SelectivityMap,
    score_identity,
    score_rule,
)
from common.measure.sites import Kind, Site
from common.study.estimate import Estimate, tell
from common.study.settings import Settings
from common.study.stimuli import stimuli_table as stimuli_table

Model = TypeVar("Model")
S = TypeVar("S", bound=Settings)


@dataclass(frozen=True)
class Localizing(Generic[Model]):
    """A model and a localizer: what a map is made of, and what identifies it.

    Attributes
    ----------
    model : Model
        The front end's own.
    described, localizer : DescribedModel, DescribedLocalizer
        What ``results.json`` says of the model and of the localizer; see
        :func:`describe_localizer`.
    stimuli : DataFrame
        ``stimuli.csv``, as from :func:`stimuli_table`.
    fingerprint : str
        Of all the stimuli.
    sites : sequence of Site
        Where the model is read.
    settings : Settings
        Those that localizing goes by, a front end's own defaults filled in.
    make_map : callable
        Localizes in a model: this one, or an untrained one of its architecture.
    more : dict
        What else the map depends on, by name; a part of the run's identity.
    illustrate : callable, optional
        Keeps in a folder which of the localizer's stimuli drive the units of a mask; given the
        folder, the map, the mask and a progress.
    """

    model: Model
    described: DescribedModel
    localizer: DescribedLocalizer
    stimuli: pd.DataFrame
    fingerprint: str
    sites: Sequence[Site]
    settings: Settings
    make_map: Callable[[Model, Progress], SelectivityMap]
    more: dict[str, Any] = field(default_factory=dict)
    illustrate: Callable[[Path, SelectivityMap, Mask, Progress], None] | None = None

    @property
    def work(self) -> float:
        """How much is shown to the model: so many pictures, or tokens where texts have them.

        As often as the score takes.
        """
        told = self.localizer
        if told.tokens is None:
            return self._passes * len(self.stimuli)
        sides = ((told.tokens["target"], told.n_target), (told.tokens["control"], told.n_control))
        return self._passes * sum(tokens.mean * n for tokens, n in sides)

    @property
    def _passes(self) -> float:
        """About how many plain passes the score takes."""
        rule, unit = score_rule(self.settings.score), self.settings.unit
        n_units = sum(site.n_units(unit) for site in self.sites)
        effort = self.settings.effort or rule.effort or 0
        return float(rule.passes(len(self.sites), n_units, effort))

    @property
    def identity(self) -> dict[str, Any]:
        """Whatever the map depends on."""
        model = self.described
        return {
            "model": {
                "name": model.name,
                "fingerprint": model.fingerprint,
                "dtype": model.dtype,
                **({} if model.config is None else {"config": model.config}),
            },
            "preprocessing": model.preprocessing,
            "localizer": {"name": self.localizer.name, "stimuli": self.fingerprint},
            **self.more,
            "sites": digest_of([str(site) for site in self.sites]),
            "unit": self.settings.unit,
            "pooling": self.settings.pooling,
            "statistic": self.settings.statistic,
            **score_identity(self.settings.score, self.settings.effort),
            **self._thresholds,
            **({} if self.settings.splits is None else {"splits": self.settings.splits}),
            "seed": self.settings.seed,
        }

    def fresh_map(self, progress: Progress) -> SelectivityMap:
        """The map, which knows the model that it belongs to."""
        found = self.map_of(self.model, progress)
        found.about["model_fingerprint"] = self.described.fingerprint
        if self.described.config is not None:
            found.about["model_config"] = self.described.config
        control = self.stimuli["side"] == "control"
        found.about[CONTROL] = digest_of(self.stimuli.loc[control, "digest"].tolist())
        return found

    def map_of(self, model: Model, progress: Progress) -> SelectivityMap:
        """The map of this model or of an untrained one, with the thresholds of its effect sizes."""
        found = self.make_map(model, progress)
        found.about.update(self._thresholds)
        return found

    @property
    def _thresholds(self) -> dict[str, float]:
        """Those that are not the default, so that older runs keep their identity."""
        usual = {D_PRIME: LEAST_D_PRIME, INDEX: LEAST_INDEX}
        chosen = {name: getattr(self.settings, name) for name in usual}
        return {name: value for name, value in chosen.items() if value != usual[name]}


@dataclass(kw_only=True, eq=False)
class Evaluating(ABC):
    """What is evaluated on, and how. A front end's own is a dataclass of this one.

    :meth:`prepare` is called once, after localizing and before the first outcome.

    Attributes
    ----------
    items : Items
        In one order for all masks.
    described : DescribedEvaluation
        What ``results.json`` says of it.
    stimuli : str
        Fingerprint of all of it.
    digests : sequence of (str, str)
        Item and fingerprint of a stimulus of it, to be held against the localizer's.
    word : str
        What the items are called in a message.
    area : mapping of str to array of int
        The built-in area of a phantom: channels by module path.
    area_of : tuple of str
        What the name of a localizer that looks for this area may begin with.
    texts : sequence of MeasuredText
        Texts whose perplexity is measured beside the items.
    made_by : Settings, optional
        Those that the map was made by, where it was made before and by other ones: another seed
        would draw another part of the localizer's stimuli.
    """

    items: Items
    described: DescribedEvaluation
    stimuli: str
    digests: Sequence[tuple[str, str]]
    word: str
    area: Mapping[str, np.ndarray] = field(default_factory=dict)
    area_of: tuple[str, ...] = ("",)
    texts: Sequence[MeasuredText] = ()
    made_by: Settings | None = None

    def prepare(self, scratch: Path, progress: Progress = silent) -> None:  # noqa: B027 (may be left out)
        """Do once what all masks need: decode pictures.

        Parameters
        ----------
        scratch : Path
            A folder for files that outlive a kill but not the run: those that lie there are made
            by the same settings. It may not exist yet.
        progress : Progress
            Told how far it is; may raise to stop.
        """

    def foretell(self, n_masks: int, before: float) -> Estimate | None:  # noqa: ARG002
        """How long a run of so many masks takes at most; not known, as it stands.

        `before` says what is shown to the model before them: so many pictures or tokens.
        """
        return None

    def forewarn(self, n_masks: int, before: float, progress: Progress = silent) -> None:
        """Tell what :meth:`foretell` says; called before all else, and before :meth:`prepare`."""
        if (found := self.foretell(n_masks, before)) is not None:
            tell(progress, "This run", found)

    def know(self, intact: Outcome) -> None:
        """Be told the intact outcome, before anything is evaluated under a mask.

        By agreement its predictions are what counts as right from here on.

        Parameters
        ----------
        intact : Outcome
            As it was computed, or kept.
        """
        self.items = self.items.known(intact)

    def foresee(  # noqa: B027 (may be left out)
        self,
        masks: Sequence[Mask],
        later: Sequence[tuple[Mask, int]],
        found: SelectivityMap,
        progress: Progress = silent,
    ) -> None:
        """Say how long masks will take; called once the intact outcome is known.

        Parameters
        ----------
        masks : sequence of Mask
            Those that will be evaluated.
        later : sequence of (Mask, int)
            How many more like each may be drawn.
        found, progress
            As in :meth:`outcome`.
        """

    def donors(self, found: SelectivityMap) -> Donors:  # noqa: ARG002  (a front end's needs it)
        """The control stimuli whose values a masked unit takes under ``resample``.

        Raises
        ------
        SettingError
            If there are none; always, as it stands.
        """
        raise SettingError("`ablation` resample: there are no other stimuli here; choose zero")

    @contextmanager
    def arranged(self, note: Path, begun: bool) -> Iterator[None]:  # noqa: ARG002 (may be used)
        """Compute in the fastest way inside this context; as it comes, as it stands.

        Parameters
        ----------
        note : Path
            A file that says which way that is: it is made once, for a run that goes on has to
            compute in the way in which it began.
        begun : bool
            Whether there are outcomes already.
        """
        yield

    def responses(self, top: Mask, found: SelectivityMap) -> np.ndarray | None:  # noqa: ARG002
        """How strongly a mask's units answer to every item, (n_items,); not known, as it stands."""
        return None

    def replaced_by(self, by: Ablation) -> AbstractContextManager[None]:
        """Replace units in another way inside this context; not possible, as it stands."""
        raise SettingError(f"units cannot be replaced by {by} here; leave `sufficient` out")

    @abstractmethod
    def outcome(
        self, mask: Mask | None, found: SelectivityMap, progress: Progress = silent
    ) -> Outcome:
        """What the model does with every item under a mask, or intact for ``None``.

        Parameters
        ----------
        mask : Mask or None
            Units of `found`.
        found : SelectivityMap
            The map.
        progress : Progress
            Told of every batch as a part of the step under way; may raise to stop.
        """

    def outcomes(
        self,
        masks: Iterable[Mask | None],
        found: SelectivityMap,
        progress: Progress = silent,
    ) -> Iterator[Outcome]:
        """The outcomes under several masks, in their order, each as soon as it is known.

        One by one, as it stands; :class:`common.study.together.EvaluatingTogether` does better. The
        caller may stop asking.
        """
        for mask in masks:
            yield self.outcome(mask, found, progress)

    def illustrate(  # noqa: B027 (may be left out)
        self,
        folder: Path,
        found: SelectivityMap,
        top: Mask,
        intact: Outcome,
        ablated: Outcome,
        progress: Progress = silent,
    ) -> None:
        """Keep in the run folder what its report shows besides numbers; nothing, as it stands.

        Parameters
        ----------
        folder : Path
            The run folder. A file that is there already was made by the same run.
        found, top
            The map, and the top mask of the dose that the verdict is about.
        intact, ablated : Outcome
            Without a mask and under the top one.
        progress : Progress
            Told how far it is; may raise to stop.
        """


class FrontEnd(ABC, Generic[S, Model]):
    """A front end.

    Attributes
    ----------
    program : str
        Its command. Run folders say by it whose they are.
    settings : type of Settings
        Of its runs.
    """

    program: str
    settings: type[S]

    @abstractmethod
    def load(self, settings: S) -> tuple[Model, DescribedModel]:
        """The model, and what ``results.json`` says of it."""

    @abstractmethod
    def localizing(self, settings: S) -> Localizing[Model]:
        """The model and the localizer at hand."""

    def localizing_each(self, settings: S, names: Sequence[str]) -> list[Localizing[Model]]:
        """The model, and several localizers at hand; a front end may show them in one pass."""
        return [self.localizing(replace(settings, localizer=name)) for name in names]

    def localizing_kinds(
        self,
        settings: S,  # noqa: ARG002  (a front end's needs them)
        kinds: Sequence[Kind],  # noqa: ARG002
        n_units: int | None,  # noqa: ARG002
    ) -> tuple[list[Localizing[Model]], dict[str, str]]:
        """The model and the localizer at hand, read at each of several kinds of sites.

        Parameters
        ----------
        settings : Settings
            Of all of them; there is one dose.
        kinds : sequence of str
            Those that are wanted.
        n_units : int, optional
            How many units the dose is of each kind; see :func:`common.study.kinds.of_kinds`.

        Returns
        -------
        (list of Localizing, dict of str to str)
            One for each kind, with the kind and the dose in its settings; and why there are no
            others.

        Raises
        ------
        SettingError
            Always, as it stands.
        """
        raise SettingError("kinds of sites are not told apart here; run one after the other")

    @abstractmethod
    def evaluating(self, settings: S, model: Model) -> Evaluating:
        """The evaluation at hand."""
