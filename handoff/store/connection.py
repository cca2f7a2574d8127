"""The connection to the store, whatever kind of server it is: bounded, repeated, failing with our errors."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Self, TypeVar

from msgspec import structs
from redis.exceptions import MovedError

from handoff.domain.errors import ConfigurationError, StoreUnavailable

from .errors import TRANSIENT, FunctionMissing, StoreError, reason_of, translate
from .resp.address import StoreAddress, make_client, parse_address
from .resp.cluster_map import ClusterMap
from .resp.commands import Argument, Command, Reads, barrier_key
from .resp.packing import Prepared, prepare
from .resp.pipeline import Pipeline
from .resp.pool import Pool
from .resp.primaries import PrimaryConnections
from .resp.retries import Attempt, Retries
from .resp.sentinels import Sentinels
from .resp.transport import StoreRoute, Transport, all_answers, first_answer
from .resp.watch import TopologyWatch
from .resp.wire import Find, HostPort, RespConnection
from .settings import StoreSettings

__all__ = ["Argument", "Command", "Connection", "FunctionMissing", "Reads", "StoreError"]

Result = TypeVar("Result")

TOOL = "handoff-tool"  # the name of connections of no worker: those of the command line
CONNECTIONS = 64  # beyond this the server gains nothing: it is one thread and one fsync for all of them
REPLICATION_WAIT_S = 0.8  # replicas answer in milliseconds; a partitioned one is not worth waiting longer


def check_address(url: str) -> None:
    """ConfigurationError unless this is the URL of a store. The message has no password."""
    parse_address(url)


class Connection:
    """The connection to one store: a single server over one connection that all calls share, a Cluster over
    redis-py.

    `url` (of the embedded server) takes precedence over `settings.url`. Answers are the server's own, in
    RESP2: bytes, int, list, None. A failure is StoreUnavailable with a stable `reason` (retryable, outcome
    unknown), FunctionMissing, or StoreError where the command itself was wrong.

    `round_trips` counts calls and pipelines, `repeats` the attempts after the first one of each.
    """

    def __init__(
        self,
        settings: StoreSettings,
        *,
        url: str | None = None,
        connections: int = CONNECTIONS,
        blocking_s: float | None = None,
        watch: TopologyWatch | None = None,
        name: str = TOOL,
    ) -> None:
        where = url or settings.url
        if where is None:
            raise ConfigurationError("store.url is not set and no embedded store runs")
        address = self._address = structs.replace(parse_address(where), name=name)
        self.cluster = address.kind == "cluster"
        self.fails_over = address.kind in ("sentinel", "cluster")
        self.round_trips = 0
        self._settings = settings
        self.url = where
        # Half the deadline: a silent server is given up early enough to try its successor.
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
        self._own: list[RespConnection] = []
        self._retries = Retries(
            settings.timeout_s + (blocking_s or 0.0),
            shielded=blocking_s is None,
            recover=self._recover,
            abandoned=self._drop_own,
        )
        self.on_reopen: Callable[[], None] | None = None
        """Called when a lost connection was opened again: its server may hold other data now."""
        shared = None if self.cluster else self._connect(self._silence_s or self._retries.timeout_s)
        self._shared: Transport = shared or self._pool
        if self._watch is not None:
            self._watch.follow(self._follow)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """End what still runs (it fails as StoreUnavailable, reason `closed`) and close the connections."""
        self._retries.close()
        if self._watch is not None:
            self._watch.leave(self._follow)
            if self._watches:
                await self._watch.aclose()
        await self._retries.aclose()
        for connection in self._own:
            connection.close()
        await self._client.aclose()

    @property
    def in_flight(self) -> int:
        """Calls that are not finished, including those whose caller has gone."""
        return self._retries.in_flight

    @property
    def repeats(self) -> int:
        return self._retries.repeats

    @property
    def timeout_s(self) -> float:
        """How long a call may take, repeats included."""
        return self._retries.timeout_s

    @property
    def version(self) -> int:
        """Grows whenever another primary takes over."""
        return self._watch.topology.version if self._watch else 0

    def primary_of(self, key: bytes) -> HostPort | None:
        """The place of a key's primary on a Cluster; None while it is unknown."""
        return self._pool.primary_of(key)

    async def call(self, *command: Argument, key: bytes | None = None) -> Any:
        """The answer to one command.

        On a Cluster `key` names the slot. It may be left out where the command has its key in a fixed
        place or is FCALL; for others (XREAD) redis-py would ask the server where the key is each time.
        """
        return await self._call_over(self._shared, command, key)

    async def ping(self) -> None:
        """StoreUnavailable while the server does not answer."""
        await self.call("PING")

    def _call_over(self, transport: Transport, command: Command, key: bytes | None) -> Awaitable[Any]:
        batch = Prepared((command,))
        return self._run(lambda it: first_answer(it, batch, (key,)), transport)

    async def call_durable(self, *command: Argument, key: bytes) -> Any:
        """The answer to one writing command, promised as with `fcall_durable`."""
        if self._settings.durability == "replicated":
            return await self._run(lambda it: self._replicated(it, command, key), self._pool)
        return await self.call(*command, key=key)

    async def fcall_durable(
        self,
        function: str,
        keys: Sequence[bytes],
        arguments: Sequence[Argument],
        *,
        route: StoreRoute | None = None,
    ) -> Any:
        """The answer of a function once what it wrote is as durable as `store.durability` promises.

        The keys share one slot. FunctionMissing when it is not loaded. With `replicated`: StoreUnavailable,
        code `not_replicated`, when fewer than `store.replicas` have the write; it is stored on the primary
        and may be lost with it. In the other modes the server's own answer is the promise. `route` (of
        `new_route`) is for calls with many arguments.
        """
        command = ("FCALL", function, len(keys), *keys, *arguments)
        if self._settings.durability == "replicated":
            # Not over the shared connection, where others would wait with it.
            transport = self._pool if route is None or self.cluster else route.toward(keys[0])
            return await self._run(lambda it: self._replicated(it, command, keys[0]), transport)
        return await self._call_over(route.toward(keys[0]) if route else self._shared, command, keys[0])

    def new_route(self) -> StoreRoute:
        """Further connections, for one caller of `fcall_durable`: on a Cluster one to each primary."""
        if not self.cluster:
            return self._connect(self._silence_s)
        return PrimaryConnections(self._pool.primary_of, self._connect_to, self._pool)

    def _connect(self, silence_s: float | None, find: Find | None = None) -> RespConnection:
        connection = RespConnection(
            self._address, silence_s=silence_s, find=find or self._find, on_reopen=self._reopened
        )
        self._own.append(connection)
        return connection

    def _connect_to(self, place: HostPort) -> RespConnection:
        async def find() -> HostPort:
            return place

        # Half the patience of others: redis-py tries the same primary again before it looks for another.
        return self._connect(self._silence_s and self._silence_s / 2, find)

    @property
    def _find(self) -> Find | None:
        """Asks the sentinels for the primary; None where there are none."""
        sentinels = self._sentinels
        return (lambda: sentinels.discover_master(self._address.service)) if sentinels else None

    def _reopened(self) -> None:
        if self.on_reopen is not None:
            self.on_reopen()

    def one_of_each_primary(self, keys: Sequence[bytes]) -> list[bytes]:
        """The first of `keys` on each primary, by what is known of where they are."""
        if not self.cluster:
            return list(keys[:1])
        held: dict[HostPort | None, bytes] = {}
        for key in keys:
            held.setdefault(self._pool.primary_of(key), key)
        return list(held.values())

    async def pipeline(
        self, commands: Sequence[Command], *, keys: Sequence[bytes | None] | None = None
    ) -> list[Any]:
        """The answers to many commands in one round trip (on a Cluster: one per server, side by side).

        `keys` names each command's slot as in `call`. A command that fails has its StoreError,
        FunctionMissing or StoreUnavailable in its place; if all fail, the error is raised. Commands must not
        depend on each other: each that was lost is sent again by itself.
        """
        if not commands:
            return []
        work = Pipeline(commands, keys)
        try:
            await self._run(work.advance, self._shared)
        except StoreUnavailable:
            if len(work.open) == len(commands):
                raise
        return work.answers

    async def answers(self, commands: Sequence[Command]) -> list[Any]:
        """As `pipeline`, where every command must succeed: otherwise the first failure is raised."""
        return await self.answers_to(prepare(commands)) if commands else []

    async def answers_to(self, batch: Prepared) -> list[Any]:
        """As `answers`, for commands that are sent again and again."""
        if not self.cluster:
            return await self._run(lambda it: all_answers(it, batch), self._shared)
        # Each primary fails for itself, so only what it was asked is sent again.
        replies = await self.pipeline(batch.commands)
        for reply in replies:
            if isinstance(reply, Exception):
                raise reply
        return replies

    async def on_primaries(self, *command: Argument, tolerate: str | None = None) -> list[Any]:
        """The answers of every primary (one, unless a Cluster) to one command.

        An error whose text contains `tolerate` is returned in its place; any other is raised.
        """
        return await self._run(lambda _: self._pool.on_primaries(command, tolerate), self._pool)

    async def ask_server(self, place: HostPort, *commands: Command) -> list[Any]:
        """The answers of one server, such as a replica; its errors are in their places. Asked once."""
        address = structs.replace(self._address, kind="single", nodes=(place,))
        connection = RespConnection(address, silence_s=self._silence_s)
        try:
            return await connection.exchange(prepare(commands))
        except Exception as error:
            raise translate(error) from error
        finally:
            connection.close()

    async def load_function(self, source: bytes) -> None:
        """Load a function library on every primary that does not hold it. Never replaces one."""
        await self.on_primaries("FUNCTION", "LOAD", source, tolerate="already exists")

    @asynccontextmanager
    async def blocking(self, longest_s: float) -> AsyncIterator[Connection]:
        """A connection for commands that wait on the server (XREAD BLOCK) for at most `longest_s`.

        Its caller makes one call at a time: a command that waits on the server holds up the next one. A
        call ends `store.timeout_s` after `longest_s` at the latest, and immediately when its caller is
        cancelled.
        """
        connections = self._settings.partitions + 8
        reader = Connection(
            self._settings,
            url=self.url,
            connections=connections,
            blocking_s=longest_s,
            watch=self._watch,
            name=self._address.name,
        )
        async with reader:
            yield reader

    def _run(self, attempt: Attempt[Result], transport: Transport) -> Awaitable[Result]:
        self.round_trips += 1
        if self._watch is not None:
            self._watch.begin()
        return self._retries.run(attempt, transport)

    async def _recover(self, error: Exception) -> None:
        """Return when another attempt may help, raise the translated error otherwise."""
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
        """After a look at the topology: turn to the current primaries. Interrupted calls are repeated."""
        assert self._watch is not None
        topology = self._watch.topology
        if isinstance(topology, ClusterMap):
            await self._pool.follow(topology)
        elif topology.version != self._version:
            self._version = topology.version
            await self._leave_primary(in_use=True)

    async def _leave_primary(self, *, in_use: bool) -> None:
        self._drop_own()
        await self._pool.leave_demoted(in_use=in_use)

    def _drop_own(self) -> None:
        for connection in self._own:
            connection.drop()

    async def _replicated(self, transport: Transport, command: Command, key: bytes) -> Any:
        version = self.version
        wait_ms = int(min(REPLICATION_WAIT_S, self._settings.timeout_s / 4) * 1000)
        wait = ("WAIT", self._settings.replicas, wait_ms)
        # WAIT covers its own connection's last write only. A repeat writes nothing, and Valkey 9 would
        # call that replicated immediately, though the first attempt's write is not: so there is always one.
        barrier = ("SET", barrier_key(key), b"", "PX", 1000)
        # A redirected FCALL must not be followed: MOVED is learnt, and all three are sent again.
        answers = await transport.exchange_in_order(Prepared((command, barrier, wait)), key)
        for reply in answers:
            if isinstance(reply, Exception):
                raise reply
        answer, _, replicas = answers
        if replicas < self._settings.replicas:
            if self._watch is not None and await self._watch.changed_since(version):
                raise ConnectionAbortedError("another primary took over")  # the next attempt asks it
            detail = f"{replicas} of {self._settings.replicas} replicas have the write: send the same again."
            raise StoreUnavailable(detail, code="not_replicated", reason="not_replicated")
        return answer


def watch_of(address: StoreAddress) -> TopologyWatch | None:
    """The watch on where the primaries are; None where there is only one server."""
    if address.kind == "sentinel":
        return TopologyWatch(Sentinels(address))
    return TopologyWatch(ClusterMap(address)) if address.kind == "cluster" else None
