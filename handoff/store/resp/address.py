"""The address of a store: the URL of `[store]`, parsed and checked; and the redis-py client for it."""

from __future__ import annotations

from typing import Any, Literal, Protocol
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from msgspec import Struct, field
from redis.asyncio import Redis, RedisCluster
from redis.asyncio.cluster import ClusterNode
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import SentinelConnectionPool
from redis.backoff import NoBackoff

from handoff.domain.errors import ConfigurationError

Kind = Literal["single", "unix", "sentinel", "cluster"]
_SCHEMES: dict[str, tuple[Kind, bool]] = {
    "redis": ("single", False),
    "rediss": ("single", True),
    "unix": ("unix", False),
    "redis+sentinel": ("sentinel", False),
    "rediss+sentinel": ("sentinel", True),
    "redis+cluster": ("cluster", False),
    "rediss+cluster": ("cluster", True),
}
_PORTS: dict[Kind, int] = {"single": 6379, "cluster": 6379, "sentinel": 26379, "unix": 0}
_TLS_OPTIONS = frozenset({"ssl_ca_certs", "ssl_certfile", "ssl_keyfile"})
_OPTIONS = _TLS_OPTIONS | {"db", "sentinel_username", "sentinel_password"}

# Answers that redis-py's cluster client itself needs parsed, to learn the topology.
_CLUSTER_INTERNAL = frozenset({"CLUSTER SLOTS", "CLUSTER SHARDS", "COMMAND"})


class StoreAddress(Struct, frozen=True, kw_only=True):
    """A store's address. `service` is the name Sentinel knows it by; `options` are for TLS and Sentinel.

    `name` is what connections call themselves.
    """

    kind: Kind
    tls: bool = False
    nodes: tuple[tuple[str, int], ...] = ()
    path: str = ""
    service: str = ""
    db: int = 0
    username: str | None = None
    password: str | None = None
    name: str = "handoff"
    options: dict[str, str] = field(default_factory=dict)

    def __repr__(self) -> str:
        return (
            f"Address(kind={self.kind!r}, nodes={self.nodes!r}, path={self.path!r}, service={self.service!r})"
        )


def parse_address(url: str) -> StoreAddress:
    """The address in `store.url`. ConfigurationError (which never repeats the URL's secrets) otherwise.

    `redis://[user:pass@]host[:port][/db]`, `unix:///path[?db=n]`,
    `redis+sentinel://[user:pass@]h1[:p],h2[:p]/service[/db]`, `redis+cluster://[user:pass@]h1[:p],h2[:p]`;
    `rediss…` for TLS, with `?ssl_ca_certs=…&ssl_certfile=…&ssl_keyfile=…`. User and password are the
    servers'; the sentinels' own are `?sentinel_username=…&sentinel_password=…`.
    """
    try:
        parts = urlsplit(url)
    except ValueError as error:  # an address literal that is none
        raise ConfigurationError("store.url: this is not a URL") from error
    if parts.scheme not in _SCHEMES:
        raise ConfigurationError(f"store.url: the scheme must be one of {', '.join(_SCHEMES)}")
    kind, tls = _SCHEMES[parts.scheme]
    options = _read_options(parts.query, tls=tls)
    credentials, _, hosts = parts.netloc.rpartition("@")
    username, _, password = credentials.partition(":")
    path, service, database = _read_path(kind, parts)
    database = options.pop("db", database)
    if not database.isascii() or not database.isdigit() or (kind == "cluster" and int(database)):
        raise ConfigurationError("store.url: the database is a number, and 0 on a cluster")
    return StoreAddress(
        kind=kind,
        tls=tls,
        nodes=() if kind == "unix" else _read_nodes(hosts, _PORTS[kind]),
        path=path,
        service=service,
        db=int(database),
        username=unquote(username) or None,
        password=unquote(password) or None,
        options=options,
    )


def _read_options(query: str, *, tls: bool) -> dict[str, str]:
    options = dict(parse_qsl(query, keep_blank_values=True))
    unknown = sorted(options.keys() - _OPTIONS)
    if unknown:
        raise ConfigurationError(
            f"store.url: unknown option {unknown[0]}; known: {', '.join(sorted(_OPTIONS))}"
        )
    if not tls and options.keys() & _TLS_OPTIONS:
        raise ConfigurationError("store.url: ssl_ options need a rediss scheme")
    return options


