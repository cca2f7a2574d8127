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
from .iban import COUNTRIES, ibans

IBAN, NATIONAL_ID = "iban", "national_id"
KINDS = (IBAN, NATIONAL_ID)
NEAR = 40  # characters between a name and its number
_GAP = r"[ .\-\u2010\u2011\u2013\u00a0\u202f]?"
_DASH = r"[-\u2010\u2011\u2012\u2013\u2212]"
_SIGN = rf"(?:{_DASH}|[+ ])?"
_DATE = r"[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01]|6[1-9]|[78][0-9]|9[01])"
_CF_DIGIT = "[0-9L-NP-V]"


class NumberFormat(Struct, frozen=True):
    """A number as a person writes it. With `names`, it counts only after one of them."""

    country: str
    shape: str
    check: Callable[[str], bool]
    names: str = ""


_BSN = r"burger[\s_-]?service[\s_-]?n|bsn|sofi[\s_-]?n"
_STEUER = r"steuer[\s_-]?ident|steuer[\s_-]?id|tax[\s_-]?id|\bid[\s_-]?nr"
_SSN = r"social[\s_-]?sec|ssn"
_PERSON = r"person[\s_-]?n|personal[\s_-]?(?:identity[\s_-]?)?n|samordningsn|\bpnr"
FORMATS = (
    NumberFormat("FI", r"[0-9]{6}[-+A-FU-Y\u2010\u2011\u2013][0-9]{3}[0-9A-Y]", checks.fi_hetu),
    NumberFormat("SE", rf"(?:[0-9]{{2}})?{_DATE}(?:{_DASH}|\+)[0-9]{{4}}", checks.se_born_before),
    NumberFormat("SE", rf"(?:[0-9]{{2}})?{_DATE}{_SIGN}[0-9]{{4}}", checks.se_personnummer, _PERSON),
    NumberFormat("DE", r"[0-9]{2} [0-9]{3} [0-9]{3} [0-9]{3}", checks.de_steuer_id),
    NumberFormat(
        "DE", rf"[0-9]{{2}}{_GAP}[0-9]{{3}}{_GAP}[0-9]{{3}}{_GAP}[0-9]{{3}}", checks.de_steuer_id, _STEUER
    ),
    NumberFormat(
        "FR",
        rf"[12]{_GAP}[0-9]{{2}}{_GAP}(?:0[1-9]|1[0-2]|[2-9][0-9]){_GAP}(?:[0-9]{{2}}|2[AB])"
        rf"{_GAP}[0-9]{{3}}{_GAP}[0-9]{{3}}{_GAP}[0-9]{{2}}",
        checks.fr_nir,
    ),
    NumberFormat("ES", rf"(?:[0-9]{{8}}|[0-9]{{2}}\.[0-9]{{3}}\.[0-9]{{3}}){_DASH}?[A-Z]", checks.es_dni),
    NumberFormat("ES", rf"[XYZ]{_DASH}?[0-9]{{7}}{_DASH}?[A-Z]", checks.es_nie),
    NumberFormat(
        "GB", rf"[A-Z]{{2}}{_GAP}[0-9]{{2}}{_GAP}[0-9]{{2}}{_GAP}[0-9]{{2}}{_GAP}[A-D]", checks.gb_nino
    ),
    NumberFormat(
        "IT",
        rf"[A-Z]{{6}}{_GAP}{_CF_DIGIT}{{2}}[A-EHLMPRST]{_CF_DIGIT}{{2}}{_GAP}[A-Z]{_CF_DIGIT}{{3}}[A-Z]",
        checks.it_codice_fiscale,
    ),
    NumberFormat("NL", rf"[0-9]{{4}}{_GAP}[0-9]{{2}}{_GAP}[0-9]{{2,3}}", checks.nl_bsn, _BSN),
    NumberFormat("NL", rf"[0-9]{{3}}{_GAP}[0-9]{{3}}{_GAP}[0-9]{{3}}", checks.nl_bsn, _BSN),
    NumberFormat("US", rf"[0-9]{{3}}{_DASH}[0-9]{{2}}{_DASH}[0-9]{{4}}", checks.us_ssn),
    NumberFormat("US", rf"[0-9]{{3}}{_GAP}[0-9]{{2}}{_GAP}[0-9]{{4}}", checks.us_ssn, _SSN),
)
_NAMES = "|".join(dict.fromkeys(it.names for it in FORMATS if it.names))
_ESCAPED_GAP = r"(?:[ .\-\x{2010}\x{2011}\x{2013}\x{a0}\x{202f}\r\n\t]|\\[nrt]){0,4}"
_BEGIN, _END = r"(?:^|[^0-9A-Za-z]|\\[nrtbf])", r"(?:[^0-9A-Za-z]|$)"


def candidates(kinds: Sequence[str] = KINDS) -> str:
    """A pattern in RE2's syntax for texts, and for JSON in UTF-8, that may hold a number."""
    parts = []
    if IBAN in kinds:
        parts.append(rf"{_BEGIN}(?:{COUNTRIES})[0-9]{{2}}(?:{_ESCAPED_GAP}[0-9A-Za-z]){{11}}")
    if NATIONAL_ID in kinds:
        shapes = dict.fromkeys(_re2(it.shape) for it in FORMATS if not it.names)
        parts += [
            rf"{_BEGIN}(?:{'|'.join(shapes)}){_END}",
            rf"(?:{_NAMES})[^0-9]{{0,{NEAR}}}[0-9]",
            rf'(?:{_NAMES})[^"]*"\s*:\s*[\[{{]',  # a member with that name, and a number anywhere in it
        ]
    return "(?i)" + "|".join(parts)


def _re2(shape: str) -> str:
    return re.sub(r"\\u([0-9a-f]{4})", r"\\x{\1}", shape)


_FLAGS = re.IGNORECASE | re.ASCII  # no letter of another script folds to an ASCII one
_COMPILED = tuple(
    (
        it,
        re.compile(rf"(?<![0-9A-Za-z])(?:{it.shape})(?![0-9A-Za-z])", _FLAGS),
        re.compile(it.names, _FLAGS) if it.names else None,
    )
    for it in FORMATS
)
_NAMED = re.compile(_NAMES, _FLAGS)
_SIGNS = str.maketrans(dict.fromkeys(" .-+\u2010\u2011\u2012\u2013\u2212\u00a0\u202f"))


def numbers(text: str, kinds: Sequence[str] = KINDS) -> Iterator[tuple[str, int, int]]:
    """The kind, beginning, and end of each number in a text. They may overlap."""
    if IBAN in kinds:
        for start, end in ibans(text):
            yield IBAN, start, end
    if NATIONAL_ID not in kinds:
        return
    for format_, shape, names in _COMPILED:
        for match in shape.finditer(text):
            if format_.check(_plain(format_, match.group())) and (
                names is None or names.search(text, max(0, match.start() - NEAR), match.start())
            ):
                yield NATIONAL_ID, *match.span()


def naming(member: str) -> str:
    """The words in a member's name after which digits alone count; empty if there are none."""
    return " ".join(_NAMED.findall(member))


def _plain(format_: NumberFormat, text: str) -> str:
    """A number without its separators. The sign in a Finnish one is a part of it."""
    upper = text.upper()
    return upper if format_.country == "FI" else upper.translate(_SIGNS)
