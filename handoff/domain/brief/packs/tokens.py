"""Text as it is compared: casefolded NFKC tokens, emoji without their variants."""

from __future__ import annotations

import re
import unicodedata

_TOKEN = re.compile(
    r"n°|nº|\#"  # signs that stand for "number"
    r"|[^\W_]+(?:['’\-][^\W_]+)*"  # words: letters and digits, joined by apostrophes and hyphens
    r"|[^\w\s!-/:-@\[-`{-~¡¿“”„‚‘’«»…–—‹›·‍\ufe0f\u200b-\u200f\U0001f3fb-\U0001f3ff]"  # emoji
)

_ASCII_DIGIT = re.compile(r"[0-9]")

# Most texts are ASCII with plain words. `bytes.translate` and `split` cut them four times as fast as the
# pattern does.
_UNUSUAL = 0  # replaces ASCII characters that only the pattern reads
_JOINED = b"'-"


def _plain(code: int) -> int:
    """The replacement of a byte of ASCII: its lower case, a space, or a mark for the pattern."""
    character = chr(code)
    if code in _JOINED:
        return code
    if character.isalnum():
        return ord(character.lower())
    if character == "#" or not (character.isspace() or character.isprintable()):
        return _UNUSUAL
    return ord(" ")


_PLAIN = bytes(_plain(code) if code < 128 else _UNUSUAL for code in range(256))


def tokens_of(text: str) -> list[str]:
    """The tokens of a text. Punctuation is none."""
    if text.isascii():
        plain = text.encode().translate(_PLAIN)
        if _UNUSUAL not in plain:
            found = plain.decode().split()
            return _parted(found) if b"-" in plain or b"'" in plain else found
    else:
        text = unicodedata.normalize("NFKC", text)
    found = _TOKEN.findall(text.casefold())
    return [it.replace("’", "'") for it in found] if "’" in text else found


def has_digit(text: str) -> bool:
    """Whether a character of a text is a digit."""
    return _ASCII_DIGIT.search(text) is not None if text.isascii() else any(it.isdigit() for it in text)


def _parted(words: list[str]) -> list[str]:
    """Words of ASCII without the apostrophes and hyphens that join nothing."""
    found: list[str] = []
    for word in words:
        if word.isalnum():
            found.append(word)
        else:
            found += _TOKEN.findall(word)
    return found
