"""What clients are shown: the shapes of the HTTP contract, made from what is stored."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Hashable, Mapping
from typing import Any

from msgspec import Struct, field

from handoff.codec.body import Body, bits_of
from handoff.codec.keyed_hash import CONVERSATION, SIZE, TOUCHPOINT, KeyedHash
from handoff.codec.member import Stored, channel_name, sequence
from handoff.domain.clock import format_time
from handoff.domain.identity import Assurance, Identity
from handoff.domain.touchpoint import default_direction, default_visibility
from handoff.store.records import IdentityRecord


class IdentityView(Struct, frozen=True, kw_only=True):
    """An identity of a customer: how sure, by which statement, since when."""

    type: str
    space: str
    value: str
    assurance: str
    via: str
    since: str


class ParticipantView(Struct, frozen=True, kw_only=True):
    """Another person in a touchpoint."""

    type: str
    space: str
    value: str
    role: str


class TouchpointView(Struct, frozen=True, kw_only=True):
    """One touchpoint of a timeline. `late`: it came after something that happened later."""

    id: str
    channel: str
    medium: str | None
    source: str
    type: str
    direction: str
    visibility: str
    assurance: str
    occurred_at: str
    recorded_at: str
    late: bool
    identity: str
    thread: str | None
    conversation_id: str
    actor: dict[str, Any] | None
    subject: str | None
    text: str | None
    language: str | None
    attachments: list[dict[str, Any]]
    data: dict[str, Any]
    amends: str | None
    participants: list[ParticipantView] = field(default_factory=list)
    traits: dict[str, Any] = field(default_factory=dict)
    seq: int | None = None
    amended_by: str | None = None
    deleted: bool = False
    participant_of: ParticipantView | None = None
    """Set where the touchpoint is somebody else's and the customer only took part in it."""


class TimelineView(Struct, frozen=True, kw_only=True):
    """A page of a timeline. `next` goes on behind it; `total` is null where a filter was used."""

    touchpoints: list[TouchpointView]
    total: int | None
    returned: int
    next: str | None
    scanned_to: str | None = None


def blank_body(stored: Stored, amendment: Body | None) -> Body:
    """What is left of a deleted touchpoint: where it was, by what its deletion says."""
    assurance = amendment.assurance if amendment else Assurance.VERIFIED
    return Body(
        source=amendment.source if amendment else "",
        bits=bits_of(default_direction(stored.type), default_visibility(stored.type), assurance),
        belongs=amendment.belongs if amendment else None,
        thread=amendment.thread if amendment else None,
        amends=amendment.amends if amendment and amendment.amends != stored.id else None,
    )


def public_conversation(hashes: KeyedHash, conversation: bytes) -> str:
    """The public id of a thread's conversation (16 bytes) or of an episode (home ‖ episode, 32)."""
    parts = [conversation[at : at + SIZE] for at in range(0, len(conversation), SIZE)]
    return hashes.public(CONVERSATION, *parts)


def conversation_of(hashes: KeyedHash, record: IdentityRecord, stored: Stored, body: Body) -> bytes:
    """The conversation of a touchpoint: its thread's, or the episode of its home and channel."""
    if body.conversation is not None:
        return body.conversation
    if body.thread_space is not None and body.thread is not None:
        return hashes.thread(body.thread_space, body.thread)
    channel = channel_name(stored, body)
    ends = [place for place, name in record.episodes if name == channel]
    before = bisect_left(ends, stored.place)
    after = ends[before - 1][SIZE:] if before else b""
    return record.key + hashes.episode(record.key, channel, after)


class Rendering(Struct, frozen=True, kw_only=True):
    """What every touchpoint of one answer is rendered with."""

    hashes: KeyedHash
    records: Mapping[bytes, IdentityRecord]
    amendments: Mapping[tuple[bytes, bytes], tuple[Stored, Body]]
    conversations: dict[Hashable, tuple[bytes, str]] = field(default_factory=dict)
    """Conversations with their public ids that were made already, by what names them."""
    identities: dict[bytes, str] = field(default_factory=dict)
    """Identities that were written already, by home."""

    def identity(self, home: bytes) -> str:
        """The identity that a touchpoint is filed under, `type:value` or `type@space:value`."""
        known = self.identities.get(home)
        if known is None:
            known = self.identities[home] = str(self.records[home].identity)
        return known

    def conversation(self, stored: Stored, body: Body) -> tuple[bytes, str]:
        """The conversation of a touchpoint and its public id."""
        named = (body.belongs, body.thread)
        known = self.conversations.get(named)
        if known is not None:
            return known
        conversation = conversation_of(self.hashes, self.records[stored.home], stored, body)
        found = (conversation, public_conversation(self.hashes, conversation))
        if body.belongs is not None:  # else it is an episode, which its place decides
            self.conversations[named] = found
        return found

    def shown(self, stored: Stored, body: Body) -> Body:
        """The body with its newest edit folded in."""
        amendment = self.amendments.get((stored.home, stored.id))
        return body if amendment is None or stored.blanked else _folded(body, amendment[1])

    def amended_by(self, stored: Stored) -> str | None:
        """The public id of the newest edit or deletion."""
        amendment = self.amendments.get((stored.home, stored.id))
        return self.hashes.public(TOUCHPOINT, amendment[0].home, amendment[0].id) if amendment else None


def touchpoint_view(
    stored: Stored, body: Body, rendering: Rendering, entry: Stored | None = None
) -> TouchpointView:
    """One touchpoint with its newest edit folded in; `entry` is a participant's that points at it."""
    hashes = rendering.hashes
    shown = rendering.shown(stored, body)
    return TouchpointView(
        id=hashes.public(TOUCHPOINT, stored.home, stored.id),
        channel=channel_name(stored, body),
        medium=body.medium,
        source=body.source,
        type=stored.type,
        direction=body.direction,
        visibility=body.visibility,
        assurance=body.assurance,
        occurred_at=format_time(stored.occurred_at),
        recorded_at=format_time(stored.recorded_at),
        late=stored.late,
        identity=rendering.identity(stored.home),
        thread=body.thread,
        conversation_id=rendering.conversation(stored, body)[1],
        actor=body.actor,
        subject=shown.subject,
        text=shown.text,
        language=shown.language,
        attachments=list(shown.attachments),
        data=shown.data,
        amends=hashes.public(TOUCHPOINT, stored.home, body.amends) if body.amends else None,
        participants=[
            ParticipantView(**identity_fields(it.identity), role=it.role) for it in body.participants
        ],
        traits=body.traits,
        seq=sequence(stored),
        amended_by=rendering.amended_by(stored),
        deleted=stored.blanked,
        participant_of=_taking_part(body, rendering, entry),
    )


def _taking_part(body: Body, rendering: Rendering, entry: Stored | None) -> ParticipantView | None:
    """As whom a customer took part in somebody else's touchpoint; None for one of their own."""
    if entry is None or entry.reference is None:
        return None
    identity = rendering.records[entry.home].identity
    role = next((it.role for it in body.participants if it.identity == identity), "participant")
    return ParticipantView(**identity_fields(identity), role=role)


def _folded(body: Body, edit: Body) -> Body:
    return Body(
        subject=edit.subject if edit.subject is not None else body.subject,
        text=edit.text if edit.text is not None else body.text,
        language=edit.language or body.language,
        stated_attachments=edit.attachments or body.attachments,
        stated_data=body.data | edit.data,
    )


def identity_fields(it: Identity) -> dict[str, str]:
    return {"type": it.type, "space": it.space, "value": it.value}
