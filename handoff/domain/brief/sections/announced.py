"""Transfers, call backs, and mails that our side announced, and whether they followed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Literal

from msgspec import Struct

from handoff.domain.clock import DAY, SECOND, Micros, format_time
from handoff.domain.said.announcing import KINDS, AnnouncedKind, announcements, may_announce
from handoff.domain.said.candidate import SpokenBy

from ..lines import SHORT, clock, line, quote, stated_time, word
from ..rules import BriefRules, FollowRule
from ..shapes import BriefLine, TimelineItem
from ..signals import SENT, Acts, Speaker, automatic
from ..story import Story, assignee
from ..utterances import speaker_in

CLOCKS_DIFFER: Micros = 5 * SECOND  # between a vendor's clock and ours
RECENT: Micros = 7 * DAY
READ = 200  # touchpoints that are looked through, the newest
NOTES = frozenset({"note.added"})
ANNOUNCING = SENT | NOTES
"""Types of touchpoints whose words may announce something."""
BY_POLICY = "announcement:"
"""Begins the name of who requested a handoff because an announcement was not followed."""
DISMISSED_TYPE = "announcement.dismissed"
_DISMISSING = frozenset({DISMISSED_TYPE})
_HANDOFFS = frozenset({"handoff.requested", "handoff.offered"})
_ENDED = frozenset(
    f"handoff.{it}"
    for it in (*("accepted", "declined", "expired", "released"), *("transferred", "completed"))
) | {"handoff.withdrawn", "handoff.failed"}
_CALL_OPENS = frozenset(f"callback.{it}" for it in ("requested", "scheduled", "rescheduled"))
_CALL_ENDS = frozenset(f"callback.{it}" for it in ("completed", "cancelled", "given_up"))
_CALLS = frozenset({"call.started", "call.ended"})
_NOUNS = {"transfer": "a transfer", "callback": "a call back", "mail": "a mail"}


class Announced(Struct, frozen=True, kw_only=True):
    """An announcement in a touchpoint of ours. `done`: it states that the mail was sent already."""

    item: TimelineItem
    kind: AnnouncedKind
    sentence: str
    speaker: SpokenBy
    due: Micros
    done: bool = False

    @property
    def id(self) -> str:
        """The touchpoint's id and the kind: a touchpoint announces one thing of each kind."""
        return f"{self.item.id}.{self.kind}"


class FollowUp(Struct, frozen=True, kw_only=True):
    """The end of an announcement: it was `followed` by a touchpoint, or is `void` because of one."""

    state: Literal["followed", "void"]
    by: TimelineItem
    at: Micros


def announced_in(item: TimelineItem, rules: BriefRules, tenant: str) -> Sequence[Announced]:
    """The announcements in a touchpoint."""
    if not item.text or item.deleted or item.type not in ANNOUNCING:
        return ()
    if item.direction == "inbound" or automatic(item.data):
        return ()
    if not may_announce(item.text, rules.packs.announcing):
        return ()
    language = item.language[:2].lower() if item.language else None
    found = announcements(item.text, rules.packs.grammars, language=language, note=item.type in NOTES)
    speaker, rule_of = speaker_in(item, rules) if found else "unknown", rules.follow_rules(tenant)
    return [
        Announced(
            item=item,
            kind=it.kind,
            sentence=it.sentence,
            speaker=speaker,
            due=item.occurred_at + max(rule_of[it.kind].within, it.within or 0),
            done=it.done,
        )
        for it in found
    ]


def announced_of(story: Story, item: TimelineItem) -> Sequence[Announced]:
    """The same, computed once where that is allowed."""
    make = partial(announced_in, item, story.rules, story.tenant)
    found: Sequence[Announced] = item.once(("announced", story.tenant), make)
    return found


def not_followed(story: Story) -> list[BriefLine]:
    """The newest announcement of each kind, if its time has passed and nothing followed."""
    newest: dict[AnnouncedKind, Announced] = {}
    for item in _newest_first(story):
        for one in announced_of(story, item):
            newest.setdefault(one.kind, one)
        if len(newest) == len(KINDS):
            break
    found = [newest[it] for it in KINDS if it in newest]
    rules = story.rules.follow_rules(story.tenant)
    return [_line(it) for it in found if it.due <= story.now and follow_up(story, it, rules[it.kind]) is None]


def _newest_first(story: Story) -> Iterator[TimelineItem]:
    for item in reversed(story.items[-READ:]):
        if item.visibility != "public" and not story.internal:
            continue
        if story.now - item.occurred_at <= RECENT and not story.settled(item):
            yield item


def _line(made: Announced) -> BriefLine:
    item, at = made.item, made.item.occurred_at
    who = quote(item.name, 60) or ("A bot" if made.speaker == "bot" else "An agent")
    params = {
        "who": who,
        "at": format_time(at),
        "words": quote(made.sentence, SHORT),
        "announcement": made.id,
    }
    text = f"{who} announced {_NOUNS[made.kind]} at {clock(at)}, none followed"
    if made.kind == "transfer":
        return line("transfer_not_followed", params, [item], text)
    if made.kind == "callback":
        return line("callback_not_followed", params, [item], text)
    return line("mail_not_followed", params, [item], text)