def _read_path(kind: Kind, parts: SplitResult) -> tuple[str, str, str]:
    """(socket path, Sentinel service, database) of a URL's path."""
    if kind == "unix":
        path = unquote(parts.path)
        if not path.startswith("/") or parts.netloc.rpartition("@")[2]:
            raise ConfigurationError(
                "store.url: a unix URL has an absolute path, e.g. unix:///run/valkey.sock"
            )
        return path, "", "0"
    segments = [unquote(segment) for segment in parts.path.strip("/").split("/") if segment]
    service = ""
    if kind == "sentinel":
        if not segments:
            raise ConfigurationError(
                "store.url: a sentinel URL ends in /<service>, the name Sentinel monitors"
            )
        service = segments.pop(0)
    if len(segments) > 1:
        raise ConfigurationError("store.url: too many parts after the host")
    return "", service, segments[0] if segments else "0"


def _read_nodes(hosts: str, default_port: int) -> tuple[tuple[str, int], ...]:
    nodes = []
    for host in hosts.split(","):
        try:
            split = urlsplit(f"//{host}")
            name, port = split.hostname, split.port or default_port
        except ValueError as error:
            raise ConfigurationError("store.url: a port is not a number of 1 to 65535") from error
        if not name:
            raise ConfigurationError("store.url: a host is missing")
        nodes.append((name, port))
    return tuple(nodes)


class Discovers(Protocol):
    """Knows where the primary of a service is."""

    async def discover_master(self, service: str) -> tuple[str, int]: ...


class StoreClient(Struct, frozen=True):
    """A redis-py client and how to close what it opened."""

    redis: Redis | None
    cluster: RedisCluster | None

    async def aclose(self) -> None:
        """Close every connection."""
        if self.redis is not None:
            await self.redis.aclose()
        if self.cluster is not None:
            await self.cluster.aclose()
            # After a failure redis-py holds itself for closed already and leaves its sockets open.
            await self.cluster.nodes_manager.aclose()
            await self.cluster.nodes_manager.aclose("startup_nodes")


def make_client(
    address: StoreAddress,
    *,
    connections: int,
    socket_timeout_s: float | None,
    sentinels: Discovers | None = None,
) -> StoreClient:
    """A client for `address` with at most `connections` open (per node on a cluster); connects when used.

    Where `address` names sentinels, `sentinels` finds the primary.

    RESP2 is pinned and every answer stays as the server sent it (bytes, integers, lists), the same on
    single servers and clusters. redis-py repeats nothing by itself: `Connection` does, within one deadline.
    """
    arguments: dict[str, Any] = {
        "username": address.username,
        "password": address.password,
        "client_name": address.name,
        "protocol": 2,
        "legacy_responses": True,
        "decode_responses": False,
        "retry": Retry(NoBackoff(), 0),
        "socket_timeout": socket_timeout_s,
        "socket_connect_timeout": min(socket_timeout_s or 2.0, 2.0),
        "max_connections": connections,
    }
    if address.kind == "unix":
        return _plain(Redis(unix_socket_path=address.path, db=address.db, **arguments))
    if address.tls:
        arguments |= {"ssl": True} | {k: v for k, v in address.options.items() if k in _TLS_OPTIONS}
    if address.kind == "cluster":
        return _cluster_client(address, arguments)
    if address.kind == "sentinel":
        assert sentinels is not None
        pool = SentinelConnectionPool(  # type: ignore[no-untyped-call]  # redis-py leaves it without types
            address.service, sentinels, db=address.db, **arguments
        )
        return _plain(Redis.from_pool(pool))
    host, port = address.nodes[0]
    return _plain(Redis(host=host, port=port, db=address.db, **arguments))


def _plain(redis: Redis) -> StoreClient:
    redis.response_callbacks.clear()
    return StoreClient(redis, None)


def _cluster_client(address: StoreAddress, arguments: dict[str, Any]) -> StoreClient:
    cluster = RedisCluster(
        startup_nodes=[ClusterNode(host, port) for host, port in address.nodes],
        # After so many MOVED answers redis-py would cut every connection, also those in use.
        reinitialize_steps=0,
        **arguments,
    )
    for name in [name for name in cluster.response_callbacks if name not in _CLUSTER_INTERNAL]:
        del cluster.response_callbacks[name]
    return StoreClient(None, cluster)
