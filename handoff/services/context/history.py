"""A customer's touchpoints as a context needs them: the newest, decoded, with their conversations.

A context leaves a `Recollection` in the store's `histories` for a minute. The next context of the customer
decodes only new touchpoints, provided that the earlier ones are unchanged, byte for byte.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence

from msgspec import Struct, field

from handoff.codec.keyed_hash import KeyedHash
from handoff.codec.member import FLAG_AMENDED, FLAG_REFERENCE, Member, channel_name, flags_of, read_member
from handoff.domain.brief import TimelineItem
from handoff.domain.brief.copies import Copies
from handoff.domain.brief.steps import Steps
from handoff.domain.clock import DAY, Micros
from handoff.domain.conversation import Conversation, ConversationItem
from handoff.domain.identities.sharing import Ownership
from handoff.domain.identity import Assurance
from handoff.services.access.reader import EVERYTHING, Reader
from handoff.services.customers.customer import Customer, candidates_of
from handoff.services.customers.portions import Portions, read_portions
from handoff.services.customers.separations import separated
from handoff.services.timeline import same_acts
from handoff.services.timeline.entries import Entries
from handoff.services.timeline.reading import Filter, Given, TimelineEntry, decode, decode_plain, merged
from handoff.services.timeline.seeing import seen
from handoff.services.timeline.views import Rendering
from handoff.store.pacing.pace import AT_ONCE
from handoff.store.reads import Command, Reads
from handoff.store.repositories.identities import IdentityRecord, doubled
from handoff.store.repositories.timelines import Row, RowPage, Window, read_rows
from handoff.store.store import Store

from .items import actor_type, timeline_item
from .remembered.keeping import restored
from .remembered.recollection import Named, Recollection, Traits, overlap
from .views import ContextSelection, DeletedView, SharedIdentityView

BRIEF_TOUCHPOINTS = 1_000
STEP = 100  # touchpoints by which the newest ones move on at once
BRIEF_AGE: Micros = 90 * DAY
_ON_OTHERS = FLAG_AMENDED | FLAG_REFERENCE  # a touchpoint that is shown by more than its own entry


class History(Struct, kw_only=True, eq=False):
    """Everything read of a customer for one context, newest first."""

    hashes: KeyedHash
    homes: list[bytes]
    more: bool
    """Whether there are older touchpoints."""
    total: int
    entries: Entries
    named: list[Named]
    """The conversation of each entry."""
    stated: list[Traits]
    """The verified traits that each entry states."""
    briefed: int
    """How many entries a brief may be made of, at most."""
    hidden: int
    internal: int
    """Touchpoints that this reader may not see."""
    unnamed: int
    """Candidates that this reader does not see: they may be customers of other queues."""
    rendering: Rendering
    ownership: Mapping[bytes, Ownership]
    portions: Portions
    late: list[str] = field(default_factory=list)
    """Touchpoints that arrived too late for the snapshot of the handoff that the context is for."""
    deleted: list[DeletedView] = field(default_factory=list)
    """The horizons: older history is deleted by policy."""
    shared: Sequence[SharedIdentityView] = ()
    """The shared identities near the customer, as the context shows them."""
    conversations: list[Conversation] = field(default_factory=list)
    has_references: bool = False
    apart: frozenset[str] = frozenset()
    """Public ids of touchpoints that are acts of their own, whatever they resemble."""
    copies: Copies = field(default_factory=Copies)
    """The copies among the entries, once the story is read."""
    fresh: int = 0
    """How many of the first entries are not in the recollection that was given."""
    kept_items: list[TimelineItem] = field(default_factory=list)
    """Of the entries after those."""
    recollection: Recollection | None = None
    """The results for the next context of this customer; None for limited readers, and where a filter
    hides touchpoints."""

    @property
    def open_since(self) -> Micros | None:
        """The start of the oldest open conversation."""
        return min((it.opened_at for it in self.conversations if it.open), default=None)

    def shown(self, limit: int) -> tuple[list[int], int]:
        """The places of the newest entries, without copies, and how many entries they and copies take."""
        hidden, entries = same_acts.hidden(self.hashes, self.copies), self.entries
        if not hidden:
            count = min(limit, len(entries))
            return list(range(count)), count
        places, used = list[int](), 0
        for used, entry in enumerate(entries):
            if entry.is_reference or (entry.stored.home, entry.stored.id) not in hidden:
                if len(places) == limit:
                    return places, used
                places.append(used)
        return places, len(entries)

    def newest_of(self, sources: frozenset[str], after: Micros | None = None) -> dict[str, Micros]:
        """The newest touchpoint of each source, among those that are not older than `after`."""
        found: dict[str, Micros] = {}
        for at in range(len(self.entries)):
            occurred_at = self.entries.occurred_at(at)
            if len(found) == len(sources) or (after is not None and occurred_at < after):
                break
            source = self.entries[at].body.source
            if source in sources:
                found.setdefault(source, occurred_at)
        return found

    def making_items(self, now: Micros) -> Steps[list[TimelineItem]]:
        """The touchpoints that a brief is made of, oldest first."""
        opened, since = self.open_since, now - BRIEF_AGE
        if opened is not None:
            since = min(since, opened)
        count = self._within(since)
        fresh = min(self.fresh, count)
        kept = self.kept_items[: count - fresh]
        newer = yield from self._making(0, fresh)
        older = yield from self._making(fresh + len(kept), count)
        made = newer + kept + older
        if self.recollection:
            self.recollection.items = made
        return made[::-1]

    def _within(self, since: Micros) -> int:
        """How many of the first entries are that young."""
        places, occurred_at = range(min(self.briefed, len(self.entries))), self.entries.occurred_at
        return bisect_right(places, -since, key=lambda at: -occurred_at(at))

    def _making(self, first: int, end: int) -> Steps[list[TimelineItem]]:
        # A touchpoint that the customer only took part in shows neither what they tried nor what they want.
        rendering, made = self.rendering, list[TimelineItem]()
        for at in range(first, end, AT_ONCE):
            until = min(at + AT_ONCE, end)
            made += [
                timeline_item(rendering, entry, name[1])
                for entry, name in zip(self.entries[at:until], self.named[at:until], strict=True)
                if not (self.has_references and entry.is_reference)
            ]
            yield
        return made


def briefed(total: int) -> int:
    """How many of a customer's newest touchpoints a brief is made of. As a history grows, their oldest stays
    the same for a while: what was derived from them stays true, and only the new ones are added."""
    return BRIEF_TOUCHPOINTS + max(total - BRIEF_TOUCHPOINTS, 0) % STEP


async def read_history(
    store: Store,
    tenant: str,
    customer: Customer,
    wanted: ContextSelection,
    known: Recollection | None = None,
    reads: Reads | None = None,
) -> History:
    """A customer's newest touchpoints. One round trip, two more each for amended ones and for references."""
    hashes, records = store.hashes(tenant), {record.key: record for record in customer.members}
    homes, portions = list(records), await read_portions(store, tenant, customer, reads)
    given, shown, reader = portions.given, Filter(min_assurance=wanted.min_assurance), wanted.reader
    plain = not shown.active and not reader.limited and not portions.parts
    asked = [store.checkpoints.question(homes[0])] if plain and known is None else []
    until = store.decoded.sweep()
    page = await _newest(store, homes, wanted, given, asked)
    decoder = _decoder(store, hashes, records, until)
    read = Recollection(episodes={key: record.episodes for key, record in records.items()})
    if plain and not any(flags & _ON_OTHERS for flags in {flags_of(raw) for raw, _home, _lock in page.rows}):
        read.rows = page.rows
        if page.answers and page.answers[0]:
            known = await restored(store, tenant, read, page.answers[0], decoder)
    new, kept = overlap(known, read) if known and read.rows else (len(page.rows), 0)
    unknown = _unknown(page, given, new, kept)
    every = await decode(store, hashes, {**records, **given.records}, unknown, given.ownership, until)
    decoded = await seen(store, every, reader)
    entries = [it for it in decoded.entries if not shown.active or shown.passes(it.stored, it.body)]
    conversation = decoded.rendering.conversation
    history = History(
        hashes=hashes,
        homes=homes,
        more=page.more,
        total=page.total - doubled(records),
        entries=Entries([*entries], decoder),
        named=await store.pace.each(tenant, lambda it: conversation(it.stored, it.body), entries),
        stated=await store.pace.each(tenant, _stated, entries),
        briefed=briefed(page.total),
        hidden=len(decoded.entries) - len(entries),
        internal=len(every.entries) - len(decoded.entries),
        unnamed=0 if reader.queues is None else len(candidates_of(store, tenant, customer)),
        rendering=decoded.rendering,
        ownership=decoded.ownership,
        portions=portions,
        apart=separated(hashes, [*customer.component.records.values(), *given.records.values()]),
        has_references=any(it.flags & FLAG_REFERENCE for it in unknown),
        fresh=new,
    )
    await store.pace.run(tenant, _recalling(history, read, known, new, kept))
    history.recollection = None if shown.active or reader.limited else read
    return history


