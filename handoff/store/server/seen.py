"""`<data_dir>/store.seen`: how much the embedded store held when it was last looked at.

It lies beside the store's own files, so that a server that starts notices when they are gone or older.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path

import msgspec
from msgspec import Struct

SEEN = "store.seen"


class Floor(Struct, frozen=True, kw_only=True):
    """What a store must at least have: a number of heartbeats, and of losses accepted (-1: not known)."""

    count: int = 0
    accepted: int = -1


def read_seen(path: Path) -> Floor:
    """What the file says; nothing where there is none, or none that can be read."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Floor)
    except (OSError, msgspec.DecodeError):
        return Floor()


def write_seen(path: Path, floor: Floor) -> None:
    """Replace the file. A full disk leaves the one before, which asks for less and is as true."""
    written = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    try:
        with written.open("xb") as file:
            file.write(msgspec.json.encode(floor))
            file.flush()
            os.fsync(file.fileno())
        written.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            written.unlink()
