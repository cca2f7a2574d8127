"""The stopwatch leaves out the time in which other processes had the processors, and nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.stopwatch import Stopwatch

pytestmark = [
    pytest.mark.no_cover,
    pytest.mark.skipif(
        not Path("/proc/thread-self/schedstat").exists(),
        reason="this system does not count how long threads wait for a processor",
    ),
]
WORK_S = 0.3


@contextmanager
def crowded() -> Iterator[None]:
    """This thread shares one processor with two processes that compute without end."""
    before = os.sched_getaffinity(0)
    spinning = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(2)]
    try:
        os.sched_setaffinity(0, {min(before)})
        for process in spinning:
            os.sched_setaffinity(process.pid, {min(before)})
        yield
    finally:
        os.sched_setaffinity(0, before)
        for process in spinning:
            process.kill()
            process.wait()


def compute() -> None:
    began = time.thread_time()
    while time.thread_time() - began < WORK_S:
        pass


def test_time_in_which_others_had_the_processor_is_left_out() -> None:
    with crowded():
        began, watch = time.monotonic(), Stopwatch()
        compute()
        seconds, elapsed = watch.seconds, time.monotonic() - began
    assert elapsed > WORK_S * 1.5, "the others did compute"
    assert WORK_S * 0.9 < seconds < elapsed - WORK_S * 0.4


def test_sleep_and_work_count() -> None:
    watch = Stopwatch()
    time.sleep(0.1)
    assert watch.seconds > 0.09
    compute()
    assert watch.seconds > (0.1 + WORK_S) * 0.9


def test_the_wait_of_another_process_is_left_out_and_it_may_end() -> None:
    with crowded():
        code = "import time\nwhile time.process_time() < 0.2: pass"
        worker = subprocess.Popen([sys.executable, "-c", code])  # on the same processor
        began, watch = time.monotonic(), Stopwatch(worker.pid)
        while Path(f"/proc/{worker.pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z":
            time.sleep(0.01)
            while_running, elapsed = watch.seconds, time.monotonic() - began
        assert while_running < elapsed - 0.1
        worker.wait()
        assert watch.seconds < time.monotonic() - began, "what was known of it is kept"
