"""The phantom: small bundled networks and the pictures they know, with a known answer.

A scanner is calibrated with a phantom, an object whose inside is known. This one calibrates the
localizer: it runs offline in seconds, and what the localizer finds can be held against what is
there.

What it is
    Pictures of sixteen faces and sixteen kinds of objects (`draw`), drawn and not photographed.
    The faces differ in their geometry alone; pose, light, skin, hair and clothes tell nothing.
    Three networks (`load`): `cnn` has a face area by construction (`AREA`), channels that training
    gave to the face classes alone; `vit` was trained plainly on the same pictures and has no area
    built in; `planted` was not trained, its units (`PLANTED`) are wired by hand to answer to one
    of two kinds of noise (`draw_planted`).

What it says
    That the instrument works: on `planted` a localizer must return the planted units and no
    others; on `cnn` its mask can be compared with the area, and ablating the area must cost the
    faces and spare the objects; on `vit` the answer is not known beforehand.

What it does not say
    Anything about brains, about photographs, or about networks at large. The area of `cnn` is
    there because it was built in, and it is easy to find because training made every unit of it
    answer to every face and kept the units beside it silent on faces; finding it is no discovery.
"""

from typing import TYPE_CHECKING, Any

from .draw import (
    CLASSES,
    CONDITIONS,
    FACE_CLASSES,
    OBJECT_CLASSES,
    SPLITS,
    draw,
    draw_planted,
)
from .known import AREA, INPUT_SIZE, MEAN, NAMES, PLANTED, STD

if TYPE_CHECKING:
    from .nets import PhantomCNN, Planted, PlantedBlock, build, load, phantom_vit

__all__ = [
    "AREA",
    "CLASSES",
    "CONDITIONS",
    "FACE_CLASSES",
    "INPUT_SIZE",
    "MEAN",
    "NAMES",
    "OBJECT_CLASSES",
    "PLANTED",
    "SPLITS",
    "STD",
    "PhantomCNN",
    "Planted",
    "PlantedBlock",
    "build",
    "draw",
    "draw_planted",
    "load",
    "phantom_vit",
]


def __getattr__(name: str) -> Any:
    """The networks, once one is asked for: they need torch, and the pictures do not."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from . import nets

    return getattr(nets, name)
