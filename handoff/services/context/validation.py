"""Validation of cached contexts: whether a context that is built now would be the same.

Reading and decoding the timeline is nearly all of a context's cost. The heads of its identities change with
every entry and are read before the timeline. So one round trip that repeats every read except the timeline
is enough: equal replies give an equal context, apart from values that depend on the clock.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import Any

import msgspec
from msgspec import Struct

from handoff.domain.clock import Micros
from handoff.store.reads import Command, Prepared, Reads, prepare
from handoff.store.store import Store

from .completeness import CompletenessBasis, Monitor

_ENCODE = msgspec.msgpack.Encoder().encode
_SIZE = 16  # bytes: no two states of a customer meet by chance


class ReadLog:
    """Reads from the store, and records the commands and their replies."""

    def __init__(self, reads: Reads) -> None:
        self._reads = reads
        self._questions: list[Command] = []
        self._answers: list[Any] = []

    async def answers(self, commands: Sequence[Command]) -> list[Any]:
        replies = await self._reads.answers(commands)
        self._questions += commands
        self._answers += replies
        return replies

    def basis(self, completeness: CompletenessBasis | None) -> Validator:
        """A validator of all reads so far, and of the completeness if the context shows it."""
        questions = completeness.questions if completeness else ()
        return Validator(
            asked=prepare((*self._questions, *questions)),
            count=len(self._answers),
            digest=_digest(self._answers),
            completeness=completeness,
        )


class Validator(Struct, frozen=True, kw_only=True):
    """Commands to repeat, a digest of the first `count` replies, and what the other replies have to give."""

    asked: Prepared
    count: int
    digest: bytes
    completeness: CompletenessBasis | None


async def is_still(store: Store, monitor: Monitor, basis: Validator, now: Micros) -> bool:
    """Whether a context with this validator would be the same now. One round trip."""
    answers = await store.connection.answers_to(basis.asked)
    if _digest(answers[: basis.count]) != basis.digest:
        return False
    if basis.completeness is None:
        return True
    return monitor.still_by(basis.completeness, answers[basis.count :], now) == basis.completeness.still


def _digest(answers: Sequence[Any]) -> bytes:
    return blake2b(_ENCODE(answers), digest_size=_SIZE).digest()
