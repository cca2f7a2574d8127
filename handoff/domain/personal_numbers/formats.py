"""National identification numbers by country: how they are written, and how they are checked.

Sources: the issuing authorities' descriptions (DVV, Skatteverket, BZSt, INSEE, Ministerio del Interior, HMRC,
Agenzia delle Entrate, RvIG, SSA), read in 2026. A number whose digits alone would also fit many order numbers
counts only beside its name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

from msgspec import Struct

from . import checks
from .iban import disguised_ibans, ibans, starts_iban

IBAN, NATIONAL_ID = "iban", "national_id"
KINDS = (IBAN, NATIONAL_ID)
NEAR = 40  # characters between a name and its number
_SPACES = r" \t\u00a0\u1680\u2000-\u200a\u202f\u205f\u2800\u3000"
_DASHES = r"\-\u2010-\u2015\u2043\u2212\ufe63\uff0d"
_OTHERS = r"._/|>\u00b7\u2022\u2024\u30fb\uff0e\uff0f\\"
_ANY = rf"[{_SPACES}\r\n{_DASHES}{_OTHERS}]"
_GAPS = {
    "<gap>": (f"{_ANY}{{0,4}}", " *"),
    "<sep>": (f"{_ANY}{{1,4}}", " +"),
    "<tight>": (rf"[\u00a0\u2000-\u200a\u202f{_DASHES}{_OTHERS}]{{0,2}}", " *"),  # no plain space
    "<sign>": (rf"[{_SPACES}]?[+{_DASHES}][{_SPACES}]?", " +"),
    "<apart>": (rf"(?:[{_SPACES}]?[{_DASHES}][{_SPACES}]?|[{_SPACES}]{{1,2}})", " +"),
}
"""Separators between the groups of a number: in a text, and in a condensed one."""
_DATE = r"[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01]|6[1-9]|[78][0-9]|9[01])"
_CF_DIGIT = "[0-9L-NP-V]"


class NumberFormat(Struct, frozen=True):
    """A number as a person writes it. With `names`, it counts only after one of them.

    `check` gets the number in upper case without separators, `likely` as it is written.
    """

    country: str
    shape: str
    check: Callable[[str], bool]
    names: str = ""
    likely: Callable[[str], bool] | None = None


def _groups(*sizes: int, between: str = "<gap>") -> str:
    return between.join(f"[0-9]{{{it}}}" for it in sizes)


def _or_solid(*sizes: int) -> str:
    """In groups or without any gap: with some of the gaps it is the end of a time."""
    return f"(?:[0-9]{{{sum(sizes)}}}|{_groups(*sizes, between='<sep>')})"


_SEPARATED = re.compile(r"[^0-9A-Za-z]+")


def _is_not_address(written: str) -> bool:
    """Whether it is something else than a network address such as 10.120.135.140."""
    return "." not in written or any(int(it) > 255 for it in _SEPARATED.split(written))


def _is_nino(written: str) -> bool:
    """Whether it is none that a sentence has: "on 12/11/26 a customer"."""
    return written[:2].isupper() or len(set(_SEPARATED.findall(written))) < 2


_BSN = r"burger[\s_-]?service[\s_-]?n|bsn|sofi[\s_-]?n"
_STEUER = r"steuer[\s_-]?ident|steuer[\s_-]?id|tax[\s_-]?id|\bid[\s_-]?nr"
_SSN = r"social[\s_-]?sec|ssn"
_PERSON = r"person[\s_-]?n|personal[\s_-]?(?:identity[\s_-]?)?n|samordningsn|\bpnr"
_DNI_END = "(?:<tight>[A-Z]|<gap>(?-i:[A-Z]))"
"""After a space, a small letter is a word: "12345678 a week ago"."""
FORMATS = (
    NumberFormat("FI", "[0-9]{6}(?:<sign>|[A-FU-Y])[0-9]{3}[0-9A-Y]", checks.fi_hetu),
    NumberFormat("SE", f"(?:[0-9]{{2}})?{_DATE}<sign>[0-9]{{4}}", checks.se_born_before),
    NumberFormat(
        "SE", f"(?:[0-9]{{2}})?{_DATE}(?:<sign>|[{_SPACES}./_])?[0-9]{{4}}", checks.se_personnummer, _PERSON
    ),
    NumberFormat("DE", _groups(2, 3, 3, 3, between="<sep>"), checks.de_steuer_id, likely=_is_not_address),
    NumberFormat("DE", _groups(2, 3, 3, 3), checks.de_steuer_id, _STEUER),
    NumberFormat(
        "FR",
        "[12]<gap>[0-9]{2}<gap>(?:0[1-9]|1[0-2]|[2-9][0-9])<gap>(?:[0-9]{2}|2[AB])<gap>" + _groups(3, 3, 2),
        checks.fr_nir,
    ),
    NumberFormat("ES", _or_solid(2, 3, 3) + _DNI_END, checks.es_dni),
    NumberFormat("ES", "[XYZ]<gap>" + _or_solid(1, 3, 3) + _DNI_END, checks.es_nie),
    NumberFormat("GB", "[A-Z]{2}<gap>" + _groups(2, 2, 2) + "<gap>[A-D]", checks.gb_nino, likely=_is_nino),
    NumberFormat(
        "IT",
        f"[A-Z]{{3}}<gap>[A-Z]{{3}}<gap>{_CF_DIGIT}{{2}}<gap>[A-EHLMPRST]<gap>{_CF_DIGIT}{{2}}<gap>"
        f"[A-Z]<gap>{_CF_DIGIT}{{3}}<gap>[A-Z]",
        checks.it_codice_fiscale,
    ),
    NumberFormat("NL", "[0-9]{4}<gap>[0-9]{2}<gap>[0-9]{2,3}", checks.nl_bsn, _BSN),
    NumberFormat("NL", _groups(3, 3, 3), checks.nl_bsn, _BSN),
    NumberFormat("US", _groups(3, 2, 4, between="<apart>"), checks.us_ssn),
    NumberFormat("US", _groups(3, 2, 4), checks.us_ssn, _SSN),
)
NAMES = "|".join(dict.fromkeys(it.names for it in FORMATS if it.names))


def shape_of(format_: NumberFormat, kind: int = 0) -> str:
    """A format's shape with what may be between its groups: in a text (0), or in a condensed one (1)."""
    shape = format_.shape
    for name, gaps in _GAPS.items():
        shape = shape.replace(name, gaps[kind])
    return shape


