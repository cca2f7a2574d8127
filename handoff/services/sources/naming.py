"""The customers that a quarantined item may concern: identities and conversations that its bytes name.

Adapters read them, as far as the bytes allow. Only the keyed hashes are kept, beside the item.
"""

from __future__ import annotations

import structlog
from msgspec import Struct

from handoff.adapter.contract import Adapter, InboundRequest, Mentions
from handoff.codec.keyed_hash import KeyedHash
from handoff.domain.errors import HandoffError
from handoff.domain.touchpoint import Touchpoint

log = structlog.get_logger(__name__)


class NamedPeople(Struct, frozen=True, kw_only=True):
    """The hashes of the identities and conversations that an item names.

    `others` is true if it may concern further people.
    """

    hashes: tuple[bytes, ...] = ()
    others: bool = True


UNNAMED = NamedPeople()


def named_in(adapter: Adapter, request: InboundRequest, hashes: KeyedHash) -> NamedPeople:
    """The people that a delivery names although it cannot be recorded."""
    try:
        found = adapter.mentions(request)
        return _hashed(found, hashes)
    except HandoffError:
        return UNNAMED
    except Exception:  # hostile bytes must not do more harm than this
        log.exception("adapter_failed", adapter=adapter.name)
        return UNNAMED


def named_by(touchpoint: Touchpoint, hashes: KeyedHash) -> NamedPeople:
    """The people that a rejected touchpoint names."""
    threads: tuple[tuple[str, str], ...] = ()
    if touchpoint.thread is not None:
        threads = ((touchpoint.thread_space or touchpoint.id_space, touchpoint.thread),)
    people = tuple(it.identity for it in touchpoint.identities)
    return _hashed(Mentions(identities=people, threads=threads), hashes)


def _hashed(found: Mentions, hashes: KeyedHash) -> NamedPeople:
    threads = [hashes.thread(space, thread) for space, thread in found.threads]
    people = [hashes.identity(it) for it in found.identities]
    return NamedPeople(hashes=(*people, *threads), others=not found.complete)
