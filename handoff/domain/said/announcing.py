"""Whether a sentence of ours announces what happens at once: a transfer, a call back, a mail.

A promise names what will be done, perhaps by a time. An announcement is one whose time is now: "one moment,
connecting you", "you will be called back shortly", "I have sent you the form by e-mail".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

from msgspec import Struct

from handoff.domain.clock import HOUR, MINUTE, Micros

from .date_reading import Element, Length, TimeOfDay, elements
from .grammar import Compiled, Grammar
from .language import likely
from .promising import SentencePart, uttered_parts
from .sentences import own_words, sentences, without_quotations
from .templates import Places, QuickLook
from .words import quick_words, words_of

AnnouncedKind = Literal["transfer", "callback", "mail"]
KINDS: tuple[AnnouncedKind, ...] = ("transfer", "callback", "mail")
AT_ONCE: Micros = HOUR  # what is announced for later is a promise
MAX_WORDS = 120  # of one sentence: more is a list or a log
_QUESTION = ("?", "？", "؟")
_ONE = TimeOfDay(13 * 60)
_UNITS: Mapping[str, Micros] = {"minute": MINUTE, "hour": HOUR}


class Announcement(Struct, frozen=True, kw_only=True):
    """One announcement. `within` is the time that it names, None for none; `done`: it states that the mail
    was sent already."""

    kind: AnnouncedKind
    sentence: str
    within: Micros | None = None
    done: bool = False


def announcements(
    text: str, grammars: Mapping[str, Grammar], *, language: str | None = None, note: bool = False
) -> list[Announcement]:
    """The announcements in a text of ours: at most one of each kind, the first."""
    own = own_words(text)
    words = quick_words(own)
    unique = frozenset(words)
    chosen = [it for it in likely(grammars, words, language) if it.compiled.announcing.may_match(unique)]
    found: dict[AnnouncedKind, Announcement] = {}
    for first, last in sentences(own) if chosen else ():
        for made in _of_sentence(text[first:last], chosen, note=note):
            found.setdefault(made.kind, made)
    return list(found.values())


def _of_sentence(sentence: str, chosen: Sequence[Grammar], *, note: bool) -> Iterator[Announcement]:
    words = words_of(without_quotations(sentence)).words
    if not 0 < len(words) <= MAX_WORDS or sentence.rstrip(' "”’)').endswith(_QUESTION):
        return
    for grammar in chosen:
        made = list(_in_language(sentence, words, grammar.compiled, note=note))
        if made:
            yield from made
            return


def _in_language(
    sentence: str, words: Sequence[str], grammar: Compiled, *, note: bool
) -> Iterator[Announcement]:
    for part, places in uttered_parts(words, grammar, note=note):
        kind, done = _kind_of(grammar, places, part, note=note)
        if kind is None:
            continue
        within = _within(elements(words, grammar.dates), words)
        if within is None or within <= AT_ONCE:
            yield Announcement(kind=kind, sentence=sentence, within=within or None, done=done)


def _kind_of(
    grammar: Compiled, places: Places, part: SentencePart, *, note: bool
) -> tuple[AnnouncedKind | None, bool]:
    count, announced = part.last - part.first, grammar.announcements
    if grammar.unannounced.match(places, count):
        return None, False
    if announced["sent"].match(places, count):
        return "mail", True
    if grammar.blocks.match(places, count):
        return None, False
    kind = next((it for it in KINDS if announced[it].match(places, count)), None)
    called = kind is None and any(
        table["call"].match(places, count)
        for table in ((grammar.promises, grammar.notes) if note else (grammar.promises,))
        if "call" in table
    )
    return ("callback" if called else kind), False


def _within(found: Sequence[Element], words: Sequence[str]) -> Micros | None:
    """The longest time that a sentence names; more than `AT_ONCE` for a day or a time of day.

    The article of "en kollega" and "un collègue" reads as one o'clock.
    """
    article = not any(it[:1].isdigit() for it in words)
    times = [it for it in found if not (article and it == _ONE)]
    lengths = [it.number * _UNITS[it.unit] for it in times if isinstance(it, Length) and it.unit in _UNITS]
    if len(lengths) < len(times):
        return AT_ONCE + 1
    return max(lengths, default=None)


# --- A quick look at every text that is recorded ---

_KEPT = frozenset(b"-0123456789abcdefghijklmnopqrstuvwxyz")
_SPACED = bytes(
    code if code > 127 or code in _KEPT else ord(chr(code).lower()) if chr(code).isalpha() else ord(" ")
    for code in range(256)
)
_PUNCTUATION = (b"\xe2\x80", b"\xc2")  # how UTF-8 begins dashes, quotation marks, dots, and signs of Latin-1
MAX_LOOKED_AT = 2_000  # characters


class AnnouncingLook(Struct, frozen=True):
    """The words that announcements in any language need. Nearly all texts have no word of `triggers`."""

    triggers: frozenset[bytes]
    needs: QuickLook


def may_announce(text: str, look: AnnouncingLook) -> bool:
    """False for most texts that announce nothing, by their words alone.

    Every text of ours that is recorded is looked at, so words are cut in the quickest way.
    """
    text = text[:MAX_LOOKED_AT]
    if text.isascii():
        words = text.encode().translate(_SPACED).split()
    else:
        encoded = text.casefold().encode("utf-8", "replace")
        for first in _PUNCTUATION:
            encoded = encoded.replace(first, b" ")
        words = encoded.translate(_SPACED).split()
    if look.triggers.isdisjoint(words):
        return False
    return look.needs.may_match(frozenset([it.decode("utf-8", "ignore") for it in words]))


def quick_look(grammars: Mapping[str, Grammar]) -> AnnouncingLook:
    """The quick look at texts in any of these languages."""
    found: dict[str, tuple[tuple[frozenset[str], ...], ...]] = {}
    for grammar in grammars.values():
        for trigger, needs in grammar.announcing_alone().by_trigger.items():
            plain = tuple(tuple(frozenset(map(_cut, firsts)) for firsts in it) for it in needs)
            word = _cut(trigger)
            found[word] = (*found.get(word, ()), *plain)
    return AnnouncingLook(frozenset(it.encode() for it in found), QuickLook(found))


def _cut(word: str) -> str:
    """A word of a template as the quick look cuts it: without the apostrophes."""
    parts = [it for it in word.replace("’", "'").split("'") if it]
    return parts[0] if parts else word
