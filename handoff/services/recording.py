"""Recording touchpoints: from a validated touchpoint to its durable place in a timeline."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import cache

import msgspec
from msgspec import Struct

from handoff.codec.body import DIGEST_KEPT, digest, encode_body
from handoff.codec.keyed_hash import SIZE, TOUCHPOINT, KeyedHash
from handoff.codec.member import FLAG_PARTICIPANTS, channel_code, pack_occurred, type_code
from handoff.domain.errors import HandoffError, NotFound, Unprocessable
from handoff.domain.evidence import Evidence, EvidenceClass, Statement
from handoff.domain.identity import REFERENCE, Assurance, Handle, Identity, weaker
from handoff.domain.identity_rules import IdentityRules
from handoff.domain.touchpoint import Touchpoint
from handoff.store.keys import Keys
from handoff.store.recorder import DUPLICATE, REUSED, Item, Pointer, Recorded, Recorder, outcomes
from handoff.store.records import pack_evidence, pack_identity, pack_pointer
from handoff.store.store import Store

from .mentions import mentioned

_DELETES = frozenset({"message.deleted"})
_ASSURANCES = (Assurance.VERIFIED, Assurance.CLAIMED, Assurance.INFERRED)
_DIGITS = (b"0", b"1", b"2")


class Result(Struct, frozen=True, kw_only=True):
    """What became of one touchpoint: `accepted`, `duplicate` or `rejected` with a code and detail.

    `pointers` say where in the touchpoint what was rejected stands (RFC 6901).
    """

    status: str
    id: str
    code: str | None = None
    detail: str | None = None
    pointers: list[dict[str, str]] | None = None

    @property
    def ok(self) -> bool:
        return self.status != "rejected"


async def record(
    store: Store, tenant: str, touchpoints: Sequence[Touchpoint], *, bulk: bool = False
) -> list[Result]:
    """Store the touchpoints; when this returns, what is not rejected is durable.

    `bulk` uses the connection of imports, so that live traffic does not wait behind them. Raises
    StoreUnavailable or Overloaded when the outcome of any is unknown: the same may be sent again.
    One round trip where calls are not shared with other requests, two on a Cluster.
    """
    recorder = store.importer if bulk else store.recorder
    made = prepare_or_reject(store, tenant, touchpoints)
    futures = recorder.begin([it for it in made if isinstance(it, Item)])
    return await settle(store, recorder, tenant, touchpoints, made, futures)


def prepare_or_reject(store: Store, tenant: str, touchpoints: Sequence[Touchpoint]) -> list[Item | Result]:
    """What the store writes for each touchpoint, or why it is not stored."""
    hashes, keys, rules = store.hashes(tenant), store.keys, store.rules
    made: list[Item | Result] = []
    for touchpoint in touchpoints:
        try:
            made.append(prepare(without_nobody(touchpoint, rules), hashes, keys))
        except Unprocessable as error:
            made.append(rejected(error))
    return made


def rejected(error: Unprocessable) -> Result:
    """The result of a touchpoint that is not stored."""
    return Result(
        status="rejected",
        id="",
        code=error.problem_code,
        detail=error.detail,
        pointers=error.fields.get("pointers"),
    )


async def settle(
    store: Store,
    recorder: Recorder,
    tenant: str,
    touchpoints: Sequence[Touchpoint],
    made: Sequence[Item | Result],
    futures: Sequence[asyncio.Future[Recorded]],
) -> list[Result]:
    """What became of touchpoints whose items are with the recorder; `futures` are the items'.

    Every future is looked at before the first error is raised.
    """
    hashes, answers = store.hashes(tenant), iter(await outcomes(futures))
    results: list[Result] = []
    for touchpoint, it in zip(touchpoints, made, strict=True):
        if isinstance(it, Result):
            results.append(it)
            continue
        answer = next(answers)
        if isinstance(answer, HandoffError):
            raise answer
        if answer.status == REUSED and touchpoint.upsert:
            results.append(await _amend(recorder, hashes, store.keys, touchpoint, it))
        else:
            results.append(result_of(hashes, it, answer.status))
    return results


def result_of(hashes: KeyedHash, item: Item, status: int) -> Result:
    """The result of what the store answered for an item."""
    public = hashes.public(TOUCHPOINT, item.home, item.id)
    if status == REUSED:
        return Result(
            status="rejected", id=public, code="id_reused", detail="this id was used for other content"
        )
    return Result(status="duplicate" if status == DUPLICATE else "accepted", id=public)


async def _amend(
    recorder: Recorder, hashes: KeyedHash, keys: Keys, touchpoint: Touchpoint, first: Item
) -> Result:
    """Content that differs under a known id, from a sender that updates: an amendment of its own."""
    version = f"{touchpoint.event_id}#{first.digest.hex()}"
    amendment = msgspec.structs.replace(
        touchpoint, event_id=version, amends=touchpoint.event_id, upsert=False
    )
    item = prepare(amendment, hashes, keys)
    (answer,) = await recorder.record([item])
    if isinstance(answer, HandoffError):
        raise answer
    return result_of(hashes, item, answer.status)


async def ensure_identity(store: Store, tenant: str, identity: Identity) -> bytes:
    """The key of an identity that has a record from now on, though nothing was recorded of it yet.

    Unprocessable (`blocked_identity`) for a value that means nobody.
    """
    refuse_nobody(identity, store.rules)
    key = store.hashes(tenant).identity(identity)
    fields = ((b"v", pack_identity(identity)), (b"f", b""))
    await store.recorder.point([Pointer(key, store.keys.record(key), fields)])
    return key


def refuse_nobody(identity: Identity, rules: IdentityRules) -> None:
    """Unprocessable (`blocked_identity`) for a value that many senders write for nobody."""
    if rules.means_nobody(identity):
        detail = f"{identity} is a value that many senders write for nobody"
        raise Unprocessable(
            detail, code="blocked_identity", pointers=[{"pointer": "/identity", "detail": detail}]
        )


def without_nobody(touchpoint: Touchpoint, rules: IdentityRules) -> Touchpoint:
    """The touchpoint without handles that mean nobody. Unprocessable where nothing else is left."""
    for it in touchpoint.identities:
        if rules.means_nobody(it.identity):
            break
    else:
        return touchpoint
    known = tuple([it for it in touchpoint.identities if not rules.means_nobody(it.identity)])
    if not known:
        detail = "its only identity is one that many senders write for nobody"
        raise Unprocessable(
            detail, code="blocked_identity", pointers=[{"pointer": "/identities", "detail": detail}]
        )
    return msgspec.structs.replace(touchpoint, identities=known)


def conversation_of(touchpoint: Touchpoint, hashes: KeyedHash) -> bytes | None:
    """The conversation of the touchpoint's thread; None where it has none and belongs to an episode."""
    if touchpoint.conversation is not None:
        return touchpoint.conversation
    if touchpoint.thread is None:
        return None
    return hashes.thread(touchpoint.thread_space or touchpoint.id_space, touchpoint.thread)


