"""Proves at the start that the server keeps the promise of `store.durability`. Changes no setting of it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping

from msgspec import Struct

from handoff.domain.errors import ConfigurationError, StoreUnavailable
from handoff.store.connection import Connection
from handoff.store.errors import StoreError
from handoff.store.settings import StoreSettings

OLDEST_REDIS = (7, 0)  # Functions
OLDEST_VALKEY = (8, 0)
_ASKED = ("appendonly", "appendfsync", "maxmemory-policy")
_OUT = "or set store.durability = 'provider' if the operator of the server vouches for it"
_FSYNC = {"always": ("always",), "everysec": ("everysec", "always")}


class Facts(Struct, frozen=True, kw_only=True):
    """The settings and state of one primary; None where it does not allow the question."""

    version: tuple[int, int] | None
    valkey: bool
    role: str | None
    cluster_enabled: bool
    appendonly: bool | None
    appendfsync: str | None
    policy: str | None
    replicas: int | None
    replica_places: tuple[tuple[str, int], ...] = ()


async def prove(connection: Connection, settings: StoreSettings, *, embedded: bool = False) -> list[str]:
    """Notes for the log about what was proved and what was taken on trust.

    ConfigurationError naming the server's setting to change where a primary does not keep the promise,
    or does not let it be read. StoreUnavailable when the server does not answer.
    """
    notes: list[str] = []
    primaries = await _read_facts(connection)
    for place, facts in enumerate(primaries):
        where = "the embedded store" if embedded else "the store"
        if len(primaries) > 1:
            where = f"primary {place + 1} of {len(primaries)} of the store"
        _check_server(where, facts, connection.cluster)
        notes += _check_policy(where, facts, settings)
        notes += _check_promise(where, facts, settings)
        if settings.durability == "replicated":
            notes += await _check_replicas_files(where, facts, connection, settings)
    return list(dict.fromkeys(notes))


async def _read_facts(connection: Connection) -> list[Facts]:
    infos = await _ask(connection, "INFO")
    configs = await _ask(connection, "CONFIG", "GET", *_ASKED)
    if infos is None and configs is None:
        return [_facts({}, {})]
    count = len(infos or configs or ())
    return [
        _facts(_parse_info(info), _parse_config(config))
        for info, config in zip(infos or [b""] * count, configs or [[]] * count, strict=True)
    ]


async def _ask(connection: Connection, *command: str) -> list[object] | None:
    """Every primary's answer, None where the command is not allowed or unknown (managed servers)."""
    try:
        answers = await connection.on_primaries(*command, tolerate="permissions")
    except StoreError:
        return None
    return None if any(isinstance(answer, Exception) for answer in answers) else answers


def _facts(info: Mapping[str, str], config: Mapping[str, str]) -> Facts:
    valkey = "valkey_version" in info
    version = info.get("valkey_version") or info.get("redis_version")
    appendonly = config.get("appendonly") or {"1": "yes", "0": "no"}.get(info.get("aof_enabled", ""))
    replicas = info.get("connected_slaves")
    return Facts(
        version=_version(version) if version else None,
        valkey=valkey,
        role=info.get("role"),
        cluster_enabled=info.get("cluster_enabled") == "1",
        appendonly=None if appendonly is None else appendonly == "yes",
        appendfsync=config.get("appendfsync"),
        policy=config.get("maxmemory-policy") or info.get("maxmemory_policy"),
        replicas=int(replicas) if replicas and replicas.isdigit() else None,
        replica_places=tuple(_replica_places(info)),
    )


def _replica_places(info: Mapping[str, str]) -> Iterator[tuple[str, int]]:
    """Where the connected replicas are: `slave0:ip=…,port=…,state=online,…`."""
    for name, value in info.items():
        if name.startswith("slave") and name[5:].isdigit():
            parts = dict(part.partition("=")[::2] for part in value.split(","))
            if parts.get("ip") and parts.get("port", "").isdigit():
                yield parts["ip"], int(parts["port"])


def _check_server(where: str, facts: Facts, cluster: bool) -> None:
    oldest, name = (OLDEST_VALKEY, "Valkey") if facts.valkey else (OLDEST_REDIS, "Redis")
    if facts.version is not None and facts.version < oldest:
        found = ".".join(map(str, facts.version))
        raise ConfigurationError(
            f"{where} runs {name} {found}: Redis 7.0 or Valkey 8.0 is the oldest supported version"
        )
    if facts.role is not None and facts.role != "master":
        raise ConfigurationError(
            f"{where} is a replica: point store.url at the primary, or use redis+sentinel://"
        )
    if facts.cluster_enabled and not cluster:
        raise ConfigurationError(f"{where} is part of a cluster: store.url needs redis+cluster://")


