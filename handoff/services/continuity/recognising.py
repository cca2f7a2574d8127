"""Recognising codes: a touchpoint that carries one continues the conversation for which it was issued.

The use of a code and the joined chain are one commit in the control partition, made before the touchpoint is
stored. If a crash comes between, the sender's retry is the same use. The evidence is written with the
touchpoint, by the same function call.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from handoff.codec.body import checked_body
from handoff.codec.keyed_hash import CONTINUITY, SIZE, KeyedHash
from handoff.codec.member import pack_occurred
from handoff.codec.records import decode_as
from handoff.domain.clock import format_time
from handoff.domain.continuity.carried import FIELD, Carried, find_carried, may_carry
from handoff.domain.continuity.code import CodeState, CodeUse, ContinuityCode, Use, judge
from handoff.domain.errors import StoreUnavailable, Unprocessable
from handoff.domain.identity import Assurance, Handle, weaker
from handoff.domain.touchpoint import Continuation, Touchpoint
from handoff.services.handoffs.records import Chain
from handoff.services.timeline.views import public_conversation
from handoff.store.repositories.components import read_records
from handoff.store.repositories.control import Change, Changed, read_versioned
from handoff.store.repositories.timelines import read_places
from handoff.store.store import Store
from handoff.store.tenant import TenantStore

from .guessing import note_wrong, reached_limit, scopes_of

ATTEMPTS = 8  # commits tried while others use the same code or change the same chain
_FOUND = frozenset({CodeState.JOINED, CodeState.REPEATED})


def carrying(touchpoints: Sequence[Touchpoint]) -> bool:
    """Whether any of the touchpoints may carry a code. Nearly never."""
    return any(map(may_carry, touchpoints))


async def recognise(
    store: Store, tenant: str, touchpoints: Sequence[Touchpoint], *, redeem: bool = True
) -> list[Touchpoint]:
    """The touchpoints with the codes in them masked and, unless `redeem` is false, used.

    Raises StoreUnavailable if it is unknown whether a code was used; sending the same again is safe. Takes no
    round trip for a touchpoint without a code of this tenant, three to eight for one with it.
    """
    signs = store.hashes(tenant).token_signature
    recognised: list[Touchpoint] = []
    for touchpoint in touchpoints:
        carried = find_carried(touchpoint, signs) if may_carry(touchpoint) else None
        if carried is None:
            recognised.append(touchpoint)
        elif redeem and carried.redeems:
            recognised.append(await _used(store, tenant, carried))
        else:
            recognised.append(carried.touchpoint)
    return recognised


async def _used(store: Store, tenant: str, carried: Carried) -> Touchpoint:
    """The touchpoint after its code was tried, marked with the outcome."""
    touchpoint, hashes = carried.touchpoint, store.hashes(tenant)
    handle = next((it for it in touchpoint.identities if not store.rules.is_placeholder(it.identity)), None)
    if handle is None or not _storable(store, tenant, touchpoint):  # it spends no code
        return touchpoint
    use = Use(
        home=hashes.identity(handle.identity),
        touchpoint=hashes.event(touchpoint.id_space, touchpoint.event_id),
        conversation=await _conversation(store, tenant, touchpoint, handle),
        by_digits=carried.token is None,
    )
    state, code = await _try(store, tenant, carried, use)
    store.codes.counted(state, touchpoint.source)
    mark = {"state": state.value, "way": carried.way} | (_shown(hashes, code, state, use) if code else {})
    marked = msgspec.structs.replace(touchpoint, data={**touchpoint.data, FIELD: mark})
    if code is None or state is not CodeState.JOINED:
        return marked
    continuation = _continuation(code, use, weaker(Assurance(code.assurance), handle.assurance))
    return msgspec.structs.replace(marked, continuation=continuation)


def _storable(store: Store, tenant: str, touchpoint: Touchpoint) -> bool:
    """Whether the touchpoint is small enough, and young enough, to be stored."""
    horizons = store.horizons.of(tenant)
    if horizons and horizons.excludes(touchpoint.channel, touchpoint.type, touchpoint.occurred_at):
        return False
    try:
        checked_body(touchpoint, conversation=touchpoint.conversation, amends=None)
    except Unprocessable:
        return False
    return True


async def _conversation(store: Store, tenant: str, touchpoint: Touchpoint, handle: Handle) -> bytes:
    """The conversation of the touchpoint: its thread's, else the current one of its home and channel."""
    hashes = store.hashes(tenant)
    if touchpoint.conversation is not None:
        return touchpoint.conversation
    if touchpoint.thread is not None:
        return hashes.thread(touchpoint.thread_space or touchpoint.id_space, touchpoint.thread)
    home = hashes.identity(handle.identity)
    record = (await read_records(store.connection, store.keys, [home])).get(home)
    at = pack_occurred(touchpoint.occurred_at)
    ends = [
        place
        for place, channel in (record.episodes if record else ())
        if channel == touchpoint.channel and place[: len(at)] < at
    ]
    return home + hashes.episode(home, touchpoint.channel, ends[-1][SIZE:] if ends else b"")


