"""From a touchpoint to its signal. Pure: the same touchpoint and packs give the same signal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from handoff.domain.said.closing import Closing, closing_of

from ..lines import same, word
from ..packs.pack import Pack, Packs, covered, mentions
from ..packs.tokens import has_digit, tokens_of
from ..rules import BriefRules, SourceRules
from ..shapes import TimelineItem
from .manner import manner_of, still_pending
from .references import references_of
from .signal import NOTHING, Acts, NamedReference, Signal, Speaker
from .speaker import marked, speaker_of

MAX_OURS = 400  # characters of our messages in which a machine may say that it is one
MAX_GOODBYE = 9  # words of a message that is only a goodbye
MAX_TOKENS = 12  # of a goodbye, a nudge, a "one moment": anything longer has content
COVERED = 0.8  # of its tokens are phrases, fillers and names
DENIED_BEFORE = 3  # tokens before an announcement in which it may be denied
MAX_SCORE = 2  # tokens of a score: 10/10
TALK_S = 20  # seconds from which on a call was a talk

_SPOKEN = frozenset({"message.received", "email.received", "message.edited"})
_FORMS = frozenset({"form.submitted"})
_STEPS = frozenset({"article.viewed", "search.performed", "page.viewed"})
_ASKS = frozenset({"callback.requested", "form.failed", "complaint.opened"})
_MISSED = frozenset({"noanswer", "busy", "failed", "canceled", "cancelled", "abandoned", "missed"})
SENT = frozenset({"message.sent", "email.sent"})
_ATTEMPTS = frozenset({"callback.attempted", "callback.missed"})
_NO_SOURCE = SourceRules()


MOVING = (
    _SPOKEN
    | _FORMS
    | _STEPS
    | _ASKS
    | SENT
    | _ATTEMPTS
    | {"call.ended", "callback.completed", "conversation.resolved", "handoff.completed", "note.added"}
)
"""Types that may move a matter."""
_ABOUT = Acts.ASK | Acts.ANSWER | Acts.TALK | Acts.HOLD | Acts.WITHDRAW
"""Acts that may name what they are about."""


def extract(
    item: TimelineItem, rules: BriefRules, language: str | None, names: frozenset[str]
) -> Signal | None:
    """The signal of a touchpoint, None where it moves no matter.

    `language` is the conversation's, `names` are words of names of the people in it.
    """
    if item.type not in MOVING:
        return None
    source = rules.sources.get(item.source, _NO_SOURCE)
    tokens = tokens_of(item.text[:MAX_OURS]) if item.text and item.type in SENT else ()
    speaker = speaker_of(item, rules.packs, source.outbound, tokens)
    acts = _acts(item, rules.packs, source, speaker, language, names, tokens)
    if not acts:
        return None
    references = references_of(item, rules.packs) if acts & _ABOUT else ()
    if item.text and speaker is Speaker.CUSTOMER and acts & Acts.ASK:
        acts |= manner_of(item.text, rules.packs, item.language or language)
        if references:
            acts |= _correction(item.text, rules.packs, item.language or language)
            if any(it.label in rules.packs.case_words for it in references):
                acts |= Acts.CASED
    return signal_of(item, speaker, acts, references)


def signal_of(
    item: TimelineItem, speaker: Speaker, acts: int, references: tuple[NamedReference, ...]
) -> Signal:
    """The signal of a touchpoint by what was found in it."""
    data = item.data
    return Signal(
        item.id,
        item.occurred_at,
        item.recorded_at,
        item.conversation,
        speaker,
        acts,
        item.visibility == "public",
        item.assurance != "verified",
        references,
        same(item.text) if item.text and acts & Acts.ASK else "",
        word(data.get("callback")) if data else "",
        word(data.get("handoff")) if data else "",
        item.language or "",
        item.name or "",
        item.late,
        bool(data) and data.get("dmarc") == "fail",
        item.identity,
    )


def _acts(
    item: TimelineItem,
    packs: Packs,
    source: SourceRules,
    speaker: Speaker,
    language: str | None,
    names: frozenset[str],
    tokens: Sequence[str],
) -> int:
    type_ = item.type
    if type_ in _SPOKEN or (type_ == "call.ended" and item.direction == "inbound"):
        if type_ == "call.ended":
            return _call(item)
        if item.visibility != "public" or item.direction != "inbound" or type_ == "message.edited":
            return NOTHING
        return Acts.MACHINE if marked(item.data) else _customer(item, packs, language, names)
    if type_ == "note.added":
        return still_pending(item.text or "", packs, language) if item.direction != "inbound" else NOTHING
    if type_ in SENT:
        return _ours(item, packs, speaker, language, names, tokens)
    if type_ in _STEPS:
        return Acts.STEP
    if type_ in _FORMS:
        form = same(word(item.data.get("form")) or word(item.data.get("name")))
        return Acts.STEP if form in source.no_answer_forms else Acts.ASK | Acts.FORM
    if type_ in _ASKS and item.direction == "inbound" and item.visibility == "public":
        return Acts.ASK | Acts.TRIED if type_ == "form.failed" else Acts.ASK
    if type_ == "call.ended":
        return _call(item)
    if type_ == "callback.completed":
        return Acts.TALK | Acts.RESOLVE if talked(item, unknown=True) else Acts.ATTEMPT
    if type_ in _ATTEMPTS:
        return Acts.ATTEMPT
    if type_ == "conversation.resolved" or (type_ == "handoff.completed" and _completed(item.data)):
        return Acts.RESOLVE
    return NOTHING


def _completed(data: Mapping[str, object]) -> bool:
    return data.get("state", "completed") == "completed"


def _call(item: TimelineItem) -> int:
    """A call's end: a talk, or, where the customer called in vain, an ask."""
    if talked(item, unknown=False):
        return Acts.TALK
    missed = same(word(item.data.get("status"))) in _MISSED
    return Acts.ASK | Acts.TRIED if missed and item.direction == "inbound" else NOTHING


