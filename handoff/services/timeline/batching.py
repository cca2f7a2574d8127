"""The hot path for recording: touchpoints of concurrent requests are read, prepared and stored together.

`Intake.submit` is its one entry; `Intake.record` awaits it. Callers that already have touchpoints use
`recording.record` instead.

Handling one request completely before the next evicts each step's code from the processor's caches: reading
and preparing a touchpoint then takes three times as long as in a tight loop. Requests that arrive in the same
turn of the event loop are therefore processed step by step. No request waits for others to arrive.

Tenants take turns: a tenant that sends much more than the worker can store delays its own requests, not those
of others.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic, Protocol, TypeVar

import structlog

from handoff.codec.keyed_hash import KeyedHash
from handoff.domain.errors import HandoffError, StoreUnavailable
from handoff.domain.touchpoint import Touchpoint
from handoff.services.admission.turns import Neighbours
from handoff.services.continuity.recognising import carrying, recognise
from handoff.store.repositories.recorder import MAX_WAITING, Entry, Item, Recorded, fail
from handoff.store.store import Store

from .earlier import continuing, learn
from .recording import Result, prepare_or_reject, redacted, result_of
from .single import SingleRequest

MAX_REQUESTS = 16  # per turn: they share an fsync, and the store works on them while the next ones are read
SHARED_REQUESTS = 8  # of a tenant while several send: those of others wait behind them for the store
MAX_BYTES = 64 * 1024  # of request bodies per turn: as much as one delivery may have that is parsed inline

Reader = Callable[[], Sequence[Touchpoint]]
Done = Callable[[list[Result] | Exception], None]

log = structlog.get_logger(__name__)


class Intake:
    """Records the touchpoints of requests. Once submitted, a request is stored even if its caller leaves."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._waiting = FairQueue[_Request](Neighbours())
        self._turn: asyncio.Handle | None = None
        self._learning: set[asyncio.Future[None]] = set()

    def submit(self, tenant: str, read: Reader, size: int, done: Done) -> None:
        """Record the touchpoints that `read` parses from a request of `size` bytes.

        `done` is called once: with the results, in order, when all of them are durable, or with the error
        that `read` raised, or with StoreUnavailable or Overloaded as `recording.record` raises them.
        """
        self._put(_BatchedRequest(self._store, tenant, read, size, done, self._settled))

    def submit_one(self, request: SingleRequest) -> None:
        """The same for a request of one touchpoint, in fewer steps."""
        request.settled = self._settled
        self._put(request)

    def _put(self, request: _Request) -> None:
        self._waiting.put(request)
        if self._turn is None:
            self._schedule()

    async def record(self, tenant: str, read: Reader, size: int = 0) -> list[Result]:
        """`submit`, and wait for the results."""
        future: asyncio.Future[list[Result]] = asyncio.get_running_loop().create_future()

        def done(outcome: list[Result] | Exception) -> None:
            if future.done():
                return
            if isinstance(outcome, StopIteration):  # a future refuses it; a coroutine converts it likewise
                future.set_exception(RuntimeError(f"a reader raised {outcome!r}"))
            elif isinstance(outcome, Exception):
                future.set_exception(outcome)
            else:
                future.set_result(outcome)

        self.submit(tenant, read, size, done)
        return await future

    def _schedule(self) -> None:
        self._turn = asyncio.get_running_loop().call_soon(self._run_turn)

    def _settled(self, tenant: str) -> None:
        self._waiting.settle(tenant)
        if self._turn is None and self._waiting:
            self._schedule()

    def _run_turn(self) -> None:
        self._turn = None
        batch = self._waiting.take()
        readable = [request for request in batch if request.read()]
        asking = [request for request in readable if request.asks]
        if asking:  # they are recorded in a turn of their own, once the store has answered
            learning = asyncio.ensure_future(self._learn(asking))
            self._learning.add(learning)
            learning.add_done_callback(self._learning.discard)
            readable = [request for request in readable if not request.asks]
        self._record(readable)
        if batch and self._turn is None and self._waiting:  # only now: the store works on this turn's items
            self._schedule()

    async def _learn(self, requests: Sequence[_Request]) -> None:
        await asyncio.gather(*(request.ask() for request in requests))
        self._record([request for request in requests if not request.failed])

    def _record(self, requests: Sequence[_Request]) -> None:
        # One step after the other for all of them: see above.
        readable = [request for request in requests if request.redact()]
        drafted = [request for request in readable if request.draft()]
        for request in drafted:
            request.compress()
        entries = [entry for request in drafted for entry in request.prepare()]
        try:
            self._store.recorder.submit(entries, gathered=True)
        except HandoffError as error:
            fail(entries, error)
        except Exception as error:  # no request may wait forever, or keep its tenant's place
            log.exception("recorder_failed")
            fail(entries, StoreUnavailable("the store layer failed", reason=type(error).__name__))


