"""Excerpts of messages: their own words without courtesies, and of long ones the sentences that matter."""

from __future__ import annotations

from collections.abc import Set

from handoff.domain.said.sentences import sentences

from .courtesies import SHORTEST, body, parted
from .lines import MAX_QUOTE, quote
from .matters.joining import content_words
from .packs import tokens_of
from .packs.pack import Pack, Packs, mentions
from .shapes import TimelineItem

READ = 12_000  # characters of a message that are looked at
FURTHER = 4  # tokens at the beginning of a sentence in which "also" announces a further wish
LAST = 3  # sentences at the end, where the wish often is
GAP = " … "


def excerpt(item: TimelineItem, packs: Packs, language: str | None, names: Set[str] = frozenset()) -> str:
    """The words of a message for a line: all of them, or the sentences that matter most.

    `names` are words of names of the people in the story.
    """
    text = item.text or ""
    if len(text) < SHORTEST:
        return quote(text)
    made: str = item.once(("excerpt", language, names), lambda: _excerpt(item, packs, language, names))
    return made


def _excerpt(item: TimelineItem, packs: Packs, language: str | None, names: Set[str]) -> str:
    text = (item.text or "")[:READ]
    cut = len(item.text or "") > READ
    own, forwarded = parted(text)
    begin, end = body(own, packs, names)
    more = cut or bool(forwarded.strip()) or end < len(own.rstrip())
    own = own[begin:end]
    whole = f"{own}{GAP if own.strip() else ''}{forwarded}" if forwarded.strip() else own
    if len(" ".join(whole.split())) <= MAX_QUOTE - 2:
        return quote(whole + " …" if end < len(parted(text)[0].rstrip()) and not forwarded.strip() else whole)
    ours, theirs = _sentences(own), _sentences(forwarded)
    if len(ours) + len(theirs) < 3:
        return quote(whole)
    tokens = tokens_of(text)
    about = content_words(item.subject or "", frozenset())
    chosen = packs.chosen(item.language or packs.guess(tokens) or language, tokens)
    scores = [_score(it, about, chosen) for it in ours] + [1 + _score(it, about, chosen) for it in theirs]
    scores[0] += 1
    for place in range(max(len(ours) - LAST, 0), len(ours)):
        scores[place] += 1 + (place == len(ours) - 1)  # the wish is often at the end
    return _joined(ours + theirs, scores, cut=more and not theirs)


def _sentences(text: str) -> list[str]:
    found = (" ".join(text[begin:end].split()) for begin, end in sentences(text))
    return [it for it in found if any(map(str.isalnum, it))]


def question(text: str | None) -> str:
    """The question that a message ends with, empty where it ends with none."""
    plain = (text or "")[-1000:].rstrip()
    return _sentences(plain)[-1] if plain.endswith(("?", "？", "؟")) and any(map(str.isalnum, plain)) else ""


def _score(sentence: str, about: set[str], packs: tuple[Pack, ...]) -> int:
    tokens = tokens_of(sentence)
    if len(tokens) < 3:
        return 0
    score = 2 * ("?" in sentence) + any(map(str.isdigit, sentence))
    score += any(any(map(str.isdigit, it)) and not it.isdigit() for it in tokens)  # a number of something
    score += 2 * bool(about and about & content_words(sentence, frozenset()))
    score += any(mentions(tokens, pack.phrases.get(act, {})) for pack in packs for act in ("request", "wish"))
    score += 6 * any(mentions(tokens[:FURTHER], pack.phrases.get("another", {})) for pack in packs)
    return score


def _joined(sentences: list[str], scores: list[int], *, cut: bool) -> str:
    """The best sentences in their own order; a gap between them is marked."""
    best = sorted(range(len(sentences)), key=lambda at: (-scores[at], at))
    kept: set[int] = set()
    left = MAX_QUOTE - 2 * len(GAP)
    for at in best:
        if not kept or len(sentences[at]) + len(GAP) <= left:
            kept.add(at)
            left -= len(sentences[at]) + len(GAP)
    parts, last = [], -1
    for at in sorted(kept):
        gap = "… " if last < 0 else GAP
        parts.append((gap if at > last + 1 else " ") if at else "")
        parts.append(sentences[at])
        last = at
    end = " …" if cut or last < len(sentences) - 1 else ""
    return quote("".join(parts) + end)
