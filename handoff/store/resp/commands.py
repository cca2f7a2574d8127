"""Commands: what they are made of, and which keys they are about."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

Argument = bytes | str | int | float
Command = Sequence[Argument]
_FUNCTION_CALLS = ("FCALL", "FCALL_RO", b"FCALL", b"FCALL_RO")
_KEY_FIRST = frozenset(
    (
        *("GET", "SET", "DEL", "MGET", "EXISTS", "TYPE", "EXPIRE", "PEXPIRE", "TTL", "PTTL", "INCR"),
        *("HGET", "HSET", "HSETNX", "HGETALL", "HMGET", "HDEL", "HLEN", "LRANGE", "LLEN", "RPUSH", "LPUSH"),
        *("ZADD", "ZCARD", "ZCOUNT", "ZLEXCOUNT", "ZRANGE", "ZREM", "ZSCORE"),
        *("HKEYS", "XADD", "XLEN", "XRANGE", "XREVRANGE"),
    )
)


class Reads(Protocol):
    """Whatever answers commands that read, as `Connection.answers`."""

    async def answers(self, commands: Sequence[Command]) -> list[Any]: ...


def named(command: Command) -> Command:
    """A command with its name as text, which redis-py's cluster client compares with."""
    name = command[0]
    return (name.decode("ascii"), *command[1:]) if isinstance(name, bytes) else command


def key_of(command: Command) -> bytes | None:
    """The first key of a command; None where it has none, or has it in no fixed place."""
    if command[0] in _FUNCTION_CALLS and len(command) > 3 and command[2] not in (0, "0", b"0"):
        key = command[3]
        return key if isinstance(key, bytes) else str(key).encode()
    name = command[0].decode("ascii") if isinstance(command[0], bytes) else str(command[0])
    if name.upper() in _KEY_FIRST and len(command) > 1:
        return command[1] if isinstance(command[1], bytes) else str(command[1]).encode()
    return None


def barrier_key(key: bytes) -> bytes:
    """A key for nothing but a write in the slot of `key`: `{tag}~`."""
    tag, brace, _rest = key.partition(b"}")
    return tag + b"}~" if brace and tag.startswith(b"{") else b"{" + key + b"}~"
