"""funcloc's front end for vision: face areas, and others, in CNNs and vision transformers."""

import common as common  # before anything here imports torch: how its threads wait
