"""Issuing codes: a random token and digits for a conversation of a customer. Only their keyed hashes are
kept."""

from __future__ import annotations

import secrets
from collections.abc import Sequence

from msgspec import Struct

from handoff.codec.keyed_hash import CONTINUITY
from handoff.domain.clock import DAY, SECOND, Micros
from handoff.domain.continuity.code import ContinuityCode
from handoff.domain.continuity.forms import DIGITS, RANDOM, write_digits, write_token
from handoff.domain.errors import Conflict, NotFound, StoreUnavailable
from handoff.domain.identity import Assurance
from handoff.services.context.history import conversations_of
from handoff.services.customers.customer import Customer
from handoff.services.handoffs.targets import (
    TargetSelector,
    find_target,
    home_of,
    read_conversation_id,
)
from handoff.store.repositories.control import Change, Changed, decode_record
from handoff.store.store import Store

ATTEMPTS = 8  # digits drawn until no other code has them
DEFAULT_S, MAX_S = 24 * 3600, 7 * 24 * 3600
DIGITS_DEFAULT_S, DIGITS_MAX_S = 30 * 60, 24 * 3600
LEAST_S = 60
MAX_USES = 100
KEPT: Micros = 30 * DAY  # after its end: an agent sees why a late message did not join
DROPPED_AT_ONCE = 20


class CodeWish(Struct, frozen=True, kw_only=True):
    """The code that a caller asks for. Times are in µs."""

    by: str
    conversation_id: str | None = None
    intended: str | None = None
    valid_for: Micros = DEFAULT_S * SECOND
    digits_valid_for: Micros = DIGITS_DEFAULT_S * SECOND
    max_uses: int = 1
    assurance: Assurance = Assurance.CLAIMED


class IssuedCode(Struct, frozen=True, kw_only=True):
    """A new code, with the token and the digits that nobody can read again."""

    id: str
    code: ContinuityCode
    token: str
    digits: str


class _Place(Struct, frozen=True):
    """The conversation that a code continues."""

    home: bytes
    conversation: bytes
    channel: str
    opened_at: Micros


async def issue(store: Store, tenant: str, customer: Customer, wish: CodeWish) -> IssuedCode:
    """Issue a code for a conversation of the customer: the named one, else the one to hand over first.

    Raises NotFound for a conversation of somebody else, Conflict (`ambiguous_identity`) for an identity that
    several people share: a code must lead to one person.
    """
    if customer.group.shared:
        raise Conflict("several people share this identity: name one person", code="ambiguous_identity")
    part, hashes = store.of(tenant), store.hashes(tenant)
    now = await part.clock()
    place = await _place(store, tenant, customer, wish, now)
    await _drop_old(store, tenant, now)
    digits_until = now + min(wish.digits_valid_for, wish.valid_for)
    for _attempt in range(ATTEMPTS):
        random, digits = secrets.token_bytes(RANDOM), write_digits(secrets.randbelow(10 ** (DIGITS - 1)))
        code = ContinuityCode(
            id=hashes.token(random),
            home=place.home,
            conversation=place.conversation,
            channel=place.channel,
            opened_at=place.opened_at,
            issued_at=now,
            expires_at=now + wish.valid_for,
            digits=hashes.digits(digits),
            digits_until=digits_until,
            by=wish.by,
            max_uses=wish.max_uses,
            assurance=wish.assurance.value,
            intended=wish.intended,
        )
        change, seconds = Change(), (digits_until - now) // SECOND
        times = (code.issued_at, code.expires_at)
        part.continuity.add(change, code, times=times, digits=(code.digits, seconds))
        try:
            await part.commit(change)
        except Changed:  # another code has these digits
            continue
        token = write_token(random, hashes.token_signature)
        return IssuedCode(id=hashes.public(CONTINUITY, code.id), code=code, token=token, digits=digits)
    raise StoreUnavailable("no free digits were found")


async def _place(store: Store, tenant: str, customer: Customer, wish: CodeWish, now: Micros) -> _Place:
    found = await conversations_of(store, tenant, customer)
    if wish.conversation_id is None:
        target = await find_target(store, tenant, TargetSelector(customer_id=customer.id))
        home, conversation = target.home, target.conversation
    else:
        conversation = read_conversation_id(store.hashes(tenant), wish.conversation_id)
        home = await home_of(store, conversation)
    known = next((it for it in found if it.id == conversation), None)
    if home not in customer.group.members and known is None:
        raise NotFound("there is no such conversation of this customer")
    if home not in customer.group.members:  # a conversation that was given to the customer
        home = customer.group.root
    if known is None:
        return _Place(home, conversation, wish.intended or "web", now)
    channel = known.channels[0] if known.channels else wish.intended or "web"
    return _Place(home, conversation, channel, known.opened_at)


async def _drop_old(store: Store, tenant: str, now: Micros) -> None:
    """Delete a few codes that ended long ago, so that as many go as come."""
    part = store.of(tenant)
    ids: Sequence[bytes] = await part.continuity.by_end.up_to(now - KEPT, start=0, limit=DROPPED_AT_ONCE)
    raws = await part.continuity.read(ids) if ids else []
    change = Change()
    for raw in filter(None, raws):
        part.continuity.forget(change, decode_record(raw, ContinuityCode))
    if ids:
        await part.commit(change)
