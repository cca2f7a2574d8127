"""A conversation as a vCon, the IETF's container for conversations.

Follows draft-ietf-vcon-vcon-core-04 (7 September 2026), unsigned form (§4), whose syntax version is
`0.4.0` (§4.1.1). Section numbers below refer to that draft. Only messages and calls become dialogs: visits,
searches and our own bookkeeping are in the timeline only.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from handoff.codec.keyed_hash import KeyedHash
from handoff.domain.brief.steps import Steps
from handoff.domain.errors import NotFound, Unprocessable
from handoff.domain.identity import ASSURANCE_RANK, Assurance
from handoff.services.access.reader import EVERYTHING, Reader
from handoff.services.customers.customer import by_key
from handoff.services.handoffs.targets import home_of, read_conversation_id
from handoff.services.timeline.reading import TimelineEntry, read_whole, views_of
from handoff.services.timeline.seeing import seen
from handoff.services.timeline.views import TouchpointView, conversation_of
from handoff.store.repositories.identities import IdentityRecord
from handoff.store.store import Store

SYNTAX = "0.4.0"
MAX_SCANNED = 50_000  # touchpoints read for one export; longer timelines are refused

TEXTS = frozenset(
    {
        "message.received",
        "message.sent",
        "email.received",
        "email.sent",
        "email.auto_replied",
        "form.submitted",
        "callback.requested",
        "complaint.opened",
        "survey.answered",
    }
)
"""Types whose text is addressed to the other side."""
_MESSAGES = frozenset(
    {"message.received", "message.sent", "email.received", "email.sent", "email.auto_replied"}
)
"""Types that become a dialog even without a text."""
NOTES = frozenset({"note.added"})
CALLS = frozenset(
    {"call.started", "call.ended", "callback.attempted", "callback.completed", "callback.missed"}
)
DISPOSITIONS: Mapping[str, str] = {
    "no-answer": "no-answer",
    "busy": "busy",
    "failed": "failed",
    "canceled": "hung-up",
    "voicemail": "voicemail-no-message",
}
"""The reason why a call was not answered: our value -> the value of §4.3.11."""
_ACTORS = {"bot": "bot", "agent": "person", "customer": "person"}
_RANKS: Mapping[str | None, int] = {it.value: rank for it, rank in ASSURANCE_RANK.items()}
_CONTACTS = {"email": "mailto", "phone": "tel"}


class VconParty(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A party (§4.2). `validation` is the assurance of the identity, as we name it."""

    tel: str | None = None
    mailto: str | None = None
    name: str | None = None
    validation: str | None = None
    type: str | None = None


