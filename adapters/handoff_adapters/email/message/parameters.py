"""`value; name=value` header fields with their parameters (RFC 2045 §5.1, RFC 2183, RFC 2231)."""

from __future__ import annotations

import re
from urllib.parse import unquote_to_bytes

from msgspec import Struct

from .characters import decode, decode_words

MAX_LENGTH = 4_000  # characters of a field that are read; real ones have a few hundred
MAX_PARAMETERS = 64
_NAME = re.compile(r"([^\s=;\"*]{1,80})(?:\*(\d{1,3}))?(\*)?\s*=\s*")


class Parameterised(Struct, frozen=True):
    """A field's value in lower case, and its decoded parameters by lower-case name."""

    value: str = ""
    parameters: dict[str, str] = {}


def parameterised(field: str) -> Parameterised:
    """Reads `field`; invalid parts are skipped. A repeated parameter keeps its first value."""
    value, *rest = _pieces(field[:MAX_LENGTH])
    plain: dict[str, str] = {}
    sections: dict[str, dict[int, tuple[str, bool]]] = {}
    for piece in rest[:MAX_PARAMETERS]:
        match = _NAME.match(piece)
        if not match:
            continue
        name, section, extended = match[1].lower(), match[2], bool(match[3])
        content = _unquoted(piece[match.end() :])
        if section is None and not extended:
            plain.setdefault(name, decode_words(content))
        else:
            sections.setdefault(name, {}).setdefault(int(section or 0), (content, extended))
    joined = {name: _joined(found) for name, found in sections.items()}
    head = value.split()
    return Parameterised(head[0].lower() if head else "", plain | joined)


def _pieces(field: str) -> list[str]:
    """`field` split at semicolons outside quotes, without comments (RFC 5322 §3.2.2)."""
    pieces: list[str] = []
    current: list[str] = []
    quoted = escaped = False
    depth = 0
    for char in field:
        if escaped:
            escaped = False
        elif char == "\\" and (quoted or depth):
            escaped = True
        elif char == '"' and not depth:
            quoted = not quoted
        elif not quoted and char == "(":
            depth += 1
        elif depth and char == ")":
            depth -= 1
            continue
        elif char == ";" and not quoted and not depth:
            pieces.append("".join(current).strip())
            current = []
            continue
        if not depth:
            current.append(char)
    pieces.append("".join(current).strip())
    return pieces


def _unquoted(text: str) -> str:
    if text.startswith('"'):
        return re.sub(r"\\(.)", r"\1", text[1:].rpartition('"')[0] or text[1:])
    return text.strip()


def _joined(sections: dict[int, tuple[str, bool]]) -> str:
    """The value of continued and percent-encoded sections (RFC 2231 §3 and §4)."""
    charset = ""
    data = bytearray()
    for place, number in enumerate(sorted(sections)):
        content, extended = sections[number]
        if extended:
            if place == 0 and content.count("'") >= 2:
                charset, _language, content = content.split("'", 2)
            data += unquote_to_bytes(content)
        else:
            data += content.encode("utf-8", "replace")
    return decode(bytes(data), charset)
