"""Sentences of a text that its author wrote: quoted mail, quotations, and signatures are left out."""

from __future__ import annotations

import re
from collections.abc import Iterator

MAX_READ = 8_000  # characters of a text
MAX_SENTENCES = 80
MAX_SENTENCE = 600  # characters: what is longer is a list or a log

_QUOTED_LINE = re.compile(r"[ \t]*[>|]")
_REST_IS_QUOTED = re.compile(
    r"[ \t]*(?:-{2,}[ \t]*(?:original|forwarded|ursprüngliche|weitergeleitete|alkuperäinen|välitetty|"
    r"ursprungligt|vidarebefordrat|message d|message transf|mensaje)[^\n]*"
    r"|_{8,}[ \t]*"
    r"|--[ \t]?"  # RFC 3676 §4.3: what follows is the signature
    r"|(?:on|am|den|le|el|op)\b[^\n]{6,100}\b(?:wrote|schrieb|skrev|a écrit|écrit|escribió)[^\n]{0,80}:[ \t]*"
    r"|[^\n]{6,100}\b(?:kirjoitti|schrieb|skrev|wrote|a écrit|escribió):[ \t]*"
    r"|(?:from|von|lähettäjä|från|de|expéditeur) ?:[ \t][^\n]*@[^\n]*)$",
    re.IGNORECASE,
)
_QUOTATION = re.compile(r"[“„”«»]([^“”„«»\n]{3,300})[“”«»]|(?<![\w])\"([^\"\n]{3,300})\"|‹([^›\n]{3,300})›")
_ABBREVIATED = re.compile(
    r"(?:^|[\s(])(?:mr|mrs|ms|dr|prof|st|no|nr|nro|hr|fr|frau|ca|bzw|evtl|ggf|inkl|inc|approx|etc|vgl|tel|"
    r"z\.\s?b|d\.\s?h|u\.\s?a|o\.\s?ä|s\.\s?o|i\.\s?d\.\s?r|e\.g|i\.e|esim|ns|mm|n|klo|kl|t\.\s?ex|bl\.\s?a|"
    r"d\.\s?v\.\s?s|sr|sra|srta|ud|uds|vd|mme|mlle|m|min|std|uhr|h|p|a|"
    r"jan|feb|mar|apr|jun|jul|aug|sep|sept|oct|okt|nov|dec|dez|déc|janv|févr|avr|juil|ene|abr|ago|dic|"
    r"mon|tue|wed|thu|fri|mo|di|mi|do|sa|so)$",
    re.IGNORECASE,
)
_END = re.compile(r"[.!?…]+[\"”’)\]»]*(?=\s|$)|\n+|[.!?](?=[A-ZÄÖÅÜÉÈÀ¿¡][a-zäöåüéè])")
_ORDINAL = re.compile(r"\d$")


def own_words(text: str) -> str:
    """A text with what it quotes blanked out. Places stay the same."""
    lines, kept, ended = text[:MAX_READ].split("\n"), [], False
    for line in lines:
        ended = ended or _ends_own_words(line)
        kept.append(" " * len(line) if ended or _QUOTED_LINE.match(line) else line)
    return "\n".join(kept)


def _ends_own_words(line: str) -> bool:
    bare = line.strip(" \t")
    # Few lines begin or end so, and the pattern takes long.
    if len(line) >= 300 or not (bare.startswith(("-", "_")) or bare.endswith(":") or "@" in bare):
        return False
    return _REST_IS_QUOTED.match(line) is not None


def sentences(text: str) -> Iterator[tuple[int, int]]:
    """The place of each sentence of a text: where it begins and ends, without the space around it."""
    found = 0
    start = 0
    for end in _ends(text):
        begin, stop = _stripped(text, start, end)
        start = end
        if stop - begin >= 2:
            yield begin, stop
            found += 1
            if found >= MAX_SENTENCES:
                return


def _ends(text: str) -> Iterator[int]:
    for match in _END.finditer(text):
        if (
            match[0].startswith(".")
            and not match[0].startswith("..")
            and _goes_on(text, match.start(), match.end())
        ):
            continue
        if match[0] == "\n" and _wrapped(text, match.start(), match.end()):
            continue
        yield match.end()
    yield len(text)


def _goes_on(text: str, dot: int, after: int) -> bool:
    """Whether a full stop ends an abbreviation or an ordinal, not the sentence."""
    before = text[max(dot - 12, 0) : dot]
    following = text[after : after + 3].lstrip()
    if _ABBREVIATED.search(before):
        word = before.split()[-1].lower() if before.split() else ""
        # "3 p.m. We" ends a sentence, "Mr. Smith" does not.
        return not (word in _MAY_END and following[:1].isupper())
    if _ORDINAL.search(before):  # "4. Dezember", "am 4. 12.", but "order 17. We"
        return following[:1].isdigit() or bool(
            re.match(r"\s+[^\W\d_]", text[after:]) and _month_follows(text, after)
        )
    return following[:1].islower() and len(before.split()[-1:] and before.split()[-1]) < 4


_MAY_END = frozenset(
    {"p.m", "a.m", "m", "uhr", "h", "std", "min", "etc", "so", "do", "no", "mi", "a", "n", "p", "st", "sa"}
)
_MONTHS = re.compile(
    r"\s+(?:jan|feb|mar|mär|apr|ma[iyj]|jun|jul|aug|sep|o[ck]t|nov|de[cz]|tammi|helmi|maalis|huhti|touko|kesä|"
    r"heinä|elo|syys|loka|marras|joulu|janv|fév|avr|juin|juil|août|déc|ene|abr|ago|dic)",
    re.IGNORECASE,
)


def _month_follows(text: str, at: int) -> bool:
    return _MONTHS.match(text, at) is not None


def _wrapped(text: str, start: int, end: int) -> bool:
    """Whether a line break only wraps a long line of mail."""
    line = text.rfind("\n", 0, start) + 1
    return end - start == 1 and start - line > 50 and text[end : end + 1].islower()


def _stripped(text: str, start: int, end: int) -> tuple[int, int]:
    while start < end and (text[start].isspace() or text[start] in "-*•–·"):
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return start, end


def without_quotations(sentence: str) -> str:
    """A sentence with what is between quotation marks blanked out. Places stay the same."""
    return _QUOTATION.sub(lambda match: " " * len(match[0]), sentence)
