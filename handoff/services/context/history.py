"""A customer's touchpoints as a context needs them: the newest, decoded, with their conversations.

A context leaves a `Recollection` in the store's `histories` for a minute. The next context of the customer
decodes only new touchpoints, provided that the earlier ones are unchanged, byte for byte.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence

from msgspec import Struct, field

from handoff.codec.data_key import DataKey
from handoff.codec.keyed_hash import KeyedHash
from handoff.codec.member import FLAG_AMENDED, FLAG_REFERENCE, Member, channel_name
from handoff.domain.brief import StoryState, TimelineItem
from handoff.domain.clock import DAY, Micros
from handoff.domain.conversation import Conversation, ConversationFold, ConversationItem
from handoff.domain.identities.sharing import Ownership
from handoff.services.access.reader import EVERYTHING, Reader
from handoff.services.customers.customer import Customer, candidates_of
from handoff.services.customers.portions import Portions, read_portions
from handoff.services.timeline.reading import Filter, TimelineEntry, decode, merged
from handoff.services.timeline.seeing import seen
from handoff.services.timeline.views import Rendering
from handoff.store.reads import Reads
from handoff.store.repositories.identities import IdentityRecord, doubled
from handoff.store.repositories.timelines import Window, read_page
from handoff.store.store import Store

from .items import actor_type, timeline_item
from .views import ContextSelection, SharedIdentityView

BRIEF_TOUCHPOINTS = 1_000
BRIEF_AGE: Micros = 90 * DAY
TOUCHPOINT_BYTES = 2_800  # of memory that a touchpoint's objects take beside its text, as measured
_ON_OTHERS = FLAG_AMENDED | FLAG_REFERENCE  # a touchpoint that is shown by more than its own entry

Named = tuple[bytes, str]
"""A conversation and its public id."""
Episodes = dict[bytes, tuple[tuple[bytes, str], ...]]


class Recollection(Struct, kw_only=True, eq=False):
    """The results of an earlier read of a customer, newest first.

    It has one owner at a time, because `conversations` and `story` are extended in place.
    """

    episodes: Episodes
    locks: Mapping[bytes, DataKey | None] = {}
    """The data keys of the homes: what another key opened is not reused."""
    raws: list[bytes] = field(default_factory=list)
    """Empty where touchpoints depend on other entries than their own: then only `story` is reused."""
    members: dict[bytes, Member] = field(default_factory=dict)
    entries: list[TimelineEntry] = field(default_factory=list)
    named: list[Named] = field(default_factory=list)
    conversations: ConversationFold = field(default_factory=ConversationFold)
    items: list[TimelineItem] = field(default_factory=list)
    """Of the first entries: those that a brief was made of."""
    story: StoryState | None = None

    @property
    def size(self) -> int:
        """An estimate of the bytes that it occupies."""
        content = sum([len(it.stored.raw) + len(it.body.text or "") for it in self.entries])
        return TOUCHPOINT_BYTES * len(self.entries) + content


class History(Struct, kw_only=True, eq=False):
    """Everything read of a customer for one context, newest first."""

    hashes: KeyedHash
    homes: list[bytes]
    more: bool
    """Whether there are older touchpoints."""
    total: int
    entries: list[TimelineEntry]
    named: list[Named]
    """The conversation of each entry."""
    hidden: int
    internal: int
    """Touchpoints that this reader may not see."""
    unnamed: int
    """Candidates that this reader does not see: they may be customers of other queues."""
    rendering: Rendering
    ownership: Mapping[bytes, Ownership]
    portions: Portions
    shared: Sequence[SharedIdentityView] = ()
    """The shared identities near the customer, as the context shows them."""
    conversations: list[Conversation] = field(default_factory=list)
    has_references: bool = False
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

    def items(self, now: Micros) -> list[TimelineItem]:
        """The touchpoints that a brief is made of, oldest first."""
        opened, since = self.open_since, now - BRIEF_AGE
        if opened is not None:
            since = min(since, opened)
        count = bisect_right(self.entries, -since, hi=min(BRIEF_TOUCHPOINTS, len(self.entries)), key=_age)
        fresh = min(self.fresh, count)
        kept = self.kept_items[: count - fresh]
        made = self._made(0, fresh) + kept + self._made(fresh + len(kept), count)
        if self.recollection:
            self.recollection.items = made
        return made[::-1]

    def _made(self, first: int, end: int) -> list[TimelineItem]:
        # A touchpoint that the customer only took part in shows neither what they tried nor what they want.
        rendering = self.rendering
        return [
            timeline_item(rendering, entry, name[1])
            for entry, name in zip(self.entries[first:end], self.named[first:end], strict=True)
            if not (self.has_references and entry.is_reference)
        ]


def _age(entry: TimelineEntry) -> Micros:
    return -entry.stored.occurred_at


async def read_history(
    store: Store,
    tenant: str,
    customer: Customer,
    wanted: ContextSelection,
    known: Recollection | None = None,
    reads: Reads | None = None,
) -> History:
    """A customer's newest touchpoints. One round trip, two more each for amended ones and for references."""
    hashes = store.hashes(tenant)
    records = {record.key: record for record in customer.members}
    window = Window(limit=max(BRIEF_TOUCHPOINTS, wanted.limit))
    portions = await read_portions(store, tenant, customer, reads)
    given = portions.given
    own = await read_page(store.connection, store.keys, list(records), window, known.members if known else {})
    page = merged(own, given, window)
    shown, reader = Filter(min_assurance=wanted.min_assurance), wanted.reader
    flags = 0
    for member in page.members:
        flags |= member.flags
    read = _of_records(records)
    if not shown.active and not reader.limited and not flags & _ON_OTHERS and not portions.parts:
        read.raws = [it.raw for it in page.members]
        read.members = dict(zip(read.raws, page.members, strict=True))
    new, count = _overlap(known, read) if known and read.raws else (len(page.members), 0)
    unknown = (*page.members[:new], *page.members[new + count :])
    every = await decode(store, hashes, {**records, **given.records}, unknown, given.ownership)
    decoded = await seen(store, every, reader)
    entries = decoded.entries
    if shown.active:
        entries = [it for it in entries if shown.passes(it.stored, it.body)]
    history = History(
        hashes=hashes,
        homes=list(records),
        more=page.more,
        total=page.total - doubled(records),
        entries=entries,
        named=[decoded.rendering.conversation(it.stored, it.body) for it in entries],
        hidden=len(decoded.entries) - len(entries),
        internal=len(every.entries) - len(decoded.entries),
        unnamed=0 if reader.queues is None else len(candidates_of(store, tenant, customer)),
        rendering=decoded.rendering,
        ownership=decoded.ownership,
        portions=portions,
        has_references=bool(flags & FLAG_REFERENCE),
        fresh=new,
    )
    _recall(history, read, known, new, count)
    history.recollection = None if shown.active or reader.limited else read
    return history


