"""The product's own entries in a timeline: handoffs, links and promises."""

from __future__ import annotations

from typing import Any

from bench.kinds.fact import Fact
from bench.people import Shop, Speaker, hexadecimal, public_id, some_uuid

_HANDOFF_STATES = (
    "requested", "offered", "accepted", "viewed", "declined", "expired", "released",
    "transferred", "completed", "withdrawn",
)  # fmt: skip


def handoff(speaker: Speaker, shop: Shop) -> Fact:
    """A version of a handoff, as the product records it."""
    random = speaker.random
    id_ = f"ho_{public_id(random)}"
    state = random.choice(_HANDOFF_STATES)
    agent = random.choice(shop.agents)[1].split()[0].lower()
    to: dict[str, str] = {
        "channel": random.choice(("chat", "phone", "email")),
        "queue": random.choice(shop.queues),
    }
    if random.random() < 0.5:
        to["agent"] = agent
    data: dict[str, Any] = {
        "handoff": id_,
        "state": state,
        "version": random.randint(1, 6),
        "from": {"channel": random.choice(("web", "chat", "phone", "email")), "party": "bot"},
        "to": to,
        "reason": speaker.pick(speaker.customer.words.reasons),
    }
    if state in ("declined", "released", "completed"):
        data["answer"] = speaker.pick(speaker.customer.words.notes)
    if state in ("accepted", "completed", "viewed"):
        data["owner"] = agent
    return Fact(
        id=f"{id_}/{data['version']}",
        source="handoff",
        channel=data["from"]["channel"],
        type=f"handoff.{state}",
        data=data,
        text=data.get("answer", data["reason"]),
        actor={"name": random.choice((agent, "desk", "bot", "timer"))},
    )


def bookkeeping(speaker: Speaker, shop: Shop) -> Fact:
    random = speaker.random
    return Fact(
        id=some_uuid(random),
        source="identity",
        channel="web",
        type=random.choice(("identity.linked", "identity.unlinked", "context.changed")),
        data={"about": f"email:{speaker.customer.email}"},
        text=random.choice(("confirmed by agent", "verified on the phone", "same person", "wrong person")),
        actor={"name": random.choice(shop.agents)[1]},
    )


def promise(speaker: Speaker, shop: Shop) -> Fact:
    random = speaker.random
    state = random.choice(("made", "made", "kept", "broken"))
    due = f"2026-11-{random.randint(10, 28)}T16:00:00Z"
    data = {"promise": f"pr_{hexadecimal(random, 12)}", "due_at": due}
    return Fact(
        id=f"{data['promise']}/{state}",
        source=shop.chat,
        channel="chat",
        type=f"promise.{state}",
        text=speaker.pick(speaker.customer.words.promises),
        data=data,
        thread=str(random.randrange(10**5)),
    )
