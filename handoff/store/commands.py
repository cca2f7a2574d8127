"""Commands: what they are made of, and which keys they are about."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

Argument = bytes | str | int | float
Command = Sequence[Argument]
_FUNCTION_CALLS = ("FCALL", "FCALL_RO", b"FCALL", b"FCALL_RO")


class Reads(Protocol):
    """Whatever answers commands that read, as `Connection.answers`."""

    async def answers(self, commands: Sequence[Command]) -> list[Any]: ...


def named(command: Command) -> Command:
    """A command with its name as text, which redis-py's cluster client compares with."""
    name = command[0]
    return (name.decode("ascii"), *command[1:]) if isinstance(name, bytes) else command


def key_of(command: Command) -> bytes | None:
    """The first key of a function call; other commands have theirs where redis-py's table says."""
    if command[0] in _FUNCTION_CALLS and len(command) > 3 and command[2] not in (0, "0", b"0"):
        key = command[3]
        return key if isinstance(key, bytes) else str(key).encode()
    return None


def barrier_key(key: bytes) -> bytes:
    """A key for nothing but a write in the slot of `key`: `{tag}~`."""
    tag, brace, _rest = key.partition(b"}")
    return tag + b"}~" if brace and tag.startswith(b"{") else b"{" + key + b"}~"
