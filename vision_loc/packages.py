"""Vision models that come as Python packages: from a torch file to a folder in timm's layout."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from common.base.errors import ModelError
from common.base.heavy import torch
from common.models.packages import Package, Packages

if TYPE_CHECKING:
    from torch import Tensor, nn


def convert(package: Package, weights: Path, folder: Path) -> None:
    """Put weights into timm's architecture, and that with its classes into a ``local-dir`` folder.

    Raises
    ------
    ModelError
        If the file's entries are not those of the architecture, one after the other.
    """
    import timm
    from timm.models import save_for_hf

    module = timm.create_model(package.architecture)
    found = torch.load(weights, map_location="cpu", weights_only=True)
    module.load_state_dict(by_position(package.name, found, module))
    save_for_hf(module, str(folder), model_config=_classes(module), safe_serialization=True)


def by_position(name: str, found: dict[str, Tensor], module: nn.Module) -> dict[str, Tensor]:
    """Weights under the module's own names, for a file that has the same ones in the same order.

    Raises
    ------
    ModelError
        If one differs in shape or in the last part of its name, or there are more or fewer.
    """
    own = module.state_dict()
    if len(found) != len(own):
        raise ModelError(f"{name}: its file has {len(found)} entries, not {len(own)}")
    for (given, tensor), (wanted, place) in zip(found.items(), own.items(), strict=True):
        last = given.rpartition(".")[2]
        if tensor.shape != place.shape or last != wanted.rpartition(".")[2]:
            raise ModelError(f"{name}: {given} of its file is no {wanted}")
    return dict(zip(own, found.values(), strict=True))


def _classes(module: nn.Module) -> dict[str, object]:
    """WordNet ids and names of the classes, where their number says which they are."""
    from timm.data.imagenet_info import ImageNetInfo, infer_imagenet_subset

    if (subset := infer_imagenet_subset(module)) is None:
        return {}
    info = ImageNetInfo(subset)
    return {
        "label_names": info.label_names(),
        "label_descriptions": info.label_descriptions(as_dict=True),
    }


PACKAGES = Packages("timm", convert)