class VconDialog(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A piece of dialog (§4.3). The first of `parties` is its originator (§4.3.4).

    A call is a `recording` without content, because we do not store recordings. A deleted message is a `text`
    without a body.
    """

    type: str
    start: str
    parties: list[int]
    duration: int | None = None
    mediatype: str | None = None
    body: str | None = None
    encoding: str | None = None
    disposition: str | None = None
    application: str | None = None
    message_id: str | None = None


class VconAttachment(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The description of a file (§4.4).

    We do not store its content, and a vCon must not contain a link without a hash of its target (§2.4).
    """

    start: str
    party: int
    dialog: int
    mediatype: str | None = None
    filename: str | None = None


class VconRedacted(Struct, frozen=True, kw_only=True):
    """The reason for missing parts (§4.1.8.1). There is no uuid, because no fuller version exists."""

    type: str


class Vcon(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A conversation (§4.1). `uuid` is the same in every export."""

    vcon: str
    uuid: str
    created_at: str
    parties: list[VconParty]
    dialog: list[VconDialog]
    attachments: list[VconAttachment]
    updated_at: str | None = None
    subject: str | None = None
    redacted: VconRedacted | None = None


async def export_conversation(
    store: Store,
    tenant: str,
    conversation_id: str,
    *,
    internal: bool = False,
    min_assurance: Assurance = Assurance.INFERRED,
    reader: Reader = EVERYTHING,
) -> Vcon:
    """The conversation as a vCon, with notes if `internal` is set.

    Raises NotFound for an unknown conversation, and Unprocessable (`too_long`) if the timeline is too long to
    be read for one export: a partial conversation must not look complete.
    """
    found = await _touchpoints(store, tenant, conversation_id, reader)
    if not found:
        raise NotFound("there is no such conversation")
    rank = ASSURANCE_RANK[min_assurance]
    shown = [it for it in found if ASSURANCE_RANK[Assurance(it.assurance)] >= rank]
    making = making_vcon(conversation_id, shown, internal=internal and reader.internal)
    return await store.pace.run(tenant, making)


async def _touchpoints(
    store: Store, tenant: str, conversation_id: str, reader: Reader
) -> list[TouchpointView]:
    """The conversation's touchpoints, oldest first; one round trip per page of the timeline."""
    hashes = store.hashes(tenant)
    conversation = read_conversation_id(hashes, conversation_id)
    customer = await by_key(store, tenant, await home_of(store, conversation))
    records = {it.key: it for it in customer.members}
    found: list[TouchpointView] = []
    scanned = 0
    async for every in read_whole(store, hashes, records):
        if scanned >= MAX_SCANNED:
            raise Unprocessable(
                f"the customer's timeline is longer than the {MAX_SCANNED} touchpoints that one export reads",
                code="too_long",
            )
        scanned += len(every.entries)
        page = await seen(store, every, reader)
        named = await store.pace.each(tenant, partial(_conversation, hashes, records), page.entries)
        mine = [it for it, name in zip(page.entries, named, strict=True) if name == conversation]
        found += await views_of(store, page, mine)
    return found


def _conversation(
    hashes: KeyedHash, records: Mapping[bytes, IdentityRecord], entry: TimelineEntry
) -> bytes | None:
    """The conversation of a touchpoint of the customer's own."""
    if entry.is_reference or entry.stored.home not in records:
        return None
    return conversation_of(hashes, records[entry.stored.home], entry.stored, entry.body)


def making_vcon(
    conversation_id: str, touchpoints: Sequence[TouchpointView], *, internal: bool = False
) -> Steps[Vcon]:
    """The vCon of a conversation's touchpoints, oldest first."""
    visible = [it for it in touchpoints if internal or it.visibility == "public"]
    parties = _VconParties()
    dialog: list[VconDialog] = []
    attachments: list[VconAttachment] = []
    for entry in _entries(visible, internal):
        yield
        dialog.append(_dialog(entry, parties))
        for touchpoint in entry:
            attachments += _attachments(touchpoint, dialog[-1].parties[0], len(dialog) - 1)
    arrived = [it.recorded_at for it in touchpoints]
    deleted = any(it.deleted and it.type in TEXTS for it in visible)
    return Vcon(
        vcon=SYNTAX,
        uuid=str(vcon_uuid(conversation_id)),
        created_at=min(arrived, default="1970-01-01T00:00:00.000000Z"),
        updated_at=max(arrived, default=None),
        subject=next((it.subject for it in visible if it.subject), None),
        redacted=VconRedacted(type="deleted") if deleted else None,
        parties=parties.parties,
        dialog=dialog,
        attachments=attachments,
    )


def vcon_uuid(conversation_id: str) -> UUID:
    """A version 8 UUID of the conversation's id alone (RFC 9562 §5.8).

    §4.1.2 suggests a UUID that begins with a time. Importing history would change it, and ours must not
    change. The id is a keyed hash with the store's own secret, so it is unique beyond this installation.
    """
    digest = int.from_bytes(hashlib.sha256(b"handoff/vcon/" + conversation_id.encode()).digest()[:16], "big")
    versioned = digest & ~(0xF << 76) | 8 << 76
    return UUID(int=versioned & ~(0x3 << 62) | 2 << 62)


def _entries(touchpoints: Sequence[TouchpointView], internal: bool) -> Iterator[list[TouchpointView]]:
    """The touchpoints of each dialog: one for a text, all steps for a call."""
    calls: dict[str, list[TouchpointView]] = {}
    for touchpoint in touchpoints:
        if touchpoint.type in CALLS:
            calls.setdefault(touchpoint.thread or touchpoint.id, []).append(touchpoint)
    for touchpoint in touchpoints:
        has_content = bool(touchpoint.text) or touchpoint.type in _MESSAGES or touchpoint.deleted
        if touchpoint.data.get("candidate"):
            continue  # a decision about words that have a dialog of their own
        if has_content and (touchpoint.type in TEXTS or (internal and touchpoint.type in NOTES)):
            yield [touchpoint]
        elif touchpoint.type in CALLS:
            steps = calls.pop(touchpoint.thread or touchpoint.id, None)
            if steps:
                yield steps


def _dialog(entry: Sequence[TouchpointView], parties: _VconParties) -> VconDialog:
    first = entry[0]
    if first.type in CALLS:
        return _call(entry, parties)
    gone = first.deleted
    return VconDialog(
        type="text",
        start=first.occurred_at,
        parties=parties.of(first),
        mediatype="text/plain",
        body=None if gone else first.text or "",
        encoding=None if gone else "none",
        application=first.channel,
        message_id=first.id,
    )


def _call(steps: Sequence[TouchpointView], parties: _VconParties) -> VconDialog:
    disposition = _disposition(steps)
    lengths = [it.data.get("duration_s") for it in steps]
    length = next((it for it in reversed(lengths) if isinstance(it, int) and it >= 0), None)
    return VconDialog(
        type="incomplete" if disposition else "recording",
        start=steps[0].occurred_at,
        parties=parties.of(steps[0]),
        duration=length,
        disposition=disposition,
        application=steps[0].channel,
    )


def _disposition(steps: Sequence[TouchpointView]) -> str | None:
    """The reason why a call was not answered. None if it was answered, or is still in progress."""
    last = steps[-1]
    stated = (last.data.get("reason"), last.data.get("status"))
    found = next((DISPOSITIONS[it] for it in stated if isinstance(it, str) and it in DISPOSITIONS), None)
    if last.type == "callback.missed":
        return found or "no-answer"
    return found if last.type == "call.ended" else None


def _attachments(touchpoint: TouchpointView, party: int, dialog: int) -> Iterator[VconAttachment]:
    for stated in touchpoint.attachments:
        kind = _text(stated.get("content_type"))
        yield VconAttachment(
            start=touchpoint.occurred_at,
            party=party,
            dialog=dialog,
            mediatype=kind if kind and "/" in kind else None,
            filename=_text(stated.get("name")),
        )


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


class _VconParties:
    """The parties of a conversation, each once. Later touchpoints may add a name."""

    def __init__(self) -> None:
        self.parties: list[VconParty] = []
        self._places: dict[tuple[str, ...], int] = {}

    def of(self, touchpoint: TouchpointView) -> list[int]:
        """The indices of a touchpoint's parties, its originator first (§4.3.4)."""
        customer = self._customer(touchpoint)
        ours = self._ours(touchpoint)
        others = [
            self._place(_party_of(who.type, who.value), _handle(who.type, who.space), who.value)
            for who in touchpoint.participants
        ]
        first = [customer, ours] if touchpoint.direction == "inbound" else [ours, customer]
        if touchpoint.direction == "internal":
            first = [ours]
        return list(dict.fromkeys(index for index in (*first, *others) if index is not None))

    def _customer(self, touchpoint: TouchpointView) -> int:
        handle, _, value = touchpoint.identity.partition(":")
        inbound = touchpoint.direction == "inbound"
        name = _text(touchpoint.traits.get("name")) or (
            _text((touchpoint.actor or {}).get("name")) if inbound else None
        )
        type_ = handle.partition("@")[0]
        party = _party_of(type_, value, name=name, validation=touchpoint.assurance, kind="person")
        return self._place(party, handle, value)

    def _ours(self, touchpoint: TouchpointView) -> int | None:
        """The party on our side. None for an inbound touchpoint, which does not name its recipient."""
        if touchpoint.direction == "inbound":
            return None
        actor: Mapping[str, Any] = touchpoint.actor or {}
        kind = _text(actor.get("type")) or ""
        name = _text(actor.get("name"))
        party = VconParty(
            name=name, validation="none" if name else None, type=_ACTORS.get(kind, "organization")
        )
        return self._place(party, "ours", kind, _text(actor.get("id")) or name or "")

    def _place(self, party: VconParty, *key: str) -> int:
        place = self._places.get(key)
        if place is None:
            place = self._places[key] = len(self.parties)
            self.parties.append(party)
        else:
            self.parties[place] = _merged(self.parties[place], party)
        return place


def _handle(type_: str, space: str) -> str:
    return f"{type_}@{space}" if space else type_


def _merged(known: VconParty, more: VconParty) -> VconParty:
    """Both combined: the first name, and the lower assurance."""
    validation = known.validation or more.validation
    if known.validation in _RANKS and more.validation in _RANKS:
        validation = min(known.validation, more.validation, key=_RANKS.__getitem__)
    return replace(known, name=known.name or more.name, type=known.type or more.type, validation=validation)


def _party_of(
    type_: str,
    value: str,
    *,
    name: str | None = None,
    validation: str | None = None,
    kind: str | None = None,
) -> VconParty:
    """The party for an identity, with its address or number. Identities of other types are left out."""
    contact = {_CONTACTS[type_]: value} if type_ in _CONTACTS else {}
    return VconParty(name=name, validation=validation, type=kind, **contact)
