"""A touchpoint is stored alike whether its request has it alone or with others."""

from __future__ import annotations

from random import Random
from typing import Any

from handoff.domain.errors import Unprocessable
from handoff.domain.identity import Assurance, Handle, parse_identity
from handoff.domain.retention.rules import class_of
from handoff.domain.touchpoint import Participant, Touchpoint
from handoff.services.timeline.recording import Result, prepare_or_reject, redacted
from handoff.services.timeline.single import SingleRequest
from handoff.store.repositories.recorder import Item
from handoff.store.store import Store
from tests.samples import NOON, touchpoint

NAMED = ("user:0", "user:eve", "user:4111111111111111", "anonymous:7f", "email:eve@example.com")
TEXTS = (
    None,
    "",
    "I will call you back tomorrow.",
    "My card is 4111 1111 1111 1111",
    "hi " * 400,
)
TYPES = (
    "page.viewed",
    "message.received",
    "message.sent",
    "message.edited",
    "message.deleted",
    "conversation.resolved",
    "text.derived",
)


class Alone(SingleRequest):
    """A request with one touchpoint; keeps what it answers."""

    def __init__(self, store: Store, tenant: str, sent: Touchpoint) -> None:
        super().__init__(store, tenant, 100)
        self.sent = sent
        self.settled = lambda _tenant: None
        self.outcome: Result | Exception | None = None

    def touchpoint(self) -> Touchpoint:
        return self.sent

    def respond(self, outcome: Result | Exception) -> None:
        self.outcome = outcome


def alone(store: Store, tenant: str, sent: Touchpoint) -> Item | Result | Exception | None:
    request = Alone(store, tenant, sent)
    if request.read() and request.redact() and request.draft():
        request.compress()
        for item, _receiver in request.prepare():
            return item
    return request.outcome


def together(store: Store, tenant: str, sent: Touchpoint) -> Item | Result:
    (prepared,) = prepare_or_reject(store, tenant, redacted(store, tenant, [sent]))
    return prepared


def some_touchpoint(random: Random) -> Touchpoint:
    handles = [
        Handle(parse_identity(it), random.choice(list(Assurance)))
        for it in random.sample(NAMED, random.randint(1, 3))
    ]
    type_ = random.choice(TYPES)
    fields: dict[str, Any] = {
        "type": type_,
        "text": random.choice(TEXTS),
        "at": NOON - random.randrange(10**12),
    }
    if type_ in ("message.edited", "message.deleted", "text.derived"):
        fields["amends"] = random.choice(("original", "thread"))
    if random.random() < 0.5:
        fields["thread"] = "thread"
    if random.random() < 0.3:
        fields["seq"] = random.randrange(10**6)
    if random.random() < 0.3:
        fields["participants"] = (Participant(parse_identity("user:4111111111111111"), "agent"),)
    if random.random() < 0.1:
        fields["data"] = {"n": 2**70}
    return touchpoint(f"event-{random.random()}", *handles, **fields)


async def test_both_ways_prepare_the_same_item(store: Store, tenant: str) -> None:
    random, made = Random(7), {Item: 0, Result: 0}
    statuses = set[str]()
    # Older page views have expired.
    await store.horizons.raise_to(tenant, {("chat", class_of("page.viewed")): NOON - 5 * 10**11})
    for _ in range(400):
        try:
            sent = some_touchpoint(random)
        except Unprocessable:
            continue
        one = alone(store, tenant, sent)
        assert one == together(store, tenant, sent), sent
        assert isinstance(one, Item | Result)
        made[type(one)] += 1
        if isinstance(one, Result):
            statuses.add(one.status)
    assert {"expired", "rejected"} <= statuses
    assert min(made.values()) > 20, made
