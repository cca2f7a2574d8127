"""Which customers a caller that is limited to queues may read."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress

from handoff.domain.errors import NotFound, Unprocessable
from handoff.domain.identity import Assurance, Identity
from handoff.services.callbacks.callback import read_callback
from handoff.services.customers.customer import by_key
from handoff.services.customers.lookup import LookUp, Match, find
from handoff.services.handoffs.records import read_handoff, read_of_homes
from handoff.services.handoffs.targets import home_of, read_conversation_id
from handoff.store.reads import Reads
from handoff.store.store import Store

from .authorize import CustomerFile, authorize
from .principal import Principal


async def check_customer(
    store: Store, principal: Principal, homes: Sequence[bytes], reads: Reads | None = None
) -> None:
    """NotFound unless the caller may read the customer with these homes.

    Takes two round trips for a caller that is limited to queues, none for others.
    """
    if principal.queues is None:
        return
    found = await read_of_homes(store.of(principal.tenant).handoffs.through(reads), homes)
    authorize(principal, None, principal.tenant, CustomerFile(handoffs=found, now=time.time_ns() // 1000))


async def readable(store: Store, principal: Principal, look_up: LookUp, reads: Reads | None = None) -> LookUp:
    """The look-up as the caller may see it: no match for customers of other queues, and for candidates."""
    if principal.queues is None:
        return look_up
    unmatched = LookUp(match=Match.NONE, requested_id=look_up.requested_id)
    if look_up.customer is None:
        return unmatched
    try:
        await check_customer(store, principal, look_up.customer.group.members, reads)
    except NotFound:
        return unmatched
    return look_up


async def own_identities(
    store: Store,
    principal: Principal,
    identities: Sequence[Identity],
    min_assurance: Assurance,
    reads: Reads | None = None,
) -> list[Identity]:
    """The identities of customers that the caller may read: others must not affect what it finds.

    A look-up for each identity, only for a caller that is limited to queues.
    """
    if principal.queues is None:
        return list(identities)
    own = []
    for identity in identities:
        found = await find(store, principal.tenant, [identity], min_assurance, reads)
        if (await readable(store, principal, found, reads)).customer is not None:
            own.append(identity)
    return own


async def check_recording(store: Store, principal: Principal, identities: Sequence[Identity]) -> None:
    """Unprocessable (`foreign_identity`) unless the caller may record a touchpoint with these identities.

    A touchpoint joins its identities, and so could open other customers' timelines. A caller that is limited
    to queues names identities that one of its customers already has, or a single new one.
    """
    if principal.queues is None:
        return
    hashes = store.hashes(principal.tenant)
    keys = {hashes.identity(it) for it in identities}
    try:
        customer = await by_key(store, principal.tenant, hashes.identity(identities[0]))
    except NotFound:
        if len(keys) == 1:
            return
    else:
        if keys <= set(customer.group.members):
            with suppress(NotFound):
                await check_customer(store, principal, customer.group.members)
                return
    raise Unprocessable(
        "Tokens that are limited to queues record touchpoints of one customer that they may read, or of one "
        "new identity",
        code="foreign_identity",
    )


async def check_home(store: Store, principal: Principal, home: bytes) -> None:
    """The same for the customer of one identity, by its hash."""
    if principal.queues is not None:
        customer = await by_key(store, principal.tenant, home)
        await check_customer(store, principal, customer.group.members)


async def reads_home(store: Store, principal: Principal, home: bytes) -> bool:
    """Whether the caller may see, in a list, what is about the customer of one identity.

    A restricted customer does not end the list: it shows no words of theirs.
    """
    if principal.queues is None:
        return True
    try:
        customer = await by_key(store, principal.tenant, home, restricted=True)
        await check_customer(store, principal, customer.group.members)
    except NotFound:
        return False
    return True


async def check_conversation(store: Store, principal: Principal, conversation_id: str) -> None:
    """The same for the customer of a conversation."""
    conversation = read_conversation_id(store.hashes(principal.tenant), conversation_id)
    await check_home(store, principal, await home_of(store, conversation))


async def check_resource(store: Store, principal: Principal, location: str | None) -> None:
    """NotFound unless the caller may still read what a kept answer shows, by its `Location`."""
    kind, _, id_ = (location or "").removeprefix("/v1/").partition("/")
    if kind == "handoffs":
        handoff = await read_handoff(store.of(principal.tenant), id_)
        authorize(principal, None, principal.tenant, handoff)
    elif kind == "callbacks":
        await check_home(store, principal, (await read_callback(store, principal.tenant, id_)).home)
