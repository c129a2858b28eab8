"""What a run folder says of the localizer's stimuli."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from common.measure.contrast import Stimulus


def stimuli_table(
    target: Sequence[Stimulus],
    control: Sequence[Stimulus],
    digests: Sequence[str],
    **more: Sequence[str],
) -> pd.DataFrame:
    """``stimuli.csv``: the localizer's stimuli, their sides and fingerprints.

    Parameters
    ----------
    target, control : sequence
        The stimuli of either side.
    digests : sequence of str
        A fingerprint of each, the target's first.
    **more
        Further columns, in the same order.
    """
    both = [*target, *control]
    return pd.DataFrame(
        {
            "stimulus": [stimulus.name for stimulus in both],
            "condition": [stimulus.condition for stimulus in both],
            "side": ["target"] * len(target) + ["control"] * len(control),
            "digest": digests,
            **more,
        }
    )
