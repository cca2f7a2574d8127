"""Spellings of one telephone line that a national numbering plan allows, or allowed before it changed.

A caller, a vendor and a customer database can each name one line by a different number, and every one
of them looks complete. The table lists the differences. Where the older spelling can be no other line
(`retired`), a vendor that proves the number, such as WhatsApp, allows to replace it. Everywhere else the
spellings are candidates of each other.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from msgspec import Struct

from handoff.domain.text.memo import cached_if_short

Respell = Callable[[str], str | None]


class LineVariant(Struct, frozen=True, kw_only=True):
    """Two spellings of one line in a country: `old` and `new`, each with its replacement by the other.

    `retired`: the old spelling is assigned to no other line. `by_digit` maps a digit of the old number
    (group `d`) to what the plan put in front of it; otherwise the templates say everything.
    """

    region: str
    old: str
    to_new: str
    new: str
    to_old: str
    retired: bool = True
    by_digit: dict[str, str] | None = None


# Sources: the ITU-T E.164 national numbering plans that each administration publishes (ITU Operational
# Bulletin, "National numbering plans"), by country:
#   MX  IFT, Plan Técnico Fundamental de Numeración, in force 3 August 2019: the mobile digit 1 ends.
#   BR  Anatel, Resolução 553/2010: mobile numbers get a ninth digit 9, completed 6 November 2016.
#   AR  ENACOM, Plan Fundamental de Numeración Nacional: mobile lines are dialled with 9 from abroad.
#   BJ  ARCEP Bénin, plan of 30 November 2024: ten digits, 01 before the former eight.
#   CI  ARTCI, plan of 31 January 2021: ten digits. The operator decides the prefix: its series is the
#       second digit of mobile numbers, and the third of fixed ones.
#   VN  MIC, Decision 798/QĐ-BTTTT, 2018: mobile numbers of eleven digits get ten.
#   MU  ICTA, 1 September 2013: 5 before the former seven digits of mobile numbers.
#   EC  ARCOTEL (CONATEL), 30 September 2012: 9 before the former eight digits of mobile numbers.
LINE_VARIANTS: Sequence[LineVariant] = (
    LineVariant(
        region="MX", old=r"\+521(\d{10})", to_new=r"+52\1", new=r"\+52([2-9]\d{9})", to_old=r"+521\1"
    ),
    LineVariant(
        region="BR",
        old=r"\+55([1-9]\d)([6-9]\d{7})",
        to_new=r"+55\g<1>9\2",
        new=r"\+55([1-9]\d)9([6-9]\d{7})",
        to_old=r"+55\1\2",
    ),
    LineVariant(
        region="AR",
        old=r"\+54([1-3]\d{9})",
        to_new=r"+549\1",
        new=r"\+549([1-3]\d{9})",
        to_old=r"+54\1",
        retired=False,
    ),
    LineVariant(
        region="BJ", old=r"\+229([2-9]\d{7})", to_new=r"+22901\1", new=r"\+22901(\d{8})", to_old=r"+229\1"
    ),
    LineVariant(
        region="CI",
        old=r"\+225((?:0|[4-9])(?P<d>\d)\d{6})",
        to_new=r"+225{prefix}\1",
        new=r"\+225(?:01|05|07)((?:0|[4-9])\d{7})",
        to_old=r"+225\1",
        by_digit=dict(zip("0123456789", ("01",) * 4 + ("05",) * 3 + ("07",) * 3, strict=True)),
    ),
    LineVariant(
        region="CI",
        old=r"\+225([23]\d(?P<d>\d)\d{5})",
        to_new=r"+225{prefix}\1",
        new=r"\+225(?:21|25|27)([23]\d{7})",
        to_old=r"+225\1",
        by_digit=dict.fromkeys("12345679", "27") | {"8": "21", "0": "25"},
    ),
    *(
        LineVariant(
            region="VN",
            old=rf"\+84{before}(\d{{7}})",
            to_new=rf"+84{after}\1",
            new=rf"\+84{after}(\d{{7}})",
            to_old=rf"+84{before}\1",
        )
        for before, after in (
            *(("120", "70"), ("121", "79"), ("122", "77"), ("126", "76"), ("128", "78")),
            *(("123", "83"), ("124", "84"), ("125", "85"), ("127", "81"), ("129", "82")),
            *((f"16{digit}", f"3{digit}") for digit in range(2, 10)),
            *(("186", "56"), ("188", "58"), ("199", "59")),
        )
    ),
    LineVariant(
        region="MU", old=r"\+230([79]\d{6})", to_new=r"+2305\1", new=r"\+2305([79]\d{6})", to_old=r"+230\1"
    ),
    LineVariant(
        region="EC",
        old=r"\+593([89]\d{7})",
        to_new=r"+5939\1",
        new=r"\+5939([89]\d{7})",
        to_old=r"+593\1",
    ),
)
_CODES = ("+52", "+54", "+55", "+84", "+225", "+229", "+230", "+593")


class _Rule(Struct, frozen=True):
    prefix: str
    retired: bool
    to_new: Respell
    to_old: Respell


def current_spelling(number: str) -> str:
    """The number as today's plan writes it, if the given spelling (E.164) can be no other line."""
    return next((new for rule in _rules(number) if rule.retired and (new := rule.to_new(number))), number)


@cached_if_short
def other_spellings(number: str) -> tuple[str, ...]:
    """The other numbers (E.164) that name the same line, or may do so. Empty for nearly all countries."""
    found = [
        spelling
        for rule in _rules(number)
        for spelling in (rule.to_new(number), rule.to_old(number))
        if spelling and spelling != number
    ]
    return tuple(dict.fromkeys(found))


def is_retired(number: str) -> bool:
    """Whether the number is a spelling that an older plan used, and today's assigns to nobody."""
    return current_spelling(number) != number


def _rules(number: str) -> list[_Rule]:
    if not number.startswith(_CODES):
        return []
    return [rule for rule in _RULES if number.startswith(rule.prefix)]


def _respell(pattern: str, template: str, prefixes: dict[str, str] | None) -> Respell:
    whole = re.compile(pattern, re.ASCII)

    def respell(number: str) -> str | None:
        match = whole.fullmatch(number)
        if match is None:
            return None
        prefix = prefixes[match["d"]] if prefixes else ""
        return match.expand(template.replace("{prefix}", prefix))

    return respell


_RULES = [
    _Rule(
        next(code for code in sorted(_CODES, key=len, reverse=True) if it.old.startswith("\\" + code)),
        it.retired,
        _respell(it.old, it.to_new, it.by_digit),
        _respell(it.new, it.to_old, None),
    )
    for it in LINE_VARIANTS
]
