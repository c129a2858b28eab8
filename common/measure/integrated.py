"""Integrated gradients of a site's units, on the straight way to zero: where first order fails.

The slope at the intact model says nothing where the loss is flat there and rises further off. So
the slope is averaged over the way: with the whole site at α times its value, α from 1 to 0, a unit
has -∫ a dL/da(αa) dα, and the units of a site sum to what the loss gains without the site
(Sundararajan et al. 2017: completeness). One site at a time, all before it intact: if all sites
moved at once, each would be fed by others that had moved as well, and no site's own sum would mean
anything.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from common.base.heavy import torch
from common.measure.attach import (
    attached,
    on_gradient,
    replace_first,
    tensor_of,
)
from common.measure.attribution import Streamed, frozen, go_back, summed, widened
from common.measure.batch import Batch, Fitting, loss_of
from common.measure.gradient import LOSS, rise
from common.measure.moments import batch_rows, resolution_of
from common.measure.rules import Contrast, Score, ScoreRule, ScoreWords, Watching
from common.measure.sites import Site
from common.measure.tally import Cells, Part, Reduced
from common.measure.turns import attached_to
from common.measure.welch import joined

if TYPE_CHECKING:
    from torch import Tensor

STEPS = 8
WORDS = ScoreWords(
    name="integrated",
    symbol="dL_path",
    label="share of the loss's rise without the site (target minus control, nats)",
    prose="the share of the loss’s rise without its site",
    title="Integrated gradients: the share of the loss’s rise without the site",
    method=(
        "For each unit the gradient of the loss was integrated on the straight way from the site’s "
        "output to zero, one site at a time with all before it intact, by the midpoint rule; "
        "multiplied by the output, the units of a site sum to what the loss gains without the "
        f"site, {LOSS}. The score is its mean over the target minus that over the control; t, p "
        "and q are those of Welch’s test on it."
    ),
    references=(
        "Sundararajan, M., Taly, A., & Yan, Q. (2017). Axiomatic attribution for deep networks. "
        "ICML. arXiv:1703.01365. (Integrated gradients; here of inner units, as in conductance: "
        "Dhamdhere et al. 2019, arXiv:1805.12233.)",
    ),
    digits=".3g",
    scale=0.0,
    beside=("specific",),
)


class Path:
    """One site on its way: gives α times its value, and sums minus value times slope."""

    def __init__(self, site: Site, where: Watching, tokens: Tensor | None) -> None:
        self.site, self.where, self.tokens = site, where, tokens
        self.share = 1.0
        self.effect: Tensor | None = None
        self.resolution = 0.0

    def read(self, value: Any) -> Any:
        given = tensor_of(self.site, value)
        kept = given.detach()
        self.resolution = resolution_of(kept.dtype)
        told = on_gradient(kept * self.share, lambda slope: self._back(kept, slope))
        return replace_first(value, given, told)

    def _back(self, given: Tensor, slope: Tensor) -> None:
        product = -widened(slope) * widened(given)
        effect = summed(self.site, product, self.where.unit, self.tokens).double()
        self.effect = effect if self.effect is None else self.effect + effect

    def reduced(self, cells: Cells, steps: int) -> Reduced:
        """Moments over the stimuli of each group; zero where no loss depends on the site."""
        effect = self.effect
        if effect is None:
            n_stimuli = sum(cells.counts)
            effect = torch.zeros(n_stimuli, self.site.n_units(self.where.unit), dtype=torch.float64)
        rows = batch_rows(effect / steps, "signed", cells.on(effect.device))
        return Reduced(Part((self.site,), (effect.shape[1],)), rows, self.resolution)


def integrate(where: Watching) -> Streamed:
    """Show every stimulus `effort` times for every site."""
    found, steps = Streamed(where.sites), where.effort or STEPS
    done = 0
    now: dict[Site, Path] = {}

    def act(site: Site) -> Callable[[Any], Any]:
        return lambda value: now[site].read(value)

    hooks = {site: attached_to(where.module, [site], act) for site in where.sites}

    def show(batch: Batch) -> None:
        groups = where.groups[batch.where]
        cells = Cells(len(groups), groups)
        with torch.no_grad():
            right = loss_of(batch, WORDS.name).right
        rows = {}
        for site in where.sites:
            now[site] = path = Path(site, where, batch.tokens)
            with attached(hooks[site]):
                for step in range(steps):
                    path.share = 1 - (step + 0.5) / steps
                    losses = loss_of(batch, WORDS.name, right).each
                    if losses.requires_grad or site is where.sites[0]:
                        go_back(losses)
            rows[site] = path.reduced(cells, steps)
        found.add(rows, cells)

    fitting = Fitting(show)
    with frozen(where.module), torch.enable_grad():
        for batch in where.batches():
            fitting(batch)
            done += len(batch.where)
            where.progress("integrate", done, len(where.groups))
    return found


def _score(contrast: Contrast) -> Score:
    one, two = (joined(contrast.watched.moments(side)) for side in contrast.groups)
    return rise(WORDS, one, two)


INTEGRATED = ScoreRule(
    WORDS,
    end=_score,
    needs_loss=True,
    later=integrate,
    effort=STEPS,
    passes=lambda sites, _units, steps: 2.0 + 2 * sites * steps,
)
