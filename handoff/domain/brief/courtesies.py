"""The parts of a message: greeting and sign-off, which say nothing about its matter, and what it forwards."""

from __future__ import annotations

import re
from collections.abc import Set

from .packs import tokens_of
from .packs.pack import Packs, covered
from .packs.tokens import has_digit

SHORTEST = 40  # characters: less is not worth a look
MAX_GREETING = 60  # characters
MAX_ADDRESSED = 3  # capitalised words after a greeting: "Hello Mr Okafor"
MAX_LINES = 6  # of a sign-off
MAX_SIGNED = 8  # tokens in a line of a sign-off
MAX_TAIL = 5  # tokens of a name after the last sentence: "It is still broken. Jo P"
_CLAUSE = re.compile(rf"\s*([^\n,!?:;]{{1,{MAX_GREETING}}}?)\s*(?:[,!:;]+\s*|\n+\s*)")
_ABBREVIATED = re.compile(r"\b\w{1,3}\.")  # "Mr."
_TAIL = re.compile(r"(?:(?<=[.!?…])\s+|\s+(?=/))(?:/\s?)?[^.!?\n]{1,40}\.?$")
_RULE = re.compile(r"^[ \t]*(?:-{3,}|_{5,}|={5,})[^\n]*\n|^[^\n]{0,80}-{3,}[ \t]*\n", re.MULTILINE)
_HEADERS = re.compile(r"(?:[ \t>*]*[^\W\d][\w\- ]{1,20}\*?[ \t]?:[^\n]*\n){2,}")
_BARE_HEADERS = re.compile(
    r"^[ \t>*]*(?:from|von|från|fra|de|lähettäjä|expéditeur)\*?[ \t]?:[^\n]*\n"
    r"(?:[ \t>*]*(?:to|an|till|para|à|vastaanottaja|date|datum|fecha|pvm|päivämäärä|sent|gesendet|"
    r"skickat|enviado|envoyé|lähetetty|cc|kopia|subject|betreff|ämne|asunto|objet|aihe)\*?[ \t]?:[^\n]*\n)+",
    re.IGNORECASE | re.MULTILINE,
)
_WORD = re.compile(r"[^\W\d_][\w'’\-]*")


def body(text: str, packs: Packs, names: Set[str]) -> tuple[int, int]:
    """Where a message begins after its greeting, and where it ends before its sign-off.

    `names` are words of the names of the people in it: a sign-off with another name shows who writes.
    """
    if len(text) < SHORTEST:
        return 0, len(text)
    begin = _after_greeting(text, packs)
    end = _before_signoff(text, begin, packs, names)
    return begin, end


def _after_greeting(text: str, packs: Packs) -> int:
    found = _CLAUSE.match(text)
    if found is None or found.end() == len(text):
        return 0
    clause = found[1]
    if "." in _ABBREVIATED.sub("", clause):
        return 0
    tokens = tokens_of(clause)
    greeting = covered(tokens, packs.courtesies["greeting"])
    if 0 not in greeting:
        return 0
    others = [token for at, token in enumerate(tokens) if at not in greeting]
    capitals = {it.casefold().replace("’", "'") for it in _WORD.findall(clause) if it[0].isupper()}
    addressed = len(others) <= MAX_ADDRESSED and all(it in capitals for it in others)
    return found.end() if addressed else 0


def _before_signoff(text: str, begin: int, packs: Packs, names: Set[str]) -> int:
    end = len(text.rstrip())
    for _line in range(MAX_LINES):
        start = text.rfind("\n", begin, end) + 1
        if start <= begin or not _signs(text[start:end], packs, names):
            break
        end = begin + len(text[begin:start].rstrip())
    tail = _TAIL.search(text, max(begin, end - 60), end)
    if tail is not None and tail.start() > begin and _names(text[tail.start() : end], packs, names):
        end = tail.start()
    return end if end > begin else len(text)


def _signs(line: str, packs: Packs, names: Set[str]) -> bool:
    tokens = tokens_of(line)
    if len(tokens) > MAX_SIGNED or has_digit(line) or "?" in line:
        return False
    known = covered(tokens, packs.courtesies["signoff"])
    return all(at in known or token in names or len(token) == 1 for at, token in enumerate(tokens))


def _names(tail: str, packs: Packs, names: Set[str]) -> bool:
    """Whether the words after the last sentence are a name that we know."""
    tokens = tokens_of(tail)
    return len(tokens) <= MAX_TAIL and not names.isdisjoint(tokens) and _signs(tail, packs, names)


def parted(text: str) -> tuple[str, str]:
    """Their own words, and those of a message that they forward, without its headers."""
    if "\n" not in text:
        return text, ""
    ruled = "---" in text or "___" in text or "===" in text
    for rule in _RULE.finditer(text) if ruled else ():
        headers = _HEADERS.match(text, rule.end())
        if headers is not None:
            return text[: rule.start()], text[headers.end() :]
    bare = _BARE_HEADERS.search(text) if ":" in text else None
    return (text[: bare.start()], text[bare.end() :]) if bare else (text, "")
