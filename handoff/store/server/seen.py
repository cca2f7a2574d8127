"""`<data_dir>/store.seen`: the count of the embedded store when it was last read.

The file is beside the store's own files, so that a starting server notices when they are gone or older.
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
    """The least that a store must have: heartbeats, and accepted losses (-1: unknown)."""

    count: int = 0
    accepted: int = -1


def read_seen(path: Path) -> Floor:
    """The content of the file; the lowest floor if it is missing or unreadable."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Floor)
    except (OSError, msgspec.DecodeError):
        return Floor()


def write_seen(path: Path, floor: Floor) -> None:
    """Replace the file. On a full disk the former one stays, which demands less and is still true."""
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
