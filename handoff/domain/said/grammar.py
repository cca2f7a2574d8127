"""The grammar of promises and complaints in one language: as its pack states it, and ready to be matched."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from itertools import chain
from typing import Literal

from msgspec import Struct, field

from .date_words import DateLexicon, DateWords, lexicon
from .templates import Places, QuickLook, TemplateBook, Templates, Vocabulary, check_template
from .words import phrase

AnnouncedAs = Literal["transfer", "callback", "mail", "sent"]
PromisedAct = Literal["call", "write", "refund", "send", "visit", "other"]
COMMON = frozenset({"will", "with", "get", "been", "back", "over", "take", "come", "give", "your", "send"})
COMMON |= frozenset({"chat", "hand", "this", "right", "werden", "wird", "wir", "ich", "vous", "este", "esta"})
"""Words that are in texts about anything, and so of no use to look for."""
MAX_HARMLESS = 4  # phrases of one sentence
ANNOUNCED: tuple[AnnouncedAs, ...] = ("transfer", "callback", "mail", "sent")
ACTS: tuple[PromisedAct, ...] = ("call", "write", "refund", "send", "visit", "other")


class SpeechWords(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Templates by what they show, and the lists of words that they name (`templates`)."""

    lists: dict[str, list[str]] = field(default_factory=dict)
    promises: dict[PromisedAct, list[str]] = field(default_factory=dict)
    """By act: sentences that commit us, with a time or without."""
    timed: dict[PromisedAct, list[str]] = field(default_factory=dict)
    """By act: sentences that commit us only if they name a time ("it arrives tomorrow")."""
    notes: dict[PromisedAct, list[str]] = field(default_factory=dict)
    """By act: what internal notes write of a promise ("promised to call back")."""
    harmless: list[str] = field(default_factory=list)
    """Phrases that would block and do not: "don't worry", "no later than"."""
    blocks: list[str] = field(default_factory=list)
    """In the same part of the sentence: negations, modals, the past, hedges."""
    conditions: list[str] = field(default_factory=list)
    """Anywhere in the sentence: "if", "unless", "as soon as you"."""
    reports: list[str] = field(default_factory=list)
    """Anywhere in the sentence: words of others, or earlier words."""
    contrasts: list[str] = field(default_factory=list)
    """Words that begin a new part: "but"."""
    joins: list[str] = field(default_factory=list)
    """Words that begin a new part where one of `{subjects}` follows: "and"."""
    announcements: dict[AnnouncedAs, list[str]] = field(default_factory=dict)
    """Sentences about what happens at once: a transfer, a callback beside those of `promises.call`, a mail;
    `sent`: a mail that was sent just now, which nothing in `blocks` blocks."""
    unannounced: list[str] = field(default_factory=list)
    """In the same part of the sentence: it announces nothing ("yesterday", "transfer the money")."""
    complaints: list[str] = field(default_factory=list)
    complaining_questions: list[str] = field(default_factory=list)
    """Questions that complain: "why does nobody call me back"."""
    praise: list[str] = field(default_factory=list)
    """In the same sentence as words of a complaint: it is none ("no complaints")."""
    settled: list[str] = field(default_factory=list)
    """A customer's matter is settled: "it works now", "no need to call"."""
    bare: list[str] = field(default_factory=list)
    """Settled, if the message has little else: "solved"."""
    ignores: list[str] = field(default_factory=list)
    """An earlier message is taken back: "please ignore my last mail". A new wish may follow."""
    needless: list[str] = field(default_factory=list)
    """Settled too, with words that would reopen elsewhere: "no necesito", "jag behöver ingen"."""
    ends: list[str] = field(default_factory=list)
    """A conversation ends: "that was all"."""
    goodbyes: list[str] = field(default_factory=list)
    """They end a conversation together with `thanks`."""
    thanks: list[str] = field(default_factory=list)
    reopens: list[str] = field(default_factory=list)
    """Anywhere in a message: it ends nothing ("but", "please send")."""

    def __post_init__(self) -> None:
        """A mistake in a pack shows when the pack is read, not when the first text in its language is."""
        by_act = (*self.promises.values(), *self.timed.values(), *self.notes.values())
        complaints = (*self.complaints, *self.complaining_questions, *self.praise)
        endings = chain(
            self.settled, self.bare, self.ignores, self.needless, self.ends, self.goodbyes, self.thanks
        )
        announced = (*chain(*self.announcements.values()), *self.unannounced)
        others = (*announced, *self.harmless, *self.blocks, *self.conditions, *self.reports)
        for template in chain(*by_act, complaints, endings, self.reopens, others):
            check_template(template, self.lists)


