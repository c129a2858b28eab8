"""Figures of a map and of a run: pure functions from its numbers to a matplotlib ``Figure``.

Examples
--------
>>> figures.t_distribution(found, [25]).savefig(folder / "t.svg")
"""

from common.report.figures.adjusted import adjusted, adjusted_by_dose
from common.report.figures.canvas import OTHER, TARGET
from common.report.figures.depth import by_operation
from common.report.figures.forest import forest
from common.report.figures.loudness import loss_by_loudness
from common.report.figures.maps import selectivity_by_site, t_distribution, units_by_site
from common.report.figures.outcomes import MOST_PARTS, dose_curve, lost_parts
from common.report.figures.responses import kind_name, response_profile, unit_responses
from common.report.figures.texts import perplexity_curve
from common.report.figures.unit_map import MOST_COLUMNS, size_of, unit_at, unit_map
from common.report.figures.where import answers_over, changes_over

__all__ = [
    "MOST_COLUMNS",
    "MOST_PARTS",
    "OTHER",
    "TARGET",
    "adjusted",
    "adjusted_by_dose",
    "answers_over",
    "by_operation",
    "changes_over",
    "dose_curve",
    "forest",
    "kind_name",
    "loss_by_loudness",
    "lost_parts",
    "perplexity_curve",
    "response_profile",
    "selectivity_by_site",
    "size_of",
    "t_distribution",
    "unit_at",
    "unit_map",
    "unit_responses",
    "units_by_site",
]
