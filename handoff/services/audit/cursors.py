"""How far each chain has been shipped."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
from msgspec import Struct

SHIPPING = "shipping"


class ShipCursor(Struct, frozen=True):
    """The file and the byte in it up to which a chain has been shipped."""

    file: int = 0
    offset: int = 0


def read_cursor(root: Path, chain: str) -> ShipCursor:
    """The cursor of a chain, by the name of its folder; the beginning if there is none."""
    try:
        return msgspec.json.decode((root / SHIPPING / f"{chain}.json").read_bytes(), type=ShipCursor)
    except (OSError, msgspec.DecodeError):
        return ShipCursor()


def write_cursor(root: Path, chain: str, cursor: ShipCursor) -> None:
    """Replace the cursor at once: a crash leaves the old or the new one."""
    part = root / SHIPPING / f"{chain}.part"
    with part.open("wb") as file:
        file.write(msgspec.json.encode(cursor))
        file.flush()
        os.fsync(file.fileno())
    part.replace(root / SHIPPING / f"{chain}.json")
