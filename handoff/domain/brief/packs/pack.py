"""One language's pack, ready to be matched, and the choice among packs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from itertools import chain

from msgspec import Struct, field

from handoff.domain.said.announcing import AnnouncingLook, quick_look
from handoff.domain.said.date_words import DateWords
from handoff.domain.said.grammar import Grammar, SpeechWords
from handoff.domain.said.words import words_of

from .tokens import tokens_of

MARGIN = 2  # function words by which a language leads before a text is taken to be in it
MAX_GUESSED = 60  # tokens that a guess of the language looks at

ACTS = (
    *("close", "nudge", "hold", "withdraw", "correct", "request", "commit", "uncommit", "transfer"),
    *("machine", "complaint", "deny", "contrast", "apology", "another", "follow"),
    *("greeting", "signoff", "wish"),
)
"""Acts that phrases may express."""

PhraseTable = dict[str, tuple[tuple[str, ...], ...]]
"""First token -> phrases that begin with it, the longest first."""


class References(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Words before a number. `joining` kinds name a matter, `separating` ones a contract or an account,
    `attribute` ones a thing inside a matter; `number` words come between a kind and its value. `cases` are
    the joining words for what we have on file ourselves: a ticket, not an order."""

    joining: list[str] = field(default_factory=list)
    cases: list[str] = field(default_factory=list)
    separating: list[str] = field(default_factory=list)
    attribute: list[str] = field(default_factory=list)
    number: list[str] = field(default_factory=list)


