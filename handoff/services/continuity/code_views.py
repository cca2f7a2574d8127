"""The continuity codes of a customer, with what became of each. Tokens and digits are not kept."""

from __future__ import annotations

from msgspec import Struct

from handoff.codec.keyed_hash import CONTINUITY, TOUCHPOINT, KeyedHash
from handoff.domain.clock import Micros, format_time
from handoff.domain.continuity.code import CodeUse, ContinuityCode
from handoff.domain.errors import NotFound
from handoff.services.customers.customer import Customer
from handoff.services.timeline.views import public_conversation
from handoff.store.repositories.control import Versioned, decode_record, read_versioned
from handoff.store.store import Store


class CodeUseView(Struct, frozen=True, kw_only=True):
    """A touchpoint that used a code. `chain` is `separate` if both conversations had handoffs of their own.

    `touchpoint` is null after the erasure of the person who used it.
    """

    touchpoint: str | None
    conversation_id: str
    channel: str
    way: str
    at: str
    chain: str
    undone: bool


class CodeView(Struct, frozen=True, kw_only=True):
    """A continuity code. `state` is `valid`, `used`, `expired`, or `revoked`."""

    id: str
    state: str
    conversation_id: str
    channel: str
    opened_at: str
    intended: str | None
    issued_at: str
    expires_at: str
    digits_expire_at: str
    by: str
    uses: int
    uses_left: int
    assurance: str
    used_by: list[CodeUseView]


def code_view(hashes: KeyedHash, code: ContinuityCode, now: Micros) -> CodeView:
    return CodeView(
        id=hashes.public(CONTINUITY, code.id),
        state=_state(code, now),
        conversation_id=public_conversation(hashes, code.conversation),
        channel=code.channel,
        opened_at=format_time(code.opened_at),
        intended=code.intended,
        issued_at=format_time(code.issued_at),
        expires_at=format_time(code.expires_at),
        digits_expire_at=format_time(code.digits_until),
        by=code.by,
        uses=code.max_uses,
        uses_left=max(code.max_uses - len(code.uses), 0) if code.open else 0,
        assurance=code.assurance,
        used_by=[_use_view(hashes, it) for it in code.uses],
    )


def _state(code: ContinuityCode, now: Micros) -> str:
    if code.revoked_at is not None:
        return "revoked"
    if not code.open:
        return "used"
    return "expired" if now >= code.expires_at else "valid"


def _use_view(hashes: KeyedHash, use: CodeUse) -> CodeUseView:
    return CodeUseView(
        touchpoint=hashes.public(TOUCHPOINT, use.home, use.touchpoint) if use.home else None,
        conversation_id=public_conversation(hashes, use.conversation),
        channel=use.channel,
        way=use.way,
        at=format_time(use.at),
        chain="joined" if use.joined else "separate",
        undone=use.undone,
    )


async def codes_of(store: Store, tenant: str, customer: Customer) -> list[ContinuityCode]:
    """The customer's codes, the newest first. Codes that ended 30 days ago may be gone. Two round trips."""
    records = store.of(tenant).continuity
    ids = await records.of_homes(customer.group.members)
    raws = await records.read(dict.fromkeys(ids)) if ids else []
    read = [decode_record(raw, ContinuityCode) for raw in raws if raw is not None]
    codes = [it for it in read if it.home in customer.group.members]
    return sorted(codes, key=lambda it: (it.issued_at, it.id), reverse=True)


async def read_code(
    store: Store, tenant: str, customer: Customer, code_id: str
) -> tuple[ContinuityCode, Versioned]:
    """One code of the customer, and its record. Raises NotFound for somebody else's. One round trip."""
    (id_,) = store.hashes(tenant).private(CONTINUITY, code_id)
    (raw,) = await store.of(tenant).continuity.read([id_])
    code = decode_record(raw, ContinuityCode) if raw is not None else None
    if code is None or code.home not in customer.group.members:
        raise NotFound("there is no such continuity code of this customer")
    return code, read_versioned(raw)
