"""Excerpts of long messages: the sentences that ask for something or name something, in order."""

from __future__ import annotations

import re

from .lines import MAX_QUOTE, quote
from .matters.joining import content_words
from .packs import tokens_of
from .packs.pack import Pack, Packs, mentions
from .shapes import TimelineItem

READ = 12_000  # characters of a message that are looked at
MAX_SENTENCES = 80
FURTHER = 4  # tokens at the beginning of a sentence in which "also" announces a further wish
GAP = " … "
_SENTENCE = re.compile(r"(?:[^.!?\n]|[.!?](?=\S)|\n(?!\s*\n))+[.!?]*")
_RULE = re.compile(r"^[ \t]*(?:-{3,}|_{5,}|={5,})[^\n]*\n|^[^\n]{0,80}-{3,}[ \t]*\n", re.MULTILINE)
_HEADERS = re.compile(r"(?:[ \t>*]*[^\W\d][\w\- ]{1,20}\*?[ \t]?:[^\n]*\n){2,}")


def excerpt(item: TimelineItem, packs: Packs, language: str | None) -> str:
    """The words of a message for a line: all of them, or the sentences that matter most."""
    text = item.text or ""
    if len(text) <= MAX_QUOTE and "---" not in text and "___" not in text:
        return quote(text)
    made: str = item.once(("excerpt", language), lambda: _excerpt(item, packs, language))
    return made


def _excerpt(item: TimelineItem, packs: Packs, language: str | None) -> str:
    own, forwarded = _parts((item.text or "")[:READ])
    whole = " ".join(f"{own}{GAP if own.strip() else ''}{forwarded}".split()) if forwarded else own
    sentences = [(it, True) for it in _sentences(own)] + [(it, False) for it in _sentences(forwarded)]
    if len(" ".join(whole.split())) <= MAX_QUOTE or len(sentences) < 3:
        return quote(whole)
    about = content_words(item.subject or "", frozenset())
    tokens = tokens_of(item.text or "")
    chosen = packs.chosen(item.language or packs.guess(tokens) or language, tokens)
    scores = [_score(words, about, chosen) + (bool(forwarded) and theirs) for words, theirs in sentences]
    scores[0] += 1
    scores[len(_sentences(own)) - 1 or -1] += 1  # the wish is often at the end
    return _joined([words for words, _theirs in sentences], scores, cut=len(item.text or "") > READ)


def _parts(text: str) -> tuple[str, str]:
    """Their own words, and those of a message that they forward, without its headers."""
    for rule in _RULE.finditer(text):
        headers = _HEADERS.match(text, rule.end())
        if headers is not None:
            return text[: rule.start()], text[headers.end() :]
    return text, ""


def _sentences(text: str) -> list[str]:
    found = (" ".join(it.split()) for it in _SENTENCE.findall(text))
    return [it for it in found if any(map(str.isalnum, it))][:MAX_SENTENCES]


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
    score += any(mentions(tokens, pack.phrases.get("request", {})) for pack in packs)
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
