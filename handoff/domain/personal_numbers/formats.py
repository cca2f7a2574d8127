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
from .iban import COUNTRIES, LENGTHS, disguised_ibans, ibans

IBAN, NATIONAL_ID = "iban", "national_id"
KINDS = (IBAN, NATIONAL_ID)
NEAR = 40  # characters between a name and its number
_SPACES = r" \t\u00a0\u1680\u2000-\u200a\u202f\u205f\u2800\u3000"
_DASHES = r"\-\u2010-\u2015\u2043\u2212\ufe63\uff0d"
_OTHERS = r"._/|>\u00b7\u2022\u2024\u30fb\uff0e\uff0f\\"
_GAP = rf"[{_SPACES}\r\n{_DASHES}{_OTHERS}]{{0,4}}"
_TIGHT = rf"[\u00a0\u2000-\u200a\u202f{_DASHES}{_OTHERS}]{{0,2}}"
_DASH = rf"[{_SPACES}]?[{_DASHES}][{_SPACES}]?"
_SSN_GAP = rf"(?:{_DASH}|[{_SPACES}]{{1,2}})"
_SIGN = rf"(?:[{_SPACES}]?[{_DASHES}+][{_SPACES}]?|[{_SPACES}./_])?"
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


def _groups(*sizes: int) -> str:
    return _GAP.join(f"[0-9]{{{it}}}" for it in sizes)


_SEPARATED = re.compile(r"[^0-9A-Za-z]+")


def _is_grouped(written: str) -> bool:
    """Whether it is written in groups, and is no address of a network."""
    groups = _SEPARATED.split(written)
    address = "." in written and all(int(it) < 256 for it in groups)
    return len(groups) == 4 and not address


def _is_nino(written: str) -> bool:
    """Whether it is none that a sentence has: "on 12/11/26 a customer"."""
    return written[:2].isupper() or len(set(_SEPARATED.findall(written))) < 2


_BSN = r"burger[\s_-]?service[\s_-]?n|bsn|sofi[\s_-]?n"
_STEUER = r"steuer[\s_-]?ident|steuer[\s_-]?id|tax[\s_-]?id|\bid[\s_-]?nr"
_SSN = r"social[\s_-]?sec|ssn"
_PERSON = r"person[\s_-]?n|personal[\s_-]?(?:identity[\s_-]?)?n|samordningsn|\bpnr"
_DNI_LETTER = rf"(?:{_TIGHT}[A-Z]|{_GAP}(?-i:[A-Z]))"
"""After a space, a small letter is a word: "12345678 a week ago"."""
FORMATS = (
    NumberFormat(
        "FI",
        rf"[0-9]{{6}}(?:[{_SPACES}]?[+{_DASHES}][{_SPACES}]?|[A-FU-Y])[0-9]{{3}}[0-9A-Y]",
        checks.fi_hetu,
    ),
    NumberFormat("SE", rf"(?:[0-9]{{2}})?{_DATE}(?:{_DASH}|\+)[0-9]{{4}}", checks.se_born_before),
    NumberFormat("SE", rf"(?:[0-9]{{2}})?{_DATE}{_SIGN}[0-9]{{4}}", checks.se_personnummer, _PERSON),
    NumberFormat("DE", _groups(2, 3, 3, 3), checks.de_steuer_id, likely=_is_grouped),
    NumberFormat("DE", _groups(2, 3, 3, 3), checks.de_steuer_id, _STEUER),
    NumberFormat(
        "FR",
        rf"[12]{_GAP}[0-9]{{2}}{_GAP}(?:0[1-9]|1[0-2]|[2-9][0-9]){_GAP}(?:[0-9]{{2}}|2[AB]){_GAP}"
        + _groups(3, 3, 2),
        checks.fr_nir,
    ),
    NumberFormat("ES", _groups(2, 3, 3) + _DNI_LETTER, checks.es_dni),
    NumberFormat("ES", rf"[XYZ]{_GAP}" + _groups(1, 3, 3) + _DNI_LETTER, checks.es_nie),
    NumberFormat(
        "GB", rf"[A-Z]{{2}}{_GAP}" + _groups(2, 2, 2) + rf"{_GAP}[A-D]", checks.gb_nino, likely=_is_nino
    ),
    NumberFormat(
        "IT",
        rf"[A-Z]{{3}}{_GAP}[A-Z]{{3}}{_GAP}{_CF_DIGIT}{{2}}{_GAP}[A-EHLMPRST]{_GAP}{_CF_DIGIT}{{2}}{_GAP}"
        rf"[A-Z]{_GAP}{_CF_DIGIT}{{3}}{_GAP}[A-Z]",
        checks.it_codice_fiscale,
    ),
    NumberFormat("NL", rf"[0-9]{{4}}{_GAP}[0-9]{{2}}{_GAP}[0-9]{{2,3}}", checks.nl_bsn, _BSN),
    NumberFormat("NL", _groups(3, 3, 3), checks.nl_bsn, _BSN),
    NumberFormat("US", rf"[0-9]{{3}}{_SSN_GAP}[0-9]{{2}}{_SSN_GAP}[0-9]{{4}}", checks.us_ssn),
    NumberFormat("US", _groups(3, 2, 4), checks.us_ssn, _SSN),
)
_NAMES = "|".join(dict.fromkeys(it.names for it in FORMATS if it.names))
_BETWEEN = r'(?:[^0-9A-Za-z"]|\\[nrtbf])'
"""A character of a gap in a text, and in its JSON: more than a gap may have."""
_ESCAPED_GAP = rf"{_BETWEEN}{{0,6}}"
_BEGIN, _END = r"(?:^|[^0-9A-Za-z]|\\[nrtbf])", r"(?:[^0-9A-Za-z]|$)"


