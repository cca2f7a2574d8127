"""One way to speak to the store, whatever it is: bounded, repeated where safe, failing in our own words.

Every write of the product is idempotent, so a command whose answer was lost is sent again until the
overall deadline; redis-py itself repeats nothing. A command that the caller stopped waiting for is
still finished in the background: cutting it off would cost the connection.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, nullcontext
from typing import Any, Self, TypeVar

from msgspec import structs
from redis.exceptions import MovedError

from handoff.domain.errors import ConfigurationError, StoreUnavailable
from handoff.store.errors import TRANSIENT, FunctionMissing, StoreError, reason_of, translate, unavailable
from handoff.store.settings import StoreSettings

from .resp.address import StoreAddress, make_client, parse_address
from .resp.cluster_map import ClusterMap
from .resp.commands import Argument, Command, Reads, barrier_key
from .resp.pipeline import Pipeline
from .resp.pool import Pool
from .resp.sentinels import Sentinels
from .resp.watch import Watch
from .resp.wire import Find, HostPort, Prepared, RespConnection, RespConnections, every, first, pack

__all__ = ["Argument", "Command", "Connection", "FunctionMissing", "Reads", "StoreError"]

Result = TypeVar("Result")

TOOL = "handoff-tool"  # the name of connections of no worker: those of the command line
CONNECTIONS = 64  # beyond this the server gains nothing: it is one thread and one fsync for all of them
GRACE_S = 0.05  # for a call's own clean-up at its deadline
FIRST_PAUSE_S = 0.01
LONGEST_PAUSE_S = 0.25
REPLICATION_WAIT_S = 0.8  # replicas answer in milliseconds; a partitioned one is not worth waiting longer


class Connection:
    """One store: over a line of our own that all calls share, where it is a single server, else over a pool.

    `url` (of the embedded server) stands before `settings.url`. Answers are the server's own, in
    RESP2: bytes, int, list, None. Whatever goes wrong is StoreUnavailable with a stable `reason`
    (retryable, outcome unknown), FunctionMissing, or StoreError where the command itself was wrong.

    `round_trips` counts calls and pipelines, `repeats` the attempts after the first one of each.
    """

    def __init__(
        self,
        settings: StoreSettings,
        *,
        url: str | None = None,
        connections: int = CONNECTIONS,
        blocking_s: float | None = None,
        watch: Watch | None = None,
        name: str = TOOL,
    ) -> None:
        where = url or settings.url
        if where is None:
            raise ConfigurationError("store.url is not set and no embedded store runs")
        address = self._address = structs.replace(parse_address(where), name=name)
        self.cluster = address.kind == "cluster"
        self.fails_over = address.kind in ("sentinel", "cluster")
        self.round_trips = 0
        self.repeats = 0
        self._settings = settings
        self.url = where
        self._shielded = blocking_s is None
        self._timeout_s = settings.timeout_s + (blocking_s or 0.0)
        # Half the deadline: a peer that went silent is left early enough to try its successor.
        self._silence_s = settings.timeout_s / 2 if blocking_s is None else None
        self._watch = watch or watch_of(address)
        self._watches = watch is None
        topology = self._watch.topology if self._watch else None
        self._sentinels = topology if isinstance(topology, Sentinels) else None
        self._version = topology.version if topology else 0
        self._client = make_client(
            address,
            connections=connections,
            socket_timeout_s=self._silence_s,
            sentinels=self._sentinels,
        )
        self._pool = Pool(self._client, connections)
        # On a cluster the pool counts for each primary by itself.
        self._places = nullcontext() if self.cluster else asyncio.Semaphore(connections)
        self._running: set[asyncio.Task[Any]] = set()
        self._lines: list[RespConnection] = []
        self.on_reopen: Callable[[], None] | None = None
        """Called when a lost line was opened again: its server may hold other data now."""
        self._line = None if self.cluster else self._new_line(self._silence_s or self._timeout_s)
        self._closed = False
        if self._watch is not None:
            self._watch.follow(self._follow)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """End what still runs (it fails as StoreUnavailable, reason `closed`) and close the connections."""
        self._closed = True
        if self._watch is not None:
            self._watch.leave(self._follow)
            if self._watches:
                await self._watch.aclose()
        running = tuple(self._running)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        for line in self._lines:
            line.close()
        await self._client.aclose()

    @property
    def in_flight(self) -> int:
        """Calls not finished yet, including those whose caller has gone."""
        return len(self._running)

    @property
    def timeout_s(self) -> float:
        """How long a call may take, repeats included."""
        return self._timeout_s

    @property
    def version(self) -> int:
        """Grows whenever another primary takes over."""
        return self._watch.topology.version if self._watch else 0

    def primary_of(self, key: bytes) -> HostPort | None:
        """Where the primary of a key is, on a cluster; None while that is not known."""
        return self._pool.primary_of(key)

    async def call(self, *command: Argument, key: bytes | None = None) -> Any:
        """The answer to one command.

        On a cluster `key` names the slot. It may be left out where the command has its key in a fixed
        place or is FCALL; for others (XREAD) redis-py would ask the server where the key is each time.
        """
        if self._line is None:
            return await self._run(lambda: self._pool.call(command, key))
        return await self._call_over(self._line, command)

    async def _call_over(self, line: RespConnection, command: Command) -> Any:
        packed = pack(command)
        return await self._run(lambda: first(line, packed), line=line)

    async def ping(self) -> None:
        """StoreUnavailable while the server does not answer."""
        await self.call("PING")

    async def call_durable(self, *command: Argument, key: bytes) -> Any:
        """The answer to one writing command, promised as with `fcall_durable`."""
        if self._settings.durability == "replicated":
            return await self._run(lambda: self._attempt_replicated(command, key, None))
        return await self.call(*command, key=key)

    async def fcall_durable(
        self,
        function: str,
        keys: Sequence[bytes],
        arguments: Sequence[Argument],
        *,
        line: RespConnection | RespConnections | None = None,
    ) -> Any:
        """The answer of a function once what it wrote is as durable as `store.durability` says.

        The keys share one slot. FunctionMissing when it is not loaded. With `replicated`: StoreUnavailable,
        code `not_replicated`, when fewer than `store.replicas` have the write; it is stored on the primary
        and may be lost with it. In the other modes the server's own answer is the promise. `line` (of
        `line()`) is for calls with many arguments.
        """
        command = ("FCALL", function, len(keys), *keys, *arguments)
        if self._settings.durability == "replicated":
            single = line if isinstance(line, RespConnection) else None
            return await self._run(lambda: self._attempt_replicated(command, keys[0], single))
        if isinstance(line, RespConnections):
            return await self._call_toward(line, command, keys[0])
        if line is None:
            return await self.call(*command, key=keys[0])
        return await self._call_over(line, command)

    async def _call_toward(self, lines: RespConnections, command: Command, key: bytes) -> Any:
        """The answer of a key's primary, over its line the first time: whatever goes wrong there (the slot
        moved, another primary took over) redis-py puts right, which knows how a cluster changes."""
        line = lines.toward(key)
        if line is None:
            return await self.call(*command, key=key)
        packed: bytes | None = pack(command)

        async def attempt() -> Any:
            nonlocal packed
            if packed is None:
                return await self._pool.call(command, key)
            once, packed = packed, None
            try:
                return await first(line, once)
            except (OSError, TimeoutError):
                lines.rest(line)
                raise

        return await self._run(attempt, line=line)

    def line(self) -> RespConnection | RespConnections:
        """A further connection, for one caller of `fcall_durable`; on a cluster one to each primary."""
        return (
            RespConnections(self._pool.primary_of, self._line_to)
            if self.cluster
            else self._new_line(self._silence_s)
        )

    def _new_line(self, silence_s: float | None, find: Find | None = None) -> RespConnection:
        find = find or self._find
        line = RespConnection(self._address, silence_s=silence_s, find=find, on_reopen=self._reopened)
        self._lines.append(line)
        return line

    @property
    def _find(self) -> Find | None:
        """Where the primary is by the sentinels, for lines; None where there are none."""
        sentinels = self._sentinels
        return (lambda: sentinels.discover_master(self._address.service)) if sentinels else None

    def _reopened(self) -> None:
        if self.on_reopen is not None:
            self.on_reopen()

    def one_of_each_primary(self, keys: Sequence[bytes]) -> list[bytes]:
        """Of `keys` the first that each primary holds, as far as is known where they are."""
        if not self.cluster:
            return list(keys[:1])
        held: dict[HostPort | None, bytes] = {}
        for key in keys:
            held.setdefault(self._pool.primary_of(key), key)
        return list(held.values())

    def _line_to(self, place: HostPort) -> RespConnection:
        async def find() -> HostPort:
            return place

        # Half the patience of other lines: redis-py tries the same primary again before it looks for another.
        return self._new_line(self._silence_s and self._silence_s / 2, find)

    async def pipeline(
        self, commands: Sequence[Command], *, keys: Sequence[bytes | None] | None = None
    ) -> list[Any]:
        """The answers to many commands in one round trip (on a cluster: one per server, side by side).

        `keys` names each command's slot as in `call`. Commands that fail stand in their place as
        StoreError, FunctionMissing or StoreUnavailable; when none was answered that is raised.
        Commands must not depend on each other: what was lost is sent again by itself.
        """
        if not commands:
            return []
        work = Pipeline(commands, keys or [None] * len(commands))
        try:
            await self._run(lambda: work.advance(self._exchange), line=self._line)
        except StoreUnavailable:
            if len(work.open) == len(commands):
                raise
        return work.answers

    async def answers(self, commands: Sequence[Command]) -> list[Any]:
        """As `pipeline`, where every command must succeed: otherwise the first failure is raised."""
        if self._line is not None and commands:
            return await self._answers_over(self._line, b"".join(map(pack, commands)), len(commands))
        replies = await self.pipeline(commands)
        for reply in replies:
            if isinstance(reply, Exception):
                raise reply
        return replies

    async def answers_to(self, asked: Prepared) -> list[Any]:
        """As `answers`, for what is asked again and again."""
        if self._line is None:
            return await self.answers(asked.commands)
        return await self._answers_over(self._line, asked.packed, len(asked.commands))

    async def _answers_over(self, line: RespConnection, packed: bytes, count: int) -> list[Any]:
        return await self._run(lambda: every(line, packed, count), line=line)

    async def on_primaries(self, *command: Argument, tolerate: str | None = None) -> list[Any]:
        """The answers of every primary (one, unless a cluster) to one command.

        An error whose text holds `tolerate` stands in its place; any other is raised.
        """
        return await self._run(lambda: self._pool.on_primaries(command, tolerate))

    async def ask_server(self, place: HostPort, *commands: Command) -> list[Any]:
        """The answers of one server, a replica for instance; its errors stand in their place. Asked once."""
        address = structs.replace(self._address, kind="single", nodes=(place,))
        line = RespConnection(address, silence_s=self._silence_s)
        try:
            return await line.exchange(b"".join(map(pack, commands)), len(commands))
        except Exception as error:
            raise translate(error) from error
        finally:
            line.close()

    async def load_function(self, source: bytes) -> None:
        """Load a function library on every primary that does not hold it. Never replaces one."""
        await self.on_primaries("FUNCTION", "LOAD", source, tolerate="already exists")

    @asynccontextmanager
    async def blocking(self, longest_s: float) -> AsyncIterator[Connection]:
        """A connection for commands that wait on the server (XREAD BLOCK) for at most `longest_s`.

        Its caller makes one call at a time: what waits on the server holds up what comes behind it. A
        call ends `store.timeout_s` after `longest_s` at the latest, and at once when its caller is
        cancelled.
        """
        places = self._settings.partitions + 8
        reader = Connection(
            self._settings,
            url=self.url,
            connections=places,
            blocking_s=longest_s,
            watch=self._watch,
            name=self._address.name,
        )
        async with reader:
            yield reader

    async def _run(
        self, attempt: Callable[[], Awaitable[Result]], *, line: RespConnection | None = None
    ) -> Result:
        """What `attempt` gives, repeated until the deadline.

        Over a `line` that is open the first attempt needs no task and no timer of its own: it ends by
        itself, half a deadline from now at the latest. What it failed of the next one tells, or puts right.
        """
        if self._closed:
            raise unavailable("closed")
        self.round_trips += 1
        if self._watch is not None:
            self._watch.begin()
        now = asyncio.get_running_loop().time
        deadline = now() + self._timeout_s
        if line is not None and line.is_open:
            try:
                return await attempt()
            except asyncio.CancelledError:
                self._leave()
                raise
            except Exception:  # attempts tell what it is
                if self._closed:
                    raise unavailable("closed") from None
        task = asyncio.ensure_future(self._until_deadline(attempt, deadline))
        self._running.add(task)
        task.add_done_callback(self._finished)
        try:
            # Unlike awaiting the task this neither cancels it with its caller nor trusts it to end in time.
            done, _ = await asyncio.wait((task,), timeout=max(deadline - now(), 0.0) + GRACE_S)
        except asyncio.CancelledError:
            if not self._shielded:
                task.cancel()
            self._leave()
            raise
        if not done:
            task.cancel()
            raise unavailable("timeout")
        return task.result()

    def _leave(self) -> None:
        """A caller has gone. What waits on the server is not waited for: it would answer late, to nobody."""
        if not self._shielded:
            for line in self._lines:
                line.drop()

    def _finished(self, task: asyncio.Task[Any]) -> None:
        self._running.discard(task)
        if not task.cancelled():
            task.exception()  # the caller may be gone; looked at, it is not reported as never retrieved

    async def _until_deadline(self, attempt: Callable[[], Awaitable[Result]], deadline: float) -> Result:
        last: BaseException | None = None
        now = asyncio.get_running_loop().time
        try:
            async with asyncio.timeout_at(deadline):
                for pause_s in _pauses():
                    if now() >= deadline:
                        raise TimeoutError  # the timeout came and its cancellation was lost in redis-py
                    try:
                        async with self._places:
                            return await attempt()
                    except Exception as error:
                        # Any class: redis-py leaks AttributeErrors and more while slots move.
                        last = error
                        await self._after_failure(error)
                    self.repeats += 1
                    await asyncio.sleep(pause_s)
        except TimeoutError as error:
            known = translate(last) if last else unavailable("timeout")
            raise known from (last if last and last is not known else error)
        except asyncio.CancelledError:
            if self._closed:
                raise unavailable("closed") from None
            raise
        raise AssertionError("the pauses never end")

    async def _after_failure(self, error: Exception) -> None:
        """Return when another attempt may help, raise the error in our words otherwise."""
        known = translate(error)
        reason = reason_of(known)
        if reason not in TRANSIENT:
            if known is error:
                raise known
            raise known from error
        if self._watch is not None:
            self._watch.hurry()
        if reason == "readonly" and not self.cluster:
            await self._leave_primary(in_use=False)
        elif isinstance(error, MovedError):
            await self._pool.learn(error)

    async def _follow(self) -> None:
        """After a look at the topology: go where the primaries are now. What is cut off is repeated there."""
        assert self._watch is not None
        topology = self._watch.topology
        if isinstance(topology, ClusterMap):
            await self._pool.follow(topology)
        elif topology.version != self._version:
            self._version = topology.version
            await self._leave_primary(in_use=True)

    async def _leave_primary(self, *, in_use: bool) -> None:
        for line in self._lines:
            line.drop()
        await self._pool.leave_demoted(in_use=in_use)

    async def _exchange(self, commands: Sequence[tuple[Command, bytes | None]]) -> list[Any]:
        if self._line is not None:
            return await self._line.exchange(b"".join([pack(it) for it, _key in commands]), len(commands))
        return await self._pool.exchange(commands)

    async def _attempt_replicated(self, command: Command, key: bytes, line: RespConnection | None) -> Any:
        version = self.version
        wait_ms = int(min(REPLICATION_WAIT_S, self._settings.timeout_s / 4) * 1000)
        wait = ("WAIT", self._settings.replicas, wait_ms)
        # WAIT speaks of its own connection's last write only. A repeat writes nothing, and Valkey 9 would
        # call that replicated at once, though the first attempt's write is not: so there is always one.
        barrier = ("SET", barrier_key(key), b"", "PX", 1000)
        steps = (command, barrier, wait)
        if line is not None:
            answers = await line.exchange(b"".join(map(pack, steps)), len(steps))
        else:
            # Not over the line, where others would wait with it. A redirected FCALL must not be followed:
            # MOVED is learnt, and all three are sent again.
            answers = await self._pool.together(steps, key)
        answer, _, replicas = answers
        for reply in answers:
            if isinstance(reply, Exception):
                raise reply
        if replicas < self._settings.replicas:
            if self._watch is not None and await self._watch.changed_since(version):
                raise ConnectionAbortedError("another primary took over")  # and is asked next
            detail = f"{replicas} of {self._settings.replicas} replicas have the write: send the same again."
            raise StoreUnavailable(detail, code="not_replicated", reason="not_replicated")
        return answer


def watch_of(address: StoreAddress) -> Watch | None:
    """What watches where the primaries are; None where there is only one place to ask."""
    if address.kind == "sentinel":
        return Watch(Sentinels(address))
    return Watch(ClusterMap(address)) if address.kind == "cluster" else None


def _pauses() -> Iterator[float]:
    """How long to wait before each next attempt: not at all first (a stale connection), then longer."""
    yield 0.0
    longest = FIRST_PAUSE_S
    while True:
        yield longest * random.uniform(0.5, 1.0)
        longest = min(longest * 2, LONGEST_PAUSE_S)
