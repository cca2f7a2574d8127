"""Transcripts: mails that repeat the messages of a chat, with the speakers and times.

A transcript asks and promises nothing new. A mail whose author adds words of their own is an
email like any other.
"""

from __future__ import annotations

import re
from collections.abc import Sequence, Set
from itertools import islice

from msgspec import Struct, field

from handoff.domain.clock import DAY, Micros

from ..lines import same
from ..packs.tokens import has_digit, tokens_of
from ..shapes import TimelineItem

WITHIN: Micros = DAY  # between a message and the mail that repeats it
MAX_READ = 50_000  # characters of the mail
MAX_SPOKEN = 300  # messages that are looked for, the newest
MIN_SPOKEN = 2  # messages of one conversation in a transcript
MIN_SHARE = 0.6  # of the conversation's messages
MIN_KEY = 2  # letters and digits of a message that is looked for
MIN_LONGEST = 12  # letters and digits of the longest message found: "yes" and "ok" are everywhere
MIN_TIMES = 2  # lines with a time of day
OWN_WORDS = {"inbound": 3, "outbound": 8}
"""Words beside the messages that a transcript may have, by direction."""
NAMED_OWN_WORDS = 40  # where a program wrote the mail, or its subject names it a transcript

MAX_LABEL_WORDS = 8  # different words in all labels: the names of the speakers
MAX_SPEAKER = 3  # words beside the time in a line of its own above a message
MAX_SEPARATORS = 6  # of one line, each of which may end its label

_MAIL = frozenset({"email.received", "email.sent", "email.auto_replied"})
_CHAT = frozenset({"message.received", "message.sent"})
_TIME = re.compile(r"\b\d{1,2}[:.]\d{2}\b", re.ASCII)
_SEPARATOR = re.compile(r"[:\])>|]\s|\s[-–—]\s|(?<=[:.]\d\d)\s")
_LINK = re.compile(r"https?://\S+")
_NAMES_IT = re.compile(
    r"transcript|transkri[bp]|chatverlauf|gesprächsverlauf|protokoll|keskustelu|chattlogg|chatthistorik|"
    r"historique|conversation|transcripci|conversaci",
    re.IGNORECASE,
)
_GREETING = re.compile(r"(?:\S+\s+){0,2}\S+,")
_LABELS = frozenset(
    {"am", "pm", "utc", "gmt", "cet", "cest", "eet", "eest", "visitor", "customer", "agent", "bot"}
)
_PROGRAMS = frozenset({"bot", "system", "platform"})


class CopiedTranscript(Struct, frozen=True):
    """The chat that a mail repeats: its conversation, when its first message in the mail was written, and how
    many of them there are."""

    conversation: str
    at: Micros
    messages: int


class SpokenLately(Struct, kw_only=True, eq=False):
    """Chat messages that a later mail may repeat, oldest first."""

    messages: list[TimelineItem] = field(default_factory=list)

    def take(self, item: TimelineItem) -> CopiedTranscript | None:
        """Add a message, and return the transcript that it is."""
        if item.type in _CHAT:
            if item.text and item.channel != "email":
                self.messages.append(item)
                if len(self.messages) > 2 * MAX_SPOKEN:
                    del self.messages[:MAX_SPOKEN]
            return None
        if not self.messages or item.type not in _MAIL or not item.text or not _looks_like_one(item.text):
            return None
        since = item.occurred_at - WITHIN
        by_conversation: dict[str, list[TimelineItem]] = {}
        for message in self.messages[-MAX_SPOKEN:]:
            if message.occurred_at >= since:
                by_conversation.setdefault(message.conversation, []).append(message)
        found = (_transcript(item, messages) for messages in by_conversation.values())
        return max((it for it in found if it), key=lambda it: it.messages, default=None)


def _looks_like_one(text: str) -> bool:
    return len(list(islice(_TIME.finditer(text[:MAX_READ]), MIN_TIMES))) == MIN_TIMES


def _transcript(mail: TimelineItem, messages: Sequence[TimelineItem]) -> CopiedTranscript | None:
    keys = [(key, it) for it in messages if len(key := same(it.text or "")) >= MIN_KEY]
    whole, place, repeated = same((mail.text or "")[:MAX_READ]), 0, list[TimelineItem]()
    longest = 0
    for key, message in keys:
        at = whole.find(key, place)
        if at >= 0:
            place = at + len(key)
            longest = max(longest, len(key))
            repeated.append(message)
    if len(repeated) < max(MIN_SPOKEN, MIN_SHARE * len(keys)) or longest < MIN_LONGEST:
        return None
    names = {word for it in (*messages, mail) if it.name for word in tokens_of(it.name)}
    most = _most(mail)
    rest = _Rest("\n".join(key for key, _message in keys), names, loose=most == NAMED_OWN_WORDS)
    for line in (mail.text or "")[:MAX_READ].splitlines():
        rest.take(line)
    if rest.words > most or len(rest.labels) > MAX_LABEL_WORDS:
        return None
    return CopiedTranscript(repeated[0].conversation, repeated[0].occurred_at, len(repeated))


def _most(mail: TimelineItem) -> int:
    """How many words of its own a transcript may have."""
    automatic = mail.type == "email.auto_replied" or bool(mail.data.get("auto")) or mail.by in _PROGRAMS
    named = mail.direction == "outbound" and _NAMES_IT.search(mail.subject or "")
    return NAMED_OWN_WORDS if automatic or named else OWN_WORDS.get(mail.direction, 0)


class _Rest:
    """The words of a mail beside the messages that it repeats. `words` counts them, without the labels of
    messages: speakers and times. If `loose`, a line that names a transcript is the platform's."""

    def __init__(self, spoken: str, names: Set[str], *, loose: bool) -> None:
        self.words = 0
        self.labels: set[str] = set()
        self._spoken, self._known, self._loose = spoken, _LABELS | names, loose

    def take(self, line: str) -> None:
        stated = _LINK.sub(" ", line.lstrip("> ")).strip()
        if not stated or same(stated) in self._spoken or _GREETING.fullmatch(stated):
            return
        if self._loose and _NAMES_IT.search(stated):
            return
        for separator in islice(_SEPARATOR.finditer(stated), MAX_SEPARATORS):
            rest = same(stated[separator.end() :])
            if rest and rest in self._spoken:
                self.labels |= self._unknown(stated[: separator.end()])
                return
        words = self._unknown(stated)
        if len(words) <= MAX_SPEAKER and _TIME.search(stated):
            self.labels |= words
        else:
            self.words += len(words)

    def _unknown(self, label: str) -> set[str]:
        return {word for word in tokens_of(label) if word not in self._known and not has_digit(word)}
