"""Worker processes: one that cannot start ends the whole with the reason, one that dies later is replaced."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import serving as servers
from tests.faults.load import PATIENCE_S, Process, kill_process, serving
from tests.store.servers import alive, free_port, valkey_binary, wait_until


@pytest.fixture(autouse=True)
def wheel() -> None:
    valkey_binary()


@contextlib.contextmanager
def starting(data: Path, port: int, *arguments: str) -> Iterator[Process]:
    """A server with two workers that is not waited for."""
    command = ("--data", str(data), "--port", str(port), "--workers", "2", *arguments)
    with servers.process(data.parent / "serve.log", *command, wait=False) as popen:
        yield Process(data, port, popen)


def children(process: Process) -> set[int]:
    with contextlib.suppress(FileNotFoundError, ValueError):
        return process.workers
    return set()


def serving_twice(data: Path, port: int) -> contextlib.AbstractContextManager[object]:
    return serving(data / "other", port, "--workers", "2")


def listening(_data: Path, port: int) -> contextlib.AbstractContextManager[object]:
    return socket.create_server(("127.0.0.1", port))


@pytest.mark.parametrize("holder", [listening, serving_twice])
def test_a_port_in_use_is_reported_once_and_ends_the_start(tmp_path: Path, holder: object) -> None:
    """Also where the other server's workers share their port: ours must not share it with them."""
    port = free_port()
    (tmp_path / "first").mkdir()
    (tmp_path / "second").mkdir()
    with holder(tmp_path / "first", port), starting(tmp_path / "second" / "data", port) as server:  # type: ignore[operator]
        assert server.popen.wait(PATIENCE_S) == 1
    assert server.log.count(f"cannot listen on 127.0.0.1:{port}") == 1
    assert "Traceback" not in server.log


def test_a_worker_that_cannot_start_ends_all_with_the_reason(tmp_path: Path) -> None:
    config = tmp_path / "handoff.toml"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        config.write_text(
            '[[sources]]\nname = "mail"\nadapter = "email.smtp"\nrecipients = ["@shop.example"]\n'
            f'listen = "127.0.0.1:{taken.getsockname()[1]}"\n'
        )
        with starting(tmp_path / "data", free_port(), "--config", str(config)) as server:
            assert server.popen.wait(PATIENCE_S) == 1
            valkey = server.valkey_pid if (tmp_path / "data/valkey/valkey.pid").exists() else None
    assert server.log.count("Cannot open the mail listener") == 1
    assert "worker 0 cannot start (exit status 1)" in server.log
    assert valkey is None or not alive(valkey)
    assert "Traceback" not in server.log


def test_a_worker_that_dies_at_every_start_ends_all(tmp_path: Path) -> None:
    with starting(tmp_path / "data", free_port()) as server:
        deadline = time.monotonic() + PATIENCE_S
        while server.popen.poll() is None and time.monotonic() < deadline:
            for pid in children(server):
                kill_process(pid)
            time.sleep(0.02)
        assert server.popen.wait(PATIENCE_S) == 1
    assert "cannot start (signal 9)" in server.log
    assert server.log.count("worker_ended") <= 6


def test_a_worker_that_dies_later_is_replaced_after_growing_pauses(tmp_path: Path) -> None:
    with serving(tmp_path / "data", None, "--workers", "2") as server:
        gaps: list[float] = []
        victim = min(server.workers)
        for killed in range(3):
            wait_until(lambda: server.log.count("handoff listens") == 2 + killed)  # noqa: B023
            before = server.workers
            began = time.monotonic()
            os.kill(victim, signal.SIGKILL)
            wait_until(lambda: len(server.workers - before) == 1)  # noqa: B023
            gaps.append(time.monotonic() - began)
            (victim,) = server.workers - before
        wait_until(lambda: server.log.count("handoff listens") == 5)
        assert server.popen.poll() is None
    assert [gap >= least for gap, least in zip(gaps, (0.25, 0.5, 1.0), strict=True)] == [True] * 3
