"""The journal of erasures: a file outside the store, so that an older backup cannot bring anyone back.

A line is written and synced before an erasure begins. It names keyed hashes only. At each start the server
compares the journal with the store and erases again what a restored backup has.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import msgspec
import structlog
from msgspec import Struct

from handoff.domain.clock import Micros

NAME = "erasures.jsonl"

log = structlog.get_logger(__name__)


class JournalEntry(Struct, frozen=True, kw_only=True):
    """One erasure, as the journal keeps it. `store` identifies the store."""

    store: bytes
    tenant: str
    job: bytes
    homes: tuple[bytes, ...]
    erased_at: Micros
    customer_id: str
    requested_by: str


class Journal:
    """The journal in a directory. Several processes append to it."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / NAME

    def append(self, entry: JournalEntry) -> None:
        """Write an entry; it is on the disk when this returns. OSError if it cannot be written."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            os.write(descriptor, msgspec.json.encode(entry) + b"\n")
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def entries(self) -> Iterator[JournalEntry]:
        """All entries, oldest first. A line that a crash cut short is passed over."""
        try:
            lines = self._path.read_bytes().splitlines()
        except FileNotFoundError:
            return
        for line in lines:
            try:
                yield msgspec.json.decode(line, type=JournalEntry)
            except msgspec.DecodeError:
                log.warning("erasure_journal_line_unreadable")