def _check_policy(where: str, facts: Facts, settings: StoreSettings) -> list[str]:
    if facts.policy is None:
        if settings.durability == "provider":
            return [f"{where} does not show its maxmemory-policy: taken on trust"]
        raise ConfigurationError(
            f"{where} does not show its maxmemory-policy: allow CONFIG|GET or INFO for our user, {_OUT}"
        )
    if facts.policy != "noeviction":
        raise ConfigurationError(
            f"{where} evicts data when memory is full: set maxmemory-policy noeviction (it is {facts.policy})"
        )
    return []


def _check_promise(where: str, facts: Facts, settings: StoreSettings) -> list[str]:
    if settings.durability == "provider":
        return [f"durability of {where} is its provider's promise, not proved"]
    if settings.durability == "replicated":
        _check_file(where, facts.appendonly)
        return _check_replicas(where, facts, settings.replicas)
    _check_file(where, facts.appendonly)
    if facts.appendfsync is None:
        raise ConfigurationError(
            f"{where} does not show appendfsync (it is not in INFO): allow CONFIG|GET for our user, {_OUT}"
        )
    allowed = _FSYNC[settings.durability]
    if facts.appendfsync not in allowed:
        raise ConfigurationError(
            f"store.durability = {settings.durability!r} needs appendfsync {allowed[0]} "
            f"({where} has {facts.appendfsync}): set it, or choose another store.durability"
        )
    return [f"durability proved: appendonly yes, appendfsync {facts.appendfsync}"]


def _check_replicas(where: str, facts: Facts, wanted: int) -> list[str]:
    if facts.replicas is None:
        raise ConfigurationError(f"{where} does not show its replicas: allow INFO for our user, {_OUT}")
    if facts.replicas < wanted:
        raise ConfigurationError(
            f"{where} has {facts.replicas} connected replicas, store.replicas needs {wanted}: "
            "connect more replicas or lower store.replicas"
        )
    return [
        f"durability proved: appendonly yes, {facts.replicas} connected replicas, {wanted} confirm each write"
    ]


def _check_file(where: str, appendonly: bool | None) -> None:
    """A server without an append-only file comes back empty, and its replicas then empty themselves too."""
    if appendonly is None:
        raise ConfigurationError(
            f"{where} does not show appendonly: allow CONFIG|GET or INFO for our user, {_OUT}"
        )
    if not appendonly:
        raise ConfigurationError(f"{where} keeps nothing across a restart: set appendonly yes, {_OUT}")


async def _check_replicas_files(
    where: str, facts: Facts, connection: Connection, settings: StoreSettings
) -> list[str]:
    """A replica becomes the primary one day: as many as confirm a write must have a file of their own.

    ConfigurationError where one has none. Behind a plain URL nobody promotes a replica for us, and it may be
    where only the primary reaches it: it is then taken on trust.
    """
    found = await asyncio.gather(*(_replica_file(connection, it) for it in facts.replica_places))
    name = (
        where.replace("the store", "a replica of the store", 1)
        if where == "the store"
        else f"a replica of {where}"
    )
    for appendonly in found:
        if appendonly is False:
            _check_file(name, appendonly)
    proved = found.count(True)
    if proved < settings.replicas:
        if connection.fails_over:
            raise ConfigurationError(
                f"{proved} replicas of {where} show appendonly, store.replicas needs {settings.replicas}: "
                f"let this server reach them with the same user and allow it CONFIG|GET or INFO, {_OUT}"
            )
        return [
            f"{proved} of {len(found)} replicas of {where} show appendonly: the others are taken on trust"
        ]
    return []


async def _replica_file(connection: Connection, place: tuple[str, int]) -> bool | None:
    """Whether a replica has an append-only file; None where it does not say."""
    try:
        info, config = await connection.ask_server(place, ("INFO",), ("CONFIG", "GET", "appendonly"))
    except (StoreError, StoreUnavailable):
        return None
    return _facts(_parse_info(info), _parse_config(config)).appendonly


def _parse_info(answer: object) -> dict[str, str]:
    text = answer.decode(errors="replace") if isinstance(answer, bytes) else ""
    pairs = (line.partition(":") for line in text.splitlines() if line and not line.startswith("#"))
    return {name: value.strip() for name, _, value in pairs}


def _parse_config(answer: object) -> dict[str, str]:
    if not isinstance(answer, list):
        return {}
    words = [word.decode(errors="replace") for word in answer if isinstance(word, bytes)]
    return dict(zip(words[::2], words[1::2], strict=False))


def _version(text: str) -> tuple[int, int]:
    major, _, rest = text.partition(".")
    minor = rest.partition(".")[0]
    return int(major) if major.isdigit() else 0, int(minor) if minor.isdigit() else 0