def _of_records(records: Mapping[bytes, IdentityRecord]) -> Recollection:
    return Recollection(
        episodes={key: record.episodes for key, record in records.items()},
        locks={key: record.lock for key, record in records.items()},
    )


def _recall(history: History, read: Recollection, known: Recollection | None, new: int, count: int) -> None:
    """Put `count` touchpoints that are known after the `new` ones, and make the conversations."""
    unfolded = len(history.entries)
    if known and count:
        history.entries[new:new] = known.entries[:count]
        history.named[new:new] = known.named[:count]
        history.kept_items = known.items[:count]
        if count == len(known.raws) == len(read.raws) - new:
            read.conversations, unfolded = known.conversations, new
        else:
            unfolded = len(history.entries)
    for at in range(unfolded - 1, -1, -1):  # from the oldest on
        entry = history.entries[at]
        if not (history.has_references and entry.is_reference):
            read.conversations.take(_line(entry, history.named[at][0]))
    history.conversations = read.conversations.newest_first()
    read.entries, read.named = history.entries, history.named
    read.story = known.story if known else None


def _overlap(known: Recollection, read: Recollection) -> tuple[int, int]:
    """How many touchpoints are newer than those known, and how many of the known ones follow unchanged."""
    same = known.episodes == read.episodes and known.locks == read.locks
    if same and known.raws and known.raws[0] in read.members:
        new = read.raws.index(known.raws[0])
        count = min(len(read.raws) - new, len(known.raws))
        if read.raws[new : new + count] == known.raws[:count]:
            return new, count
    return len(read.raws), 0


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
