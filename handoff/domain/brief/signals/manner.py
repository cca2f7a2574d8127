"""How a message is put: it follows up, announces a further wish, apologises, or only adds a fact."""

from __future__ import annotations

from collections.abc import Sequence

from handoff.domain.said.closing import reopens

from ..packs.pack import Pack, Packs, covered, mentions
from ..packs.tokens import tokens_of
from .signal import NOTHING, Acts

READ = 600  # characters of a message that are looked at
BEGINNING = 12  # tokens in which a further wish is announced
MAX_ACCEPTED = 12  # tokens of one that does so without a word of the answer
MAX_FACT = 24  # tokens of a message that accepts an answer and adds a fact
NEAR = 2  # tokens between a number and its unit of time


def manner_of(text: str, packs: Packs, language: str | None) -> int:
    """Bits of `Acts` for a wish of the customer's."""
    tokens = tokens_of(text[:READ])
    first = packs.first_words
    if all(first[act].isdisjoint(tokens) for act in ("follow", "another", "apology")) and not _may_accept(
        text, tokens, packs
    ):
        return NOTHING
    read_with = packs.chosen(language, tokens)
    acts = _further(tokens[:BEGINNING], read_with)
    if any(mentions(tokens, it.phrases.get("follow", {})) for it in read_with):
        acts |= Acts.FOLLOW
    short = len(tokens) <= MAX_FACT  # its language is hard to guess
    if any(mentions(tokens, it.phrases.get("apology", {})) for it in (packs.every if short else read_with)):
        acts |= Acts.APOLOGY
    if not acts and _may_accept(text, tokens, packs) and _only_adds(tokens, read_with):
        acts |= Acts.INFORM
        if len(tokens) <= MAX_ACCEPTED and not reopens(text, packs.grammars):
            acts |= Acts.ACCEPTS
    return acts


def _further(tokens: Sequence[str], read_with: Sequence[Pack]) -> int:
    """A phrase of several words announces a further wish; one word ("also") only may."""
    for pack in read_with:
        table = pack.phrases.get("another", {})
        if any(
            len(phrase) > 1 and tuple(tokens[at : at + len(phrase)]) == phrase
            for at, token in enumerate(tokens)
            for phrase in table.get(token, ())
        ):
            return Acts.ANOTHER | Acts.ALSO
        if mentions(tokens, table):
            return Acts.ALSO
    return NOTHING


def _may_accept(text: str, tokens: Sequence[str], packs: Packs) -> bool:
    return 1 < len(tokens) <= MAX_FACT and tokens[0] in packs.first_words["close"] and "?" not in text


def _only_adds(tokens: Sequence[str], read_with: Sequence[Pack]) -> bool:
    """Whether a message begins with words of acceptance, and asks for nothing."""
    if not any(0 in covered(tokens, it.phrases.get("close", {})) for it in read_with):
        return False
    wishes = ("request", "nudge", "complaint", "correct", "deny", "contrast")
    return not any(mentions(tokens, it.phrases.get(act, {})) for it in read_with for act in wishes)


def still_pending(text: str, packs: Packs, language: str | None) -> int:
    """Whether a colleague's note commits us, or names a time within which something will happen."""
    tokens = tokens_of(text[:READ])
    for pack in packs.chosen(language, tokens):
        if mentions(tokens, pack.phrases.get("commit", {})) or any(
            it.isdigit() and not pack.time_units.isdisjoint(tokens[at + 1 : at + 1 + NEAR])
            for at, it in enumerate(tokens)
        ):
            return Acts.PENDING
    return NOTHING
