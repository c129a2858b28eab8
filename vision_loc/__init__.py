"""funcloc's front end for vision: face areas, and others, in CNNs and vision transformers."""
