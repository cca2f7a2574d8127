"""Recording touchpoints: from a validated touchpoint to its durable place in a timeline.

There are two ways in. `record`, here, is for every caller that has some touchpoints and waits for their
results. `Intake.submit` in `batching` is for the hot path: it reads and prepares the touchpoints of many
requests together and reports each request's results to a callback. Both prepare items with the same pure
functions and hand them to the store's recorder.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from operator import is_

import msgspec
from msgspec import Struct

from handoff.codec.body import DIGEST_KEPT, checked_body, digest
from handoff.codec.compression import compress
from handoff.codec.keyed_hash import SIZE, TOUCHPOINT, KeyedHash
from handoff.codec.member import (
    FLAG_ANNOUNCES,
    FLAG_PARTICIPANTS,
    FLAG_QUIET,
    channel_code,
    pack_occurred,
    type_code,
)
from handoff.domain.brief.sections.announced import ANNOUNCING
from handoff.domain.brief.steps import Steps
from handoff.domain.errors import HandoffError, NotFound, Unprocessable
from handoff.domain.identity import Assurance, Handle, Identity
from handoff.domain.identity_rules import IdentityRules
from handoff.domain.redaction.redaction import storable_identity
from handoff.domain.said.announcing import may_announce
from handoff.domain.text.derived import DERIVED
from handoff.domain.text.memo import CACHE_SIZE
from handoff.domain.touchpoint import Direction, Participant, Touchpoint
from handoff.services.continuity.recognising import carrying, recognise
from handoff.store.keys import Keys
from handoff.store.pacing.pace import AT_ONCE
from handoff.store.repositories.identities import pack_identity
from handoff.store.repositories.recorder import (
    CROWDED,
    DUPLICATE,
    ERASED,
    EXPIRED,
    REUSED,
    Item,
    Pointer,
    Recorded,
)
from handoff.store.repositories.retention.horizons import TenantHorizons
from handoff.store.store import Store

from .earlier import continuing, learn
from .linking import NO_CODE, Links, code_links, links_of

PREPARED_AT_ONCE = 100  # touchpoints, between two looks for what they continue
RESOLVED = "conversation.resolved"
_AMENDING = {"message.deleted": b"d", DERIVED: b"t"}
"""How a type concerns the touchpoint that it names; any other edits it."""
_ASSURANCES = (Assurance.VERIFIED, Assurance.CLAIMED, Assurance.INFERRED)
_DIGITS = (b"0", b"1", b"2")


_STATUSES = {DUPLICATE: "duplicate", ERASED: "erased", EXPIRED: "expired"}


class Result(Struct, frozen=True, kw_only=True):
    """The result for one touchpoint: `accepted`, `duplicate`, or `rejected` with a code and a detail.

    `erased` ones belong to an identity that was erased since they happened. They are not stored; to senders
    they count as duplicates. `expired` ones are older than the configuration keeps touchpoints: they are not
    stored either. `pointers` locate the rejected values in the touchpoint (RFC 6901).
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
    store: Store,
    tenant: str,
    touchpoints: Sequence[Touchpoint],
    *,
    bulk: bool = False,
    quiet: bool = False,
) -> list[Result]:
    """Store the touchpoints. Every touchpoint that is not rejected is durable when this returns.

    `bulk` uses the connection for imports, so that live traffic does not queue behind them. `quiet` is for
    history: the touchpoints are stored as usual, but trigger no webhook, connector, policy or notice to
    owners. Raises StoreUnavailable or Overloaded when the outcome of any touchpoint is unknown; sending the
    same again is safe. Takes one round trip, shared with other requests where possible, two on a Cluster.
    """
    recorder = store.importer if bulk else store.recorder
    prepared: list[Item | Result] = []
    for at in range(0, len(touchpoints), PREPARED_AT_ONCE):
        part = touchpoints[at : at + PREPARED_AT_ONCE]
        if carrying(part):
            part = await recognise(store, tenant, part, redeem=not quiet)
        if continued := continuing(part):
            await learn(store, tenant, continued)
        prepared += await store.pace.run(tenant, _preparing(store, tenant, part, quiet=quiet))
    answers = iter(await recorder.record([it for it in prepared if isinstance(it, Item)]))
    hashes = store.hashes(tenant)

    def result(item: Item | Result) -> Result:
        return item if isinstance(item, Result) else _recorded(hashes, item, next(answers))

    return await store.pace.each(tenant, result, prepared)


