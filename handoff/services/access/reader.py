"""The limits of what a caller may see. They are part of the key of every cached view.

Two things limit a reader. A customer-facing program (`audience = "customer"`) sees nothing internal: no
notes, no words between colleagues; of handoffs, that they happened and whose they are. A caller limited to
queues sees the handoffs of these queues; of other queues' handoffs it sees that they happened, without
reasons, contexts, and snapshots.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any

import msgspec
from msgspec import Struct

from handoff.domain.clock import SECOND, Micros
from handoff.domain.handoff import Handoff, Hop, Step

ACCESS_AFTER_S = 8 * 3600
"""How long after the end of its handoff a queue may still read the customer, unless configured."""


class Reader(Struct, frozen=True, kw_only=True):
    """The limits of a caller. `queues` is None for a caller that sees all queues.

    `agent` and `name` are set only for limited readers, so that all others share cached views.
    """

    internal: bool = True
    queues: frozenset[str] | None = None
    access_after_s: int = ACCESS_AFTER_S
    agent: str | None = None
    name: str | None = None

    @property
    def limited(self) -> bool:
        return not self.internal or self.queues is not None

    @property
    def digest(self) -> bytes:
        """Identifies these limits; empty without limits."""
        if not self.limited:
            return b""
        queues = sorted(self.queues) if self.queues is not None else None
        return sha256(msgspec.msgpack.encode((self.internal, queues, self.agent, self.name))).digest()

    def in_scope(self, queue: str | None, agent: str | None) -> bool:
        """Whether a handoff to this queue or, without a queue, to this agent is the reader's."""
        if self.queues is None:
            return True
        return queue in self.queues if queue else agent is not None and agent == self.agent

    def sees(self, handoff: Handoff) -> bool:
        return self.in_scope(handoff.to.queue, handoff.to.agent)

    def reads_customer(self, handoffs: Sequence[Handoff], now: Micros) -> bool:
        """Whether one of the customer's handoffs gives the reader their timeline."""
        if self.queues is None:
            return True
        after = self.access_after_s * SECOND
        return any(
            it.pending or it.owning or now - it.history[-1].at < after for it in handoffs if self.sees(it)
        )

    def shown(self, handoff: Handoff) -> Handoff:
        """The handoff without what the reader may not see."""
        if not self.limited:
            return handoff
        if not self.sees(handoff):
            return _bare(handoff)
        shown = _of_own_queues(handoff, self) if self.queues is not None else handoff
        return shown if self.internal else _without_internal(shown, self.name)

    def shown_data(self, type_: str, data: Mapping[str, Any]) -> dict[str, Any] | None:
        """The data of a handoff's touchpoint without anybody's words, if the reader may not see these.

        None for any other touchpoint.
        """
        if not self.limited or not type_.startswith("handoff."):
            return None
        to = data.get("to")
        target = to if isinstance(to, dict) else {}
        queue, agent = target.get("queue"), target.get("agent")
        named = isinstance(queue, str | None) and isinstance(agent, str | None)
        if self.internal and named and self.in_scope(queue, agent):
            return None
        return {name: data[name] for name in _HARMLESS if name in data}


EVERYTHING = Reader()
_HARMLESS = ("handoff", "state", "version", "from", "to", "owner")
"""Data of a handoff's touchpoint that is not somebody's words."""


def _bare(handoff: Handoff) -> Handoff:
    """The handoff without anybody's words about it."""
    return msgspec.structs.replace(
        handoff,
        reason="",
        context=None,
        snapshots=(),
        hops=tuple(_silent(it) for it in handoff.hops),
        history=tuple(msgspec.structs.replace(it, reason=None) for it in handoff.history),
    )


def _silent(hop: Hop) -> Hop:
    return msgspec.structs.replace(hop, reason="")


def _of_own_queues(handoff: Handoff, reader: Reader) -> Handoff:
    """A handoff of the reader's queue, without others' words from its chain and its time elsewhere."""
    hops = tuple(it if reader.in_scope(it.to.queue, it.to.agent) else _silent(it) for it in handoff.hops)
    history: tuple[Step, ...] = handoff.history
    if any(not reader.in_scope(queue, None) for queue in handoff.queues):
        known = {None, handoff.reason}
        history = tuple(
            it if it.reason in known else msgspec.structs.replace(it, reason=None) for it in history
        )
    return msgspec.structs.replace(handoff, hops=hops, history=history)


def _without_internal(handoff: Handoff, name: str | None) -> Handoff:
    """The handoff as a customer-facing program sees it: its own words, and no others."""
    own = handoff.requested_by == name
    return msgspec.structs.replace(
        handoff,
        reason=handoff.reason if own else "",
        context=handoff.context if own else None,
        hops=tuple(_silent(it) for it in handoff.hops),
        history=tuple(
            it if it.by == name else msgspec.structs.replace(it, reason=None) for it in handoff.history
        ),
    )
