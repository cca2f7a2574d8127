"""`make run` shows what it installs while it does, and everything that pip printed if it fails."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import threading
from pathlib import Path

import pytest

from tests.unit.test_project import ROOT

PATIENCE_S = 30.0
PIP = """\
#!/bin/sh
echo "Collecting aiohttp==3.13.5 (from conversation-handoff==0.1.0)"
echo "  Downloading aiohttp-3.13.5.whl (1.7 MB)"
read continued <"$PIPE"
echo "Installing collected packages: aiohttp, yarl"
exit {status}
"""


class Installation:
    """`make .venv/run.stamp` with a pip that waits in the middle."""

    def __init__(self, folder: Path, status: int) -> None:
        self.venv = folder / "venv"
        (self.venv / "bin").mkdir(parents=True)
        python = self.venv / "bin" / "python"
        python.write_text(PIP.format(status=status))
        python.chmod(0o755)
        self.pipe = folder / "pipe"
        os.mkfifo(self.pipe)
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
        self.process = subprocess.Popen(
            ["make", f"VENV={self.venv}", f"{self.venv}/run.stamp"],
            cwd=ROOT,
            env=inherited | {"PIPE": str(self.pipe)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self._limit = threading.Timer(PATIENCE_S, os.killpg, (self.process.pid, signal.SIGKILL))
        self._limit.start()  # a pip that nobody continues would wait forever

    def until(self, words: str) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            if words in line:
                return
        raise AssertionError(f"never printed: {words}")

    def end(self) -> tuple[int, str, str]:
        """Let pip finish; returns the status and what make printed since."""
        self.pipe.write_text("\n")
        out, err = self.process.communicate(timeout=PATIENCE_S)
        self._limit.cancel()
        return self.process.returncode, out, err


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    if shutil.which("make") is None:
        pytest.skip("make is not installed")
    return tmp_path


def test_a_package_is_shown_before_the_next_one_arrives(folder: Path) -> None:
    installing = Installation(folder, 0)
    installing.until("a minute or two")
    installing.until("aiohttp==3.13.5")
    status, out, _err = installing.end()
    assert status == 0
    assert "Downloading" not in out
    assert "Installing collected packages" in out
    assert (installing.venv / "run.stamp").exists()


def test_a_failure_shows_all_that_pip_printed_and_is_repeated_next_time(folder: Path) -> None:
    installing = Installation(folder, 3)
    installing.until("aiohttp==3.13.5")
    status, _out, err = installing.end()
    assert status != 0
    assert "Downloading aiohttp-3.13.5.whl" in err
    assert not (installing.venv / "run.stamp").exists()