async def _newest(
    store: Store, homes: Sequence[bytes], wanted: ContextSelection, given: Given, asked: Sequence[Command]
) -> RowPage:
    """As many touchpoints as are shown, or a brief is made of. The total includes those that were given."""
    window = Window(limit=max(BRIEF_TOUCHPOINTS + STEP - 1, wanted.limit))
    page = await read_rows(store.connection, store.keys, homes, window, asked)
    total = page.total + len(given.members)
    count = max(briefed(total), wanted.limit)
    more = page.more or len(page.rows) + len(given.members) > count
    return RowPage(rows=page.rows[:count], total=total, more=more, answers=page.answers)


def _unknown(page: RowPage, given: Given, new: int, kept: int) -> Sequence[Member]:
    """The touchpoints that are decoded now: all but `kept` after the `new` ones."""
    if given.members:
        count = max(briefed(page.total), len(page.rows))
        return merged(page.members(), given, Window(limit=count)).members
    return [read_member(*it) for it in (*page.rows[:new], *page.rows[new + kept :])]


def _decoder(
    store: Store, hashes: KeyedHash, records: Mapping[bytes, IdentityRecord], until: float
) -> Callable[[Row], TimelineEntry]:
    """Decodes touchpoints that nobody has looked at yet, none of which was amended."""
    rendering = Rendering(hashes=hashes, records=records, amendments={})
    return lambda row: decode_plain(store, rendering, read_member(*row), until)


