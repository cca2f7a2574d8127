"""Jobs that erase customers, as one tenant's control partition stores them."""

from __future__ import annotations

from typing import Any

from handoff.store.repositories.control import Change, ControlReads, Versioned, read_versioned

from .listed import RecordList


class ErasureRecords:
    """The erasures of one tenant. `job` is the 16 bytes behind an erasure's id."""

    def __init__(self, control: ControlReads) -> None:
        self._control = control
        self._keys = control.keys

    async def read(self, jobs: list[bytes]) -> list[bytes | None]:
        """The records of these jobs; one round trip."""
        return await self._control.read([self._keys.record("j", job) for job in jobs])

    async def versioned(self, job: bytes) -> Versioned:
        (raw,) = await self.read([job])
        return read_versioned(raw)

    @property
    def listed(self) -> RecordList:
        """All jobs, by the time of the request."""
        return RecordList(self._control, self._keys.set("erasures"))

    @property
    def unfinished(self) -> RecordList:
        return RecordList(self._control, self._keys.set("erasures:open"))

    def lease(self, job: bytes) -> bytes:
        """The place of the lease under which a worker does a job."""
        return self._keys.named(f"erasing:{job.hex()}")

    def put(self, change: Change, job: bytes, before: int, version: int, erasure: Any) -> None:
        """Write a job in place of version `before` (0: there is none)."""
        key = self._keys.record("j", job)
        change.expect(key, before).put(key, version, erasure)

    def enlist(self, change: Change, job: bytes, at: int) -> None:
        """List a job that begins."""
        change.add(self.listed.key, at, job).add(self.unfinished.key, at, job)

    def finish(self, change: Change, job: bytes) -> None:
        change.remove(self.unfinished.key, job)