def talked(item: TimelineItem, *, unknown: bool) -> bool:
    """Whether two people spoke; `unknown` where the duration is unknown."""
    data = item.data
    if word(data.get("reason")) == "voicemail" or word(data.get("answered_by")).startswith(
        ("machine", "fax")
    ):
        return False
    seconds = data.get("duration_s", data.get("duration"))
    if isinstance(seconds, int | float) and not isinstance(seconds, bool):
        return seconds >= TALK_S
    return unknown


def _customer(item: TimelineItem, packs: Packs, language: str | None, names: frozenset[str]) -> int:
    text = item.text
    if not text:
        return Acts.ASK if item.attachments or item.subject else NOTHING
    if item.attachments:
        return Acts.ASK
    if len(text) > 120 or text.count(" ") >= 2 * MAX_TOKENS:
        return _ending(text, packs, item.language or language) or Acts.ASK
    tokens = tokens_of(text)
    if not tokens:
        return Acts.NUDGE  # "?", "..."
    act = None
    if len(tokens) <= MAX_TOKENS:
        act = _short(text, tokens, packs, item.language or language, names)
        scores = len(tokens) <= MAX_SCORE and all(it.isdigit() and len(it) < 3 for it in tokens)
        if scores:
            return act or Acts.ASK | Acts.SCORE
    if act in {Acts.WITHDRAW, Acts.CLOSE} and _ending(text, packs, item.language or language) == Acts.ASK:
        return Acts.ASK  # "I thought that was sorted"
    return act or _ending(text, packs, item.language or language) or Acts.ASK


def _ending(text: str, packs: Packs, language: str | None) -> int | None:
    """The act of a message with words that end a conversation, None for any other."""
    ending = closing_of(text, packs.grammars, language[:2].lower() if language else None)
    if ending is None or (ending == "goodbye" and (has_digit(text) or len(text.split()) > MAX_GOODBYE)):
        return None  # a longer message still wants something
    return _ENDINGS[ending]


_ENDINGS: dict[Closing, int] = {"settled": Acts.WITHDRAW, "goodbye": Acts.CLOSE, "open": Acts.ASK}


def _short(
    text: str, tokens: list[str], packs: Packs, language: str | None, names: frozenset[str]
) -> int | None:
    """The act of a short customer text, None for an ask."""
    if packs.short_words.isdisjoint(tokens) or has_digit(text):
        return None
    question = "?" in text or "？" in text or "؟" in text
    read_with: tuple[Pack, ...] = ()
    for act, name in _SHORT_ACTS:
        if (question and act != Acts.NUDGE) or packs.first_words[name].isdisjoint(tokens):
            continue
        read_with = read_with or _read_with(packs, language, tokens)
        anywhere = _begins(packs.und, name, tokens)
        for pack in read_with:
            if (anywhere or _begins(pack, name, tokens)) and _is_phrase(tokens, name, pack, packs.und, names):
                return act
    return None