def prepare(touchpoint: Touchpoint, hashes: KeyedHash, keys: Keys) -> Item:
    """What the store writes for a touchpoint: a pure function, so that a retry prepares the same."""
    stated = touchpoint.identities[0]
    home = hashes.identity(stated.identity)
    id_ = hashes.event(touchpoint.id_space, touchpoint.event_id)
    conversation = conversation_of(touchpoint, hashes)
    amends = b""
    moved = False
    if touchpoint.amends is not None:
        original_home, amends = _original(touchpoint, hashes, home)
        moved, home = original_home != home, original_home
    codec, body = encode_body(touchpoint, conversation=touchpoint.conversation, amends=amends or None)
    evidence, pointers = ([], []) if moved else _evidence(touchpoint, hashes, keys, home, id_)
    if conversation is not None and len(conversation) == SIZE:
        pointers.append(
            Pointer(conversation, keys.conversations(conversation), ((conversation, home),)),
        )
    said, type_ = digest(touchpoint), touchpoint.type
    return Item(
        home=home,
        timeline=keys.timeline(home),
        id=id_,
        digest=said,
        fixed=b"".join(
            (
                pack_occurred(touchpoint.occurred_at),
                id_,
                _header(bool(touchpoint.participants), type_, channel_code(touchpoint.channel), codec),
                said[:DIGEST_KEPT],
                b"d" if type_ in _DELETES else b"e",
                _DIGITS[_ASSURANCES.index(stated.assurance)],
                touchpoint.seq.to_bytes(8, "big") if touchpoint.seq is not None else b"",
                amends,
            )
        ),
        body=body,
        plain=pack_identity(stated.identity),
        tenant=hashes.tenant_bytes,
        resolves=touchpoint.channel.encode() if _ends_episode(touchpoint) else b"",
        evidence=tuple(evidence),
        pointers=tuple(pointers),
    )


@cache  # a few hundred: types by channels, and all channels without a name of ours are one
def _header(participants: bool, type: str, channel: int, codec: int) -> bytes:
    return bytes((FLAG_PARTICIPANTS if participants else 0, type_code(type), channel, codec))


def _ends_episode(touchpoint: Touchpoint) -> bool:
    """Whether it ends the conversation that its home has on its channel without a thread."""
    return touchpoint.type == "conversation.resolved" and touchpoint.thread is None


def _original(touchpoint: Touchpoint, hashes: KeyedHash, home: bytes) -> tuple[bytes, bytes]:
    """Home and id of what is amended: our own id, or the sender's event id at the same home."""
    amends = touchpoint.amends or ""
    try:
        original_home, id_ = hashes.private(TOUCHPOINT, amends, 2)
    except NotFound:
        return home, hashes.event(touchpoint.id_space, amends)
    return original_home, id_


def _evidence(
    touchpoint: Touchpoint, hashes: KeyedHash, keys: Keys, home: bytes, id_: bytes
) -> tuple[list[tuple[bytes, bytes]], list[Pointer]]:
    """A piece of evidence per further identity, home to it, and the pointer that leads back to it."""
    pieces: list[tuple[bytes, bytes]] = []
    pointers: list[Pointer] = []
    for handle in (*touchpoint.identities[1:], *mentioned(touchpoint)):
        other = hashes.identity(handle.identity)
        if other == home:
            continue
        piece = automatic_evidence(touchpoint, handle, hashes, home, other, id_)
        pieces.append((piece.id, pack_evidence(piece)))
        fields = ((b"v", pack_identity(handle.identity)), (b"f", b""), pack_pointer(piece))
        pointers.append(Pointer(other, keys.record(other), fields))
    return pieces, pointers


def automatic_evidence(
    touchpoint: Touchpoint, handle: Handle, hashes: KeyedHash, home: bytes, other: bytes, id_: bytes
) -> Evidence:
    """What a touchpoint says of its home and a further handle. Saying it again makes no second piece."""
    assurance = weaker(touchpoint.home.assurance, handle.assurance)
    return Evidence(
        id=hashes.evidence(home, other, Statement.SAME, assurance, touchpoint.source),
        one=home,
        other=other,
        statement=Statement.SAME,
        assurance=assurance,
        evidence_class=EvidenceClass.AUTOMATIC,
        source=touchpoint.source,
        touchpoint=id_,
        who=f"source:{touchpoint.source}",
        recorded_at=0,  # the store's clock, when it is written
        why=touchpoint.type,
        finds=REFERENCE in (touchpoint.home.identity.type, handle.identity.type),
    )
