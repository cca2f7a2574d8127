"""Card codes (CVV) and track data: what may not be kept after a payment, not even in part (PCI DSS 3.3.1)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from .cards import Number
from .issuers import is_card_number

NAMES = re.compile(
    r"(?:card|cc|credit_?card|payment)?_?(?:cvv|cvc|cvn|security_?code|card_?code|verification_?value)_?2?"
    r"|(?:card_?)?(?:sicherheitscode|pr(?:ü|ue)fziffer|kartenpr(?:ü|ue)fnummer)",
    re.IGNORECASE,
)
"""Names of members whose value is a code."""
TRACK_NAMES = re.compile(r"(?:card_?)?(?:track_?[123]?(?:_?data)?|magstripe(?:_?data)?)", re.IGNORECASE)
"""Names of members whose value may be track data."""
CODE = re.compile(r"\s*[0-9]{3,4}\s*")
_HINT = re.compile(
    rb"cv[vcn]|curit\S{1,3}[ _-]?code|code de s|heitscode|f(?:ziffer|nummer)"
    rb"|digo de seg|di sicur|beveil|card[_ -]?code|verification_?value"
)
"""A piece of every name of a code, in lower case."""
_WORDS = (
    r"(?:cvv2?|cvc2?|cvn2?|card[ _-]?code|security[ _-]?code|(?:karten)?sicherheitscode"
    r"|(?:karten)?pr(?:ü|ue)f(?:ziffer|nummer)|code de s[ée]curit[ée]|c[óo]digo de seguridad"
    r"|codice di sicurezza|beveiligingscode)"
)
_LINK = r"(?:[\W_]|\b(?:is|ist|est|es|è|code|number|nummer|no|nr|number is|lautet|the|my|mein|meine)\b){0,8}?"
_NAMED = re.compile(rf"(?<![a-z]){_WORDS}{_LINK}(?<![0-9])([0-9]{{3,4}})(?![0-9])", re.IGNORECASE)
_AFTER_CARD = re.compile(
    r"[\W_]{1,8}(?:(?:exp\w*|valid\w*|g[üu]ltig\w*|bis|thru|until|date)[\W_]{0,4}){0,3}"
    r"(?:0?[1-9]|1[0-2])[\W_]{1,3}(?:20)?[0-9]{2}[\W_]{1,8}([0-9]{3,4})(?![0-9])",
    re.IGNORECASE,
)
_TRACK_1 = re.compile(r"%?[Bb]?([0-9]{13,19})\^[^^\r\n]{2,40}\^[0-9= ]{4,60}[^\s?]{0,60}\??")
_TRACK_2 = re.compile(r";?([0-9]{13,19})[=D][0-9]{7,30}\??")


def may_name_code(raw: bytes) -> bool:
    """Whether UTF-8 bytes may name a card code."""
    return names_code(raw.lower().decode("latin-1"), raw)


def names_code(lowered: str, raw: bytes) -> bool:
    """The same, with the bytes in lower case, where digits may be missing. Nearly all name none."""
    if (
        "cv" in lowered
        or "cod" in lowered
        or ("z" in lowered and "fziffer" in lowered)
        or "fnummer" in lowered
        or "digo" in lowered
        or "verif" in lowered
    ):
        return _HINT.search(raw.lower()) is not None
    return False


def card_codes(text: str, numbers: list[Number]) -> Iterator[tuple[int, int]]:
    """Codes with their name before them, or after a card number and its expiry date."""
    for match in _NAMED.finditer(text):
        yield match.span(1)
    for number in numbers:
        after = _AFTER_CARD.match(text, number.places[-1] + 1)
        if after:
            yield after.span(1)


def tracks(text: str) -> Iterator[tuple[int, int]]:
    """Contents of a magnetic stripe (ISO/IEC 7813): the whole of them."""
    for pattern in (_TRACK_1, _TRACK_2):
        for match in pattern.finditer(text):
            if is_card_number(match.group(1)):
                yield match.span()
