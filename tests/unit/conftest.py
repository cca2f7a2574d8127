"""Unit tests open no sockets: a test that opens one fails."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator
from typing import Any

import pytest

_FAMILIES = (socket.AF_INET, socket.AF_INET6, socket.AF_UNIX)
_REFUSED = ("socket.bind", "socket.connect", "socket.getaddrinfo", "socket.sendto")
_watched: list[list[str]] = []
"""The sockets opened by the running test; empty between tests."""


def _is_socketpair() -> bool:
    """Event loops wake themselves with a socket pair, which connects to nothing."""
    frame = sys._getframe(2)
    for _ in range(4):
        if frame.f_code.co_name == "socketpair":
            return True
        if frame.f_back is None:
            return False
        frame = frame.f_back
    return False


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    if not _watched or not event.startswith("socket."):
        return
    opened = event == "socket.__new__" and arguments[1] in _FAMILIES and not _is_socketpair()
    if opened or event in _REFUSED:
        _watched[-1].append(f"{event}{arguments[1:]}")
        raise PermissionError("a unit test opens no sockets: move it to the folder of its subject")


sys.addaudithook(_audit)


@pytest.fixture(autouse=True)
def no_sockets() -> Iterator[None]:
    """Refuse sockets, and fail the test even if the code under test handles the refusal."""
    opened: list[str] = []
    _watched.append(opened)
    try:
        yield
    finally:
        _watched.remove(opened)
    assert not opened, "a unit test opens no sockets"