class Compiled(Struct, frozen=True, kw_only=True):
    """The templates and dates of one language, ready to be matched."""

    vocabulary: Vocabulary
    promises: Mapping[PromisedAct, Templates]
    timed: Mapping[PromisedAct, Templates]
    notes: Mapping[PromisedAct, Templates]
    harmless: Templates
    blocks: Templates
    conditions: Templates
    reports: Templates
    contrasts: frozenset[str]
    joins: frozenset[str]
    subjects: frozenset[str]
    announcements: Mapping[AnnouncedAs, Templates]
    unannounced: Templates
    complaints: Templates
    complaining_questions: Templates
    praise: Templates
    settled: Templates
    bare: Templates
    ignores: Templates
    needless: Templates
    ends: Templates
    goodbyes: Templates
    thanks: Templates
    reopens: Templates
    dates: DateLexicon
    promising: frozenset[str]
    """Every promise has one of these words."""
    complaining: frozenset[str]
    closing: QuickLook
    """Of the templates for ends of conversations."""
    announcing: QuickLook
    """Of the templates for announcements."""

    def plain(self, words: Sequence[str]) -> tuple[list[int], Places]:
        """The places of the words without phrases that look like a negation and are none, and what is where
        among those words."""
        return self._without(self.harmless, words)

    def still_stated(self, words: Sequence[str]) -> tuple[list[int], Places]:
        """The same without what a customer no longer needs."""
        return self._without(self.needless, words)

    def _without(self, phrases: Templates, words: Sequence[str]) -> tuple[list[int], Places]:
        kept = list(range(len(words)))
        for _phrase in range(MAX_HARMLESS):
            rest = [words[it] for it in kept]
            places = self.vocabulary.places(rest)
            span = phrases.span(places, len(rest))
            if span is None or span[0] == span[1]:
                return kept, places
            del kept[span[0] : span[1]]
        return kept, self.vocabulary.places([words[it] for it in kept])


class Grammar(Struct, frozen=True, kw_only=True, dict=True):
    """One language as its pack states it. It is compiled when the first text in it is read."""

    language: str
    function_words: frozenset[str]
    speech: SpeechWords
    dates: DateWords

    @cached_property
    def compiled(self) -> Compiled:
        """ValueError for a template that names a list that the pack lacks."""
        speech, book = self.speech, TemplateBook(self.speech.lists)
        promises, timed, notes = (
            {act: book.compiled(table[act]) for act in ACTS if act in table}
            for table in (speech.promises, speech.timed, speech.notes)
        )
        complaints, questions = book.compiled(speech.complaints), book.compiled(speech.complaining_questions)
        settled, ends, goodbyes = map(book.compiled, (speech.settled, speech.ends, speech.goodbyes))
        needless, ignores, bare = map(book.compiled, (speech.needless, speech.ignores, speech.bare))
        announced = {it: book.compiled(speech.announcements.get(it, ())) for it in ANNOUNCED}
        called = [table["call"] for table in (promises, notes) if "call" in table]
        promising = [it for table in (promises, timed, notes) for it in table.values()]
        return Compiled(
            promises=promises,
            timed=timed,
            notes=notes,
            harmless=book.compiled(speech.harmless),
            blocks=book.compiled(speech.blocks),
            conditions=book.compiled(speech.conditions),
            reports=book.compiled(speech.reports),
            announcements=announced,
            unannounced=book.compiled(speech.unannounced),
            complaints=complaints,
            complaining_questions=questions,
            praise=book.compiled(speech.praise),
            settled=settled,
            bare=bare,
            ignores=ignores,
            needless=needless,
            ends=ends,
            goodbyes=goodbyes,
            thanks=book.compiled(speech.thanks),
            reopens=book.compiled(speech.reopens),
            vocabulary=book.vocabulary(),
            contrasts=_words(speech.contrasts),
            joins=_words(speech.joins),
            subjects=_words(speech.lists.get("subjects", [])),
            dates=lexicon(self.dates),
            promising=_triggers(promising),
            complaining=_triggers([complaints, questions]),
            closing=book.quick_look(settled, bare, ignores, needless, ends, goodbyes),
            announcing=book.quick_look(*announced.values(), *called),
        )

    def announcing_alone(self) -> QuickLook:
        """`compiled.announcing` without compiling the rest, which takes long."""
        speech, book = self.speech, TemplateBook(self.speech.lists, self.function_words | COMMON)
        stated = [speech.announcements.get(it, ()) for it in ANNOUNCED]
        stated += [table["call"] for table in (speech.promises, speech.notes) if "call" in table]
        return book.quick_look(*map(book.compiled, stated))


def _triggers(tables: Iterable[Templates]) -> frozenset[str]:
    return frozenset(word for it in tables for word in it.triggers)


def _words(stated: Iterable[str]) -> frozenset[str]:
    return frozenset(spelled for it in stated for spelled in phrase(it))
