"""Records of a newer release: what this one does not know survives reading, changing and writing."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handoff.codec.body import UNREADABLE, bits_of, decode_body, encode_body
from handoff.codec.compression import PLAIN, decompress
from handoff.codec.member import FLAG_ARRIVAL, FLAG_REFERENCE, read_member
from handoff.codec.records import decode_as, encode_record
from handoff.domain.errors import WrittenByNewer
from handoff.domain.handoff import Act, Action, Conflict, Fallback, Handoff, Party, State, apply
from handoff.domain.handoff import Step as HistoryStep
from handoff.domain.identity import Assurance, Handle, Identity
from handoff.domain.touchpoint import Direction, Touchpoint, Visibility
from handoff.services.callbacks.callback import Callback
from handoff.services.handoffs.records import Chain
from handoff.services.webhooks.configured import Configured, _configured
from handoff.services.webhooks.spec import SubscriptionSpec
from handoff.services.webhooks.subscriptions import Key, Subscription
from tests.examples import examples

PARTY = Party(channel="chat", queue="support")
HANDOFF = Handoff(
    id="ho_1",
    tenant="default",
    state=State.REQUESTED,
    version=3,
    home=b"h" * 16,
    conversation=b"c" * 16,
    root=b"c" * 16,
    sender=Party(channel="chat", party="bot"),
    to=PARTY,
    reason="help",
    requested_at=1,
    deadline=2,
    requested_by="bot",
    step_s=60.0,
    context={"mood": "fine", "unknown_fields": {"of": "a sender"}},
    fallback=(Fallback(to=Party(queue="night")),),
    history=(HistoryStep(state=State.REQUESTED, at=1, by="bot"),),
)
SPEC = SubscriptionSpec(url="https://example.org/", headers={"x": "y"})
RECORDS: list[Any] = [
    HANDOFF,
    Chain(root=b"r", home=b"h", members=((b"r", None), (b"s", b"r"))),
    Callback(
        id="cb_1",
        tenant="default",
        state="requested",
        version=1,
        home=b"h",
        identity_type="user",
        phone="+358401234567",
        reason="",
        requested_at=1,
        requested_by="bot",
        followed=(b"e",),
    ),
    Subscription(
        id=b"s", tenant="default", wishes=SPEC, keys=(Key(key="whsec_x"),), origin="api", created_at=1
    ),
]
NAMES = st.text("abcdefghijklmnopqrstuvwxyz_", min_size=3, max_size=12).map(lambda it: f"newer_{it}")
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**31), 2**31) | st.text(max_size=5) | st.binary(max_size=5),
    lambda it: st.lists(it, max_size=2) | st.dictionaries(st.text(max_size=4), it, max_size=2),
    max_leaves=4,
)


def structs_in(value: Any, type_: Any) -> list[dict[str, Any]]:
    """The maps of a plain record that are records themselves: where a newer release may add a field."""
    found: list[dict[str, Any]] = []
    if isinstance(value, dict) and isinstance(type_, msgspec.Struct):
        found.append(value)
        for field in msgspec.structs.fields(type_):
            found += structs_in(value.get(field.encode_name), getattr(type_, field.name))
    if isinstance(value, list) and isinstance(type_, tuple):
        for one, kind in zip(value, type_, strict=True):
            found += structs_in(one, kind)
    return found


@pytest.mark.parametrize("record", RECORDS, ids=lambda it: type(it).__name__)
@settings(max_examples=examples(30))
@given(data=st.data())
def test_unknown_fields_survive_wherever_they_are(record: Any, data: st.DataObject) -> None:
    plain = msgspec.msgpack.decode(msgspec.msgpack.encode(record))
    places = structs_in(plain, record)
    for place in data.draw(st.lists(st.sampled_from(range(len(places))), min_size=1, max_size=3)):
        places[place].update(data.draw(st.dictionaries(NAMES, VALUES, min_size=1, max_size=2)))
    read = decode_as(msgspec.msgpack.encode(plain), type(record))
    assert msgspec.msgpack.decode(encode_record(read)) == plain
    changed = msgspec.structs.replace(read, **{"version": 9} if hasattr(record, "version") else {})
    written = msgspec.msgpack.decode(encode_record(changed))
    assert written == {**plain, **({"version": 9} if hasattr(record, "version") else {})}


@pytest.mark.parametrize("record", RECORDS, ids=lambda it: type(it).__name__)
def test_a_record_without_unknown_fields_has_the_same_bytes_as_ever(record: Any) -> None:
    raw = encode_record(record)
    assert raw == msgspec.msgpack.encode(record)
    assert encode_record(decode_as(raw, type(record))) == raw


def test_a_handoff_of_a_newer_release_is_accepted_without_losing_what_it_knows() -> None:
    plain = msgspec.msgpack.decode(msgspec.msgpack.encode(HANDOFF))
    plain["wrap_up"] = {"code": 7}
    plain["to"]["skill"] = "french"
    plain["history"][0]["via"] = "app"
    read = decode_as(msgspec.msgpack.encode(plain), Handoff)
    after = apply(read, Act(action=Action.ACCEPT, at=5, by="erik", agent="erik"))
    written = msgspec.msgpack.decode(encode_record(after))
    assert (written["state"], written["owner"], written["version"]) == ("accepted", "erik", 4)
    assert written["wrap_up"] == {"code": 7}
    assert written["to"] == {"channel": "chat", "queue": "support", "agent": "erik", "skill": "french"}
    assert written["history"][0]["via"] == "app"


def test_an_unknown_state_is_shown_and_kept_and_allows_nothing() -> None:
    plain = msgspec.msgpack.decode(msgspec.msgpack.encode(HANDOFF)) | {"state": "parked"}
    read = decode_as(msgspec.msgpack.encode(plain), Handoff)
    assert (str(read.state), read.pending, read.owning) == ("parked", False, False)
    assert read.state not in set(State)
    for action in Action:
        with pytest.raises(Conflict, match="parked"):
            apply(read, Act(action=action, at=5, by="erik"))
    assert msgspec.msgpack.decode(encode_record(read))["state"] == "parked"


def test_what_is_no_such_record_is_refused() -> None:
    for raw in ({"id": 7}, {"id": "ho_1"}, [], None, {**msgspec.to_builtins(HANDOFF), "version": "three"}):
        with pytest.raises(msgspec.ValidationError):
            decode_as(msgspec.msgpack.encode(raw), Handoff)


def test_a_configured_subscription_keeps_what_a_newer_release_put_there() -> None:
    configured = Configured(tenant="default", wishes=SPEC)
    plain = msgspec.msgpack.decode(msgspec.msgpack.encode(_configured(configured, None, 1)))
    plain["wishes"]["batch_s"] = 5
    plain["health"] = "green"
    before = decode_as(msgspec.msgpack.encode(plain), Subscription)
    assert _configured(configured, before, 2) is before, "not written at every start of an older worker"
    other = Configured(tenant="default", wishes=msgspec.structs.replace(SPEC, types=("handoff.accepted",)))
    written = msgspec.msgpack.decode(encode_record(_configured(other, before, 2)))
    assert written["wishes"]["types"] == ["handoff.accepted"]
    assert (written["wishes"]["batch_s"], written["health"]) == (5, "green")
    assert written["version"] == before.version + 1


MESSAGE = Touchpoint(
    id_space="shop",
    event_id="1",
    source="shop",
    channel="chat",
    type="message.received",
    occurred_at=1_000_000,
    identities=(Handle(Identity("user", "", "anna"), Assurance.VERIFIED),),
    direction=Direction.INBOUND,
    text="hello",
    data={"name": "greeting", "order": 7},
)
CODEC, BODY = encode_body(MESSAGE, conversation=None, amends=None)


def member(flags: int = 0, type_: int = 7, channel: int = 1, codec: int = CODEC, body: bytes = BODY) -> bytes:
    arrival = (5).to_bytes(8, "big") if flags & FLAG_ARRIVAL else b""
    place = (2**63 + 1).to_bytes(8, "big") + (2**63 + 5).to_bytes(8, "big") + b"i" * 16
    return place + bytes((flags, type_, channel, codec)) + arrival + b"digest" + body


@given(*(st.integers(0, 255) for _ in range(4)))
def test_any_header_is_read(flags: int, type_: int, channel: int, codec: int) -> None:
    stored = read_member(member(flags, type_, channel, codec), b"h" * 16)
    body = stored.body()
    assert stored.type
    assert body.stated
    assert stored.codes == bytes((type_, channel))


@given(st.binary(max_size=200), st.sampled_from((0, 1)))
def test_any_body_is_read(raw: bytes, codec: int) -> None:
    body = read_member(member(codec=codec, body=raw), b"h" * 16).body()
    assert body.stated
    assert body is UNREADABLE or body.data is not None


def test_an_unknown_type_becomes_a_tracked_event_with_its_name() -> None:
    stored = read_member(member(type_=200), b"h" * 16)
    body = stored.body()
    assert (stored.type, stored.unknown) == ("event.tracked", "type")
    assert (body.text, body.data) == ("hello", {"name": "unknown_type:200", "order": 7})
    assert body.visibility is Visibility.PUBLIC


def test_an_unknown_codec_is_a_tracked_event_that_only_the_business_sees() -> None:
    stored = read_member(member(codec=9), b"h" * 16)
    body = stored.body()
    assert (stored.type, stored.unknown, body.data) == ("event.tracked", "codec", {"name": "unknown_codec:9"})
    assert (body.visibility, body.assurance) == (Visibility.INTERNAL, Assurance.INFERRED)
    with pytest.raises(WrittenByNewer):
        decompress(9, b"x")


def test_unknown_numbers_in_a_body_claim_the_least() -> None:
    row = msgspec.msgpack.encode(
        ["shop", 31, None, None, None, "hello", None, [["user", "", "b", 3, "more"]]]
    )
    body = decode_body(PLAIN, row)
    assert body.stated == (Direction.INTERNAL, Visibility.INTERNAL, Assurance.INFERRED)
    assert body.handles[0].assurance is Assurance.INFERRED
    known = bits_of(Direction.OUTBOUND, Visibility.PUBLIC, Assurance.CLAIMED)
    more = msgspec.msgpack.encode(["shop", known, *[None] * 14, {"newer": 1}, 2])
    assert decode_body(PLAIN, more).stated == (Direction.OUTBOUND, Visibility.PUBLIC, Assurance.CLAIMED)


def test_an_unknown_flag_changes_nothing() -> None:
    plain, flagged = read_member(member(), b"h" * 16), read_member(member(flags=64), b"h" * 16)
    assert (flagged.type, flagged.unknown, flagged.body()) == (plain.type, "flag", plain.body())
    reference = member(flags=FLAG_REFERENCE | FLAG_ARRIVAL | 128, codec=9, body=b"o" * 16)
    assert read_member(reference, b"h" * 16).reference == b"o" * 16
