"""What a context was made of, so that it can be said whether it would be the same again.

Reading and decoding the timeline is nearly all of a context's cost. That nothing in it has changed is
told by the heads of its identities, which change with every entry and are read before it. So it is
enough to ask all but the timeline again, all at once: the same answers make the same context, but for
what moves with the clock.
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

from .completeness import Completeness, Monitor

_ENCODE = msgspec.msgpack.Encoder().encode
_SIZE = 16  # bytes: no two states of a customer meet by chance


class ReadLog:
    """Answers by the store, and keeps what was asked and what it said."""

    def __init__(self, reads: Reads) -> None:
        self._reads = reads
        self._questions: list[Command] = []
        self._answers: list[Any] = []

    async def answers(self, commands: Sequence[Command]) -> list[Any]:
        said = await self._reads.answers(commands)
        self._questions += commands
        self._answers += said
        return said

    def basis(self, completeness: Completeness | None, questions: Sequence[Command]) -> Validator:
        """All that was asked so far. With the completeness that was told, and what to ask for it anew."""
        told = _still(completeness) if completeness else None
        return Validator(
            asked=prepare((*self._questions, *(questions if completeness else ()))),
            count=len(self._answers),
            digest=_digest(self._answers),
            completeness=told,
        )


class Validator(Struct, frozen=True, kw_only=True):
    """Questions to the store: a digest of the answers to the first `count`, and the completeness that
    the answers to the others made, None for none."""

    asked: Prepared
    count: int
    digest: bytes
    completeness: bytes | None


async def is_still(store: Store, monitor: Monitor, tenant: str, basis: Validator, now: Micros) -> bool:
    """Whether a context on this basis would be the same now. One round trip."""
    answers = await store.connection.answers_to(basis.asked)
    if _digest(answers[: basis.count]) != basis.digest:
        return False
    if basis.completeness is None:
        return True
    return _still(monitor.completeness_by(tenant, answers[basis.count :], now)) == basis.completeness


def _digest(answers: Sequence[Any]) -> bytes:
    return blake2b(_ENCODE(answers), digest_size=_SIZE).digest()


def _still(it: Completeness) -> bytes:
    """Completeness but for when sources were last heard, which says nothing new of the customer."""
    return _ENCODE((it.state, [(source.name, source.spooled, source.quarantined) for source in it.sources]))
