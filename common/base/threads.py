"""How torch's threads wait for each other; imported for its effect, before torch is.

An operation is shared among threads that meet at its end. Those that are done first wait by turning
in a loop, for that is the fastest where each has a core of its own. Where another program has one,
the thread that everybody waits for does not run while the others turn: on two cores beside one busy
program a run took nine times as long. So they sleep, unless the user says how they wait; on an idle
machine that costs nothing that was measured (``docs/scale.md``).
"""

from __future__ import annotations

import os

SAID = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")  # of OpenMP, GNU's, LLVM's

if not any(name in os.environ for name in SAID):
    os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
