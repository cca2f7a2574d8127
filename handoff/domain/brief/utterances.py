"""The words of a touchpoint for the rules of promises and complaints."""

from __future__ import annotations

from collections.abc import Iterable
from zoneinfo import ZoneInfo

from handoff.domain.said import Candidate, Utterance, candidates
from handoff.domain.said.candidate import SpokenBy
from handoff.domain.said.zones import customer_zone

from .packs import tokens_of
from .rules import BriefRules, SourceRules
from .shapes import TimelineItem
from .signals import SENT, Speaker
from .signals.extract import MAX_OURS
from .signals.speaker import marked, speaker_of

_NOTES = frozenset({"note.added"})
_THEIRS = frozenset({"message.received", "email.received", "form.submitted", "message.edited"})
_SPOKEN_BY: dict[Speaker, SpokenBy] = {Speaker.PERSON: "person", Speaker.BOT: "bot"}
_NO_SOURCE = SourceRules()
_PHONE = "phone:"


def candidates_in(
    item: TimelineItem,
    rules: BriefRules,
    zone: ZoneInfo,
    *,
    language: str | None = None,
    matter: str | None = None,
) -> list[Candidate]:
    """The candidates in one touchpoint: promises in what we sent or noted, complaints in what they wrote.

    `language` is the conversation's, `matter` the reference of what it is about.
    """
    ours = item.type in SENT or item.type in _NOTES
    if not item.text or item.deleted or not (ours or _theirs(item)):
        return []
    return candidates(
        Utterance(
            touchpoint=item.id,
            home=item.identity,
            text=item.text,
            at=item.occurred_at,
            ours=ours,
            note=item.type in _NOTES,
            speaker=speaker_in(item, rules) if ours else "person",
            speaker_name=item.name,
            identity=item.identity or None,
            matter=matter,
            language=item.language[:2].lower() if item.language else language,
        ),
        zone,
        rules.speech(),
    )


def _theirs(item: TimelineItem) -> bool:
    return (
        item.type in _THEIRS
        and item.direction == "inbound"
        and item.visibility == "public"
        and not marked(item.data)
    )


def speaker_in(item: TimelineItem, rules: BriefRules) -> SpokenBy:
    """The kind of speaker of ours in a touchpoint."""
    source = rules.sources.get(item.source, _NO_SOURCE)
    speaker = speaker_of(item, rules.packs, source.outbound, tokens_of((item.text or "")[:MAX_OURS]))
    return _SPOKEN_BY.get(speaker, "unknown")


def zone_of(items: Iterable[TimelineItem], rules: BriefRules) -> ZoneInfo:
    """The zone of the customer of these touchpoints, given newest first."""
    known = list(items)
    numbers = (it.identity[len(_PHONE) :] for it in known if it.identity.startswith(_PHONE))
    return customer_zone((it.traits for it in known if it.traits), dict.fromkeys(numbers), rules.time_zone)
