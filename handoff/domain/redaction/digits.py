"""Digits in every script, and the quick check whether a text has enough of them to hold a card number."""

from __future__ import annotations

import re
import unicodedata

FEWEST = 13
"""Digits of the shortest card number. A text with fewer of them needs no closer look."""
LEAF, NUMBER = "\x1f", "\x1d"
"""Between two values of a document: texts, or where one of them is a number."""
PADDED = (16, 19)
"""Lengths to which fields of fixed width fill card numbers with zeros at the front."""
_ASCII = b"0123456789"
_BASIC = (
    "\u00b2-\u00b3\u00b9\u0660-\u0669\u06f0-\u06f9\u07c0-\u07c9\u0966-\u096f\u09e6-\u09ef"
    "\u0a66-\u0a6f\u0ae6-\u0aef\u0b66-\u0b6f\u0be6-\u0bef\u0c66-\u0c6f\u0ce6-\u0cef\u0d66-\u0d6f"
    "\u0de6-\u0def\u0e50-\u0e59\u0ed0-\u0ed9\u0f20-\u0f29\u1040-\u1049\u1090-\u1099\u1369-\u1371"
    "\u17e0-\u17e9\u1810-\u1819\u1946-\u194f\u19d0-\u19da\u1a80-\u1a89\u1a90-\u1a99\u1b50-\u1b59"
    "\u1bb0-\u1bb9\u1c40-\u1c49\u1c50-\u1c59\u2070\u2074-\u2079\u2080-\u2089\u2460-\u2468"
    "\u2474-\u247c\u2488-\u2490\u24ea\u24f5-\u24fd\u24ff\u2776-\u277e\u2780-\u2788\u278a-\u2792"
    "\ua620-\ua629\ua8d0-\ua8d9\ua900-\ua909\ua9d0-\ua9d9\ua9f0-\ua9f9\uaa50-\uaa59\uabf0-\uabf9"
    "\uff10-\uff19"
)
"""All other characters that stand for a digit (Unicode property Numeric_Type Decimal or Digit, and two
circled zeros that have neither): Arabic-Indic, full-width, superscript, circled."""
_BEYOND = (
    "\U000104a0-\U000104a9\U00010a40-\U00010a43\U00010d30-\U00010d39\U00010e60-\U00010e68"
    "\U00011052-\U0001105a\U00011066-\U0001106f\U000110f0-\U000110f9\U00011136-\U0001113f"
    "\U000111d0-\U000111d9\U000112f0-\U000112f9\U00011450-\U00011459\U000114d0-\U000114d9"
    "\U00011650-\U00011659\U000116c0-\U000116c9\U00011730-\U00011739\U000118e0-\U000118e9"
    "\U00011950-\U00011959\U00011c50-\U00011c59\U00011d50-\U00011d59\U00011da0-\U00011da9"
    "\U00016a60-\U00016a69\U00016ac0-\U00016ac9\U00016b50-\U00016b59\U0001d7ce-\U0001d7ff"
    "\U0001e140-\U0001e149\U0001e2f0-\U0001e2f9\U0001e950-\U0001e959\U0001f100-\U0001f10c"
    "\U0001fbf0-\U0001fbf9"
)
"""Those above U+FFFF, such as mathematical ones. Apart, because a character class is slower with them."""
FOREIGN = _BASIC + _BEYOND
"""All of them, for a character class."""
LEADS = bytes({it.encode()[0] for it in _BASIC + _BEYOND if not it.isascii()})
"""First bytes in UTF-8 of all these."""
_FOREIGN = re.compile(f"[{_BASIC}]")
_FOREIGN_BEYOND = re.compile(f"[{_BEYOND}]")
_ANY_BEYOND = re.compile("[\U00010000-\U0010ffff]")


def in_ascii(text: str) -> str:
    """The text with every digit as an ASCII digit, at its place."""
    if text.isascii():
        return text
    text = _FOREIGN.sub(_digit, text)
    return _FOREIGN_BEYOND.sub(_digit, text) if _ANY_BEYOND.search(text) else text


def _digit(match: re.Match[str]) -> str:
    return str(unicodedata.digit(match.group(), 0))  # the circled zeros have no such property


def has_enough(text: str) -> bool:
    """Whether the text has as many digits as the shortest card number, wherever they are."""
    if len(text) < FEWEST:
        return False
    return _count(in_ascii(text).encode("utf-8", "surrogatepass")) >= FEWEST


def has_enough_utf8(raw: bytes) -> bool:
    """The same for UTF-8; for ASCII, one pass in C. Bytes that are not UTF-8 do not count."""
    return _count(raw) >= FEWEST or (not raw.isascii() and has_enough(raw.decode(errors="replace")))


def _count(raw: bytes) -> int:
    return len(raw) - len(raw.translate(None, _ASCII))
