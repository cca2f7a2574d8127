"""Reading a telephone number as people and programs write it in a look-up: nationally, bare, decorated.

One spelling may be read as several numbers: a tenant with sources in Finland and Sweden reads 040… in
both countries. The look-up tries all of them.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

from handoff.domain.text.memo import cached_if_short

from .errors import InvalidIdentity
from .identity import Identity, identity
from .numbering import is_retired

MAX_READINGS = 4
_NO_COUNTRY = "Use an international phone number (+358…), or set default_region of a source"
_SCHEME = re.compile(r"(?:tel|callto|sms|whatsapp|sips?):", re.IGNORECASE)
_CONTEXT = re.compile(r";phone-context=(\+[\d.()-]+)", re.IGNORECASE)  # RFC 3966 §5.1.5
_E164 = re.compile(r"\+[1-9]\d{8,14}", re.ASCII)
_NOT_DIGITS = re.compile(r"\D")
_FORMER_TRUNK = {"MX": re.compile(r"(?:01|04[45])(\d{10})", re.ASCII)}
"""Prefixes of national numbers that a plan has abolished and people still write (IFT, 2019)."""


def sought_identities(type: str, value: str, space: str, regions: tuple[str, ...]) -> tuple[Identity, ...]:
    """The identities that a look-up for this one means: several readings of a number, else itself."""
    if type == "phone":
        return phone_readings(value, regions)
    return (identity(type, value, space=space),)


@cached_if_short
def phone_readings(value: str, regions: tuple[str, ...]) -> tuple[Identity, ...]:
    """The identities that a sought telephone number may mean, likeliest first.

    `regions` (ISO 3166-1 alpha-2) are the tenant's. InvalidIdentity when there is no reading.
    """
    if _E164.fullmatch(value):  # the usual case: programs write E.164
        return (identity("phone", value),)
    first: InvalidIdentity | None = None
    sound: list[Identity] = []
    weak: list[Identity] = []
    sound_by_itself = False
    for spelling, region in _attempts(_plain(value), regions):
        if sound and (region is None or sound_by_itself):
            break  # the number states its country, or the tenant's regions have it
        try:
            found = identity("phone", spelling, region=region)
        except InvalidIdentity as error:
            first = first or error
            continue
        if not _is_assigned(found.value):
            weak.append(found)
            continue
        sound_by_itself = sound_by_itself or region is None
        sound.append(found)
    kept = tuple(dict.fromkeys(sound or weak))
    if not kept:
        raise first or InvalidIdentity(_NO_COUNTRY)
    return kept[:MAX_READINGS]


def _plain(value: str) -> str:
    """The number without its URI scheme, host and parameters, in plain digits."""
    text = unicodedata.normalize("NFKC", value)
    text = "".join(it for it in text if unicodedata.category(it) != "Cf").strip()  # marks of direction
    context = _CONTEXT.search(text)
    text = _SCHEME.sub("", text, count=1).partition("@")[0].partition(";")[0].strip()
    return f"{context[1]} {text}" if context and not text.startswith("+") else text


def _attempts(text: str, regions: tuple[str, ...]) -> Iterator[tuple[str, str | None]]:
    """Spellings and the region to read each in; None reads an international number.

    A number with a plus sign or 00 states its country. Any other is national first, except one that
    begins with the region's own code: Germans write 49151… for +49151….
    """
    digits = _NOT_DIGITS.sub("", text)
    if text.lstrip("( ").startswith(("+", "00")):
        yield text, None
        if digits.startswith("00"):
            yield "+" + digits[2:], None
    bare = text.replace("+", "")
    for region in regions:
        if digits.startswith(_code(region)) and _is_assigned_in("+" + digits, region):
            yield "+" + bare, region
        yield bare, region
        yield from _by_former_plan(digits, region)
    if not digits.startswith("0"):
        yield "+" + bare, None


def _by_former_plan(digits: str, region: str) -> Iterator[tuple[str, str]]:
    former = _FORMER_TRUNK.get(region)
    if match := former and former.fullmatch(digits):
        yield match[1], region
    international = f"+{_code(region)}{digits}"
    if is_retired(international):
        yield international, region


def _code(region: str) -> str:
    import phonenumbers  # see `identity`

    return str(phonenumbers.country_code_for_region(region))


def _is_assigned_in(number: str, region: str) -> bool:
    import phonenumbers

    try:
        return phonenumbers.is_valid_number_for_region(phonenumbers.parse(number), region)
    except phonenumbers.NumberParseException:
        return False


def _is_assigned(number: str) -> bool:
    """Whether the number belongs to a range that its country has assigned, today or before."""
    import phonenumbers

    return is_retired(number) or phonenumbers.is_valid_number(phonenumbers.parse(number))
