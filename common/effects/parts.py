"""What every part of a run's results is: frozen, checked when it is read, told key by key."""

from __future__ import annotations

import math
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, PlainSerializer

Interval = tuple[float, float]

_null = PlainSerializer(lambda bound: bound if math.isfinite(bound) else None)
Low = Annotated[float, BeforeValidator(lambda low: -math.inf if low is None else low), _null]
High = Annotated[float, BeforeValidator(lambda high: math.inf if high is None else high), _null]
OpenInterval = tuple[Low, High]
"""An interval whose bounds may not exist; such a one is infinite, and ``null`` in a file."""


class Part(BaseModel):
    """A part of ``results.json``. Its attributes are the keys; a misspelt one fails mypy.

    The docstring below an attribute is what ``docs/run-folder.md`` says of its key. A key that was
    not given is not written, and ``null`` is written where ``None`` was given.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="ignore",
        use_attribute_docstrings=True,
        protected_namespaces=(),
        ser_json_inf_nan="constants",  # for the writer to refuse, and no null in silence
    )

    def as_json(self) -> dict[str, Any]:
        """What JSON holds of it, with the keys that were given."""
        return self.model_dump(mode="json", exclude_unset=True)


class OpenPart(Part):
    """A part to which a front end may add keys of its own: they are kept as they are."""

    model_config = ConfigDict(extra="allow")


class MaskPart(Part):
    """What is said of one mask; which one it is."""

    mask: str
    """Its name, as in ``masks.safetensors`` and ``items.csv``."""
    rule: str
    """``top``, or the control rule."""
    percent: float
    """The dose: the share of all units that it holds, in percent."""
    seed: int | None
    """Of the draw; ``null`` where nothing was drawn."""


class SizedMaskPart(MaskPart):
    """What is said of one mask; which one it is, and its size."""

    n_units: int
    """Units that it holds."""
