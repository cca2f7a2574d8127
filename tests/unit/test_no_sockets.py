"""The guard that keeps sockets out of the unit tests."""

from __future__ import annotations

import asyncio
import socket

import pytest

from tests.unit.conftest import _watched


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6, socket.AF_UNIX])
def test_opening_a_socket_is_refused_and_noted(family: socket.AddressFamily) -> None:
    with pytest.raises(PermissionError, match="unit test"):
        socket.socket(family)
    assert len(_watched[-1]) == 1
    _watched[-1].clear()


def test_looking_up_a_host_is_refused() -> None:
    with pytest.raises(PermissionError):
        socket.getaddrinfo("localhost", 80)
    _watched[-1].clear()


def test_an_event_loop_may_wake_itself() -> None:
    asyncio.run(asyncio.sleep(0))