class Sized(Protocol):
    """A request of a tenant, and the size of its body in bytes."""

    @property
    def tenant(self) -> str: ...

    @property
    def size(self) -> int: ...


Queued = TypeVar("Queued", bound=Sized)


class FairQueue(Generic[Queued]):
    """Requests that wait for their turn: in order for each tenant, and one of each tenant after the other.

    While several tenants send, each has a few requests in progress at most.
    """

    def __init__(self, neighbours: Neighbours) -> None:
        self._neighbours = neighbours
        self._tenants: dict[str, deque[Queued]] = {}
        """Tenants with waiting requests; the first one has the next turn."""
        self._running: dict[str, int] = {}
        """The number of each tenant's requests that were taken and are not settled."""

    def __bool__(self) -> bool:
        return bool(self._tenants)

    def put(self, request: Queued) -> None:
        tenant = request.tenant
        self._neighbours.note(tenant)
        waiting = self._tenants.get(tenant)
        if waiting is None:
            self._tenants[tenant] = deque((request,))
        else:
            waiting.append(request)

    def take(self) -> list[Queued]:
        """The requests of this turn, up to the limits; none while each tenant has enough in progress."""
        if len(self._tenants) == 1:
            return self._take_alone()
        batch: list[Queued] = []
        most, size = SHARED_REQUESTS if self._neighbours.several() else MAX_WAITING, 0
        turns = deque(self._tenants)
        while turns and len(batch) < MAX_REQUESTS:
            tenant = turns.popleft()
            waiting, running = self._tenants[tenant], self._running.get(tenant, 0)
            if running >= most:
                continue
            size += waiting[0].size
            if batch and size > MAX_BYTES:
                break
            batch.append(waiting.popleft())
            self._running[tenant] = running + 1
            del self._tenants[tenant]
            if waiting:  # behind the others
                self._tenants[tenant] = waiting
                turns.append(tenant)
        return batch

    def _take_alone(self) -> list[Queued]:
        """The same where the requests of one tenant wait: nearly always."""
        ((tenant, waiting),) = self._tenants.items()
        running = self._running.get(tenant, 0)
        most = SHARED_REQUESTS if self._neighbours.several() else MAX_WAITING
        batch: list[Queued] = []
        room, size = min(len(waiting), MAX_REQUESTS, most - running), 0
        while len(batch) < room:
            size += waiting[0].size
            if batch and size > MAX_BYTES:
                break
            batch.append(waiting.popleft())
        if batch:
            self._running[tenant] = running + len(batch)
        if not waiting:
            del self._tenants[tenant]
        return batch

    def settle(self, tenant: str) -> None:
        """A request of this tenant has its outcome."""
        left = self._running[tenant] - 1
        if left:
            self._running[tenant] = left
        else:
            del self._running[tenant]


