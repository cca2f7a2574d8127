"""The grammar of promises and complaints in one language: as its pack states it, and ready to be matched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from msgspec import Struct, field

from .date_words import DateLexicon, DateWords, lexicon
from .templates import Templates, compiled
from .words import phrase

Act = Literal["call", "write", "refund", "send", "visit", "other"]
ACTS: tuple[Act, ...] = ("call", "write", "refund", "send", "visit", "other")


class SaidWords(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Templates by what they show, and the lists of words that they name (`templates`)."""

    lists: dict[str, list[str]] = field(default_factory=dict)
    promises: dict[Act, list[str]] = field(default_factory=dict)
    """By act: sentences that commit us, with a time or without."""
    timed: dict[Act, list[str]] = field(default_factory=dict)
    """By act: sentences that commit us only if they name a time ("we are sending it tomorrow")."""
    notes: dict[Act, list[str]] = field(default_factory=dict)
    """By act: what internal notes write of a promise ("promised to call back")."""
    harmless: list[str] = field(default_factory=list)
    """Phrases that would block and do not: "don't worry", "no later than"."""
    blocks: list[str] = field(default_factory=list)
    """In the same part of the sentence: negations, modals, the past, hedges."""
    conditions: list[str] = field(default_factory=list)
    """Anywhere in the sentence: "if", "unless", "as soon as you"."""
    reports: list[str] = field(default_factory=list)
    """Anywhere in the sentence: what others said, or what was said before."""
    contrasts: list[str] = field(default_factory=list)
    """Words that begin a new part: "but"."""
    joins: list[str] = field(default_factory=list)
    """Words that begin a new part where one of `{subjects}` follows: "and"."""
    complaints: list[str] = field(default_factory=list)
    complaining_questions: list[str] = field(default_factory=list)
    """Questions that complain: "why does nobody call me back"."""
    praise: list[str] = field(default_factory=list)
    """In the same sentence as words of a complaint: it is none ("no complaints")."""


class TriggerWords(Struct, frozen=True):
    """Words of which every match has one; `begun` are beginnings of words."""

    whole: frozenset[str]
    begun: tuple[str, ...]

    def in_any(self, words: frozenset[str]) -> bool:
        if not self.whole.isdisjoint(words):
            return True
        return bool(self.begun) and any(it.startswith(self.begun) for it in words)


class Grammar(Struct, frozen=True, kw_only=True):
    """One language, ready to be matched."""

    language: str
    function_words: frozenset[str]
    promises: Mapping[Act, Templates]
    timed: Mapping[Act, Templates]
    notes: Mapping[Act, Templates]
    harmless: Templates
    blocks: Templates
    conditions: Templates
    reports: Templates
    contrasts: frozenset[str]
    joins: frozenset[str]
    subjects: frozenset[str]
    complaints: Templates
    complaining_questions: Templates
    praise: Templates
    dates: DateLexicon

    promising: TriggerWords
    complaining: TriggerWords

    def may_match(self, words: frozenset[str], *, ours: bool) -> bool:
        """A quick look: False where nothing with these words, of ours or of a customer, can match."""
        return (self.promising if ours else self.complaining).in_any(words)


def grammar(language: str, function_words: list[str], said: SaidWords, dates: DateWords) -> Grammar:
    """The grammar of a pack. ValueError for a template that names a list that the pack lacks."""

    def of(templates: list[str]) -> Templates:
        return compiled(templates, said.lists)

    def by_act(table: Mapping[Act, list[str]]) -> dict[Act, Templates]:
        return {act: of(table[act]) for act in ACTS if act in table}

    promises, timed, notes = by_act(said.promises), by_act(said.timed), by_act(said.notes)
    complaints, questions = of(said.complaints), of(said.complaining_questions)
    return Grammar(
        language=language,
        function_words=frozenset(function_words),
        promises=promises,
        timed=timed,
        notes=notes,
        harmless=of(said.harmless),
        blocks=of(said.blocks),
        conditions=of(said.conditions),
        reports=of(said.reports),
        contrasts=_words(said.contrasts),
        joins=_words(said.joins),
        subjects=_words(said.lists.get("subjects", [])),
        complaints=complaints,
        complaining_questions=questions,
        praise=of(said.praise),
        dates=lexicon(dates),
        promising=_triggers([*promises.values(), *timed.values(), *notes.values()]),
        complaining=_triggers([complaints, questions]),
    )


def _triggers(tables: Sequence[Templates]) -> TriggerWords:
    return TriggerWords(
        frozenset().union(*(it.triggers for it in tables)),
        tuple(sorted({b for it in tables for b in it.begun})),
    )


def _words(stated: list[str]) -> frozenset[str]:
    return frozenset(spelled for it in stated for spelled in phrase(it))
