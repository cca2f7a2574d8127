"""A conversation as a vCon, the IETF's container for conversations.

Follows draft-ietf-vcon-vcon-core-04 (7 September 2026), unsigned form (§4), whose syntax version is
`0.4.0` (§4.1.1). Section numbers below are that draft's. Only what was said is a dialog: visits,
searches and our own bookkeeping are no conversation; they are in the timeline.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from handoff.domain.errors import NotFound, Unprocessable
from handoff.domain.identity import ASSURANCE_RANK, Assurance
from handoff.services.customers.customer import by_key
from handoff.services.handoffs.targets import home_of, read_conversation_id
from handoff.services.timeline.reading import read_whole
from handoff.services.timeline.views import TouchpointView, conversation_of
from handoff.store.store import Store

SYNTAX = "0.4.0"
MAX_SCANNED = 50_000  # touchpoints looked through for one export; above it the caller is told

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
"""Types whose text is somebody's words to the other side."""
_LETTERS = frozenset(
    {"message.received", "message.sent", "email.received", "email.sent", "email.auto_replied"}
)
"""Of these, those that are a dialog also without a text: somebody sent something."""
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
"""Why a call came to nothing: our word -> §4.3.11's."""
_ACTORS = {"bot": "bot", "agent": "person", "customer": "person"}
_RANKS: Mapping[str | None, int] = {it.value: rank for it, rank in ASSURANCE_RANK.items()}
_CONTACTS = {"email": "mailto", "phone": "tel"}


class VconParty(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A party (§4.2). `validation` is how sure the handle is, in our words."""

    tel: str | None = None
    mailto: str | None = None
    name: str | None = None
    validation: str | None = None
    type: str | None = None


class VconDialog(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A piece of dialog (§4.3). The first of `parties` is its originator (§4.3.4).

    A call whose recording we do not hold is a `recording` without content; a deleted message a `text`
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
    """What is known of a file (§4.4). Its content is not held here, and a link without a hash of what
    is behind it may not stand in a vCon (§2.4)."""

    start: str
    party: int
    dialog: int
    mediatype: str | None = None
    filename: str | None = None


class VconRedacted(Struct, frozen=True, kw_only=True):
    """Why parts are gone (§4.1.8.1); without a uuid: no fuller version exists."""

    type: str


class Vcon(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A conversation (§4.1). `uuid` is the same however often it is exported."""

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
) -> Vcon:
    """The conversation as a vCon, notes only where `internal`.

    NotFound where nothing was filed under the id; Unprocessable (`too_long`) where the timeline is too
    long to be looked through at once: a part of a conversation never passes for the whole.
    """
    found = await _touchpoints(store, tenant, conversation_id)
    if not found:
        raise NotFound("there is no such conversation")
    rank = ASSURANCE_RANK[min_assurance]
    shown = [it for it in found if ASSURANCE_RANK[Assurance(it.assurance)] >= rank]
    return vcon_of(conversation_id, shown, internal=internal)


async def _touchpoints(store: Store, tenant: str, conversation_id: str) -> list[TouchpointView]:
    """The conversation's touchpoints, oldest first, a round trip for each page of the timeline."""
    hashes = store.hashes(tenant)
    conversation = read_conversation_id(hashes, conversation_id)
    customer = await by_key(store, tenant, await home_of(store, conversation))
    records = {it.key: it for it in customer.members}
    found: list[TouchpointView] = []
    scanned = 0
    async for page in read_whole(store, hashes, records):
        if scanned >= MAX_SCANNED:
            raise Unprocessable(
                f"the customer's timeline is longer than the {MAX_SCANNED} touchpoints that one export reads",
                code="too_long",
            )
        scanned += len(page.told)
        for it in page.told:
            mine = not it.is_reference and it.stored.home in records
            if mine and conversation == conversation_of(hashes, records[it.stored.home], it.stored, it.body):
                found.append(page.view(it))
    return found


def vcon_of(conversation_id: str, touchpoints: Sequence[TouchpointView], *, internal: bool = False) -> Vcon:
    """The vCon of a conversation's touchpoints, oldest first."""
    visible = [it for it in touchpoints if internal or it.visibility == "public"]
    cast = _VconParties()
    dialog: list[VconDialog] = []
    attachments: list[VconAttachment] = []
    for entry in _entries(visible, internal):
        dialog.append(_dialog(entry, cast))
        for it in entry:
            attachments += _attachments(it, dialog[-1].parties[0], len(dialog) - 1)
    arrived = [it.recorded_at for it in touchpoints]
    deleted = any(it.deleted and it.type in TEXTS for it in visible)
    return Vcon(
        vcon=SYNTAX,
        uuid=str(vcon_uuid(conversation_id)),
        created_at=min(arrived, default="1970-01-01T00:00:00.000000Z"),
        updated_at=max(arrived, default=None),
        subject=next((it.subject for it in visible if it.subject), None),
        redacted=VconRedacted(type="deleted") if deleted else None,
        parties=cast.parties,
        dialog=dialog,
        attachments=attachments,
    )


