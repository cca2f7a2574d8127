"""Touchpoints are valid from the moment they are made; what is wrong is named by a pointer."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from handoff.domain.errors import Unprocessable
from handoff.domain.identity import Assurance
from handoff.domain.touchpoint import (
    EARLIEST,
    LATEST,
    MAX_ATTACHMENTS,
    MAX_DEPTH,
    MAX_EVENT_ID,
    MAX_IDENTITIES,
    MAX_PARTICIPANTS,
    MAX_SEQ,
    MAX_SUBJECT,
    MAX_TEXT,
    TYPES,
    Direction,
    Participant,
    Visibility,
    default_direction,
    default_visibility,
)
from tests.samples import handle, touchpoint

PERSON = Participant(handle("email:cc@example.com").identity, "cc")


def nested(levels: int) -> dict[str, Any]:
    """An object with as many objects in each other below it."""
    return {"a": nested(levels - 1)} if levels else {}


AT_THE_LIMIT: list[dict[str, Any]] = [
    {"event_id": "x" * MAX_EVENT_ID},
    {"text": "x" * MAX_TEXT},
    {"subject": "x" * MAX_SUBJECT},
    {"seq": 0},
    {"seq": MAX_SEQ},
    {"occurred_at": EARLIEST},
    {"occurred_at": LATEST},
    {"thread": "x" * MAX_EVENT_ID},
    {"identities": tuple(handle(f"user:u{n}") for n in range(MAX_IDENTITIES))},
    {"participants": (PERSON,) * MAX_PARTICIPANTS},
    {"attachments": ({},) * MAX_ATTACHMENTS},
    {"channel": "x" * 32},
    {"data": nested(MAX_DEPTH - 1)},
]
BEYOND: list[tuple[dict[str, Any], str]] = [
    ({"event_id": ""}, "/id"),
    ({"event_id": "x" * (MAX_EVENT_ID + 1)}, "/id"),
    ({"type": "message.shouted"}, "/type"),
    ({"channel": "Chat"}, "/channel"),
    ({"channel": "x" * 33}, "/channel"),
    ({"channel": ""}, "/channel"),
    ({"occurred_at": EARLIEST - 1}, "/occurred_at"),
    ({"occurred_at": LATEST + 1}, "/occurred_at"),
    ({"identities": ()}, "/identities"),
    ({"identities": tuple(handle(f"user:u{n}") for n in range(MAX_IDENTITIES + 1))}, "/identities"),
    ({"participants": (PERSON,) * (MAX_PARTICIPANTS + 1)}, "/participants"),
    ({"attachments": ({},) * (MAX_ATTACHMENTS + 1)}, "/attachments"),
    ({"text": "x" * (MAX_TEXT + 1)}, "/text"),
    ({"subject": "x" * (MAX_SUBJECT + 1)}, "/subject"),
    ({"seq": -1}, "/seq"),
    ({"seq": MAX_SEQ + 1}, "/seq"),
    ({"thread": ""}, "/thread"),
    ({"thread": "x" * (MAX_EVENT_ID + 1)}, "/thread"),
    ({"data": nested(MAX_DEPTH)}, "/data"),
    ({"data": {"list": [[nested(MAX_DEPTH - 2)]]}}, "/data"),
    ({"actor": nested(MAX_DEPTH)}, "/actor"),
    ({"traits": nested(MAX_DEPTH)}, "/traits"),
    ({"attachments": (nested(MAX_DEPTH - 1),)}, "/attachments"),
]


@pytest.mark.parametrize("change", AT_THE_LIMIT, ids=lambda it: next(iter(it)))
def test_the_limit_itself_is_allowed(change: dict[str, Any]) -> None:
    msgspec.structs.replace(touchpoint("e"), **change)


@pytest.mark.parametrize(("change", "pointer"), BEYOND, ids=[f"{p}{n}" for n, (_, p) in enumerate(BEYOND)])
def test_one_beyond_is_refused_with_its_place(change: dict[str, Any], pointer: str) -> None:
    with pytest.raises(Unprocessable) as refused:
        msgspec.structs.replace(touchpoint("e"), **change)
    assert [it["pointer"] for it in refused.value.fields["pointers"]] == [pointer]


def test_it_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        touchpoint("e").text = "other"  # type: ignore[misc]


def test_its_assurance_is_its_homes() -> None:
    found = touchpoint("e", handle("email:a@example.com"), handle("user:anna"))
    assert found.assurance is Assurance.CLAIMED


def test_every_type_has_a_direction_seen_from_the_business() -> None:
    expected = {
        "message.received": Direction.INBOUND,
        "message.sent": Direction.OUTBOUND,
        "email.bounced": Direction.OUTBOUND,
        "callback.requested": Direction.INBOUND,
        "callback.missed": Direction.OUTBOUND,
        "callback.due": Direction.INTERNAL,
        "handoff.accepted": Direction.INTERNAL,
        "note.added": Direction.INTERNAL,
        "page.viewed": Direction.INBOUND,
    }
    assert {type_: default_direction(type_) for type_ in expected} == expected
    assert all(default_direction(type_) for type_ in TYPES)
    dismissals = {it for it in TYPES if it.endswith(".dismissed")}
    assert dismissals
    assert {default_direction(it) for it in dismissals} == {Direction.INTERNAL}


def test_our_own_bookkeeping_is_not_for_the_customer() -> None:
    internal = {type_ for type_ in TYPES if default_visibility(type_) is Visibility.INTERNAL}
    families = {type_.partition(".")[0] for type_ in internal}
    assert families == {"handoff", "identity", "context", "note", "brief", "text"}


def test_the_order_of_the_types_is_stored_and_never_changes() -> None:
    """Only append: every stored member contains these places."""
    assert TYPES[:7] == (
        "page.viewed",
        "article.viewed",
        "search.performed",
        "form.submitted",
        "form.failed",
        "event.tracked",
        "identified",
    )
    places = {"message.received": 7, "email.received": 14, "callback.requested": 18, "handoff.requested": 33}
    assert {type_: TYPES.index(type_) for type_ in places} == places
    assert len(set(TYPES)) == len(TYPES) < 256
