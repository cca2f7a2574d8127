"""Servers of two releases: the current tree, and the last release built from the repository's own history."""

from __future__ import annotations

import os
import subprocess
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import pytest

from tests import serving as servers
from tests.store.servers import free_port

ROOT = Path(__file__).parents[2]
NAMED = ROOT / ".ci" / "last-release"
REQUIRED = "HANDOFF_REQUIRE_LAST_RELEASE"
"""Set where a missing last release is a failure, not a reason to skip: in CI."""
TOKEN = servers.ADMIN
PATIENCE_S = 30.0


def last_release(directory: Path) -> Path:
    """The tree of the last release, taken from the history into the directory.

    It runs on the dependencies of this environment. The test is skipped in a clone without the
    history (a shallow one, an archive), unless REQUIRED is set.
    """
    commit = NAMED.read_text().strip()
    command = ["git", "-C", str(ROOT), "archive", commit, "handoff", "adapters", "config"]
    try:
        packed = subprocess.run(command, capture_output=True, check=True, timeout=PATIENCE_S).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        why = getattr(error, "stderr", b"").decode(errors="replace").strip() or str(error)
        message = f"the last release ({NAMED.name}: {commit[:12]}) is not in this repository: {why}"
        if os.environ.get(REQUIRED):
            pytest.fail(message)
        pytest.skip(message)
    with tarfile.open(fileobj=BytesIO(packed)) as tree:
        tree.extractall(directory, filter="data")
    return directory


@dataclass
class Release:
    """A running server of one release."""

    name: str
    url: str
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def output(self) -> str:
        return self.log.read_text(errors="replace")


@contextmanager
def serving(
    name: str, tree: Path, config: Path, *arguments: str, port: int | None = None
) -> Iterator[Release]:
    """`handoff serve` of a tree, started and listening. It is stopped cleanly at the end."""
    chosen = port or free_port()
    log = config.with_suffix(f".{name}.log")
    command = ("--config", str(config), "--port", str(chosen), *arguments)
    with servers.process(log, *command, tree=tree) as process:
        yield Release(name, f"http://127.0.0.1:{chosen}", process, log)
