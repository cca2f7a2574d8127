"""From the words of a touchpoint to its candidates. Pure: time, zone, and rules are arguments."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from zoneinfo import ZoneInfo

from msgspec import Struct, field

from .candidate import Candidate, Kind, Utterance, candidate_id
from .due import due_of
from .grammar import Grammar
from .language import likely
from .promising import Commitment, commitments
from .sentences import own_words, sentences, without_quotations
from .words import Words, quick_words, words_of

MAX_FOUND = 5  # candidates of one touchpoint
MAX_WORDS = 120  # of one sentence: more is a list or a log

_QUESTION = ("?", "？", "؟")


class SpeechRules(Struct, frozen=True, kw_only=True):
    """The configuration of the rules."""

    grammars: Mapping[str, Grammar] = field(default_factory=dict)
    """By language."""
    key: bytes = b""
    """Keys the ids of candidates."""
    day_ends: int = 17 * 60
    """When the business day ends, in minutes after midnight: a promise for a day is due then."""


def candidates(utterance: Utterance, zone: ZoneInfo, rules: SpeechRules) -> list[Candidate]:
    """The promises or complaints in one touchpoint's words, in their order.

    `zone` is the customer's time zone, in which "tomorrow before noon" is resolved.
    """
    text = own_words(utterance.text)
    words = quick_words(text)
    unique = frozenset(words)
    chosen = [
        it
        for it in likely(rules.grammars, words, utterance.language)
        if not (it.compiled.promising if utterance.ours else it.compiled.complaining).isdisjoint(unique)
    ]
    found: dict[str, Candidate] = {}
    for first, last in sentences(text) if chosen else ():
        sentence = utterance.text[first:last]
        for made in _of_sentence(utterance, sentence, chosen, zone, rules):
            found.setdefault(made.id, made)
        if len(found) >= MAX_FOUND:
            break
    return list(found.values())[:MAX_FOUND]


def _of_sentence(
    utterance: Utterance, sentence: str, chosen: Sequence[Grammar], zone: ZoneInfo, rules: SpeechRules
) -> Iterator[Candidate]:
    words = words_of(without_quotations(sentence))
    if not 0 < len(words.words) <= MAX_WORDS:
        return
    asks = sentence.rstrip(' "”’)').endswith(_QUESTION)
    for grammar in chosen:
        made = (
            list(_promises(utterance, sentence, words, grammar, zone, rules, asks=asks))
            if utterance.ours
            else list(_complaints(utterance, sentence, words, grammar, rules, asks=asks))
        )
        if made:
            yield from made
            return


def _promises(
    utterance: Utterance,
    sentence: str,
    words: Words,
    grammar: Grammar,
    zone: ZoneInfo,
    rules: SpeechRules,
    *,
    asks: bool,
) -> Iterator[Candidate]:
    if asks:
        return
    found = commitments(words.words, grammar.compiled, note=utterance.note)
    for commitment in found:
        due = due_of(commitment.times, utterance.at, zone, rules.day_ends)
        yield _made(
            utterance,
            "promise",
            sentence if len(found) == 1 else _cut(sentence, words, commitment),
            grammar,
            rules,
            act=commitment.act,
            due=due.at if due else None,
            due_rule=due.rule if due else None,
        )


def _cut(sentence: str, words: Words, part: Commitment) -> str:
    return sentence[words.spans[part.first][0] : words.spans[part.last - 1][1]]


def _complaints(
    utterance: Utterance, sentence: str, words: Words, grammar: Grammar, rules: SpeechRules, *, asks: bool
) -> Iterator[Candidate]:
    compiled, count = grammar.compiled, len(words.words)
    places = compiled.vocabulary.places(words.words)
    templates = compiled.complaining_questions if asks else compiled.complaints
    if templates.match(places, count) and not compiled.praise.match(places, count):
        yield _made(utterance, "complaint", sentence, grammar, rules)


def _made(
    utterance: Utterance,
    kind: Kind,
    sentence: str,
    grammar: Grammar,
    rules: SpeechRules,
    *,
    act: str | None = None,
    due: int | None = None,
    due_rule: str | None = None,
) -> Candidate:
    return Candidate(
        id=candidate_id(rules.key, utterance.home, utterance.touchpoint, kind, sentence),
        kind=kind,
        touchpoint=utterance.touchpoint,
        sentence=sentence,
        speaker=utterance.speaker,
        speaker_name=utterance.speaker_name,
        identity=utterance.identity,
        matter=utterance.matter,
        act=act,
        due=due,
        due_rule=due_rule,
        language=grammar.language,
    )