def _stated(entry: TimelineEntry) -> Traits:
    """The traits that a touchpoint states of the customer, where they are verified."""
    stated = entry.body.stated_traits
    return (
        stated if stated and entry.body.assurance is Assurance.VERIFIED and not entry.is_reference else None
    )


def _recalling(
    history: History, read: Recollection, known: Recollection | None, new: int, count: int
) -> Steps[None]:
    """Put `count` touchpoints that are known after the `new` ones, and make the conversations."""
    unfolded = read.unkept = len(read.rows) if read.rows else len(history.entries)
    if known and count:
        history.entries = history.entries.spliced(new, known.entries.slots(count) if known.entries else [])
        history.named[new:new] = known.named[:count]
        history.stated[new:new] = known.stated[:count]
        history.kept_items = known.items[:count]
        if count == len(known.rows) == len(read.rows) - new:
            read.conversations, unfolded, read.unkept = known.conversations, new, known.unkept + new
        else:
            unfolded = len(history.entries)
    for at in range(unfolded - 1, -1, -1):  # from the oldest on
        entry = history.entries[at]
        if not (history.has_references and entry.is_reference):
            read.conversations.take(_line(entry, history.named[at][0]))
        if at % AT_ONCE == 0:
            yield
    history.conversations = read.conversations.newest_first()
    read.entries, read.named, read.stated = history.entries, history.named, history.stated
    read.story = known.story if known else None


def _line(entry: TimelineEntry, conversation: bytes) -> ConversationItem:
    stored, body = entry.stored, entry.body
    direction, visibility, _assurance = body.stated
    # Positional, in field order: there may be a thousand, and keywords cost more than the rest of the call.
    return ConversationItem(
        conversation,
        stored.home,
        channel_name(stored, body),
        stored.type,
        direction,
        stored.occurred_at,
        body.subject,
        body.thread,
        visibility,
        actor_type(body.actor) == "bot",
    )


async def conversations_of(
    store: Store, tenant: str, customer: Customer, reader: Reader = EVERYTHING
) -> list[Conversation]:
    """The customer's conversations within the age limit of a brief, most recently active first."""
    return (await read_history(store, tenant, customer, ContextSelection(reader=reader))).conversations