def _recorded(hashes: KeyedHash, item: Item, answer: Recorded | HandoffError) -> Result:
    if isinstance(answer, HandoffError):
        raise answer
    return result_of(hashes, item, answer.status)


def _preparing(
    store: Store, tenant: str, touchpoints: Sequence[Touchpoint], *, quiet: bool
) -> Steps[list[Item | Result]]:
    prepared: list[Item | Result] = []
    for at in range(0, len(touchpoints), AT_ONCE):
        if at:
            yield
        part = redacted(store, tenant, touchpoints[at : at + AT_ONCE])
        prepared += prepare_or_reject(store, tenant, part, quiet=quiet)
    return prepared


def redacted(store: Store, tenant: str, touchpoints: Sequence[Touchpoint]) -> list[Touchpoint]:
    """The touchpoints with card numbers and the like masked. The first step of every way in."""
    mask, pseudonym = store.redaction.touchpoint, store.hashes(tenant).pseudonym
    return [mask(tenant, it, pseudonym) for it in touchpoints]


def prepare_or_reject(
    store: Store, tenant: str, touchpoints: Sequence[Touchpoint], *, quiet: bool = False
) -> list[Item | Result]:
    """The item to store for each touchpoint, or its rejection."""
    hashes, horizons = store.hashes(tenant), store.horizons.of(tenant)
    return [prepare_one(store, it, hashes, horizons, quiet=quiet) for it in touchpoints]


def prepare_one(
    store: Store,
    touchpoint: Touchpoint,
    hashes: KeyedHash,
    horizons: TenantHorizons | None,
    *,
    quiet: bool = False,
) -> Item | Result:
    """The item to store for a touchpoint, or its rejection. Hashes and horizons are the tenant's."""
    try:
        known = without_placeholders(touchpoint, store.rules)
        announces = not quiet and announcing(store, touchpoint)
        item = prepare(known, hashes, store.keys, quiet=quiet, announces=announces)
    except Unprocessable as error:
        return rejected(error)
    if horizons is not None and horizons.excludes(
        touchpoint.channel, touchpoint.type, touchpoint.occurred_at
    ):
        return result_of(hashes, item, EXPIRED)
    return item


def announcing(store: Store, touchpoint: Touchpoint) -> bool:
    """Whether the words of a touchpoint of ours may announce what has to follow."""
    text = touchpoint.text
    if not text or touchpoint.type not in ANNOUNCING or touchpoint.direction is Direction.INBOUND:
        return False
    return may_announce(text, store.brief_rules.packs.announcing)


def rejected(error: Unprocessable) -> Result:
    """The result of a touchpoint that is not stored."""
    return Result(
        status="rejected",
        id="",
        code=error.problem_code,
        detail=error.detail,
        pointers=error.fields.get("pointers"),
    )


def result_of(hashes: KeyedHash, item: Item, status: int) -> Result:
    """The result that corresponds to the store's answer for an item."""
    public = hashes.public(TOUCHPOINT, item.home, item.id)
    if status == REUSED:
        return Result(
            status="rejected", id=public, code="id_reused", detail="this id was used for other content"
        )
    if status == CROWDED:
        detail = "too many texts were derived from this original"
        return Result(status="rejected", id=public, code="too_many_derived", detail=detail)
    return Result(status=_STATUSES.get(status, "accepted"), id=public)


