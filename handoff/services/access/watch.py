"""Open streams end with their credential: all of a process are checked together."""

from __future__ import annotations

import asyncio
import time

import structlog
from msgspec import Struct, field

from handoff.domain.errors import HandoffError
from handoff.store.errors import StoreError

from .credentials import Credentials
from .principal import Principal

CHECK_S = 2.0  # a stream ends at most 5 s after its credential

log = structlog.get_logger(__name__)


class Watched(Struct, eq=False):
    """One open stream. `ended` is set when its credential is no longer valid."""

    principal: Principal
    ended: asyncio.Event = field(default_factory=asyncio.Event)


class CredentialWatch:
    """The open streams of one process."""

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials
        self._watched: set[Watched] = set()

    def add(self, principal: Principal) -> Watched:
        watched = Watched(principal)
        self._watched.add(watched)
        return watched

    def discard(self, watched: Watched) -> None:
        self._watched.discard(watched)

    async def check(self) -> None:
        """End the streams whose credential is no longer valid. While the store is away, none but by time."""
        now = time.time_ns() // 1000
        watched = []
        for stream in self._watched:
            expires = stream.principal.expires_at
            if expires is not None and expires <= now:
                stream.ended.set()  # first: a store that hangs must not prolong access
            elif not stream.ended.is_set():
                watched.append(stream)
        principals = {it.principal for it in watched}
        try:
            over = set(await self._credentials.ended(list(principals), now))
        except (HandoffError, StoreError) as error:
            log.warning("credentials_unchecked", error=str(error))
            over = set()
        for stream in watched:
            if stream.principal in over:
                stream.ended.set()
