"""Views of touchpoints: the shapes in the HTTP contract, made from stored touchpoints."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Hashable, Mapping
from typing import Any

from msgspec import UNSET, Struct, UnsetType, field

from handoff.codec.body import Body, bits_of
from handoff.codec.keyed_hash import CONVERSATION, EVIDENCE, SIZE, TOUCHPOINT, KeyedHash
from handoff.codec.member import Member, channel_name, sequence
from handoff.domain.clock import format_time
from handoff.domain.evidence import Evidence
from handoff.domain.identity import Assurance, Identity
from handoff.domain.text.derived import DERIVED
from handoff.domain.touchpoint import default_direction, default_visibility
from handoff.store.repositories.identities import IdentityRecord


class IdentityView(Struct, frozen=True, kw_only=True):
    """An identity of a customer, with its assurance, the evidence that joins it, and since when."""

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


class AssignedView(Struct, frozen=True, kw_only=True):
    """The person to whom an agent assigned a touchpoint of a shared identity. Withdraw `link` to undo it."""

    identity: str | None
    by: str
    why: str
    at: str
    link: str


class DerivedView(Struct, frozen=True, kw_only=True):
    """A text derived from the touchpoint, internal. `superseded`: another one counts instead of it.

    `attachment` or `recording` name the part that it was derived from, `at` is when the words were spoken.
    Texts with one `part_of` make one text, in the order of `part`.
    """

    id: str
    kind: str
    by: str
    text: str
    confidence: float | None
    language: str | None
    occurred_at: str
    superseded: bool
    speaker: str | UnsetType = UNSET
    attachment: str | int | UnsetType = UNSET
    recording: str | UnsetType = UNSET
    at: str | UnsetType = UNSET
    part_of: str | UnsetType = UNSET
    part: int | UnsetType = UNSET


class AlsoView(Struct, frozen=True, kw_only=True):
    """A copy: another touchpoint that records the same act, by another way. It is shown only here.

    `why`: `message_id` (both state one Message-ID), `platform_id` (both state one id of a platform), or
    `same_text` (equal words within minutes). Separate `id` if they are two acts.
    """

    id: str
    source: str
    channel: str
    why: str
    type: str
    occurred_at: str
    assurance: str
    conversation_id: str


class TranscriptView(Struct, frozen=True, kw_only=True):
    """The chat that an email repeats. `at` is the time of the first message in it."""

    conversation_id: str
    at: str
    messages: int


class TouchpointView(Struct, frozen=True):
    """One touchpoint of a timeline. `late`: it arrived after a touchpoint that occurred later."""

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
    """Set if the touchpoint is another customer's, and this customer only took part in it."""
    redacted: dict[str, int] = field(default_factory=dict)
    """Places masked before the touchpoint was stored, by kind: `card_number`, `card_code`, `track_data`, or
    the name of a tenant's pattern."""
    assigned: AssignedView | UnsetType = UNSET
    """Set if the touchpoint is on a shared identity and an agent assigned it."""
    also: list[AlsoView] | UnsetType = UNSET
    """Set if the same act arrived by other ways too. These touchpoints are not listed by themselves."""
    transcript_of: TranscriptView | UnsetType = UNSET
    """Set if the touchpoint is the transcript of a chat: it asks and promises nothing again."""
    masked: bool | UnsetType = UNSET
    """True if bank account or national numbers in it are masked: `POST /v1/touchpoints/{id}/reveal`
    shows them."""
    derived: list[DerivedView] | UnsetType = UNSET
    """Set if texts were derived from the touchpoint: those that count, then superseded ones."""
    derived_left_out: int | UnsetType = UNSET
    """How many more there are. Each is a touchpoint of its own."""


class TimelineView(Struct, frozen=True, kw_only=True):
    """A page of a timeline. `next` is the cursor of the next page; `total` is null if a filter was used.

    `total` counts what is stored: copies, which are shown in `also`, too.
    """

    touchpoints: list[TouchpointView]
    total: int | None
    returned: int
    next: str | None
    scanned_to: str | None = None


def blank_body(stored: Member, amendment: Body | None) -> Body:
    """The rest of a deleted touchpoint: its thread and source, as stated by its deletion."""
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


def conversation_of(hashes: KeyedHash, record: IdentityRecord, stored: Member, body: Body) -> bytes:
    """The conversation of a touchpoint: its thread's, or the episode of its home and channel."""
    if body.conversation is not None:
        return body.conversation
    if body.thread_space is not None and body.thread is not None:
        return hashes.thread(body.thread_space, body.thread)
    channel = channel_name(stored, body)
    return record.key + hashes.episode(record.key, channel, _last_end(_ends(record, channel), stored))


def _ends(record: IdentityRecord, channel: str) -> list[bytes]:
    """The places where the episodes of a channel ended, in order."""
    return [place for place, name in record.episodes if name == channel]


def _last_end(ends: list[bytes], stored: Member) -> bytes:
    """The id of the touchpoint that ended the last episode before this one; empty if there is none."""
    before = bisect_left(ends, stored.place) if ends else 0
    return ends[before - 1][SIZE:] if before else b""


