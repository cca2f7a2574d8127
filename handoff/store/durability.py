"""Proof at the start that the server keeps what `store.durability` promises. Nothing is ever set on it."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from handoff.domain.errors import ConfigurationError
from handoff.store.connection import Connection
from handoff.store.errors import StoreError
from handoff.store.settings import StoreSettings

OLDEST_REDIS = (7, 0)  # Functions
OLDEST_VALKEY = (8, 0)
_ASKED = ("appendonly", "appendfsync", "maxmemory-policy")
_OUT = "or set store.durability = 'provider' if the operator of the server vouches for it"
_FSYNC = {"always": ("always",), "everysec": ("everysec", "always")}


class Facts(Struct, frozen=True, kw_only=True):
    """What one primary says about itself; None where it does not let us ask."""

    version: tuple[int, int] | None
    valkey: bool
    role: str | None
    cluster_enabled: bool
    appendonly: bool | None
    appendfsync: str | None
    policy: str | None
    replicas: int | None


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
    """Every primary's answer, None where the command is not allowed or not known (managed servers)."""
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
    )


def _check_server(where: str, facts: Facts, cluster: bool) -> None:
    oldest, name = (OLDEST_VALKEY, "Valkey") if facts.valkey else (OLDEST_REDIS, "Redis")
    if facts.version is not None and facts.version < oldest:
        found = ".".join(map(str, facts.version))
        raise ConfigurationError(
            f"{where} runs {name} {found}: Redis 7.0 or Valkey 8.0 is the oldest that will do"
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
        return _check_replicas(where, facts, settings.replicas)
    if facts.appendonly is None:
        raise ConfigurationError(
            f"{where} does not show appendonly: allow CONFIG|GET or INFO for our user, {_OUT}"
        )
    if not facts.appendonly:
        raise ConfigurationError(f"{where} keeps nothing across a restart: set appendonly yes, {_OUT}")
    if facts.appendfsync is None:
        raise ConfigurationError(
            f"{where} does not show appendfsync, INFO does not tell it: allow CONFIG|GET for our user, {_OUT}"
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
    notes = [f"durability proved: {facts.replicas} connected replicas, {wanted} confirm each write"]
    if not facts.appendonly:
        notes.append(f"{where} has no append-only file: a restart of all its servers at once loses data")
    return notes


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
