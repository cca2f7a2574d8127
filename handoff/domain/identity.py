"""Identities: handles of a person, normalised so that all spellings of a handle are equal."""

from __future__ import annotations

import re
import unicodedata
from enum import StrEnum

import idna
from msgspec import Struct

from handoff.domain.text.memo import cached_if_short

from .errors import InvalidIdentity
from .numbering import current_spelling

MAX_VALUE = 512  # characters; the longest real handles (OIDC subjects, WhatsApp BSUIDs) are far shorter
_TYPE = re.compile(r"[a-z][a-z0-9_.]{0,63}")
_SPACE = re.compile(r"[^\s:{}\x00-\x1f\x7f]{1,128}")
_PLAIN_DOMAIN = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*(?:\.[a-z0-9]+(?:-[a-z0-9]+)*)*", re.ASCII)
_MASKED = re.compile(r"[xX*•#_]{2}")
_PUNCTUATION = re.compile(r"[\s().\-\u2010-\u2015/]")
_INTERNATIONAL = re.compile(r"\+[1-9]\d{8,14}", re.ASCII)  # E.164 §6.2.1; a shorter one was cut off
_WRONG_LENGTH = "The phone number has too few or too many digits"
MAX_PLAIN = 63  # characters: shorter than any limit of a domain or its labels
GLOBAL_TYPES = frozenset({"email", "phone"})
"""Types that identify the same person in every space of a tenant. Their space is dropped."""
REFERENCE = "reference"
"""An order, case or policy number. It finds customers and never joins them."""
ANONYMOUS = "anonymous"
"""The id of a browser or device. It is short-lived."""
STRONG_TYPES = frozenset({"user"})
ACCOUNT_TYPES = frozenset({"user", "whatsapp.user"})
"""Types of which a person has one in a space: a handle that is verified for two is shared."""


class Assurance(StrEnum):
    """The reliability of a statement, strongest first."""

    VERIFIED = "verified"
    CLAIMED = "claimed"
    INFERRED = "inferred"


ASSURANCE_RANK = {Assurance.VERIFIED: 2, Assurance.CLAIMED: 1, Assurance.INFERRED: 0}


def weaker(one: Assurance, other: Assurance) -> Assurance:
    """The lower of two assurances. A statement is as reliable as its weakest part."""
    if one is other:
        return one
    return one if ASSURANCE_RANK[one] <= ASSURANCE_RANK[other] else other


class Identity(Struct, frozen=True, order=True, cache_hash=True):
    """One handle of a person. Create it with `identity()`, which normalises."""

    type: str
    space: str
    value: str

    def __str__(self) -> str:
        head = f"{self.type}@{self.space}" if self.space else self.type
        return f"{head}:{self.value}"


class Handle(Struct, frozen=True, cache_hash=True):
    """An identity in a touchpoint, with its assurance."""

    identity: Identity
    assurance: Assurance


def identity(type: str, value: str, *, space: str = "", region: str | None = None) -> Identity:
    """A normalised identity.

    `region` (ISO 3166-1 alpha-2) reads national phone numbers. Emails are lower-cased with an IDNA
    (UTS 46) domain, phones become E.164, everything else is trimmed and NFC. InvalidIdentity when
    the type, space or value is malformed.
    """
    return _identity(type, value, space, region)


@cached_if_short
def _identity(type: str, value: str, space: str, region: str | None) -> Identity:
    if not _TYPE.fullmatch(type):
        raise InvalidIdentity(f"Identity types match [a-z][a-z0-9_.]*, unlike {type[:40]!r}")
    if space and not _SPACE.fullmatch(space):
        raise InvalidIdentity(f"Identity spaces contain no whitespace, colons or braces: {space[:40]!r}")
    if type == "email":
        return Identity(type, "", _email(value))
    if type == "phone":
        return Identity(type, "", _phone(value, region)[0])
    return Identity(type, space, _normal_text(value))


@cached_if_short
def parse_identity(text: str, *, region: str | None = None) -> Identity:
    """The identity written `type:value` or `type@space:value`, split at the first colon."""
    type_, space, value = split_identity(text)
    return identity(type_, value, space=space, region=region)


