"""Links of identities are prepared once, and are the same as if they were prepared each time."""

from __future__ import annotations

from itertools import product

import msgspec
import pytest

from handoff.codec.keyed_hash import KeyedHash
from handoff.domain.evidence import Evidence, EvidenceClass, Statement
from handoff.domain.identity import Assurance, Handle, identity
from handoff.domain.text.memo import forget_people
from handoff.domain.touchpoint import Direction, Touchpoint
from handoff.services.timeline.linking import MAX_PREPARED, links_of
from handoff.services.timeline.recording import prepare
from handoff.store.keys import Keys
from handoff.store.repositories.identities import evidence_template, pack_evidence, pack_why

PEPPER = b"p" * 32
KEYS = Keys(64)
HASHES = KeyedHash(PEPPER, "shop")
ANNA = Handle(identity("user", "anna"), Assurance.VERIFIED)
MAIL = Handle(identity("email", "anna@mail.example"), Assurance.CLAIMED)
ORDER = Handle(identity("reference", "A-4711"), Assurance.VERIFIED)
EVIDENCE = Evidence(
    id=b"e" * 16,
    one=b"1" * 16,
    other=b"2" * 16,
    statement=Statement.SAME,
    assurance=Assurance.CLAIMED,
    evidence_class=EvidenceClass.AUTOMATIC,
    source="shop-chat",
    touchpoint=b"t" * 16,
    who="source:shop-chat",
    recorded_at=0,
    why="message.received",
)


def touchpoint(event: str = "1", **fields: object) -> Touchpoint:
    stated: dict[str, object] = {
        "id_space": "native",
        "event_id": event,
        "source": "shop-chat",
        "channel": "chat",
        "type": "message.received",
        "occurred_at": 1_800_000_000_000_000,
        "identities": (ANNA, MAIL),
        "direction": Direction.INBOUND,
    }
    return Touchpoint(**(stated | fields))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("source", "who", "finds", "why"),
    [
        *product(
            ("shop-chat", "s", "a name of more than thirty-one bytes, which takes a longer head"),
            ("source:shop-chat", "source:s", "agent:mia"),
            (False, True),
            ("message.received", "page.viewed", "a type of a newer release"),
        )
    ],
)
def test_a_template_writes_the_bytes_that_packing_writes(
    source: str, who: str, finds: bool, why: str
) -> None:
    piece = msgspec.structs.replace(EVIDENCE, source=source, who=who, finds=finds, why=why)
    template = evidence_template(msgspec.structs.replace(piece, touchpoint=b"", why=""))
    assert template.stated_by(piece.touchpoint, pack_why(why)) == (piece.id, pack_evidence(piece))


def test_each_touchpoint_states_its_own_id_and_type() -> None:
    one = prepare(touchpoint("1"), HASHES, KEYS)
    other = prepare(touchpoint("2", type="message.edited", amends="1"), HASHES, KEYS)
    (id_, blob), (same, further) = *one.evidence, *other.evidence
    assert id_ == same
    assert one.pointers == other.pointers
    assert one.id in blob
    assert other.id in further
    assert further == blob.replace(one.id, other.id).replace(
        pack_why("message.received"), pack_why("message.edited")
    )


def test_what_differs_in_home_tenant_source_or_assurance_is_prepared_apart() -> None:
    first = links_of(touchpoint(), HASHES, KEYS)
    unsure = Handle(ANNA.identity, Assurance.INFERRED)
    others = [
        links_of(touchpoint(), KeyedHash(PEPPER, "bank"), KEYS),
        links_of(touchpoint(source="desk"), HASHES, KEYS),
        links_of(touchpoint(identities=(unsure, MAIL)), HASHES, KEYS),
        links_of(touchpoint(identities=(MAIL, ANNA)), HASHES, KEYS),
        links_of(touchpoint(identities=(ANNA, ORDER)), HASHES, KEYS),
    ]
    ids = [it.pieces[0].id for it in (first, *others)]
    assert len(set(ids)) == len(ids)
    assert links_of(touchpoint("2"), HASHES, KEYS) is first


def test_names_and_references_in_a_touchpoint_link_too() -> None:
    traits = {"name": "Anna Korhonen", "address": "Mannerheimintie 5, Helsinki"}
    plain, named = links_of(touchpoint(), HASHES, KEYS), links_of(touchpoint(traits=traits), HASHES, KEYS)
    form = links_of(touchpoint(data={"fields": traits}), HASHES, KEYS)
    assert len(plain.pieces) == 1
    assert len(named.pieces) == 2
    assert form == named
    asks = links_of(touchpoint(identities=(MAIL,), text="Where is order A-4711-22?"), HASHES, KEYS)
    assert len(asks.pieces) == 1


def test_a_long_list_of_identities_is_not_kept() -> None:
    many = tuple(Handle(identity("reference", f"R-{at}"), Assurance.CLAIMED) for at in range(MAX_PREPARED))
    one = links_of(touchpoint(identities=(ANNA, *many)), HASHES, KEYS)
    again = links_of(touchpoint(identities=(ANNA, *many)), HASHES, KEYS)
    assert one == again
    assert one is not again


def test_links_of_an_erased_customer_are_forgotten() -> None:
    first = links_of(touchpoint(), HASHES, KEYS)
    assert links_of(touchpoint("2"), HASHES, KEYS) is first
    forget_people()
    assert links_of(touchpoint("3"), HASHES, KEYS) is not first
