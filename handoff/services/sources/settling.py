"""Events whose meaning depends on what is stored: legs of calls, and updates that may have changed nothing.

Adapters read bytes and know no history. Such events are rare, and are looked up before they are recorded.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import msgspec

from handoff.adapter.contract import CallLeg, Parsed
from handoff.domain.identity import Assurance, Handle
from handoff.domain.touchpoint import Touchpoint
from handoff.services.timeline.recording import conversation_of
from handoff.store.repositories.components import read_records
from handoff.store.repositories.timelines import (
    read_amendments,
    read_conversation_home,
    read_places,
)
from handoff.store.store import Store

UNCHANGED = "unchanged_update"
"""The name under which an update that changed nothing is counted."""
_SOFTPHONES = frozenset({"twilio.client", "sip"})


def depends_on_history(parsed: Parsed) -> bool:
    return bool(parsed.legs) or any(map(_is_edit, parsed.touchpoints))


async def settle(store: Store, tenant: str, parsed: Parsed) -> Parsed:
    """The delivery with its legs under their customers, and without edits that change nothing.

    Takes two to four round trips for each edit, two for each leg.
    """
    touchpoints: list[Touchpoint] = []
    ignored, malformed = Counter(parsed.ignored), [*parsed.malformed]
    for touchpoint in parsed.touchpoints:
        if _is_edit(touchpoint) and await _changes_nothing(store, tenant, touchpoint):
            ignored[UNCHANGED] += 1
        else:
            touchpoints.append(touchpoint)
    for leg in parsed.legs:
        settled = await _settled(store, tenant, leg)
        if isinstance(settled, str) and leg.unfiled is not None:
            malformed.append(leg.unfiled)
        elif isinstance(settled, str):
            ignored[settled] += 1
        else:
            touchpoints.append(settled)
    return msgspec.structs.replace(
        parsed,
        touchpoints=tuple(touchpoints),
        legs=(),
        malformed=tuple(malformed),
        ignored=dict(ignored),
    )


async def _settled(store: Store, tenant: str, leg: CallLeg) -> Touchpoint | str:
    """The leg under the customer of the first call; alone if that call is unknown.

    A first call from a softphone to a number is an agent who dials the customer.
    """
    conversation = conversation_of(leg.passed_on, store.hashes(tenant))
    home = await read_conversation_home(store.connection, store.keys, conversation) if conversation else None
    records = await read_records(store.connection, store.keys, [home] if home else [])
    if home is None or home not in records:
        return leg.alone
    known = records[home]
    if store.hashes(tenant).identity(known.identity) != home:  # stored masked: it does not lead back
        return leg.alone
    dialled = leg.alone.home.identity.type if isinstance(leg.alone, Touchpoint) else None
    if known.identity.type in _SOFTPHONES and dialled == "phone":
        return leg.alone
    handle = Handle(known.identity, known.own_assurance or Assurance.CLAIMED)
    return msgspec.structs.replace(leg.passed_on, identities=(handle,))


def _is_edit(touchpoint: Touchpoint) -> bool:
    return touchpoint.type == "message.edited" and touchpoint.amends is not None


async def _changes_nothing(store: Store, tenant: str, edit: Touchpoint) -> bool:
    """Whether the message already has the content of the edit. A repeated edit is a duplicate, not this."""
    hashes = store.hashes(tenant)
    home = hashes.identity(edit.home.identity)
    original = (home, hashes.event(edit.id_space, edit.amends or ""))
    (stored,) = await read_places(store.connection, store.keys, [original])
    if stored is None or stored.blanked:
        return False
    newest = stored
    if stored.amended:
        newest = (await read_amendments(store.connection, store.keys, [original])).get(original, stored)
    if newest.id == hashes.event(edit.id_space, edit.event_id):
        return False
    body = newest.body()
    return body.text == edit.text and _content(body.stated_attachments or ()) == _content(edit.attachments)


def _content(attachments: Sequence[object]) -> bytes:
    return msgspec.json.encode(list(attachments), order="deterministic")