class _BatchedRequest:
    """One request of a turn. Reports once, when the last of its items is settled."""

    __slots__ = (
        "_done",
        "_error",
        "_pending",
        "_read",
        "_settled",
        "carries",
        "continued",
        "failed",
        "hashes",
        "results",
        "size",
        "store",
        "tenant",
        "touchpoints",
    )

    def __init__(
        self,
        store: Store,
        tenant: str,
        read: Reader,
        size: int,
        done: Done,
        settled: Callable[[str], None],
    ) -> None:
        self.store = store
        self.tenant = tenant
        self.size = size
        self.touchpoints: Sequence[Touchpoint] = ()
        self.continued: Sequence[Touchpoint] = ()
        self.carries = False
        self.failed = False
        self.results: list[Result] = []
        self._read = read
        self._done = done
        self._settled = settled
        self.hashes: KeyedHash
        self._pending = 0
        self._error: Exception | None = None

    def read(self) -> bool:
        try:
            self.touchpoints = self._read()
            self.continued = continuing(self.touchpoints)
            self.carries = carrying(self.touchpoints)
        except Exception as error:  # hostile bytes fail their own request only
            self._report(error)
            return False
        return True

    @property
    def asks(self) -> bool:
        """Whether the store has to be asked before it can be recorded."""
        return self.carries or bool(self.continued)

    async def ask(self) -> None:
        """Learn how numbers begin that it may continue, and try the continuity codes that it carries."""
        try:
            if self.continued:
                await learn(self.store, self.tenant, self.continued)
        except Exception:  # it is recorded all the same
            log.exception("learning_failed")
        if not self.carries:
            return
        try:
            self.touchpoints = await recognise(self.store, self.tenant, self.touchpoints)
        except Exception as error:  # its sender sends it again
            self.failed = True
            self._report(error)

    def redact(self) -> bool:
        try:
            self.touchpoints = redacted(self.store, self.tenant, self.touchpoints)
        except Exception as error:  # as above
            self._report(error)
            return False
        return True

    def draft(self) -> bool:
        return True

    def compress(self) -> None:
        pass

    def prepare(self) -> Sequence[Entry]:
        """The items for the recorder; none where every touchpoint is rejected, which is reported here."""
        try:
            self.hashes = self.store.hashes(self.tenant)
            prepared = prepare_or_reject(self.store, self.tenant, self.touchpoints)
        except Exception as error:  # a touchpoint that cannot be prepared fails its own request only
            self._report(error)
            return ()
        entries: list[Entry] = []
        for index, item in enumerate(prepared):
            if isinstance(item, Result):
                self.results.append(item)
            else:
                self.results.append(_UNSETTLED)
                entries.append((item, _PendingItem(self, index, item)))
        self._pending = len(entries)
        if not entries:
            self._report(self.results)
        return entries

    def settle(self, index: int, outcome: Result | Exception) -> None:
        """Note an item's outcome. The first error becomes the request's, once all its items are settled."""
        if isinstance(outcome, Result):
            self.results[index] = outcome
        elif self._error is None:
            self._error = outcome
        self._pending -= 1
        if not self._pending:
            self._report(self._error or self.results)

    def _report(self, outcome: list[Result] | Exception) -> None:
        try:
            self._settled(self.tenant)
            self._done(outcome)
        except Exception:  # the recorder still has to settle other requests
            log.exception("telling_failed")


_Request = _BatchedRequest | SingleRequest


class _PendingItem:
    """One item of a request while the recorder has it."""

    __slots__ = ("_index", "_item", "_request", "_settled")

    def __init__(self, request: _BatchedRequest, index: int, item: Item) -> None:
        self._request = request
        self._index = index
        self._item = item
        self._settled = False

    def done(self) -> bool:
        return self._settled

    def set_result(self, recorded: Recorded) -> None:
        self._settle(result_of(self._request.hashes, self._item, recorded.status))

    def set_exception(self, error: Exception) -> None:
        self._settle(error)

    def _settle(self, outcome: Result | Exception) -> None:
        self._settled = True
        self._request.settle(self._index, outcome)


_UNSETTLED = Result(status="", id="")
"""The place of a result that is still to come."""