def vcon_uuid(conversation_id: str) -> UUID:
    """A version 8 UUID of the conversation's id alone (RFC 9562 §5.8).

    §4.1.2 would have it begin with a time, which a back-filled touchpoint changes; ours must not.
    The id is a keyed hash of the store's own secret, so it is unique beyond this installation.
    """
    digest = int.from_bytes(hashlib.sha256(b"handoff/vcon/" + conversation_id.encode()).digest()[:16], "big")
    versioned = digest & ~(0xF << 76) | 8 << 76
    return UUID(int=versioned & ~(0x3 << 62) | 2 << 62)


def _entries(touchpoints: Sequence[TouchpointView], internal: bool) -> Iterator[list[TouchpointView]]:
    """What makes one dialog each: a text alone, all steps of a call together."""
    calls: dict[str, list[TouchpointView]] = {}
    for it in touchpoints:
        if it.type in CALLS:
            calls.setdefault(it.thread or it.id, []).append(it)
    for it in touchpoints:
        said = bool(it.text) or it.type in _LETTERS or it.deleted
        if (it.type in TEXTS and said) or (internal and it.type in NOTES and said):
            yield [it]
        elif it.type in CALLS:
            steps = calls.pop(it.thread or it.id, None)
            if steps:
                yield steps


def _dialog(entry: Sequence[TouchpointView], cast: _VconParties) -> VconDialog:
    first = entry[0]
    if first.type in CALLS:
        return _call(entry, cast)
    gone = first.deleted
    return VconDialog(
        type="text",
        start=first.occurred_at,
        parties=cast.of(first),
        mediatype="text/plain",
        body=None if gone else first.text or "",
        encoding=None if gone else "none",
        application=first.channel,
        message_id=first.id,
    )


def _call(steps: Sequence[TouchpointView], cast: _VconParties) -> VconDialog:
    disposition = _disposition(steps)
    lengths = [it.data.get("duration_s") for it in steps]
    length = next((it for it in reversed(lengths) if isinstance(it, int) and it >= 0), None)
    return VconDialog(
        type="incomplete" if disposition else "recording",
        start=steps[0].occurred_at,
        parties=cast.of(steps[0]),
        duration=length,
        disposition=disposition,
        application=steps[0].channel,
    )


def _disposition(steps: Sequence[TouchpointView]) -> str | None:
    """Why nobody spoke; None where somebody did, or still may."""
    last = steps[-1]
    stated = (last.data.get("reason"), last.data.get("status"))
    found = next((DISPOSITIONS[it] for it in stated if isinstance(it, str) and it in DISPOSITIONS), None)
    if last.type == "callback.missed":
        return found or "no-answer"
    return found if last.type == "call.ended" else None


def _attachments(it: TouchpointView, party: int, dialog: int) -> Iterator[VconAttachment]:
    for stated in it.attachments:
        kind = _text(stated.get("content_type"))
        yield VconAttachment(
            start=it.occurred_at,
            party=party,
            dialog=dialog,
            mediatype=kind if kind and "/" in kind else None,
            filename=_text(stated.get("name")),
        )


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


class _VconParties:
    """The parties met so far, each once; a later touchpoint may tell a name."""

    def __init__(self) -> None:
        self.parties: list[VconParty] = []
        self._places: dict[tuple[str, ...], int] = {}

    def of(self, it: TouchpointView) -> list[int]:
        """The indices of who took part, its originator first (§4.3.4)."""
        customer = self._customer(it)
        ours = self._ours(it)
        others = [
            self._place(_party_of(who.type, who.value), _handle(who.type, who.space), who.value)
            for who in it.participants
        ]
        first = [customer, ours] if it.direction == "inbound" else [ours, customer]
        if it.direction == "internal":
            first = [ours]
        return list(dict.fromkeys(index for index in (*first, *others) if index is not None))

    def _customer(self, it: TouchpointView) -> int:
        handle, _, value = it.identity.partition(":")
        inbound = it.direction == "inbound"
        name = _text(it.traits.get("name")) or (_text((it.actor or {}).get("name")) if inbound else None)
        type_ = handle.partition("@")[0]
        party = _party_of(type_, value, name=name, validation=it.assurance, kind="person")
        return self._place(party, handle, value)

    def _ours(self, it: TouchpointView) -> int | None:
        """Who spoke for us; None where the customer spoke, to whoever it was."""
        if it.direction == "inbound":
            return None
        actor: Mapping[str, Any] = it.actor or {}
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
    """With the first name that was told, and no surer than the least sure of both."""
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
    """A party by an identity: an address or a number where it is one, nothing of other handles."""
    contact = {_CONTACTS[type_]: value} if type_ in _CONTACTS else {}
    return VconParty(name=name, validation=validation, type=kind, **contact)
