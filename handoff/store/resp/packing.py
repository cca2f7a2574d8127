"""Commands in RESP2, packed for sending."""

from __future__ import annotations

from collections.abc import Iterable

from handoff.store.errors import StoreError

from .commands import Command

_SIZES = [b"\r\n$%d\r\n" % size for size in range(1024)]


def pack(command: Command) -> bytes:
    """A command in RESP2: one join of ready pieces, because hiredis formats every length again."""
    pieces = [b"*%d" % len(command)]
    for argument in command:
        raw = argument if isinstance(argument, bytes) else _to_bytes(argument)
        size = len(raw)
        pieces.append(_SIZES[size] if size < 1024 else b"\r\n$%d\r\n" % size)
        pieces.append(raw)
    pieces.append(b"\r\n")
    return b"".join(pieces)


def _to_bytes(argument: str | int | float) -> bytes:
    if not isinstance(argument, str | int | float):
        raise StoreError(f"an argument is bytes, text or a number, not {type(argument).__name__}")
    return str(argument).encode()


class Prepared:
    """Commands of one round trip; packed when they are first sent over a connection of our own."""

    __slots__ = ("_packed", "commands")

    def __init__(self, commands: tuple[Command, ...]) -> None:
        self.commands = commands
        self._packed: bytes | None = None

    @property
    def packed(self) -> bytes:
        packed = self._packed
        if packed is None:
            packed = self._packed = b"".join(map(pack, self.commands))
        return packed


def prepare(commands: Iterable[Command]) -> Prepared:
    return Prepared(tuple(commands))