async def _try(
    store: Store, tenant: str, carried: Carried, use: Use
) -> tuple[CodeState, ContinuityCode | None]:
    """The outcome of a code. Wrong digits are counted, and not tried while there were too many."""
    part = store.of(tenant)
    if carried.token is not None:
        return await _redeem(store, tenant, part.hashes.token(carried.token), carried, use)
    if carried.digits is None:
        return CodeState.UNKNOWN, None
    scopes = scopes_of(carried.touchpoint.source, use.home)
    if await reached_limit(part, scopes):
        return CodeState.LIMITED, None
    id_ = await part.continuity.of_digits(part.hashes.digits(carried.digits))
    state, code = CodeState.UNKNOWN, None
    if id_ is not None:
        state, code = await _redeem(store, tenant, id_, carried, use)
    if state not in _FOUND:
        await note_wrong(store, tenant, carried.touchpoint.source, scopes, use.touchpoint)
    return state, code


async def _redeem(
    store: Store, tenant: str, id_: bytes, carried: Carried, use: Use
) -> tuple[CodeState, ContinuityCode | None]:
    part = store.of(tenant)
    for _attempt in range(ATTEMPTS):
        (raw,) = await part.continuity.read([id_])
        stored = read_versioned(raw)
        if not stored.version:
            return CodeState.UNKNOWN, None
        code, now = decode_as(stored.blob, ContinuityCode), await part.clock()
        state = judge(code, use, now)
        if state is not CodeState.JOINED or _use_of(code, use) is not None:
            return state, code
        (stored_before,) = await read_places(store.connection, store.keys, [(use.home, use.touchpoint)])
        if stored_before is not None:  # nothing is stored now, so no evidence would go with the use
            return CodeState.REPEATED, None
        change = Change()
        made = CodeUse(
            home=use.home,
            touchpoint=use.touchpoint,
            conversation=use.conversation,
            at=now,
            channel=carried.touchpoint.channel,
            way="digits" if use.by_digits else carried.way,
            joined=await _join(part, change, code, use),
        )
        after = msgspec.structs.replace(code, uses=(*code.uses, made))
        part.continuity.put(change, id_, stored.version, after)
        part.continuity.list_use(change, id_, use.home, now)
        try:
            await part.commit(change)
        except Changed:
            continue
        return state, after
    raise StoreUnavailable("the continuity code changes too fast")


def _use_of(code: ContinuityCode, use: Use) -> CodeUse | None:
    return next((it for it in code.uses if it.touchpoint == use.touchpoint), None)


async def _join(part: TenantStore, change: Change, code: ContinuityCode, use: Use) -> bool:
    """Add the conversation to the chain of the one that it continues, as part of `change`.

    False if it has a chain of its own: an owner or a pending handoff of each would be two for one matter.
    Four round trips.
    """
    if use.conversation == code.conversation:
        return True
    records = part.handoffs
    own, other = await records.chain_of(use.conversation), await records.chain_of(code.conversation)
    if own.root == other.root:
        return True
    if own.version or own.root != use.conversation:
        return False
    if other.version:
        chain = decode_as(other.blob, Chain)
    else:
        chain = Chain(root=other.root, home=code.home, members=((other.root, None),))
    members = (*chain.members, (use.conversation, code.conversation))
    records.expect_chain(change, own.root, 0)
    records.expect_chain(change, other.root, other.version)
    records.join(change, use.conversation, other.root)
    records.put_chain(change, other.root, other.version + 1, msgspec.structs.replace(chain, members=members))
    return True


def _continuation(code: ContinuityCode, use: Use, assurance: Assurance) -> Continuation:
    made = _use_of(code, use)
    return Continuation(
        code=code.id,
        home=code.home,
        conversation=made.conversation if made else use.conversation,
        assurance=assurance,
        by=code.by,
        why=f"continuity code: continues the {code.channel} of {format_time(code.opened_at)}",
    )


def _shown(hashes: KeyedHash, code: ContinuityCode, state: CodeState, use: Use) -> dict[str, str]:
    """The outcome in the touchpoint's data."""
    mark = {"code": hashes.public(CONTINUITY, code.id)}
    if state not in _FOUND:
        return mark
    made = _use_of(code, use)
    return mark | {
        "conversation_id": public_conversation(hashes, code.conversation),
        "channel": code.channel,
        "since": format_time(code.opened_at),
        "by": code.by,
        "chain": "joined" if made is None or made.joined else "separate",
    }
