"""Revoking a code, and taking back what its uses joined.

Nothing is deleted but the code's own record: the evidence is marked as withdrawn, and each conversation
leaves the chain that it joined, unless a handoff has been made in it since.
"""

from __future__ import annotations

from collections.abc import Collection

import msgpack
import msgspec
import structlog

from handoff.codec.keyed_hash import EVIDENCE
from handoff.codec.records import decode_as
from handoff.domain.clock import Micros
from handoff.domain.continuity.code import SOURCE, CodeUse, ContinuityCode
from handoff.domain.errors import Conflict
from handoff.domain.evidence import Statement
from handoff.domain.identity import Assurance
from handoff.domain.touchpoint import Continuation
from handoff.services.customers.customer import Customer
from handoff.services.customers.links import Attribution
from handoff.services.handoffs.records import Chain, read_handoffs
from handoff.services.timeline.linking import code_evidence
from handoff.store.repositories.control import Change, Changed, decode_record, read_versioned
from handoff.store.repositories.recorder import Pointer
from handoff.store.store import Store
from handoff.store.tenant import TenantStore

from .code_views import read_code

ATTEMPTS = 8

log = structlog.get_logger(__name__)


async def revoke(
    store: Store, tenant: str, customer: Customer, code_id: str, by: Attribution, *, undo: bool, now: Micros
) -> ContinuityCode:
    """Refuse further uses of a code, and with `undo` take back the earlier ones. Repeating it changes
    nothing.

    Raises NotFound for an unknown code.
    """
    part = store.of(tenant)
    for _attempt in range(ATTEMPTS):
        code, stored = await read_code(store, tenant, customer, code_id)
        if undo:
            for use in code.uses:
                await _withdraw(store, tenant, code, use, by, now)
                await leave_chain(part, use.conversation, code.home)
        uses = tuple(msgspec.structs.replace(it, undone=True) for it in code.uses) if undo else code.uses
        after = msgspec.structs.replace(code, uses=uses, revoked_at=code.revoked_at or now)
        if after == code:
            return code
        change = Change()
        part.continuity.put(change, code.id, stored.version, after)
        try:
            await part.commit(change)
        except Changed:
            continue
        return after
    raise Conflict("the code changes too fast, try again", code="busy_conversation")


async def _withdraw(
    store: Store, tenant: str, code: ContinuityCode, use: CodeUse, by: Attribution, now: Micros
) -> None:
    """Mark the evidence of a use as withdrawn, if its identity is still there."""
    if use.home in (b"", code.home) or not await store.of(tenant).people.records([use.home]):
        return
    used = Continuation(
        code=code.id,
        home=code.home,
        conversation=use.conversation,
        assurance=Assurance(code.assurance),
        by=code.by,
        why="",
    )
    hashes, people = store.hashes(tenant), store.of(tenant).people
    packed: bytes = msgpack.packb([by.who, now, by.reason])
    fields = []
    for statement in (Statement.ASSIGNED, Statement.SAME):
        name = b"w" + code_evidence(used, (use.home, use.touchpoint), hashes, statement).id
        fields.append((name, await people.sealed(use.home, name, packed)))
    await store.recorder.point([Pointer(use.home, store.keys.record(use.home), tuple(fields))])


async def after_withdrawal(store: Store, tenant: str, link_id: str) -> None:
    """Once a link was withdrawn: if a code had given it, its conversation leaves the chain that it joined."""
    hashes = store.hashes(tenant)
    home, id_ = hashes.private(EVIDENCE, link_id, 2)
    reading = store.of(tenant).people.reader()
    await reading.read([home])
    record = reading.records.get(home)
    for piece in record.evidence if record else ():
        if piece.id == id_ and piece.source == SOURCE and piece.statement is Statement.ASSIGNED:
            await leave_chain(store.of(tenant), piece.conversation, piece.other)


async def leave_chain(part: TenantStore, conversation: bytes, home: bytes) -> bool:
    """Take a conversation out of the chain of the customer at `home`; whether it is out of it.

    It stays if a handoff has been made in it, since the chain's owner is then also its own.
    """
    for _attempt in range(ATTEMPTS):
        stored = await part.handoffs.chain_of(conversation)
        if not stored.version or stored.root == conversation:
            return True
        chain = decode_as(stored.blob, Chain)
        ids = [it for it in dict.fromkeys((chain.owning, chain.pending, chain.latest)) if it]
        made = await read_handoffs(part.handoffs, ids)
        if any(it.conversation == conversation for it in made):
            log.info("conversation_stays_in_chain", reason="it has a handoff of its own")
            return False
        change, previous = Change(), chain.previous_of(conversation)
        members = tuple(
            (it, previous if before == conversation else before)
            for it, before in chain.members
            if it != conversation
        )
        if len(members) < 2 and not ids:
            part.handoffs.forget_chain(change, stored.root, stored.version, [conversation])
        else:
            after = msgspec.structs.replace(chain, members=members)
            part.handoffs.expect_chain(change, stored.root, stored.version)
            part.handoffs.leave(change, conversation)
            part.handoffs.put_chain(change, stored.root, stored.version + 1, after)
        try:
            await part.commit(change)
        except Changed:
            continue
        return True
    raise Conflict("the conversation changes too fast, try again", code="busy_conversation")


async def forget_codes(store: Store, tenant: str, homes: Collection[bytes]) -> int:
    """Delete the codes of erased identities, and take back what they joined; how many there were.

    Codes of others that they used no longer name them. Repeating it after an interruption finds the rest.
    """
    part, count = store.of(tenant), 0
    ids = list(dict.fromkeys(await part.continuity.of_homes(list(homes))))
    for id_ in ids:
        for _attempt in range(ATTEMPTS):
            try:
                count += await _forget(part, id_, homes)
            except Changed:
                continue
            break
    return count


async def _forget(part: TenantStore, id_: bytes, homes: Collection[bytes]) -> bool:
    (raw,) = await part.continuity.read([id_])
    if raw is None:
        return False
    code, change = decode_record(raw, ContinuityCode), Change()
    own = code.home in homes
    for use in code.uses:
        if own or use.home in homes:
            await leave_chain(part, use.conversation, code.home)
    if own:
        part.continuity.forget(change, code)
        if await part.continuity.of_digits(code.digits) == code.id:  # perhaps another code has them now
            part.continuity.forget_digits(change, code.digits)
    else:
        uses = [msgspec.structs.replace(it, home=b"") if it.home in homes else it for it in code.uses]
        after = msgspec.structs.replace(code, uses=tuple(uses))
        part.continuity.put(change, id_, read_versioned(raw).version, after)
        for home in homes:
            part.continuity.unlist(change, id_, home)
    await part.commit(change)
    return own
