"""Touchpoints as our adapters make them: seeded, of every channel, in several languages.

Ids, hashes, hosts and names are random, so that nothing but form and wording repeats.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from random import Random
from typing import Any

import msgspec

from bench.kinds import chat, mail, own, phone, web
from bench.kinds.fact import Fact
from bench.people import Customer, Shop, Speaker, some_customer, some_shop, speaker
from handoff.domain.clock import DAY, HOUR, MINUTE, Micros, format_time, parse_time
from handoff.domain.identity import Assurance, Handle, identity
from handoff.domain.touchpoint import Touchpoint, default_direction, default_visibility

START: Micros = parse_time("2025-01-01T00:00:00Z")
VERIFIED, CLAIMED = Assurance.VERIFIED, Assurance.CLAIMED

MIX: tuple[tuple[Callable[[Speaker, Shop], Fact], int], ...] = (
    (web.page, 26),
    (web.article, 9),
    (web.search, 4),
    (web.form, 4),
    (web.tracked, 7),
    (web.identified, 2),
    (web.asked_for_call, 1),
    (chat.survey, 1),
    (chat.message_in, 13),
    (chat.message_out, 12),
    (chat.message_status, 3),
    (chat.note, 2),
    (chat.conversation, 3),
    (chat.whatsapp, 2),
    (mail.received, 4),
    (mail.sent, 3),
    (mail.came_back, 1),
    (phone.call, 4),
    (phone.callback, 3),
    (own.handoff, 5),
    (own.bookkeeping, 2),
    (own.promise, 1),
)
"""Kind -> how often, out of about a hundred: mostly self-service, then chat, then the rest."""


def corpus(seed: int, count: int) -> Iterator[Touchpoint]:
    """`count` unrelated touchpoints, each of another shop: what a dictionary is trained on."""
    random = Random(seed)
    for _ in range(count):
        customer = some_customer(random)
        yield touchpoint(random, some_shop(random, customer.words.language), customer, _moment(random))


def journeys(seed: int, customers: int, each: int) -> Iterator[list[Touchpoint]]:
    """Yield `each` touchpoints for every customer of one shop, in order of time, under their login.

    Each channel is one thread. Every other customer's first touchpoint states a
    second handle.
    """
    random = Random(seed)
    shop = some_shop(random)
    for number in range(customers):
        customer = some_customer(random)
        at = _moment(random)
        threads: dict[str, str | None] = {}
        found = []
        for step in range(each):
            made = touchpoint(random, shop, customer, at)
            thread = threads.setdefault(made.channel, made.thread)
            handles = _login(customer, made, linked=number % 2 == 0 and step == 0)
            found.append(msgspec.structs.replace(made, identities=handles, thread=thread))
            at += random.choice((MINUTE // 2, 2 * MINUTE, HOUR, 5 * HOUR, DAY))
        yield found


def touchpoint(random: Random, shop: Shop, customer: Customer, at: Micros) -> Touchpoint:
    """One touchpoint of a random kind, filed under the handle that its channel knows."""
    make = random.choices([it for it, _ in MIX], [weight for _, weight in MIX])[0]
    fact = make(speaker(random, customer), shop)
    type_ = fact.type
    return Touchpoint(
        id_space=fact.source,
        event_id=fact.id,
        source=fact.source,
        channel=fact.channel,
        type=type_,
        occurred_at=at,
        identities=_handles(random, fact, customer, shop),
        direction=fact.direction or default_direction(type_),
        visibility=fact.visibility or default_visibility(type_),
        participants=fact.participants,
        medium=fact.medium,
        subject=fact.subject,
        text=fact.text,
        language=fact.language,
        attachments=fact.attachments,
        seq=fact.seq,
        thread=fact.thread,
        amends=fact.amends,
        actor=fact.actor,
        traits=fact.traits,
        data=fact.data,
    )


def _handles(random: Random, fact: Fact, customer: Customer, shop: Shop) -> tuple[Handle, ...]:
    email = Handle(identity("email", customer.email), CLAIMED)
    phone = Handle(identity("phone", customer.phone), CLAIMED)
    user = Handle(identity("user", customer.user), VERIFIED)
    visitor = Handle(identity("anonymous", customer.visitor, space=shop.web), VERIFIED)
    contact = Handle(identity("chatwoot.contact", customer.contact, space=shop.account), VERIFIED)
    if fact.channel == "web":
        return random.choice(((visitor,), (visitor, user), (user, visitor), (user, email, visitor)))
    if fact.channel == "chat":
        return random.choice(((contact,), (contact, email), (contact, user, email), (contact, email, phone)))
    return (phone,) if fact.channel == "phone" else (email,)


def _login(customer: Customer, touchpoint: Touchpoint, *, linked: bool) -> tuple[Handle, ...]:
    """The customer's login, so that a journey is one timeline; `linked` with one more handle."""
    home = Handle(identity("user", customer.user), VERIFIED)
    others = [handle for handle in touchpoint.identities if handle.identity != home.identity]
    return (home, *others[:1]) if linked else (home,)


def _moment(random: Random) -> Micros:
    return START + random.randrange(300 * DAY)


def native(touchpoint: Touchpoint, event_id: str | None = None) -> dict[str, Any]:
    """The touchpoint as a client of `POST /v1/touchpoints` writes it."""
    stated = {
        "id": event_id or touchpoint.event_id,
        "channel": touchpoint.channel,
        "type": touchpoint.type,
        "occurred_at": format_time(touchpoint.occurred_at),
        "identities": [_identity(handle) for handle in touchpoint.identities],
        "participants": [
            {"type": p.identity.type, "value": p.identity.value, "role": p.role}
            for p in touchpoint.participants
        ],
        "medium": touchpoint.medium,
        "subject": touchpoint.subject,
        "text": touchpoint.text,
        "language": touchpoint.language,
        "attachments": list(touchpoint.attachments),
        "seq": touchpoint.seq,
        "thread": touchpoint.thread,
        "actor": touchpoint.actor,
        "data": touchpoint.data,
    }
    if touchpoint.direction != default_direction(touchpoint.type):
        stated["direction"] = str(touchpoint.direction)
    if touchpoint.visibility != default_visibility(touchpoint.type):
        stated["visibility"] = str(touchpoint.visibility)
    return {key: value for key, value in stated.items() if value not in (None, [], {})}


def _identity(handle: Handle) -> str | dict[str, str]:
    identity = handle.identity
    claimed_by_default = identity.type in ("email", "phone")
    if (handle.assurance is CLAIMED) == claimed_by_default:
        return str(identity)
    return {"type": identity.type, "value": identity.value, "assurance": str(handle.assurance)}
