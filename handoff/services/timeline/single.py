"""A request with one touchpoint on the hot path: half of the steps of one with many.

To the intake it is a request, to the store's recorder the receiver of its only item's outcome.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

import structlog

from handoff.codec.compression import compress
from handoff.codec.keyed_hash import KeyedHash
from handoff.domain.continuity.carried import may_carry
from handoff.domain.errors import Unprocessable
from handoff.domain.touchpoint import Touchpoint
from handoff.services.continuity.recognising import recognise
from handoff.store.repositories.recorder import EXPIRED, Entry, Item, Recorded
from handoff.store.store import Store

from .earlier import continues, learn
from .recording import Draft, Result, announcing, draft, finish, rejected, result_of, without_placeholders

log = structlog.get_logger(__name__)


class SingleRequest(ABC):
    """One touchpoint of one request of `size` bytes. Subclasses read it and answer, once."""

    __slots__ = (
        "_announces",
        "_compressed",
        "_draft",
        "_hashes",
        "_item",
        "_touchpoint",
        "carries",
        "continued",
        "failed",
        "settled",
        "size",
        "store",
        "tenant",
    )

    def __init__(self, store: Store, tenant: str, size: int) -> None:
        self.store = store
        self.tenant = tenant
        self.size = size
        self.continued: Sequence[Touchpoint] = ()
        self.carries = False
        self.failed = False
        self.settled: Callable[[str], None] | None = None
        """Takes the tenant as soon as the outcome is known; None before it is submitted, and afterwards."""
        self._touchpoint: Touchpoint
        self._hashes: KeyedHash
        self._announces: bool
        self._draft: Draft
        self._compressed: tuple[int, bytes]
        self._item: Item

    @abstractmethod
    def touchpoint(self) -> Touchpoint:
        """Read the touchpoint. Any error becomes the request's."""

    @abstractmethod
    def respond(self, outcome: Result | Exception) -> None:
        """Answer the request: the touchpoint is durable or rejected, or what happened is not known."""

    def read(self) -> bool:
        try:
            touchpoint = self._touchpoint = self.touchpoint()
            if continues(touchpoint):
                self.continued = (touchpoint,)
            self.carries = may_carry(touchpoint)
        except Exception as error:  # hostile bytes fail their own request only
            self._report(error)
            return False
        return True

    @property
    def asks(self) -> bool:
        """Whether the store has to be asked before it can be recorded."""
        return self.carries or bool(self.continued)

    async def ask(self) -> None:
        """Learn how numbers begin that it may continue, and try the continuity code that it carries."""
        try:
            if self.continued:
                await learn(self.store, self.tenant, self.continued)
        except Exception:  # it is recorded all the same
            log.exception("learning_failed")
        if not self.carries:
            return
        try:
            (self._touchpoint,) = await recognise(self.store, self.tenant, (self._touchpoint,))
        except Exception as error:  # its sender sends it again
            self.failed = True
            self._report(error)

    def redact(self) -> bool:
        store, tenant = self.store, self.tenant
        try:
            hashes = self._hashes = store.hashes(tenant)
            self._touchpoint = store.redaction.touchpoint(tenant, self._touchpoint, hashes.pseudonym)
        except Exception as error:  # as above
            self._report(error)
            return False
        return True

    def draft(self) -> bool:
        store, touchpoint = self.store, self._touchpoint
        try:
            known = without_placeholders(touchpoint, store.rules)
            self._announces = announcing(store, touchpoint)
            self._draft = draft(known, self._hashes, store.keys)
        except Unprocessable as error:
            self._report(rejected(error))
            return False
        except Exception as error:  # a touchpoint that cannot be prepared fails its own request only
            self._report(error)
            return False
        return True

    def compress(self) -> None:
        self._compressed = compress(self._draft.raw)

    def prepare(self) -> Sequence[Entry]:
        """The item for the recorder; none where the touchpoint is rejected, which is reported here."""
        made, store = self._draft, self.store
        try:
            item = self._item = finish(
                made, self._compressed, self._hashes, store.keys, announces=self._announces
            )
            horizons, touchpoint = store.horizons.of(self.tenant), made.touchpoint
            if horizons is not None and horizons.excludes(
                touchpoint.channel, touchpoint.type, touchpoint.occurred_at
            ):
                self._report(result_of(self._hashes, item, EXPIRED))
                return ()
        except Exception as error:  # as above
            self._report(error)
            return ()
        return ((item, self),)

    def done(self) -> bool:
        return self.settled is None

    def set_result(self, recorded: Recorded) -> None:
        self._report(result_of(self._hashes, self._item, recorded.status))

    def set_exception(self, error: Exception) -> None:
        self._report(error)

    def _report(self, outcome: Result | Exception) -> None:
        settled, self.settled = self.settled, None
        if settled is None:
            return
        try:
            settled(self.tenant)
            self.respond(outcome)
        except Exception:  # the recorder still has to settle other requests
            log.exception("telling_failed")
