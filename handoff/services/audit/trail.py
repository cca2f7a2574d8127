"""Writes the audit trail of one process."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import structlog

from handoff.domain.errors import AuditUnavailable

from .anchors import write_anchor
from .chain import START, AuditChain, ChainHead, claim_chain
from .entry import AuditEntry
from .retention import remove_old_files
from .settings import AuditSettings

ANCHOR_S = 60.0
SYNC_S = 1.0
RETENTION_S = 3600.0
_encode = msgspec.json.Encoder().encode

log = structlog.get_logger(__name__)


class AuditTrail:
    """The trail of this process, or no trail without a `root`.

    An entry is with the operating system before `record` returns, so it outlives the process. With
    `fsync = "always"` it is on disk as well.
    """

    def __init__(self, settings: AuditSettings, root: Path | None, *, machine: str | None = None) -> None:
        self.settings = settings
        self.root = root
        self.machine = machine or socket.gethostname()
        self.failed: Callable[[str], None] = lambda _where: None
        """Called for each entry that could not be written, with `refused` or `journal`."""
        self._chain: AuditChain | None = None
        self._journal: AuditChain | None = None
        self._failing = False
        self._lost = 0
        """Entries since the trail fails: refused, or in the journal."""
        self._anchored = START
        self._dirty = False
        self._syncing: asyncio.Task[int] | None = None
        if root is not None:
            self._open(root)

    @property
    def on(self) -> bool:
        return self._chain is not None

    @property
    def writer(self) -> str:
        return self._chain.name if self._chain is not None else ""

    def _open(self, root: Path) -> None:
        max_bytes = self.settings.max_file_mb * 1024 * 1024
        self._chain = claim_chain(root, self.machine, max_bytes=max_bytes)
        if self.settings.journal_dir is not None:
            journal = Path(self.settings.journal_dir)
            self._journal = claim_chain(journal, f"{self.machine}/journal", max_bytes=max_bytes)
        if self._chain.dropped:
            log.warning("audit_repaired", writer=self.writer, dropped_bytes=self._chain.dropped)
            with contextlib.suppress(OSError):
                self._chain.note(kind="repaired", dropped_bytes=self._chain.dropped)

    def require_writable(self) -> None:
        """AuditUnavailable while entries cannot be written: nothing may be changed that cannot be audited."""
        if self._failing and self._journal is None:
            self._resume()

    async def record(self, entry: AuditEntry) -> None:
        """Write an entry. AuditUnavailable if it cannot be written: then its data must not leave."""
        chain = self._chain
        if chain is None:
            return
        body = _encode(entry)[1:-1]
        if self._failing:
            try:
                self._resume()
            except AuditUnavailable:
                self._in_journal(body)
                return
        try:
            chain.append([body])
        except OSError as error:
            if not self._failing:
                log.error("audit_write_failed", writer=chain.name, error=error.strerror or str(error))
            self._failing = True
            self._in_journal(body)
            return
        self._dirty = True
        if self.settings.fsync == "always":
            await self._synced(chain.head.n)

    def _resume(self) -> None:
        """Note in the trail that there is a gap. AuditUnavailable if it still cannot be written."""
        assert self._chain is not None
        journal = self._journal.head if self._journal is not None else START
        try:
            self._chain.note(kind="resumed", missing=self._lost, journal=journal.n, journal_hash=journal.hash)
        except OSError as error:
            raise _unavailable() from error
        self._failing, self._lost = False, 0
        log.warning("audit_resumed", writer=self.writer)

    def _in_journal(self, body: bytes) -> None:
        """Write an entry to the journal instead. AuditUnavailable without one, or if that fails too."""
        self._lost += 1
        if self._journal is None:
            self.failed("refused")
            raise _unavailable()
        try:
            self._journal.append([body])
            self._journal.sync()
        except OSError as error:
            self.failed("refused")
            raise _unavailable() from error
        self.failed("journal")

    async def _synced(self, n: int) -> None:
        """Return when the line `n` is on disk. One fsync serves all lines that wait for it."""
        while True:
            if self._syncing is None or self._syncing.done():
                self._syncing = asyncio.create_task(self._sync())
            try:
                if await asyncio.shield(self._syncing) >= n:
                    return
            except OSError as error:
                raise _unavailable() from error

    async def _sync(self) -> int:
        assert self._chain is not None
        n, fd = self._chain.head.n, self._chain.descriptor()
        self._dirty = False
        if fd >= 0:
            try:
                await asyncio.to_thread(os.fsync, fd)
            finally:
                os.close(fd)
        return n

    async def sync(self) -> None:
        """Flush to disk what was written since the last time."""
        if self._dirty and self.settings.fsync == "everysec":
            await self._sync()

    async def anchor(self) -> ChainHead | None:
        """Anchor the chain's head, if it has moved."""
        chain = self._chain
        if chain is None or self.root is None or chain.head == self._anchored:
            return None
        head = chain.head
        anchored = await asyncio.to_thread(write_anchor, self.root, self.machine, chain.name, head)
        self._anchored = head
        return anchored

    async def remove_old(self) -> None:
        """Remove files of the machine's chains that are older than `keep_days`."""
        if self._chain is None or self.root is None:
            return
        before = time.time() - self.settings.keep_days * 86_400
        # In this thread: it is rare, and nothing else may append to the chain meanwhile.
        remove_old_files(self.root, self._chain, before, shipped_only=self.settings.ships)

    async def close(self) -> None:
        """Anchor the last entries and release the chain."""
        with contextlib.suppress(OSError):
            await self.anchor()
        for chain in (self._chain, self._journal):
            if chain is not None:
                chain.close()
        self._chain = None


def _unavailable() -> AuditUnavailable:
    return AuditUnavailable("The audit trail cannot be written, so nothing may be read or changed")
