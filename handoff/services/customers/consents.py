"""A customer's consents, read from their timeline, and the policies that require one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

from msgspec import Struct

from handoff.codec.member import Member
from handoff.domain.clock import format_time
from handoff.domain.consent import CONSENT_TYPES, GIVEN, Consent, current_consents, is_purpose, stated_time
from handoff.domain.errors import Conflict
from handoff.services.access.reader import EVERYTHING, Reader
from handoff.services.timeline.reading import (
    PAGE,
    Decoded,
    Given,
    TimelineEntry,
    decode,
    homes_of,
    onwards,
    read_merged,
)
from handoff.services.timeline.seeing import seen
from handoff.store.repositories.identities import IdentityRecord
from handoff.store.repositories.timelines import Window
from handoff.store.store import Store

from .customer import Customer
from .portions import read_portions


class ConsentRules(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The purposes that need consent: for a handoff, and for an export."""

    handoff: str | None = None
    export: str | None = None

    def __post_init__(self) -> None:
        for purpose in (self.handoff, self.export):
            if purpose is not None and not is_purpose(purpose):
                raise ValueError(f"privacy.require_consent: {purpose!r} is not a purpose such as service")


class ConsentPolicy(Struct, frozen=True, kw_only=True):
    """The requests that need consent. Without it, a request is refused or its result marked."""

    rules: ConsentRules = ConsentRules()
    on_missing: Literal["refuse", "mark"] = "refuse"


class ConsentView(Struct, frozen=True, kw_only=True):
    """The statement that counts for one purpose. `touchpoint` is its proof."""

    purpose: str
    state: Literal["given", "withdrawn"]
    at: str
    assurance: str
    channel: str
    touchpoint: str
    source: str | None = None
    text_version: str | None = None


def consent_view(consent: Consent) -> ConsentView:
    return ConsentView(
        purpose=consent.purpose,
        state="given" if consent.given else "withdrawn",
        at=format_time(consent.at),
        assurance=consent.assurance,
        channel=consent.channel,
        touchpoint=consent.id,
        source=consent.source,
        text_version=consent.text_version,
    )


async def read_consents(
    store: Store, tenant: str, customer: Customer, reader: Reader = EVERYTHING
) -> list[Consent]:
    """The current consents, from the whole timeline.

    It is read backwards, to the first statement about consent: a round trip for each page, none for a
    customer who never stated anything, and those of `read_portions`.
    """
    hashes, records = store.hashes(tenant), {it.key: it for it in customer.members}
    given = (await read_portions(store, tenant, customer)).given
    left = _recorded(records.values(), given)
    entries: list[Member] = []
    window, more = Window(limit=PAGE), True
    while more and left > 0:
        page = await read_merged(store, homes_of(records), given, window)
        wanted = [it for it in page.members if it.type in CONSENT_TYPES]
        entries += wanted
        left -= len([it for it in wanted if it.reference is None])
        more = page.more and bool(page.members)
        if more:
            window = onwards(window, page.members[-1])
    if not entries:
        return []
    entries.reverse()  # of two statements with one time, the later in the timeline counts
    decoded = await decode(store, hashes, {**records, **given.records}, entries, given.ownership)
    shown = await seen(store, decoded, reader)
    return current_consents(await statements(store, shown, shown.entries))


def _recorded(records: Iterable[IdentityRecord], given: Given) -> int:
    """How many statements were ever recorded on the customer's identities, or given to them."""
    counted = (it.counts.items() for it in records)
    own = sum(count for counts in counted for (type_, _channel), count in counts if type_ in CONSENT_TYPES)
    return own + sum(it.type in CONSENT_TYPES for it in given.members)


async def statements(store: Store, decoded: Decoded, entries: Sequence[TimelineEntry]) -> list[Consent]:
    """The consent statements among some entries. One that was deleted states nothing."""
    tenant = decoded.rendering.hashes.tenant
    found = await store.pace.each(tenant, lambda it: _statement(decoded, it), entries)
    return [it for it in found if it is not None]


def _statement(decoded: Decoded, entry: TimelineEntry) -> Consent | None:
    if entry.stored.type not in CONSENT_TYPES or entry.is_reference:
        return None
    view = decoded.view(entry)
    purpose = view.data.get("purpose")
    if not isinstance(purpose, str) or not is_purpose(purpose):
        return None
    source, version = view.data.get("source"), view.data.get("text_version")
    return Consent(
        purpose=purpose,
        given=entry.stored.type == GIVEN,
        at=stated_time(view.data.get("at")) or entry.stored.occurred_at,
        assurance=entry.body.assurance,
        channel=view.channel,
        id=view.id,
        source=source if isinstance(source, str) else None,
        text_version=version if isinstance(version, str) else None,
    )


async def check_consent(
    store: Store, tenant: str, customer: Customer | None, purpose: str | None, policy: ConsentPolicy
) -> str | None:
    """The purpose whose consent is missing, to mark the result with; None if none is needed or it was given.

    Raises Conflict (`consent_missing`) if the policy refuses.
    """
    if purpose is None:
        return None
    consents = await read_consents(store, tenant, customer) if customer is not None else []
    current = next((it for it in consents if it.purpose == purpose), None)
    if current is not None and current.proven:
        return None
    if policy.on_missing == "mark":
        return purpose
    state = "was never given" if current is None else "was withdrawn"
    if current is not None and current.given:
        state = "was given by somebody who may not be the customer"
    raise Conflict(f"Consent for {purpose} {state}", code="consent_missing", purpose=purpose)