async def ensure_identity(store: Store, tenant: str, identity: Identity) -> bytes:
    """Create the record of an identity that has no touchpoints yet, if it is missing; returns its key.

    Raises Unprocessable (`blocked_identity`) for a placeholder value.
    """
    refuse_placeholder(identity, store.rules)
    key = store.hashes(tenant).identity(identity)
    shown = storable_identity(identity, store.hashes(tenant).pseudonym)
    fields = ((b"v", pack_identity(shown)), (b"f", b""))
    pointer = Pointer(key, store.keys.record(key), fields, tenant.encode())
    await store.recorder.point([pointer])
    return key


def refuse_placeholder(identity: Identity, rules: IdentityRules) -> None:
    """Raise Unprocessable (`blocked_identity`) for a placeholder that identifies no one, such as `user:0`."""
    if rules.is_placeholder(identity):
        detail = f"{identity} is a placeholder that identifies no one"
        raise Unprocessable(
            detail, code="blocked_identity", pointers=[{"pointer": "/identity", "detail": detail}]
        )


def without_placeholders(touchpoint: Touchpoint, rules: IdentityRules) -> Touchpoint:
    """The touchpoint without placeholder identities. Raises Unprocessable if no other identity is left."""
    if not rules.has_placeholder(touchpoint.identities):
        return touchpoint
    known = tuple([it for it in touchpoint.identities if not rules.is_placeholder(it.identity)])
    if not known:
        detail = "its only identity is a placeholder that identifies no one"
        raise Unprocessable(
            detail, code="blocked_identity", pointers=[{"pointer": "/identities", "detail": detail}]
        )
    return msgspec.structs.replace(touchpoint, identities=known)


def conversation_of(touchpoint: Touchpoint, hashes: KeyedHash) -> bytes | None:
    """The conversation of the touchpoint's thread. None without a thread: it then belongs to an episode."""
    if touchpoint.conversation is not None:
        return touchpoint.conversation
    if touchpoint.thread is None:
        return None
    return hashes.thread(touchpoint.thread_space or touchpoint.id_space, touchpoint.thread)


class Draft(Struct, frozen=True):
    """A touchpoint on its way to an item: everything but the compressed body."""

    touchpoint: Touchpoint
    links: Links
    home: bytes
    timeline: bytes
    amends: bytes
    moved: bool
    """It amends a touchpoint of another home, and is filed there."""
    raw: bytes
    """The body before compression."""


def prepare(
    touchpoint: Touchpoint, hashes: KeyedHash, keys: Keys, *, quiet: bool = False, announces: bool = False
) -> Item:
    """The item to store for a touchpoint. A pure function, so that a retry prepares the same item."""
    made = draft(touchpoint, hashes, keys)
    return finish(made, compress(made.raw), hashes, keys, quiet=quiet, announces=announces)


def draft(touchpoint: Touchpoint, hashes: KeyedHash, keys: Keys) -> Draft:
    """The first half of `prepare`. Raises Unprocessable for what cannot be stored."""
    links = links_of(touchpoint, hashes, keys)
    home, timeline = links.home, links.timeline
    amends, moved = b"", False
    if touchpoint.amends is not None:
        original_home, amends = _original(touchpoint, hashes, home)
        moved = original_home != home
        home, timeline = original_home, keys.timeline(original_home)
    known = links.storable and not touchpoint.participants
    stored = touchpoint if known else _with_storable_identities(touchpoint, hashes)
    raw = checked_body(stored, conversation=touchpoint.conversation, amends=amends or None)
    return Draft(touchpoint, links, home, timeline, amends, moved, raw)


