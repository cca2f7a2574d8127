"""Disguises that `numbers` does not generate, in every part of a touchpoint and in raw bytes."""

from __future__ import annotations

import base64
import html
import json
import quopri
import re
import unicodedata
from collections.abc import Iterator
from random import Random
from typing import Any
from urllib.parse import quote, quote_plus, unquote, unquote_plus

import msgspec
import pytest

from handoff.domain.redaction.documents import masked_document
from handoff.domain.redaction.quick import needs_look
from handoff.domain.redaction.redaction import Redaction
from handoff.domain.redaction.values import masked_value
from handoff.services.sources.native import Caller, read_native

from .numbers import card, disguised, grouped

CARDS = ("4111111111111111", "378282246310005", "5555555555554444")
SCRIPTS = (
    0xFF10,
    0x660,
    0x6F0,
    0x966,
    0x9E6,
    0xE50,
    0x17E0,
    0xF20,
    0x1810,
    0x1D7CE,
    0x1D7F6,
    0x1FBF0,
    0x2080,
)
ALPHABETS = ("⁰¹²³⁴⁵⁶⁷⁸⁹", "⓪①②③④⑤⑥⑦⑧⑨", "⓿❶❷❸❹❺❻❼❽❾", "0⑴⑵⑶⑷⑸⑹⑺⑻⑼", "🄀⒈⒉⒊⒋⒌⒍⒎⒏⒐", "🄋➀➁➂➃➄➅➆➇➈")
INVISIBLE = "\u00ad\u200b\u200c\u200d\u2060\ufeff\u034f\u061c\u180e\u202e\u2066\u3164\u115f\U000e0020"
SEPARATORS = "\u2800\u3000\u2003\u1680·\u2022\u2013\u2014\u2212\u2043\u30fb\uff0d|│\u0301\u20dd💳"
BETWEEN = (
    "   ",
    "        ",
    "\r\n\r\n",
    "\t\t",
    "...",
    "**",
    "\n> ",
    "\n>> > ",
    "\u200b" * 10,
    "\u200b \u200b",
    "&shy;",
    "&zwnj;",
    "&ZeroWidthSpace;",
    "&NonBreakingSpace;",
    "&thinsp;",
    "&period;",
    "<!-- a 12 -->",
    "</td><td>",
    "%20",
    "%C2%A0",
    "+",
    "\\n",
    '"><input value="',
    "=\r\n",
)
EACH = (
    "&#{0};",
    "&#x{0:x};",
    "&amp;#{0};",
    "%{0:02X}",
    "%25{0:02X}",
    "\\u{0:04x}",
    "\\x{0:02x}",
    "\\u{{{0:x}}}",
    "={0:02X}",
)
AROUND = (
    "28.11.2026:{}",
    "2026-11-28 {} 12/27",
    "{0} {0}",
    "+49 30 1234567 {} +49 151 1234567",
    "12,50 EUR {} 3x",
    "scan_{}.pdf",
    "card{}end",
    "anna;berlin;{};12/27;123",
    "tel:{}",
    "https://x.example/a/{}/b?c=1",
    "https://x.example/#{}",
    "{}.00",
    "-{}",
    '{{"n":{}}}',
    "\u202b{}\u202c",
    ";{}=27121010000000000?",
    "DE44 {}",
)


def joined(digits: str, between: str, size: int = 4) -> str:
    return between.join(digits[at : at + size] for at in range(0, len(digits), size))


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def disguises(digits: str) -> Iterator[str]:
    for zero in SCRIPTS:
        yield "".join(chr(zero + int(it)) for it in digits)
    for alphabet in ALPHABETS:
        yield "".join(alphabet[int(it)] for it in digits)
    for one in (*INVISIBLE, *SEPARATORS):
        yield joined(digits, one)
        yield joined(digits, one, 1)
    yield from (joined(digits, it) for it in BETWEEN)
    yield from ("".join(it.format(ord(digit)) for digit in digits) for it in EACH)
    yield from (it.format(digits) for it in AROUND)
    yield from (it.format(joined(digits, " ")) for it in AROUND[:5])
    yield "".join(f"{it}\ufe0f\u20e3" for it in digits)  # emoji
    yield "".join(f"<i>{it}</i>" for it in digits)
    yield "".join(f'<input value="{digits[at : at + 4]}">' for at in range(0, 16, 4))
    yield quote("".join(chr(0xFF10 + int(it)) for it in digits))
    yield f"https://x.example/?a={digits[:4]}&b={digits[4:8]}&c={digits[8:12]}&d={digits[12:]}"
    yield f"{digits[0]}.{digits[1:]}e{len(digits) - 1}"
    yield f"{int(digits):,}"
    yield f"{int(digits):_}"
    yield digits.zfill(19)
    yield f"data:text/plain;base64,{encoded(digits)}"
    yield f"=?utf-8?B?{encoded(f'card {digits}')}?="
    yield f"=?utf-8?Q?{''.join(f'={ord(it):02X}' for it in digits)}?="
    yield quopri.encodestring(f"ä {digits[:8]}\u00a0{digits[8:]}".encode()).decode()
    yield joined(digits, "%26b%3D")


