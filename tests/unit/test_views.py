"""A view returns what was stored, each field under its own name, in every kind of response."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct

from handoff.codec.body import DIGEST_KEPT, encode_body
from handoff.codec.keyed_hash import SIZE, TOUCHPOINT, KeyedHash
from handoff.codec.member import (
    ARRIVAL_BIT,
    FLAG_ARRIVAL,
    FLAG_LATE,
    FLAG_REFERENCE,
    PLACE,
    Member,
    channel_code,
    channel_name,
    pack_occurred,
    read_member,
    type_code,
)
from handoff.domain.clock import SECOND, format_time
from handoff.domain.identity import Assurance, Identity
from handoff.domain.touchpoint import TYPES, Participant, Touchpoint
from handoff.services.timeline.views import (
    Rendering,
    TouchpointView,
    conversation_of,
    public_conversation,
    touchpoint_view,
)
from handoff.store.repositories.identities import IdentityRecord
from tests.samples import NOON, handle, touchpoint
from tests.unit.test_codec import fields, times

HASHES = KeyedHash(b"p" * 32, "acme")
ANNA, BOB = Identity("user", "", "anna"), Identity("email", "", "bob@example.com")
arrivals = st.integers(0, 2**52)
ids = st.binary(min_size=SIZE, max_size=SIZE)
sequences = st.none() | st.integers(0, 2**63 - 1)
threads = st.none() | st.sampled_from(["t1", "t2"])


NEEDS_DATA = {"brief.line_wrong", "consent.given", "consent.withdrawn", "text.derived"}


class Came(Struct, frozen=True):
    """A touchpoint as it was sent, and what the store added."""

    touchpoint: Touchpoint
    id: bytes
    arrival: int
    late: bool
    amends: bytes | None = None

    @property
    def home(self) -> bytes:
        return HASHES.identity(self.touchpoint.home.identity)

    def stored(self) -> Member:
        sent = self.touchpoint
        codec, body = encode_body(sent, conversation=sent.conversation, amends=self.amends)
        arrival = self.arrival.to_bytes(8, "big")
        order, flags, extra = (ARRIVAL_BIT | self.arrival).to_bytes(8, "big"), 0, b""
        if sent.seq is not None:
            order, flags, extra = sent.seq.to_bytes(8, "big"), FLAG_ARRIVAL, arrival
        header = (flags | FLAG_LATE * self.late, type_code(sent.type), channel_code(sent.channel), codec)
        place = pack_occurred(sent.occurred_at) + order + self.id
        return read_member(place + bytes(header) + extra + b"d" * DIGEST_KEPT + body, self.home)


@st.composite
def arrived(draw: st.DrawFn) -> Came:
    stated = draw(fields)
    people = (*stated.pop("participants"), *draw(st.just(()) | st.just((Participant(BOB, "cc"),))))
    sent = touchpoint(
        "e",
        handle(str(ANNA), draw(st.sampled_from(Assurance))),
        at=draw(times),
        type=draw(st.sampled_from([it for it in TYPES if it not in NEEDS_DATA])),
        seq=draw(sequences),
        redacted=draw(st.dictionaries(st.sampled_from(["card_number", "card_code"]), st.integers(1, 9))),
        thread=draw(threads),
        participants=people,
        **stated,
    )
    return Came(sent, draw(ids), draw(arrivals), draw(st.booleans()), draw(st.none() | ids))


def record(home: Identity, ends: tuple[tuple[bytes, str], ...] = ()) -> IdentityRecord:
    return IdentityRecord(
        key=HASHES.identity(home),
        identity=home,
        recorded_at=NOON,
        last_arrival=NOON,
        shared_mark=False,
        counts={},
        own_assurance=None,
        references={},
        episodes=ends,
        evidence=(),
        pointers=(),
        withdrawals=(),
    )


def rendering(*records: IdentityRecord, **more: Any) -> Rendering:
    known = {it.key: it for it in records}
    return Rendering(hashes=HASHES, records=known, **{"amendments": {}, **more})


def expected(came: Came, known: Mapping[bytes, IdentityRecord]) -> dict[str, Any]:
    """The view of a touchpoint that nothing amends, in the words of its sender."""
    sent, stored = came.touchpoint, came.stored()
    conversation = conversation_of(HASHES, known[came.home], stored, stored.body())
    people = [(one.identity, one.role) for one in sent.participants]
    return {
        "id": HASHES.public(TOUCHPOINT, came.home, came.id),
        "channel": sent.channel,
        "medium": sent.medium,
        "source": sent.source,
        "type": sent.type,
        "direction": sent.direction,
        "visibility": sent.visibility,
        "assurance": sent.assurance,
        "occurred_at": format_time(sent.occurred_at),
        "recorded_at": format_time(came.arrival),
        "late": came.late,
        "identity": str(sent.home.identity),
        "thread": sent.thread,
        "conversation_id": public_conversation(HASHES, conversation),
        "actor": sent.actor,
        "subject": sent.subject,
        "text": sent.text,
        "language": sent.language,
        "attachments": list(sent.attachments),
        "data": sent.data,
        "amends": HASHES.public(TOUCHPOINT, came.home, came.amends) if came.amends else None,
        "participants": [
            {"type": who.type, "space": who.space, "value": who.value, "role": role} for who, role in people
        ],
        "traits": sent.traits,
        "seq": sent.seq,
        "amended_by": None,
        "deleted": False,
        "participant_of": None,
        "redacted": sent.redacted,
    }


def fields_of(view: TouchpointView) -> dict[str, Any]:
    found = {name: it for name, it in msgspec.structs.asdict(view).items() if it is not msgspec.UNSET}
    found["participants"] = [msgspec.structs.asdict(it) for it in view.participants]
    return found


@given(arrived())
def test_a_view_returns_each_field_as_it_was_sent(came: Came) -> None:
    anna = record(ANNA)
    stored = came.stored()
    for entry in (None, stored):
        view = touchpoint_view(stored, stored.body(), rendering(anna), entry)
        assert fields_of(view) == expected(came, {anna.key: anna})


@pytest.mark.no_cover
@given(arrived(), arrived())
def test_an_edit_replaces_its_fields_and_keeps_the_rest(came: Came, edit: Came) -> None:
    anna = record(ANNA)
    stored, newest = came.stored(), edit.stored()
    amendments = {(stored.home, stored.id): (newest, newest.body())}
    view = touchpoint_view(stored, stored.body(), rendering(anna, amendments=amendments))
    changed = edit.touchpoint
    assert fields_of(view) == {
        **expected(came, {anna.key: anna}),
        "subject": came.touchpoint.subject if changed.subject is None else changed.subject,
        "text": came.touchpoint.text if changed.text is None else changed.text,
        "language": changed.language or came.touchpoint.language,
        "attachments": list(changed.attachments or came.touchpoint.attachments),
        "data": came.touchpoint.data | changed.data,
        "amended_by": HASHES.public(TOUCHPOINT, edit.home, edit.id),
        "redacted": came.touchpoint.redacted | changed.redacted,
    }


@pytest.mark.no_cover
@given(arrived())
def test_who_took_part_is_shown_somebody_elses_touchpoint_with_their_role(came: Came) -> None:
    anna, bob = record(ANNA), record(BOB)
    stored = came.stored()
    header = bytes((FLAG_REFERENCE | FLAG_ARRIVAL, type_code(stored.type), 0, 0))
    raw = stored.raw[:PLACE] + header + b"a" * 8 + b"d" * DIGEST_KEPT + stored.home
    view = touchpoint_view(stored, stored.body(), rendering(anna, bob), read_member(raw, bob.key))
    role = next((it.role for it in came.touchpoint.participants if it.identity == BOB), "participant")
    assert view.participant_of is not None
    as_whom = {"type": "email", "space": "", "value": "bob@example.com", "role": role}
    assert msgspec.structs.asdict(view.participant_of) == as_whom
    alone = touchpoint_view(stored, stored.body(), rendering(anna))
    assert msgspec.structs.replace(view, participant_of=None) == alone


moments = st.integers(0, 5).map(lambda step: NOON + step * SECOND)
few = {"channel": st.sampled_from(["web", "chat"]), "at": moments, "thread": st.none() | threads}


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[Came], list[IdentityRecord]]:
    """Touchpoints of two homes at few moments, in few threads and channels, between ends of episodes."""
    came = [
        Came(touchpoint("e", handle(home), **{name: draw(it) for name, it in few.items()}), id_, NOON, False)
        for home, id_ in draw(
            st.lists(st.tuples(st.sampled_from([str(ANNA), str(BOB)]), ids), min_size=4, max_size=16)
        )
    ]
    records = []
    for home in (ANNA, BOB):
        stored = [it.stored() for it in came if it.touchpoint.home.identity == home]
        ends = draw(st.lists(st.sampled_from(stored), unique=True, max_size=4)) if stored else []
        at = sorted((it.place, channel_name(it, it.body())) for it in ends)
        records.append(record(home, tuple(at)))
    return came, records


@pytest.mark.no_cover
@given(histories())
def test_what_one_answer_remembers_changes_nothing_in_it(
    case: tuple[list[Came], list[IdentityRecord]],
) -> None:
    came, records = case
    together = rendering(*records)
    for case in came:
        stored = case.stored()
        assert fields_of(touchpoint_view(stored, stored.body(), together)) == expected(case, together.records)