class Rendering(Struct, frozen=True, kw_only=True):
    """The data and caches for rendering the touchpoints of one answer."""

    hashes: KeyedHash
    records: Mapping[bytes, IdentityRecord]
    amendments: Mapping[tuple[bytes, bytes], tuple[Member, Body]]
    conversations: dict[Hashable, tuple[bytes, str]] = field(default_factory=dict)
    """Cache: conversations with their public ids, by thread or episode."""
    ends: dict[tuple[bytes, str], list[bytes]] = field(default_factory=dict)
    """Cache: ends of episodes, by home and channel."""
    homes: dict[bytes, tuple[str, Callable[[bytes], str]]] = field(default_factory=dict)
    """Cache of `of_home`."""
    internal: bool = True
    """Whether the reader may see internal touchpoints."""

    def of_home(self, home: bytes) -> tuple[str, Callable[[bytes], str]]:
        """The identity of a home as text, and the function that makes public ids of its touchpoints."""
        known = self.homes.get(home)
        if known is None:
            known = (str(self.records[home].identity), self.hashes.publics(TOUCHPOINT, home))
            self.homes[home] = known
        return known

    def conversation(self, stored: Member, body: Body) -> tuple[bytes, str]:
        """The conversation of a touchpoint and its public id."""
        named: Hashable = (body.belongs, body.thread)
        if body.belongs is None:  # an episode
            channel = channel_name(stored, body)
            named = (stored.home, channel, _last_end(self._ends_of(stored.home, channel), stored))
        known = self.conversations.get(named)
        if known is None:
            conversation = conversation_of(self.hashes, self.records[stored.home], stored, body)
            known = (conversation, public_conversation(self.hashes, conversation))
            self.conversations[named] = known
        return known

    def _ends_of(self, home: bytes, channel: str) -> list[bytes]:
        known = self.ends.get((home, channel))
        if known is None:
            known = self.ends[home, channel] = _ends(self.records[home], channel)
        return known

    def amendment(self, stored: Member) -> tuple[Member, Body] | None:
        """The newest edit or deletion."""
        return self.amendments.get((stored.home, stored.id)) if self.amendments else None

    def shown(self, stored: Member, body: Body) -> Body:
        """The body with its newest edit applied."""
        amendment = self.amendment(stored)
        return _folded(body, amendment[1]) if amendment and not stored.blanked else body


def touchpoint_view(
    stored: Member, body: Body, rendering: Rendering, entry: Member | None = None
) -> TouchpointView:
    """One touchpoint with its newest edit applied. `entry` is set for a participant's reference to it."""
    identity, public_id = rendering.of_home(stored.home)
    direction, visibility, assurance = body.stated
    amendment = rendering.amendment(stored)
    shown = rendering.shown(stored, body) if amendment else body
    # Positional, because keyword arguments would take longer than the rest of the call.
    return TouchpointView(
        public_id(stored.id),
        channel_name(stored, body),
        body.medium,
        body.source,
        stored.type,
        direction,
        visibility,
        assurance,
        format_time(stored.occurred_at),
        format_time(stored.recorded_at),
        stored.late,
        identity,
        body.thread,
        rendering.conversation(stored, body)[1],
        body.actor,
        shown.subject,
        shown.text,
        shown.language,
        list(shown.stated_attachments or ()),
        shown_data(stored, body, shown, rendering),
        public_id(body.amends) if body.amends and stored.type != DERIVED else None,
        [_participant(it.identity, it.role) for it in body.participants] if body.stated_participants else [],
        body.stated_traits or {},
        sequence(stored),
        public_id(amendment[0].id) if amendment else None,
        stored.blanked,
        _taking_part(body, rendering, entry) if entry and entry is not stored else None,
        shown.stated_redacted or {},
    )


def shown_data(stored: Member, body: Body, shown: Body, rendering: Rendering) -> dict[str, Any]:
    """The data of a touchpoint. A derived text names its original as we do: by the id of the touchpoint, or
    of the call's conversation."""
    data = shown.stated_data or {}
    if stored.type != DERIVED or not body.amends or stored.blanked:
        return data
    conversation, public = rendering.conversation(stored, body)
    of = public if conversation == body.amends else rendering.of_home(stored.home)[1](body.amends)
    return data | {"of": of}


def assigned_view(piece: Evidence, rendering: Rendering) -> AssignedView:
    """An assignment as shown with its touchpoint. The identity is None if its record was not read."""
    known = rendering.records.get(piece.other)
    return AssignedView(
        identity=str(known.identity) if known else None,
        by=piece.who,
        why=piece.why,
        at=format_time(piece.recorded_at),
        link=rendering.hashes.public(EVIDENCE, piece.one, piece.id),
    )


def _taking_part(body: Body, rendering: Rendering, entry: Member) -> ParticipantView | None:
    """The customer as a participant in another customer's touchpoint; None for one of their own."""
    if entry.reference is None:
        return None
    identity = rendering.records[entry.home].identity
    role = next((it.role for it in body.participants if it.identity == identity), "participant")
    return _participant(identity, role)


def _participant(identity: Identity, role: str) -> ParticipantView:
    return ParticipantView(**identity_fields(identity), role=role)


def _folded(body: Body, edit: Body) -> Body:
    return Body(
        subject=edit.subject if edit.subject is not None else body.subject,
        text=edit.text if edit.text is not None else body.text,
        language=edit.language or body.language,
        stated_attachments=edit.attachments or body.attachments,
        stated_data=body.data | edit.data,
        stated_redacted=(body.stated_redacted or {}) | (edit.stated_redacted or {}),
    )


def identity_fields(identity: Identity) -> dict[str, str]:
    return {"type": identity.type, "space": identity.space, "value": identity.value}
