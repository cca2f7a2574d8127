"""The words of a sentence, with their places, in the form in which the rules compare them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

from msgspec import Struct

_ALPHABETIC = r"(?:[^\W\d_]|[\u0300-\u036f])"
_TOKEN = re.compile(
    r"[^\W\d_]+(?![^\W\d_'’\-\u0300-\u036f])"  # most words, quickly
    rf"|{_ALPHABETIC}+(?=n['’]t(?!{_ALPHABETIC}))|n['’]t(?!{_ALPHABETIC})"  # do | n't
    rf"|{_ALPHABETIC}+(?=['’](?:ll|re|ve|d|s|m)(?!{_ALPHABETIC}))"  # I | 'll
    rf"|['’](?:ll|re|ve|d|s|m)(?!{_ALPHABETIC})"
    rf"|{_ALPHABETIC}+(?:-{_ALPHABETIC}+)*['’]?"  # words; j' | enverrai
    r"|\d+(?:[.:,/\-–]\d+)*\.?"  # 15:00, 4.12., 3-5
    r"|[€$£%\u2600-\u27bf\U0001f300-\U0001faff]"  # signs of money, emoji
    r"|[,;:()!?…–—]|(?<=\s)[\-/](?=\s)",
    re.IGNORECASE,
)
_TRANSLITERATED = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss"})
SENTENCE_END = "."
"""Between the words of two sentences: no template reaches over it."""
EXACT = "="
"""Before a word of a pack: only with the accents as they are written."""


class Words(Struct, frozen=True):
    """The words of a sentence, and where each begins and ends in it."""

    words: tuple[str, ...]
    spans: tuple[tuple[int, int], ...]


def words_of(sentence: str) -> Words:
    """The words, numbers, and marks of a sentence."""
    found = list(_TOKEN.finditer(sentence))
    return Words(tuple([folded(it[0]) for it in found]), tuple([it.span() for it in found]))


def quick_words(text: str) -> list[str]:
    """The words of a text without their places."""
    if text.isascii():
        return _TOKEN.findall(text.lower())
    return [folded(it) for it in _TOKEN.findall(text)]


def folded(word: str) -> str:
    """One word as it is compared."""
    if word.isascii():
        return "–" if word in "-/" else word.lower()
    plain = unicodedata.normalize("NFKC", word).replace("’", "'")
    return unicodedata.normalize("NFC", plain.casefold())


def spellings(word: str) -> tuple[str, ...]:
    """How people write a word of a pack: as it is, without its accents, and with `ae` for `ä`."""
    if word.startswith(EXACT):
        return (folded(word[1:]),)
    plain = folded(word)
    if plain.isascii():
        return (plain,)
    bare = "".join(it for it in unicodedata.normalize("NFD", plain) if not unicodedata.combining(it))
    written_out = folded(word.lower().translate(_TRANSLITERATED))
    return tuple(dict.fromkeys((plain, bare, written_out)))


def phrase(stated: str) -> Iterable[str]:
    """The spellings of a phrase of a pack, each as words between single spaces."""
    if stated.isascii() and stated.replace(" ", "").isalpha():
        return (stated.lower(),)
    parts = words_of(stated.removeprefix(EXACT)).words
    if stated.startswith(EXACT):
        return (" ".join(parts),)
    forms = [spellings(it) for it in parts]
    bare = " ".join(it[min(1, len(it) - 1)] for it in forms)
    return sorted({" ".join(parts), bare, " ".join(it[-1] for it in forms)})
