"""The results of a look at a customer, as the next look in the same worker finds them."""

from __future__ import annotations

from typing import Any

from msgspec import Struct, field

from handoff.codec.member import PLACE
from handoff.domain.brief import StoryState, TimelineItem
from handoff.domain.conversation import ConversationFold
from handoff.services.timeline.entries import Entries
from handoff.store.repositories.timelines import Row

TOUCHPOINT_BYTES = 2_800  # of memory that a touchpoint's objects take beside its text, as measured

Named = tuple[bytes, str]
"""A conversation and its public id."""
Traits = dict[str, Any] | None
Episodes = dict[bytes, tuple[tuple[bytes, str], ...]]
"""Where the episodes of each home ended, and on which channel."""


class Recollection(Struct, kw_only=True, eq=False):
    """The results of an earlier read of a customer, newest first.

    It has one owner at a time, because `conversations` and `story` are extended in place.
    """

    episodes: Episodes
    rows: list[Row] = field(default_factory=list)
    """Empty where touchpoints depend on other entries than their own: then only `story` is reused."""
    entries: Entries | None = None
    named: list[Named] = field(default_factory=list)
    """The conversation of each entry."""
    stated: list[Traits] = field(default_factory=list)
    """The verified traits that each entry states."""
    conversations: ConversationFold = field(default_factory=ConversationFold)
    items: list[TimelineItem] = field(default_factory=list)
    """Of the first entries: those that a brief was made of."""
    story: StoryState | None = None
    unkept: int = 0
    """How many touchpoints no checkpoint has."""

    @property
    def size(self) -> int:
        """An estimate of the bytes that it occupies."""
        content = sum([len(raw) for raw, _home, _lock in self.rows]) + sum(
            [len(it.text or "") for it in self.items]
        )
        return TOUCHPOINT_BYTES * max(len(self.rows), len(self.items)) + content


def overlap(known: Recollection, read: Recollection) -> tuple[int, int]:
    """How many touchpoints are newer than those known, and how many of the known ones follow unchanged."""
    if known.rows and known.rows[0] in read.rows:
        new = read.rows.index(known.rows[0])
        count = min(len(read.rows) - new, len(known.rows))
        newest = known.rows[0][0][:PLACE]
        same = read.rows[new : new + count] == known.rows[:count]
        if same and episodes_until(known.episodes, newest) == episodes_until(read.episodes, newest):
            return new, count
    return len(read.rows), 0


def episodes_until(episodes: Episodes, place: bytes) -> Episodes:
    """The ends that decide on the conversations of touchpoints up to a place."""
    return {home: tuple([it for it in ends if it[0] < place]) for home, ends in episodes.items()}
