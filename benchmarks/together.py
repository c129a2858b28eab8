"""One run by two processes against the same run by one, a thread each, on two cores.

Faces in EfficientNet-Lite0, a part of fLoc's and of ``imagenet-sample``'s pictures, with few masks.
Times are by the wall and of the whole command; what starting costs (imports, the model) is measured
by a run that is finished already, and the ratio is told with and without it.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console

MODEL = "pip/efficientnet_lite0"
RUN = (
    "run", "--model", MODEL, "--localizer", "floc:faces", "--eval", "imagenet-sample",
    "--controls", "layer-matched:4", "--untrained-seeds", "0", "--plain", "--quiet",
    "--batch-size", "16",
)  # fmt: skip
ONE = (sys.executable, "-m", "vision_loc")
TWO = (sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "-m", "vision_loc")


def seconds(started: tuple[str, ...], out: Path) -> float:
    """What the command takes by the wall.

    Raises
    ------
    subprocess.CalledProcessError
        If it fails; what it said is in it.
    """
    begun = time.perf_counter()
    subprocess.run(
        [*started, *RUN, "--out", str(out)],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    return time.perf_counter() - begun


def main() -> None:
    """Print the ratios, and whether the results are the same bytes."""
    console = Console(width=110)
    with TemporaryDirectory() as folder:
        out = {way: Path(folder) / name for way, name in ((ONE, "one"), (TWO, "two"))}
        try:
            took = {way: (seconds(way, path), seconds(way, path)) for way, path in out.items()}
        except subprocess.CalledProcessError as error:
            said = error.stderr.strip().splitlines() or ["nothing was said"]
            console.print(f"Two processes on {MODEL}: not measured, for {said[-1]}")
            return
        one, two = ((path / "results.json").read_bytes() for path in out.values())
    (whole, idle), (shared, waited) = took[ONE], took[TWO]
    console.print(
        f"Two processes against one, {MODEL}, a thread each: {shared:.0f} s against {whole:.0f} s, "
        f"{shared / whole:.2f} (goal <= 0.6); without starting ({waited:.0f} and {idle:.0f} s) "
        f"{(shared - waited) / (whole - idle):.2f}. "
        f"Results are {'the same bytes' if one == two else 'NOT the same'}."
    )


if __name__ == "__main__":
    main()