def candidates(kinds: Sequence[str] = KINDS) -> str:
    """A pattern in RE2's syntax for texts, and for JSON in UTF-8, that may hold a number."""
    parts = []
    if IBAN in kinds:
        begin, gap = rf"{_BEGIN}(?:{{}})", _ESCAPED_GAP
        apart = "|".join(f"{first}{gap}[{''.join(sorted(seconds))}]" for first, seconds in _SECONDS.items())
        digit = f"{gap}[0-9]"
        parts += [
            begin.format(COUNTRIES) + rf"[0-9]{{2}}(?:{gap}[0-9A-Za-z]){{11}}",
            begin.format(apart) + digit * 2 + rf"(?:{gap}[A-Z]){{0,4}}{digit}(?:{gap}[0-9A-Za-z]){{6}}",
        ]
    if NATIONAL_ID in kinds:
        shapes = dict.fromkeys(_re2(it.shape) for it in FORMATS if not it.names)
        parts += [
            rf"{_BEGIN}(?:{'|'.join(shapes)}){_END}",
            rf"(?:{_NAMES})[^0-9]{{0,{NEAR}}}[0-9]",
            rf'(?:{_NAMES})[^"]*"\s*:\s*[\[{{]',  # a member with that name, and a number anywhere in it
            _SPELLED_ROW,
        ]
    return "(?i)" + "|".join(parts)


_SPELLED_ROW = rf"{_BEGIN}(?:[0-9A-Za-z]{_BETWEEN}{{1,6}}){{7}}[0-9A-Za-z]{_END}"
"""Single characters with gaps between them: `readings` puts them together."""
_SECONDS = {it[0]: {other[1] for other in LENGTHS if other[0] == it[0]} for it in sorted(LENGTHS)}
"""The second letters of countries by the first."""


def _re2(shape: str) -> str:
    """A shape for texts and JSON: gaps may be wider, and have escapes."""
    for gap in (_GAP, _TIGHT):
        shape = shape.replace(gap, _ESCAPED_GAP)
    shape = shape.replace(f"[{_SPACES}]", rf"(?:[{_SPACES}]|\\t)")
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


def naming(member: str) -> str:
    """The words in a member's name after which digits alone count; empty if there are none."""
    return " ".join(_NAMED.findall(member))


def _plain(format_: NumberFormat, text: str) -> str:
    """A number without its separators. The sign in a Finnish one is a part of it."""
    plain = _SIGNS.sub("", text.upper())
    return f"{plain[:6]}-{plain[6:]}" if format_.country == "FI" and len(plain) == 10 else plain
