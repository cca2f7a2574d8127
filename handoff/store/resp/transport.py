"""Ways to send commands to the store: our own connections, or redis-py. A transport repeats nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from .packing import Prepared

Places = Sequence[bytes | None] | None
"""A key for each command, which names its slot on a Cluster; None where the command itself shows it."""


class Transport(Protocol):
    """One way to the store."""

    @property
    def is_open(self) -> bool:
        """Whether an exchange starts immediately and ends by itself: answered, or after the silence limit."""

    @property
    def fallback(self) -> Transport:
        """The transport for the attempts after one that failed."""

    async def exchange(self, batch: Prepared, places: Places = None) -> list[Any]:
        """The answers to commands in one round trip; errors of the server are in their places.

        Any other failure is raised in the words of the transport, see `errors.translate`.
        """

    async def exchange_in_order(self, batch: Prepared, key: bytes) -> list[Any]:
        """The same on one connection, command by command; follows no redirection."""


class Route(Protocol):
    """Chooses the transport for a key."""

    def toward(self, key: bytes) -> Transport: ...


async def first_answer(transport: Transport, batch: Prepared, places: Places = None) -> Any:
    """The answer to the only command of a batch; the server's error is raised."""
    (answer,) = await all_answers(transport, batch, places)
    return answer


async def all_answers(transport: Transport, batch: Prepared, places: Places = None) -> list[Any]:
    """The answers to a batch; the first error of the server is raised."""
    answers = await transport.exchange(batch, places)
    for answer in answers:
        if isinstance(answer, Exception):
            raise answer
    return answers