_SHORT_ACTS = (
    (Acts.WITHDRAW, "withdraw"),
    (Acts.CLOSE, "close"),
    (Acts.NUDGE, "nudge"),
    (Acts.HOLD, "hold"),
)


def _read_with(packs: Packs, language: str | None, tokens: Sequence[str]) -> tuple[Pack, ...]:
    """The language of a short text is hard to guess: where the chosen pack has no match, all are tried."""
    chosen = packs.chosen(language, tokens)
    return (*chosen, *(it for it in packs.every if it not in chosen))


def _begins(pack: Pack, act: str, tokens: list[str]) -> bool:
    """Whether a token begins a phrase of an act."""
    table = pack.phrases.get(act)
    return table is not None and not table.keys().isdisjoint(tokens)


def _is_phrase(tokens: list[str], act: str, pack: Pack, und: Pack, names: frozenset[str]) -> bool:
    """Whether a short text is a phrase of an act and hardly anything else, and asks for nothing."""
    tables = [
        table for it in (pack, und) if (table := it.phrases.get(act)) and not table.keys().isdisjoint(tokens)
    ]
    matched: set[int] = set().union(*(covered(tokens, table) for table in tables)) if tables else set()
    if not matched:
        return False
    other = {
        at
        for at, token in enumerate(tokens)
        if token in pack.fillers or token in und.fillers or token in names
    }
    if act != "nudge" and "close" in pack.phrases:
        for table in (pack.phrases["close"], und.phrases.get("close", {})):
            other |= covered(tokens, table)
    if len(matched | other) < COVERED * len(tokens):
        return False
    request = pack.phrases.get("request")
    return act == "nudge" or not request or not (covered(tokens, request) - matched)


def _correction(text: str, packs: Packs, language: str | None) -> int:
    if len(text) > 200:
        return NOTHING
    tokens = tokens_of(text)
    if len(tokens) > 2 * MAX_TOKENS or packs.first_words["correct"].isdisjoint(tokens):
        return NOTHING
    for pack in _read_with(packs, language, tokens):
        if "correct" in pack.phrases and mentions(tokens, pack.phrases["correct"]):
            return Acts.CORRECT
    return NOTHING


def _ours(
    item: TimelineItem,
    packs: Packs,
    speaker: Speaker,
    language: str | None,
    names: frozenset[str],
    tokens: Sequence[str],
) -> int:
    """The act of a message of ours; `tokens` are those of its beginning."""
    if item.visibility != "public":
        return NOTHING
    if speaker is Speaker.BOT:
        return Acts.MACHINE
    if speaker is not Speaker.PERSON or not (item.text or item.attachments):
        return NOTHING
    if not item.text or len(item.text) > 200:
        return Acts.ANSWER
    if len(tokens) <= 2 * MAX_TOKENS and not packs.first_words["transfer"].isdisjoint(tokens):
        for pack in _read_with(packs, item.language or language, tokens):
            if _announces(tokens, pack):
                return Acts.HOLD
    if packs.first_words["hold"].isdisjoint(tokens):
        return Acts.ANSWER
    if len(tokens) <= MAX_TOKENS and "?" not in item.text and not has_digit(item.text):
        for pack in _read_with(packs, item.language or language, tokens):
            if _holds(tokens, pack, packs.und, names):
                return Acts.HOLD
    return Acts.ANSWER


def _announces(tokens: Sequence[str], pack: Pack) -> bool:
    """Whether a transfer is announced; "I cannot transfer you" is an answer."""
    table, denied = pack.phrases.get("transfer", {}), pack.phrases.get("deny", {})
    places = covered(tokens, table)
    starts = [at for at in places if at - 1 not in places]
    return any(not mentions(tokens[max(at - DENIED_BEFORE, 0) : at], denied) for at in starts)


def _holds(tokens: Sequence[str], pack: Pack, und: Pack, names: frozenset[str]) -> bool:
    table = pack.phrases.get("hold")
    matched = covered(tokens, table) if table else set()
    other = {at for at, it in enumerate(tokens) if it in pack.fillers or it in und.fillers or it in names}
    return bool(matched) and len(matched | other) >= COVERED * len(tokens)
