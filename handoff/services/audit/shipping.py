"""Ships the lines of a machine's trails to another place, at least once and in order.

A cursor for each chain moves after the receiver has confirmed. One process of a machine ships at a time; it
ships the chains of all of them, also of those that ended.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from pathlib import Path

from msgspec import Struct

from .chain import file_number, files_of, parse_line, try_lock
from .cursors import SHIPPING, ShipCursor, read_cursor, write_cursor

MAX_BATCH = 256 * 1024  # bytes, unless one line is longer


class ShippedBatch(Struct, frozen=True, kw_only=True):
    """Complete lines of one chain. A receiver drops lines that it has: `n` in them never repeats."""

    writer: str
    lines: bytes
    then: ShipCursor


Send = Callable[[ShippedBatch], Awaitable[None]]
"""Delivers a batch. ConnectionError if the receiver has not confirmed it."""


def next_batch(root: Path, folder: Path) -> ShippedBatch | None:
    """The lines after a chain's cursor; None if all have been shipped."""
    cursor = read_cursor(root, folder.name)
    for path in files_of(folder):
        number = file_number(path)
        if number < cursor.file:
            continue
        offset = cursor.offset if number == cursor.file else 0
        lines = _lines_from(path, offset)
        if lines:
            with path.open("rb") as file:
                opening = parse_line(file.readline().rstrip(b"\n"))
            writer = str(opening.members.get("writer", "")) if opening is not None else ""
            return ShippedBatch(writer=writer, lines=lines, then=ShipCursor(number, offset + len(lines)))
    return None


def _lines_from(path: Path, offset: int) -> bytes:
    with path.open("rb") as file:
        file.seek(offset)
        raw = file.read(MAX_BATCH)
        if b"\n" not in raw:
            raw += file.readline()
    return raw[: raw.rfind(b"\n") + 1]


def _chains(root: Path) -> list[Path]:
    return sorted({it.parent for it in root.glob("*/*.jsonl")})


async def ship(root: Path, send: Send) -> int:
    """Ship everything that was written since the last time; returns the number of batches.

    ConnectionError if the receiver is away. Returns 0 while another process ships.
    """
    lock = try_lock(root / SHIPPING)
    if lock is None:
        return 0
    count = 0
    try:
        for folder in _chains(root):
            while (batch := next_batch(root, folder)) is not None:
                await send(batch)
                write_cursor(root, folder.name, batch.then)
                count += 1
        return count
    finally:
        os.close(lock)