class PackFile(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A pack as its TOML file states it."""

    language: str
    name: str
    function_words: list[str]
    fillers: list[str]
    phrases: dict[str, list[str]]
    plain: list[str] = field(default_factory=list)
    """Words that are in messages about anything: two messages that share one may be about two things."""
    references: References = field(default_factory=References)
    dates: DateWords = field(default_factory=DateWords)
    speech: SpeechWords = field(default_factory=SpeechWords)

    def __post_init__(self) -> None:
        for phrase in chain(*self.phrases.values()):
            if not tokens_of(phrase):
                raise ValueError(f"{phrase!r} has no word")


class Pack(Struct, frozen=True, kw_only=True):
    """A pack ready to be matched."""

    language: str
    name: str
    function_words: frozenset[str]
    fillers: frozenset[str]
    common: frozenset[str]
    """Words by which no two messages are about the same."""
    phrases: dict[str, PhraseTable]
    time_units: frozenset[str]
    """Words for lengths of time: "days", "hours"."""


class Packs(Struct, frozen=True, kw_only=True, dict=True):
    """All packs. `reference_words` maps a word before a number to the kind of reference."""

    by_language: Mapping[str, Pack]
    every: tuple[Pack, ...]
    und: Pack
    reference_words: Mapping[str, str]
    number_words: frozenset[str]
    case_words: frozenset[str]
    label_tokens: frozenset[str]
    """First tokens of `reference_words`: in a text without them no number has a label."""
    first_words: Mapping[str, frozenset[str]]
    """Acts -> the tokens that its phrases begin with in any language: a text without them has none."""
    short_words: frozenset[str]
    """First tokens of the phrases without content: a goodbye, a nudge, "one moment"."""
    common: frozenset[str]
    """Those of all packs."""
    courtesies: Mapping[str, PhraseTable]
    """`greeting` and `signoff` -> the phrases of all packs."""
    languages_of: Mapping[str, tuple[str, ...]]
    """Function word -> languages that have it."""
    grammars: Mapping[str, Grammar]
    """Language -> its grammar of promises and complaints."""

    @cached_property
    def announcing(self) -> AnnouncingLook:
        """The quick look at texts that may announce a transfer, a call back, or a mail."""
        return quick_look(self.grammars)

    def chosen(self, language: str | None, tokens: Sequence[str]) -> tuple[Pack, ...]:
        """The packs that a text is read with: of the stated language, else of the one that its function
        words suggest, else all."""
        known = self.by_language.get(language) if language else None
        if known is None:
            guessed = self.guess(tokens)
            known = self.by_language.get(guessed) if guessed else None
        return (known, self.und) if known else self.every

    def guess(self, tokens: Sequence[str]) -> str | None:
        """The language whose function words lead, or None."""
        counts: dict[str, int] = {}
        for token in tokens[:MAX_GUESSED]:
            for language in self.languages_of.get(token, ()):
                counts[language] = counts.get(language, 0) + 1
        if not counts:
            return None
        ordered = sorted(counts.items(), key=lambda it: (-it[1], it[0]))
        second = ordered[1][1] if len(ordered) > 1 else 0
        return ordered[0][0] if ordered[0][1] - second >= MARGIN else None


def compile_packs(files: Iterable[PackFile]) -> Packs:
    """The packs of these files; one of them is `und`."""
    stated = list(files)
    packs = {it.language: _compiled(it) for it in stated}
    und = packs.pop("und", None) or _compiled(
        PackFile(language="und", name="any", function_words=[], fillers=[], phrases={})
    )
    kinds: dict[str, str] = {}
    languages: dict[str, list[str]] = {}
    for file in stated:
        for kind in ("separating", "attribute", "joining"):
            for label in getattr(file.references, kind):
                kinds[label] = kind
        for token in file.function_words:
            languages.setdefault(token, []).append(file.language)
    first_words = {
        act: frozenset(first for it in (*packs.values(), und) for first in it.phrases.get(act, ()))
        for act in ACTS
    }
    return Packs(
        by_language=packs,
        common=frozenset[str]().union(*(it.common for it in packs.values())),
        every=(*packs.values(), und),
        und=und,
        reference_words=kinds,
        label_tokens=frozenset(token for label in kinds for token in tokens_of(label)[:1]),
        first_words=first_words,
        short_words=first_words["withdraw"]
        | first_words["close"]
        | first_words["nudge"]
        | first_words["hold"],
        courtesies={
            act: _table(phrase for it in stated for phrase in it.phrases.get(act, ()))
            for act in ("greeting", "signoff")
        },
        number_words=frozenset(label for it in stated for label in it.references.number),
        case_words=frozenset(label for it in stated for label in it.references.cases),
        languages_of={token: tuple(names) for token, names in languages.items()},
        grammars={
            it.language: Grammar(
                language=it.language,
                function_words=frozenset(part for word in it.function_words for part in words_of(word).words),
                speech=it.speech,
                dates=it.dates,
            )
            for it in stated
            if it.speech.promises or it.speech.complaints
        },
    )


def _compiled(file: PackFile) -> Pack:
    return Pack(
        language=file.language,
        name=file.name,
        function_words=frozenset(file.function_words),
        fillers=frozenset(file.fillers),
        time_units=frozenset(it for words in file.dates.units.values() for it in words),
        common=frozenset((*file.function_words, *file.fillers, *file.plain, *_dates(file.dates))),
        phrases={act: _table(phrases) for act, phrases in file.phrases.items()},
    )


def _dates(words: DateWords) -> list[str]:
    """Names of months and weekdays."""
    forms = (form for it in (*words.months, *words.weekdays) for form in it.split("|"))
    return [form.lstrip("=").casefold() for form in forms]


def _table(phrases: Iterable[str]) -> PhraseTable:
    table: dict[str, list[tuple[str, ...]]] = {}
    for phrase in phrases:
        tokens = tuple(tokens_of(phrase))
        table.setdefault(tokens[0], []).append(tokens)
    return {first: tuple(sorted(found, key=len, reverse=True)) for first, found in table.items()}


def covered(tokens: Sequence[str], table: PhraseTable) -> set[int]:
    """The places of the tokens that belong to phrases of a table."""
    found: set[int] = set()
    if table.keys().isdisjoint(tokens):
        return found
    for at, token in enumerate(tokens):
        for phrase in table.get(token, ()):
            if tuple(tokens[at : at + len(phrase)]) == phrase:
                found.update(range(at, at + len(phrase)))
                break
    return found


def mentions(tokens: Sequence[str], table: PhraseTable) -> bool:
    """Whether a phrase of a table is in the text."""
    return not table.keys().isdisjoint(tokens) and any(
        tuple(tokens[at : at + len(phrase)]) == phrase
        for at, token in enumerate(tokens)
        for phrase in table.get(token, ())
    )
