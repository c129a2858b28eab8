"""funcloc's front end for language models: the language network, and others."""

import common as common  # before anything here imports torch: how its threads wait
