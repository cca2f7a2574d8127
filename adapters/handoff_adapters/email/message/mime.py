"""The structure of a mail: header fields and a tree of parts, read in bounded time (RFC 5322, 2045, 2046).

The standard library's parser tries every open boundary on every line: 1 MB of short lines takes
2.1 s within 20 nested multiparts and 15.7 s within 200, and recursion limits its depth. This reader
scans each byte once per level (0.1 s) and limits levels, parts and fields. It reads 172 of 174 test
mails of mail libraries into the same leaves.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator

from msgspec import Struct

from handoff.domain.errors import InvalidPayload

from .characters import decode, from_base64
from .parameters import Parameterised, parameterised

MAX_HEADER_BYTES = 256 * 1024  # a block; the largest real ones (ARC chains, long To lists) reach 100 kB
MAX_FIELDS = 1000
MAX_PARTS = 500
MAX_DEPTH = 20  # real mail nests 5 or 6 levels
MAX_VALUE = 10_000  # characters of one field that are read
MAX_ADDRESSES = 64_000  # the same for fields that hold address lists
_LONG_FIELDS = frozenset({"from", "to", "cc", "bcc", "reply-to", "sender", "references"})

_MBOX = re.compile(
    rb">?From (?![ \t]*:)"
)  # the mbox separator, but not a From field with blanks before its colon
_ENCODING = re.compile(r'\s*"?([\w-]+)', re.ASCII)  # comments may follow (RFC 2045 §6.1)
_META = re.compile(rb"<meta\b[^>]{0,200}?\bcharset\s*=\s*[\"']?\s*([\w.:-]{1,40})", re.IGNORECASE)
_CHARSET = re.compile(rb"\bcharset\s*=\s*[\"']?([\w.:-]{1,40})", re.IGNORECASE)
_META_WITHIN = 1024  # bytes; the HTML standard's own limit for it
_FIELD = re.compile(rb"([!-9;-~]{1,200})[ \t]*:")


class Headers(Struct, frozen=True):
    """Header fields in order: (lower-case name, unfolded value). `cut` names the truncated ones."""

    fields: tuple[tuple[str, str], ...] = ()
    cut: frozenset[str] = frozenset()

    def first(self, name: str) -> str:
        """The value of the topmost field called `name`, or an empty string."""
        return next((value for field, value in self.fields if field == name), "")

    def all(self, name: str) -> list[str]:
        return [value for field, value in self.fields if field == name]

    def has(self, name: str) -> bool:
        return any(field == name for field, _ in self.fields)


class Part(Struct, frozen=True):
    """One entity of a mail. Only a multipart with delimiters has `children`. `content` is still encoded."""

    headers: Headers
    type: Parameterised
    disposition: Parameterised
    content: bytes
    children: tuple[Part, ...] = ()

    @property
    def content_type(self) -> str:
        return self.type.value

    def decoded(self) -> bytes:
        """The content without its transfer encoding (RFC 2045 §6); an unknown encoding is not decoded."""
        stated = _ENCODING.match(self.headers.first("content-transfer-encoding"))
        encoding = stated[1].lower() if stated else ""
        if encoding == "base64":
            return from_base64(self.content)
        if encoding == "quoted-printable":
            return binascii.a2b_qp(self.content)
        return self.content

    def text(self) -> str:
        data, charset = self.decoded(), self.type.parameters.get("charset", "")
        if not charset and self.content_type == "text/html":
            charset = _stated_inside(data)
        return decode(data, charset)

    def walk(self) -> Iterator[Part]:
        """This part and all below it, in the order of the mail."""
        yield self
        for child in self.children:
            yield from child.walk()


def _stated_inside(html: bytes) -> str:
    """The charset that HTML declares. Empty for valid UTF-8, where the declaration is outdated."""
    found = _META.search(html[:_META_WITHIN])
    try:
        html.decode("utf-8")
    except UnicodeDecodeError:
        return found[1].decode("ascii") if found else ""
    return ""


def read_mail(raw: bytes) -> Part:
    """The parts of the mail `raw`.

    InvalidPayload with `not_mail` (no header field at all), `headers_too_large`, `too_many_fields`,
    `too_many_parts` or `too_deep`.
    """
    raw = _from_first_line(raw)
    if b"\n" not in raw[:MAX_HEADER_BYTES] and b"\r" in raw[:MAX_HEADER_BYTES]:
        raw = raw.replace(b"\r", b"\n")  # line ends of the classic Mac OS
    part = _Reader(raw).part(0, len(raw), depth=0, default="text/plain")
    if not part.headers.fields:
        raise InvalidPayload("The mail has no header field", code="not_mail")
    return part


def read_headers(data: bytes) -> Headers:
    """The header fields at the start of `data`, as in a `text/rfc822-headers` part."""
    return _fields(data, 0, len(data))[0]


def body_bytes(raw: bytes) -> bytes:
    """The body of the mail `raw`, with `\\n` line ends and without trailing blank lines."""
    raw = _from_first_line(raw)
    return raw[_fields(raw, 0, len(raw))[1] :].replace(b"\r\n", b"\n").rstrip()


def _from_first_line(raw: bytes) -> bytes:
    """The mail without a byte order mark and blank lines above its header: saved files have them."""
    return raw.removeprefix(b"\xef\xbb\xbf").lstrip(b"\r\n")


class _Reader:
    """Reads one mail and counts its parts."""

    def __init__(self, raw: bytes) -> None:
        self._raw = raw
        self._parts = 0

    def part(self, start: int, end: int, *, depth: int, default: str) -> Part:
        self._parts += 1
        if self._parts > MAX_PARTS:
            raise InvalidPayload(f"The mail has more than {MAX_PARTS} parts", code="too_many_parts")
        if depth > MAX_DEPTH:
            raise InvalidPayload(f"Parts are nested deeper than {MAX_DEPTH}", code="too_deep")
        headers, body = _fields(self._raw, start, end)
        type_ = parameterised(headers.first("content-type"))
        if "/" not in type_.value:
            type_ = Parameterised(default, type_.parameters)
        children: tuple[Part, ...] = ()
        if type_.value.startswith("multipart/"):
            children = self._children(body, end, type_, depth)
        return Part(
            headers=headers,
            type=type_,
            disposition=parameterised(headers.first("content-disposition")),
            content=b"" if children else self._raw[body:end],
            children=children,
        )

    def _children(self, start: int, end: int, type_: Parameterised, depth: int) -> tuple[Part, ...]:
        boundary = type_.parameters.get("boundary", "").rstrip()
        default = "message/rfc822" if type_.value == "multipart/digest" else "text/plain"
        if not boundary:
            return ()
        return tuple(
            self.part(first, last, depth=depth + 1, default=default)
            for first, last in _spans(self._raw, boundary.encode("utf-8", "replace"), start, end)
        )


def _spans(raw: bytes, boundary: bytes, start: int, end: int) -> Iterator[tuple[int, int]]:
    """The (start, end) of the parts between delimiter lines (RFC 2046 §5.1.1).

    The line break before a delimiter belongs to it. If the last delimiter is missing, the end of
    the enclosing part ends the last part.
    """
    delimiter = re.compile(rb"\n--" + re.escape(boundary) + rb"(--)?[ \t]*\r?(?=\n|\Z)")
    opened: int | None = None
    for found in delimiter.finditer(raw, max(start - 1, 0), end):
        if opened is not None:
            yield opened, max(opened, found.start() - (raw[found.start() - 1] == 13))
        opened = min(found.end() + 1, end)
        if found[1]:
            return
    if opened is not None:
        yield opened, end


def _fields(raw: bytes, start: int, end: int) -> tuple[Headers, int]:
    """The header fields from `start`, and where the body starts.

    A blank line ends the header. So does a line that is not a field: mail clients show it as text.
    """
    if _MBOX.match(raw, start, end):
        start = (raw.find(b"\n", start, end) + 1) or end
    lines: list[list[bytes]] = []
    at = start
    while at < end:
        if at - start > MAX_HEADER_BYTES:
            raise InvalidPayload(
                f"The header has more than {MAX_HEADER_BYTES} bytes", code="headers_too_large"
            )
        after = (raw.find(b"\n", at, end) + 1) or end
        line = raw[at:after].rstrip(b"\r\n")
        if not line:
            at = after
            break
        if line[0] in b" \t" and lines:
            lines[-1].append(line)
        elif _FIELD.match(line):
            lines.append([line])
        else:
            break
        if len(lines) > MAX_FIELDS:
            raise InvalidPayload(f"The mail has more than {MAX_FIELDS} header fields", code="too_many_fields")
        at = after
    return _headers(lines), at


def _headers(lines: list[list[bytes]]) -> Headers:
    """The fields of lines with their continuation lines. Long values are truncated and listed in `cut`."""
    found: list[tuple[str, str]] = []
    cut: set[str] = set()
    charset: str | None = None
    for pieces in lines:
        name, _, value = b"".join(pieces).partition(b":")
        field = name.strip().decode("ascii").lower()
        limit = MAX_ADDRESSES if field in _LONG_FIELDS else MAX_VALUE
        value = value.strip()
        if len(value) > limit:
            cut.add(field)
        text = _plain(value[:limit])
        if text is None:
            charset = _body_charset(lines) if charset is None else charset
            text = decode(value[:limit], charset)
        found.append((field, text))
    return Headers(tuple(found), frozenset(cut))


def _plain(value: bytes) -> str | None:
    """A field's value as text if it is UTF-8 or 7-bit Japanese, else None."""
    try:
        return decode(value, "iso-2022-jp") if b"\x1b$" in value else value.decode("utf-8")
    except UnicodeDecodeError:
        return None


def _body_charset(lines: list[list[bytes]]) -> str:
    """The charset of the body: programs that do not encode fields write them in it too."""
    for pieces in lines:
        if pieces[0][:13].lower() == b"content-type:" and (found := _CHARSET.search(b"".join(pieces))):
            charset = found[1].decode("ascii")
            return "" if charset.lower().startswith("utf") else charset
    return ""
