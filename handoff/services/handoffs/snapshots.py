"""What is pinned at a hand-off: the context as it was, in exactly its bytes."""

from __future__ import annotations

import msgspec

from handoff.domain.brief import RULES
from handoff.domain.clock import Micros
from handoff.domain.handoff import Handoff, SnapshotRef
from handoff.services.context.assembly import assemble
from handoff.services.context.completeness import Monitor
from handoff.services.context.views import DEFAULT_LIMIT, ContextSelection, ContextView
from handoff.services.customers.lookup import LookUp, Match
from handoff.store.repositories.control import Change, Control
from handoff.store.store import Store

from .records import pin
from .targets import Target

MAX_SNAPSHOT = 256 * 1024  # bytes; above it older touchpoints are pinned by their number and cursor only
_LIMITS = (500, 200, DEFAULT_LIMIT, 10, 1)


async def pinned_content(
    store: Store, monitor: Monitor, tenant: str, target: Target, handoff: Handoff, now: Micros
) -> tuple[bytes, str]:
    """The context as it is now, in its bytes, at most MAX_SNAPSHOT of them, and its position."""
    look_up = LookUp(match=Match.NONE)
    if target.customer:
        look_up = LookUp(match=Match.ONE, customer=target.customer, requested_id=target.customer.id)
    content, view = b"", None
    for limit in _LIMITS:
        made = await assemble(
            store, monitor, tenant, look_up, wanted=ContextSelection(limit=limit), now=now, handoff=handoff
        )
        view = made.view
        content = encode_context(view)
        if len(content) <= MAX_SNAPSHOT:
            break
    return content, view.as_of if view else ""


def encode_context(view: ContextView) -> bytes:
    """The bytes of a context: the same for the same contents."""
    return msgspec.json.encode(view, order="deterministic")


def pinned(
    control: Control, change: Change, handoff: Handoff, at: str, content: tuple[bytes, str], now: Micros
) -> Handoff:
    sha256 = pin(control, change, content[0])
    ref = SnapshotRef(
        at=at, id=f"sn_{sha256[:32]}", sha256=sha256, position=content[1], taken_at=now, rules=RULES
    )
    return msgspec.structs.replace(handoff, snapshots=(*handoff.snapshots, ref))