def finish(
    made: Draft,
    compressed: tuple[int, bytes],
    hashes: KeyedHash,
    keys: Keys,
    *,
    quiet: bool = False,
    announces: bool = False,
) -> Item:
    """The second half, with the codec and bytes that `compress` made of the draft's body."""
    touchpoint, links, home = made.touchpoint, made.links, made.home
    codec, body = compressed
    id_ = hashes.event(touchpoint.id_space, touchpoint.event_id)
    conversation = conversation_of(touchpoint, hashes)
    pointers = () if made.moved else links.pointers
    if conversation is not None and len(conversation) == SIZE:
        pointers = (*pointers, _thread_pointer(keys, conversation, home))
    content_digest, type_ = digest(touchpoint), touchpoint.type
    used = touchpoint.continuation
    code = code_links(used, (home, id_), hashes, keys) if used is not None and not made.moved else NO_CODE
    flags = _flags(participants=bool(touchpoint.participants), quiet=quiet, announces=announces)
    return Item(
        home=home,
        timeline=made.timeline,
        id=id_,
        digest=content_digest,
        fixed=b"".join(
            (
                pack_occurred(touchpoint.occurred_at),
                id_,
                _header(flags, type_, touchpoint.channel, codec),
                content_digest[:DIGEST_KEPT],
                _AMENDING.get(type_, b"e"),
                _DIGITS[_ASSURANCES.index(touchpoint.identities[0].assurance)],
                touchpoint.seq.to_bytes(8, "big") if touchpoint.seq is not None else b"",
                made.amends,
            )
        ),
        body=body,
        plain=links.plain,
        tenant=hashes.tenant_bytes,
        resolves=touchpoint.channel.encode() if type_ == RESOLVED and _ends_episode(touchpoint) else b"",
        evidence=() if made.moved else links.evidence(id_, type_) + code.evidence,
        pointers=pointers + code.pointers,
    )


@lru_cache(CACHE_SIZE)
def _thread_pointer(keys: Keys, conversation: bytes, home: bytes) -> Pointer:
    """The pointer from a thread's conversation to the home of its first touchpoint."""
    return Pointer(conversation, keys.conversations(conversation), ((conversation, home),))


def _with_storable_identities(touchpoint: Touchpoint, hashes: KeyedHash) -> Touchpoint:
    """The touchpoint for its body. Hashes are made from the real identities, so that they are still found."""
    named = [it.identity for it in touchpoint.identities]
    named += [it.identity for it in touchpoint.participants]
    shown = [storable_identity(it, hashes.pseudonym) for it in named]
    if all(map(is_, named, shown)):
        return touchpoint
    count = len(touchpoint.identities)
    handles = zip(shown, touchpoint.identities, strict=False)
    others = zip(shown[count:], touchpoint.participants, strict=True)
    return msgspec.structs.replace(
        touchpoint,
        identities=tuple(Handle(one, it.assurance) for one, it in handles),
        participants=tuple(Participant(one, it.role) for one, it in others),
    )


def _flags(*, participants: bool, quiet: bool, announces: bool) -> int:
    return (
        (FLAG_PARTICIPANTS if participants else 0)
        | (FLAG_QUIET if quiet else 0)
        | (FLAG_ANNOUNCES if announces else 0)
    )


@lru_cache(CACHE_SIZE)
def _header(flags: int, type: str, channel: str, codec: int) -> bytes:
    return bytes((flags, type_code(type), channel_code(channel), codec))


def _ends_episode(touchpoint: Touchpoint) -> bool:
    """Whether the touchpoint ends its home's threadless conversation on its channel."""
    return touchpoint.type == RESOLVED and touchpoint.thread is None


def _original(touchpoint: Touchpoint, hashes: KeyedHash, home: bytes) -> tuple[bytes, bytes]:
    """Home and id of the amended touchpoint, named by our id or by the sender's event id at the same home.

    A text that was derived from a whole call names its thread: the id is then that of its conversation.
    """
    amends = touchpoint.amends or ""
    if touchpoint.type == DERIVED and amends == touchpoint.thread:
        return home, hashes.thread(touchpoint.thread_space or touchpoint.id_space, amends)
    try:
        original_home, id_ = hashes.private(TOUCHPOINT, amends, 2)
    except NotFound:
        return home, hashes.event(touchpoint.id_space, amends)
    return original_home, id_
