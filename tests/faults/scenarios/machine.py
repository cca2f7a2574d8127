"""How busy the machine is with other work, so that bounds in seconds mean the same everywhere."""

from __future__ import annotations

import os
import subprocess
import sys

SPIN_S = 0.3  # of processor time, for each processor
MOST = 3.0  # bounds are not stretched further: they would say nothing any more
_SPIN = f"""
import time
began = time.perf_counter()
while time.process_time() < {SPIN_S}:
    pass
print(time.perf_counter() - began)
"""


def slowness() -> float:
    """How much longer work takes than on an idle machine: 1 where nothing else runs.

    One process for each processor computes for the same time; the slowest counts, up to `MOST`.
    """
    command = [sys.executable, "-S", "-c", _SPIN]
    spinning = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(os.cpu_count() or 1)]
    walls = [float(it.communicate()[0]) for it in spinning]
    return min(max(1.0, max(walls) / SPIN_S), MOST)