# --- What follows ---


def follow_up(story: Story, made: Announced, rule: FollowRule) -> FollowUp | None:
    """The first touchpoint by which an announcement came true, in time or late, or is void; None if there
    is none."""
    at, until = made.item.occurred_at, made.due + rule.late
    before = rule.before if made.kind != "mail" or made.done else CLOCKS_DIFFER
    for item in story.of(_DISMISSING):
        if word(item.data.get("announcement")) == made.id:
            return FollowUp(state="void", by=item, at=item.occurred_at)
    standing = _standing_before(story, made)
    if standing is not None:
        return FollowUp(state="followed", by=standing, at=at)
    pending = story.pending if made.kind == "transfer" else None
    if pending is not None and pending.requested_at <= until and not pending.by.startswith(BY_POLICY):
        return FollowUp(state="followed", by=made.item, at=max(pending.requested_at, at))
    for item in story.items:
        if at - before <= item.occurred_at <= until and item.id != made.item.id:
            if _withdrawn(story, item, made):
                return FollowUp(state="void", by=item, at=item.occurred_at)
            if _follows(story, item, made, rule):
                return FollowUp(state="followed", by=item, at=max(item.occurred_at, at))
    return None


def _standing_before(story: Story, made: Announced) -> TimelineItem | None:
    """A handoff that was pending when a transfer was announced, a call back that was registered already."""
    at, found = made.item.occurred_at, dict[str, TimelineItem]()
    if made.kind == "mail":
        return None
    opening, ending = (_HANDOFFS, _ENDED) if made.kind == "transfer" else (_CALL_OPENS, _CALL_ENDS)
    name = "handoff" if made.kind == "transfer" else "callback"
    for item in story.of(opening | ending):
        if item.occurred_at > at:
            break
        key = word(item.data.get(name))
        if item.type in opening:
            found[key] = item
        else:
            found.pop(key, None)
    return next(reversed(found.values()), None)


def _withdrawn(story: Story, item: TimelineItem, made: Announced) -> bool:
    """The customer has no need of it any more, or the words are a promise with a time of its own."""
    if item.type == "promise.made" and word(item.data.get("touchpoint")) == made.item.id:
        return made.kind != "transfer" and stated_time(item.data.get("due")) is not None
    signal = story.signals.get(item.id)
    withdraws = signal is not None and bool(signal.acts & Acts.WITHDRAW) and not signal.claimed
    return (
        withdraws and item.conversation == made.item.conversation and item.occurred_at > made.item.occurred_at
    )


def _follows(story: Story, item: TimelineItem, made: Announced, rule: FollowRule) -> bool:
    if item.type == "event.tracked":
        return word(item.data.get("name")).casefold() in rule.events and _moves(item, made)
    if item.type == "handoff.requested" and (item.name or "").startswith(BY_POLICY):
        return False
    if item.type in rule.types:
        return item.type not in _CALLS or _new_call(item, made)
    if made.kind == "mail":
        return False
    if made.kind == "callback":
        return _registers(item, made) or _talks(story, item, made)
    return _talks(story, item, made) or _another_person(story, item, made)


def _moves(item: TimelineItem, made: Announced) -> bool:
    """False for an assignment to nobody, or to the one who announces a transfer."""
    if item.data.get("name") != "conversation.assigned" or made.kind != "transfer":
        return True
    who = assignee(item)
    return bool(who) and who != made.item.name


def _started(item: TimelineItem) -> Micros:
    seconds = item.data.get("duration_s", item.data.get("duration"))
    known = isinstance(seconds, int | float) and not isinstance(seconds, bool) and seconds > 0
    return item.occurred_at - (round(seconds * SECOND) if known and seconds is not None else 0)


def _new_call(item: TimelineItem, made: Announced) -> bool:
    """A call of ours that began after the words: not the one in which they were spoken."""
    return item.direction == "outbound" and _started(item) >= made.item.occurred_at - CLOCKS_DIFFER


def _registers(item: TimelineItem, made: Announced) -> bool:
    if item.type == "promise.made":
        return word(item.data.get("act")) == "call" and word(item.data.get("touchpoint")) != made.item.id
    to = item.data.get("to")
    return item.type == "handoff.requested" and isinstance(to, dict) and to.get("channel") == "phone"


def _talks(story: Story, item: TimelineItem, made: Announced) -> bool:
    signal = story.signals.get(item.id)
    talked = signal is not None and bool(signal.acts & Acts.TALK)
    return talked and _started(item) >= made.item.occurred_at - CLOCKS_DIFFER


def _another_person(story: Story, item: TimelineItem, made: Announced) -> bool:
    """A message of a person of ours, other than the one who announced it, by their names."""
    signal = story.signals.get(item.id)
    if signal is None or signal.speaker is not Speaker.PERSON or item.occurred_at <= made.item.occurred_at:
        return False
    named = bool(item.name and made.item.name)
    if named or made.speaker == "bot":
        return bool(signal.acts & (Acts.ANSWER | Acts.HOLD)) and item.name != made.item.name
    return bool(signal.acts & Acts.ANSWER)
