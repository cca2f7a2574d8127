"""Numbers of orders, cases and contracts: in words, and in the fields of forms."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from handoff.domain.text.memo import cached_if_short

from ..lines import same, word
from ..packs.pack import Packs
from ..packs.tokens import tokens_of
from ..shapes import TimelineItem
from .signal import NamedReference

MAX_REFERENCES = 3  # of one touchpoint
_CODE = re.compile(
    r"(?<![\w/@.\-])#?((?:[A-Za-z]{1,6}[\-/])?[A-Za-z]{0,6}[\-/]?\d\w*(?:[\-/.](?:[A-Z]{1,4}[\-/])?\w*\d\w*)*(?:[\-/][A-Z]{1,3}\b)?)"
    r"(?![\w@]| \d{4})"
)
_SPACED = re.compile(r"(?<![\w/@.\-])((?:[A-Z]{1,4} )?\d{1,6}(?:[ \-]\d{2,6}){1,5})(?![\w@])")
_PREFIXED = re.compile(
    r"(?<![\w/@.\-])([A-Z]{2,5}(?: |(?=\d+ ))\d{1,8}(?:[ \-/.]\d{2,8}){0,4}(?:[\-/]\d{1,6})?)"
    r"(?![\w@]|[.,]\d)"
)
_ALONE = re.compile(r"#?\d[\d \-/]{5,24}\d|[A-Z]{1,6}[ \-]?\d[\dA-Z \-/]{4,24}")
_CAPITALS = re.compile(r"[A-Z]+")
_DATE = re.compile(r"(?:19|20)\d\d[\-/ ]\d\d?[\-/ ]\d\d?|\d\d?[\-/ ]\d\d?[\-/ ](?:19|20)?\d\d")
_GAP = re.compile(r"\d \d|[A-Z] \d")
_SPACED_DIGITS = range(6, 13)  # fewer are an amount, more may be the number of a card
_PREFIXED_DIGITS = range(5, 15)
_NO_PREFIX = frozenset(
    {
        *("EUR", "USD", "GBP", "SEK", "NOK", "DKK", "CHF", "PLN", "JPY", "CAD", "AUD"),
        *("TEL", "FAX", "MOB", "TLF", "PH", "GSM", "IBAN", "BIC", "BLZ", "PIN", "OTP", "TAN", "CVC", "CVV"),
        *("KW", "KWH", "MB", "GB", "TB", "MM", "CM", "KM", "KG", "ICE", "UTC", "PO"),
    }
)
"""Capitals before numbers that name nothing: currencies, telephones, secrets, units."""
_DIGIT = re.compile(r"\d")
_BEFORE_DIGIT = (
    15  # characters that a code may have before its first digit: `#`, twice six letters and a mark
)
MAX_ALONE = 30  # characters of a message that is only a number
LEAST_ALONE = 6  # digits of it
_SHORT = 40  # characters: for so few the pattern is cheaper than the quick look
_LABEL = 60  # characters before a number in which its label is
_LIKELY = re.compile(r"[A-Z](?:\d|[\-/]\d)")  # part of whatever `_SHAPED` matches
_SHAPED = re.compile(
    r"(?:[A-Z]{1,6}[\-/])?(?:[A-Z]{1,6}(?:\d{2}|-\d)|[A-Z]{2,6}/\d{3})\d*(?:[\-/]\w*\d\w*)*(?:[\-/][A-Z]{1,3})?"
)
_TYPED = re.compile(r"[A-Z]{2,5} \d")  # part of whatever `_PREFIXED` matches
_SEPARATORS = " \t\n#№:.,;="
_LABELLED = re.compile(r"[\w\-/]*\d[\w\-/]*")

JOINING_FIELDS = (
    *("order", "case", "ticket", "booking", "reservation", "claim", "invoice", "permit", "prescription"),
    *("parcel", "shipment", "return", "reference"),
)
SEPARATING_FIELDS = (
    "contract",
    "account",
    "customer",
    "policy",
    "meter",
    "subscription",
    "licence",
    "license",
)


def references_of(item: TimelineItem, packs: Packs) -> tuple[NamedReference, ...]:
    """The first references of a touchpoint, those of its fields before those of its words."""
    found: dict[str, NamedReference] = {}
    for reference in _stated(item, packs):
        known = found.get(reference.value)
        if known is None or (not known.label and reference.label):
            found[reference.value] = reference
        if len(found) >= MAX_REFERENCES:
            break
    return tuple(found.values())


def _stated(item: TimelineItem, packs: Packs) -> Iterator[NamedReference]:
    if item.data:
        yield from _fields(item.data)
        for name in ("fields", "values", "answers"):
            part = item.data.get(name)
            if isinstance(part, Mapping):
                yield from _fields(part)
    for text in (item.subject, item.text):
        if text:
            yield from in_words(text[:2000], packs)


def _fields(stated: Mapping[str, Any]) -> Iterator[NamedReference]:
    for name, value in stated.items():
        kind = field_kind(name)
        if kind and isinstance(value, str | int) and not isinstance(value, bool):
            shown = word(value)
            if any(it.isdigit() for it in shown) and len(shown) <= 40:
                yield NamedReference(kind, same(name), same(shown), shown)


@cached_if_short  # names of fields come again and again
def field_kind(name: str) -> str | None:
    """`joining` or `separating` for the name of a field that holds a number; None for any other."""
    plain = same(name)
    for suffix in ("number", "id", "no", "nr", "reference", "ref", "code"):
        if plain.endswith(suffix) and plain != suffix and plain != "reference":
            plain = plain.removesuffix(suffix)
            break
    if plain in JOINING_FIELDS:
        return "joining"
    return "separating" if plain in SEPARATING_FIELDS else None


def shaped(text: str) -> Iterator[str]:
    """Strings shaped like `A-17`, in any language."""
    return (match[1] for match in _CODE.finditer(text) if _SHAPED.fullmatch(match[1]) and len(match[1]) <= 30)


def _has_no_label(text: str, packs: Packs) -> bool:
    """Whether no number in a text can be a reference. A quick look that most texts pass."""
    if not text.isascii() or _LIKELY.search(text) or _TYPED.search(text):
        return False
    return packs.label_tokens.isdisjoint(tokens_of(text))


def in_words(text: str, packs: Packs) -> Iterator[NamedReference]:
    """References that a text names: after a label, or shaped like `A-17`."""
    digit = _DIGIT.search(text)
    if digit is None:
        return
    first = max(digit.start() - _BEFORE_DIGIT, 0)
    if len(text) - first > _SHORT and _has_no_label(text, packs):
        return
    if len(text) <= 2 * MAX_ALONE:
        yield from _alone(text)
    if _GAP.search(text, max(first - 5, 0)):
        yield from _spaced_out(text, packs)
        yield from _prefixed(text, packs)
    for match in _CODE.finditer(text, first):
        shown = match[1]
        if len(shown) > 30:
            continue
        label, kind = _label(text[max(match.start() - _LABEL, 0) : match.start()], packs)
        if kind:
            if _LABELLED.fullmatch(shown) and not (kind == "attribute" or _is_small(shown, label)):
                yield NamedReference(kind, label, same(shown), shown)
        elif _SHAPED.fullmatch(shown):
            yield NamedReference("joining", "", same(shown), shown)


def _prefixed(text: str, packs: Packs) -> Iterator[NamedReference]:
    """Capitals and groups of digits, typed as people do: `INV 55 20871`, `SUP 30918`."""
    for match in _PREFIXED.finditer(text):
        shown = match[1].strip()
        capitals = _CAPITALS.match(shown)
        name = capitals[0] if capitals else ""
        if " " not in shown or name in _NO_PREFIX or name.casefold() in packs.reference_words:
            continue
        if sum(map(str.isdigit, shown)) in _PREFIXED_DIGITS:
            label, kind = _label(text[max(match.start() - _LABEL, 0) : match.start()], packs)
            if kind != "attribute":
                yield NamedReference(kind or "joining", label, same(shown), shown)


def _alone(text: str) -> Iterator[NamedReference]:
    """A message that is nothing but a number: somebody asked for it."""
    shown = text.strip(" \t\n.!#")
    if len(shown) > MAX_ALONE or not _ALONE.fullmatch(shown):
        return
    digits = [int(it) for it in shown if it.isdigit()]
    capitals = _CAPITALS.match(shown)
    if _DATE.fullmatch(shown) or digits[0] == 0 or (capitals and capitals[0] in _NO_PREFIX):
        return  # the day, or the phone number, that they were asked for
    if len(digits) >= LEAST_ALONE and not _is_card(digits):
        yield NamedReference("joining", "", same(shown), shown)


def _is_card(digits: list[int]) -> bool:
    """Whether digits may be the number of a payment card: its length, and its check digit (Luhn)."""
    if not 13 <= len(digits) <= 19:
        return False
    doubled = (it * 2 - 9 * (it > 4) for it in digits[-2::-2])
    return (sum(digits[::-2]) + sum(doubled)) % 10 == 0


def _spaced_out(text: str, packs: Packs) -> Iterator[NamedReference]:
    """Numbers in groups of digits that the text calls a number of something: `invoice 70 4418 2093`."""
    for match in _SPACED.finditer(text):
        shown = match[1]
        if " " in shown and sum(map(str.isdigit, shown)) in _SPACED_DIGITS:
            label, kind = _label(text[max(match.start() - _LABEL, 0) : match.start()], packs)
            if kind in ("joining", "separating"):
                yield NamedReference(kind, label, same(shown), shown)


def _is_small(shown: str, label: str) -> bool:
    """`2 orders`, `order 3 lamps`: a bare number of one or two digits is a count."""
    return shown.isdigit() and len(shown) < 3


def _label(before: str, packs: Packs) -> tuple[str, str | None]:
    """The word that labels a number, looking back over `number`, `no.`, `#`."""
    rest = before[-_LABEL:]
    for _word in range(3):
        rest = rest.rstrip(_SEPARATORS)
        last = rest.split()[-1] if rest else ""
        found = last.strip(_SEPARATORS + "(\"“'").casefold()
        if not found:
            return "", None
        kind = packs.reference_words.get(found)
        if kind:
            return found, kind
        if found not in packs.number_words and found not in _BETWEEN:
            return "", None
        rest = rest[: len(rest) - len(last)]
    return "", None


_BETWEEN = frozenset({"is", "on", "ist", "är", "est", "es", "my", "the", "mit", "was", "oli", "var", "were"})