_FLAGS = re.IGNORECASE | re.ASCII  # no letter of another script folds to an ASCII one
_COMPILED = tuple(
    (
        it,
        re.compile(f"(?<![0-9A-Za-z])(?:{shape_of(it)})(?![0-9A-Za-z])", _FLAGS),
        re.compile(it.names, _FLAGS) if it.names else None,
    )
    for it in FORMATS
)
_CONDENSED = tuple(
    (it, re.compile(f"(?<![0-9A-Za-z])(?:{shape_of(it, 1)})(?![0-9A-Za-z])", _FLAGS))
    for it in FORMATS
    if not it.names
)
_NAMED = re.compile(NAMES, _FLAGS)
_SIGNS = re.compile(r"[^0-9A-Za-z]+")


def numbers(text: str, kinds: Sequence[str] = KINDS) -> Iterator[tuple[str, int, int]]:
    """The kind, beginning, and end of each number in a reading of a text. They may overlap."""
    if IBAN in kinds:
        for start, end in {*ibans(text), *disguised_ibans(text)}:
            yield IBAN, start, end
    if NATIONAL_ID not in kinds:
        return
    for format_, shape, names in _COMPILED:
        for match in shape.finditer(text):
            written = match.group()
            if (
                (format_.likely is None or format_.likely(written))
                and format_.check(_plain(format_, written))
                and (names is None or names.search(text, max(0, match.start() - NEAR), match.start()))
            ):
                yield NATIONAL_ID, *match.span()


def starts_number(plain: str, at: int, kinds: Sequence[str] = KINDS) -> bool:
    """Whether a number that counts without its name begins at a place of a condensed text."""
    if IBAN in kinds and starts_iban(plain, at):
        return True
    return NATIONAL_ID in kinds and any(
        match is not None and it.check(_plain(it, match.group()))
        for it, match in ((it, shape.match(plain, at)) for it, shape in _CONDENSED)
    )


def naming(member: str) -> str:
    """The words in a member's name after which digits alone count; empty if there are none."""
    return " ".join(_NAMED.findall(member))


def _plain(format_: NumberFormat, text: str) -> str:
    """A number without its separators. The sign in a Finnish one is a part of it."""
    plain = _SIGNS.sub("", text.upper())
    return f"{plain[:6]}-{plain[6:]}" if format_.country == "FI" and len(plain) == 10 else plain