def shown(text: str) -> Iterator[str]:
    """The text, and what it becomes when its encodings are read one after the other."""
    for _ in range(4):
        yield text
        for block in re.findall(r"[A-Za-z0-9+/]{16,}={0,2}", text):
            yield (
                base64.b64decode(block + "=" * (-len(block) % 4)).decode("latin-1")
                if len(block) % 4 != 1
                else ""
            )
        text = html.unescape(re.sub(r"<!--.*?-->|<[^<>]*>", "", text, flags=re.DOTALL))
        text = re.sub(r"=\r?\n", "", unquote(text))
        yield text
        text = re.sub(r"\\u\{?([0-9a-f]{2,4})\}?|\\x([0-9a-f]{2})", _character, text)
        text = re.sub(r"=([0-9A-F]{2})", _character, text)


def _character(match: re.Match[str]) -> str:
    return chr(int(match.group(match.lastindex or 1), 16))


def readable(digits: str, text: str) -> bool:
    return any(digits in "".join(map(_digit, reading)) for reading in shown(text))


def _digit(one: str) -> str:
    """The digit that a reader sees, if it is one. `numeric` has the circled zero too, which `digit` lacks."""
    value = unicodedata.numeric(one, -1)
    return str(int(value)) if value in range(10) else ""


CASES = [(digits, text) for digits in CARDS for text in disguises(digits)]
WAYS: dict[str, Any] = {
    "text": lambda it: {"text": it},
    "subject": lambda it: {"subject": it, "text": "hello"},
    "data": lambda it: {"text": "hello", "data": {"deep": [{"note": it}]}},
    "extension": lambda it: {"data": {"phone": "+49301234567", "extension": it}},
    "attachment": lambda it: {"attachments": [{"name": it}]},
    "actor": lambda it: {"actor": {"id": "a1", "name": it}},
}


def test_there_are_many() -> None:
    assert len(CASES) > 200


def test_each_disguise_can_be_read_while_it_is_not_masked() -> None:
    assert [text for digits, text in CASES if not readable(digits, text)] == []


@pytest.mark.parametrize("way", WAYS)
def test_no_disguise_is_stored(way: str) -> None:
    redaction, caller = Redaction(), Caller(name="bot", channels=frozenset({"chat"}))
    left = []
    for at, (digits, text) in enumerate(CASES):
        given = {"id": f"{at}", "channel": "chat", "type": "message.received", "identities": [f"user:u{at}"]}
        raw = msgspec.json.encode({**given, "occurred_at": "2026-11-21T10:00:00Z", **WAYS[way](text)})
        masked = redaction.touchpoint("t", read_native(raw, caller), str)
        values = (masked.subject, masked.text, masked.data, masked.attachments, masked.actor)
        if any(readable(digits, leaf) for leaf in _leaves(values)):
            left.append(text)
    assert left == []


def _leaves(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        value = [*value, *value.values()]
    if isinstance(value, str):
        yield value
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _leaves(inner)


@pytest.mark.parametrize("way", ["bytes", "json", "form"])
def test_no_disguise_stays_in_bytes(way: str) -> None:
    left = []
    for digits, text in CASES:
        written = {"bytes": text, "json": json.dumps({"x": text}), "form": "a=" + quote_plus(text)}[way]
        masked = masked_document(written.encode())[0].decode()
        if way == "form":
            masked = unquote_plus(masked)
        elif way == "json":
            masked = str(json.loads(masked)["x"])
        if readable(digits, masked):
            left.append(text)
    assert left == []


def test_the_quick_check_misses_nothing_that_is_masked() -> None:
    random = Random(11)
    for _ in range(600):
        value = some_document(random)
        masked, counts = masked_value(value)
        assert not counts or needs_look(msgspec.json.encode(value)), (value, masked)


def some_document(random: Random) -> Any:
    digits, other = card(random), random.choice
    cut = random.randrange(4, len(digits) - 3)
    noise = other(
        ("Order 123", "", "http://a.b/c?d=1&e=2", 7, 3.5, None, True, 'a "q": b', "a\nb\\n", "ä €", "null")
    )
    parts = [digits[at : at + 4] for at in range(0, len(digits), 4)]
    name = other(("n{}", "part_{}", "a long name of {}", 'q"{}'))
    return other(
        (
            [disguised(random)[1], noise],
            {"x": noise, **{name.format(at): it for at, it in enumerate(parts)}},
            {"a": "my card " + digits[:cut], "n": other((None, True, False)), "b": digits[cut:] + " ok"},
            {digits: noise, "b": {"c": [noise, grouped(random, digits)]}},
            {"a": {"b": [digits[:cut]]}, "c": {"d": [[digits[cut:]]]}, "e": noise},
            {"a": int(parts[0]), "b": [int(it) for it in parts[1:]], "c": noise},
        )
    )
