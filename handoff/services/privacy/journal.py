"""The journal of erasures: a file outside the store, so that an older backup cannot bring anyone back.

A line is written and synced before an erasure begins. It names keyed hashes only. At each start the server
compares the journal with the store and erases again what a restored backup has.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import msgspec
import structlog
from msgspec import Struct

from handoff.domain.clock import Micros
from handoff.domain.errors import ConfigurationError, JournalUnavailable

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
        self.unsettled = True
        """Whether the store may lack an erasure of the journal: at first, and after an interruption."""

    def append(self, entry: JournalEntry) -> None:
        """Write an entry; it is on the disk when this returns. JournalUnavailable if it cannot be written."""
        try:
            self._append(msgspec.json.encode(entry) + b"\n")
        except OSError as error:
            log.error("erasure_journal_not_written", error=error.strerror or str(error))
            raise JournalUnavailable() from error

    def _append(self, line: bytes) -> None:
        folder = self._path.parent
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            size = os.fstat(descriptor).st_size
            if size and os.pread(descriptor, 1, size - 1) != b"\n":
                line = b"\n" + line  # a crash or a full disk cut the last line short
            if os.write(descriptor, line) < len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        if not size:
            _sync_folder(folder)

    def entries(self) -> Iterator[JournalEntry]:
        """All entries, oldest first. A line that a crash cut short is passed over.

        ConfigurationError if the file cannot be read.
        """
        try:
            lines = self._path.read_bytes().splitlines()
        except FileNotFoundError:
            return
        except OSError as error:
            raise ConfigurationError(
                f"the journal of erasures cannot be read: {self._path}: {error.strerror}"
            ) from error
        for line in filter(None, lines):
            try:
                yield msgspec.json.decode(line, type=JournalEntry)
            except msgspec.DecodeError:
                log.warning("erasure_journal_line_unreadable")


def _sync_folder(folder: Path) -> None:
    """Make the name of a new file durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
