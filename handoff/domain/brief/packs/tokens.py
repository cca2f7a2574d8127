"""Text as it is compared: casefolded NFKC tokens, emoji without their variants."""

from __future__ import annotations

import re
import unicodedata

_TOKEN = re.compile(
    r"n°|nº|\#"  # signs that stand for "number"
    r"|[^\W_]+(?:['’\-][^\W_]+)*"  # words: letters and digits, joined by apostrophes and hyphens
    r"|[^\w\s!-/:-@\[-`{-~¡¿“”„‚‘’«»…–—‹›·‍\ufe0f\u200b-\u200f\U0001f3fb-\U0001f3ff]"  # emoji
)


def tokens_of(text: str) -> list[str]:
    """The tokens of a text. Punctuation is none."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
    found = _TOKEN.findall(text.casefold())
    return [it.replace("’", "'") for it in found] if "’" in text else found