def split_identity(text: str) -> tuple[str, str, str]:
    """Type, space and value of an identity written `type:value` or `type@space:value`."""
    head, colon, value = text.strip().partition(":")
    if not colon:
        raise InvalidIdentity("Write an identity as type:value or type@space:value")
    type_, at, space = head.partition("@")
    if at and not space:
        raise InvalidIdentity("The space after @ is empty")
    return type_, space, value


def _normal_text(value: str) -> str:
    if value.isascii() and value.isprintable() and 0 < len(value.strip()) <= MAX_VALUE:
        return value.strip()  # the same result as below, for nearly all values
    text = unicodedata.normalize("NFC", value).strip()
    if not text:
        raise InvalidIdentity("The identity has no value")
    if len(text) > MAX_VALUE:
        raise InvalidIdentity(f"Identity values have at most {MAX_VALUE} characters")
    if any(unicodedata.category(c) in ("Cc", "Cs") for c in text):
        raise InvalidIdentity("Identity values must not contain control characters")
    return text


@cached_if_short
def normal_email(value: str) -> str:
    """The address in lower case with its domain in IDNA ASCII form (RFC 5890, UTS 46)."""
    return _email(value)


def _email(value: str) -> str:
    text = _normal_text(value)
    if text.lower().startswith("mailto:"):
        text = text[7:]
    local, at, domain = text.rpartition("@")
    if not at or not local or not domain or any(c.isspace() or c in "<>,;" for c in text):
        raise InvalidIdentity("Write an email address as local@domain")
    if len(domain) <= MAX_PLAIN and _PLAIN_DOMAIN.fullmatch(lowered := domain.lower()):
        return f"{local.lower()}@{lowered}"  # the same result as below, for nearly all domains
    try:
        ascii_domain = idna.encode(domain.rstrip("."), uts46=True).decode("ascii")
    except (idna.IDNAError, UnicodeError) as error:
        lowered = domain.rstrip(".").lower()
        # Underscores and address literals are not IDNA, but mail to them is delivered.
        if not re.fullmatch(r"[a-z0-9_.\-]+|\[[0-9a-f.:ipv]+\]", lowered):
            raise InvalidIdentity("The domain of the email address is not a domain name") from error
        ascii_domain = lowered
    if not ascii_domain:
        raise InvalidIdentity("The domain of the email address is empty")
    return f"{local.lower()}@{ascii_domain.lower()}"


@cached_if_short
def normal_phone(value: str, region: str | None = None) -> str:
    """The number in E.164 as it is dialled today. Without a region, `00` is read as `+`.

    InvalidIdentity for a number that no plan allows, unlike `identity`, which keeps it as sent.
    """
    number, possible = _phone(value, region)
    current = number if possible else current_spelling(number)
    if not possible and current == number:
        raise InvalidIdentity(_WRONG_LENGTH)
    return current


@cached_if_short
def _phone(value: str, region: str | None) -> tuple[str, bool]:
    """The number in E.164, and whether `phonenumbers` finds it possible.

    An international number of an impossible length is kept as sent: vendors use numbers for years after
    a country has changed its plan.
    """
    import phonenumbers  # ten modules with tables: imported on first use, so that the start is faster

    text = _normal_text(value)
    if text.lower().startswith("tel:"):
        text = text[4:]
    if _MASKED.search(text):  # the parser reads letters as digits: +35840123XXXX would be a real number
        raise InvalidIdentity("The phone number is masked")
    if region is None and text.startswith("00"):
        text = "+" + text[2:]
    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException as error:
        raise InvalidIdentity(
            "Use an international phone number (+358…), or set default_region of the source"
        ) from error
    if number.extension:
        number.extension = None
    if phonenumbers.is_possible_number(number):
        return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164), True
    digits = _PUNCTUATION.sub("", unicodedata.normalize("NFKC", text))
    if not _INTERNATIONAL.fullmatch(digits):
        raise InvalidIdentity(_WRONG_LENGTH)
    return digits, False


def default_assurance(type: str) -> Assurance:
    """The assurance of a handle whose sender states none. Contact details are claims."""
    return Assurance.CLAIMED if type in GLOBAL_TYPES else Assurance.VERIFIED
