"""Decoding of mail text: charsets, RFC 2047 encoded words, control characters.

No input raises: undecodable bytes become U+FFFD.
"""

from __future__ import annotations

import binascii
import re
import unicodedata
from encodings.aliases import aliases

from handoff.domain.text.cleaning import clean
from handoff.domain.text.memo import cached_if_short

# Codecs of the standard library that are not mail charsets or are unsafe: quadratic time (idna,
# punycode), warnings on bad input (…_escape) or bytes-to-bytes.
_NEVER = frozenset(
    {"idna", "punycode", "unicode_escape", "raw_unicode_escape", "undefined", "mbcs", "oem", "palmos"}
    | {"base64_codec", "bz2_codec", "hex_codec", "quopri_codec", "rot_13", "uu_codec", "zlib_codec"}
)
# Only known names are looked up, because the interpreter's codec cache keeps every name it was asked for.
_CHARSETS = {name: module for name, module in aliases.items() if module not in _NEVER} | {
    name: name
    for name in (
        *set(aliases.values()),
        "koi8_u",
        "koi8_t",
        "cp1006",
        "cp720",
        "cp737",
        "cp856",
        "cp874",
        "cp875",
    )
    if name not in _NEVER
}
_ALSO = {
    "unicode_1_1_utf_7": "utf_7",
    "ansi": "cp1252",
    "x_sjis": "cp932",
    "shift_jis": "cp932",
    "gb2312": "gb18030",
}
_ALSO |= {"ks_c_5601_1987": "cp949", "x_gbk": "gbk", "windows_31j": "cp932", "iso_8859_8_i": "iso8859_8"}
_ALSO |= {"iso_8859_6_i": "iso8859_6", "logical": "iso8859_8", "unicode": "utf_16"}
_ALSO |= dict.fromkeys(("cp50220", "cp50221", "cp50222", "iso_2022_jp_ms"), "iso2022_jp_ext")
# Only the number of a code page counts: win-1251, windows1251, CP-1251, x-cp1251.
_CODE_PAGE = re.compile(r"(?:x_)?(?:windows|win|cp|ibm|dos)_?(\d{3,5})")
_SUPERSETS = {"latin_1": "cp1252", "iso8859_1": "cp1252", "ascii": ""}
_SUPERSETS |= {"iso2022_jp": "iso2022_jp_ext", "euc_kr": "cp949", "gbk": "gb18030", "gb2312": "gb18030"}
"""The charset that senders mean: WHATWG Encoding reads latin-1 as cp1252; 8-bit "us-ascii" is guessed."""
_WIDER = {"iso2022_jp_ext": "iso2022_jp_3", "euc_jp": "euc_jis_2004", "big5": "big5hkscs"}
"""Supersets with vendor characters, such as the circled numbers of Japanese mail."""
_SEVEN_BIT = frozenset({"iso2022_jp_ext", "iso2022_jp_1", "iso2022_jp_2", "iso2022_kr", "hz"})
"""Charsets whose bytes are valid UTF-8 too, with another meaning."""


def decode(data: bytes, charset: str) -> str:
    """`data` as text. An unknown or wrong charset falls back to UTF-8, then to cp1252.

    A charset is kept despite a few invalid bytes, which become U+FFFD.
    """
    known = _codec(charset[:60]) if charset else ""
    text = _strict(data, known) if known else None
    if text is None and known in _WIDER:
        text = _strict(data.replace(b"\x1b$B", b"\x1b$(O"), _WIDER[known])
    if text is None and not (known in _SEVEN_BIT and data.isascii()):
        text = _strict(data, "utf_8")
    return clean(_nearly(data, known) if text is None else text)


@cached_if_short
def _codec(charset: str) -> str:
    """The codec of a charset name, or an empty string for an unknown one."""
    name = re.sub(r"[^a-z0-9]+", "_", charset.lower()).strip("_")
    if page := _CODE_PAGE.fullmatch(name):
        name = f"cp{page[1]}"
    known = _ALSO.get(name) or _CHARSETS.get(name) or _CHARSETS.get(name.removeprefix("x_")) or ""
    return _SUPERSETS.get(known, known)


def _strict(data: bytes, codec: str) -> str | None:
    try:
        return data.decode(codec)
    except (UnicodeError, LookupError):
        return None


def _nearly(data: bytes, known: str) -> str:
    """`data` as text when no codec can decode all of it."""
    if known and known != "cp1252" and (known not in _SEVEN_BIT or data.isascii()):
        text = data.decode(known, "replace")
        if known.startswith("utf") or text.count("\ufffd") * 10 <= len(text):
            return text
    return data.decode("cp1252", "replace")


_ENCODED_WORD = re.compile(r"=\?([\w.:+-]{1,40})(?:\*[\w-]{0,40})?\?([bBqQ])\?([^?]*)\?=", re.ASCII)


def decode_words(value: str) -> str:
    """`value` with its encoded words decoded (RFC 2047, including common errors).

    Adjacent words of one charset are joined before decoding: many senders split a character.
    """
    out: list[str] = []
    run: list[bytes] = []
    charset = ""
    end = 0
    for match in _ENCODED_WORD.finditer(value):
        gap = value[end : match.start()]
        same = bool(run) and not gap.strip() and match[1].lower() == charset
        if not same:
            out.append(decode(b"".join(run), charset))
            out.append(gap if gap.strip() or not run else "")
            run, charset = [], match[1].lower()
        run.append(_word_bytes(match[2], match[3]))
        end = match.end()
    out.append(decode(b"".join(run), charset))
    out.append(value[end:])
    return "".join(out)


def _word_bytes(encoding: str, text: str) -> bytes:
    data = text.encode("utf-8", "replace")
    if encoding in "qQ":
        return binascii.a2b_qp(data, header=True)
    return from_base64(data)


def from_base64(data: bytes) -> bytes:
    """The bytes of base64 text; other characters are skipped, missing padding is added."""
    try:
        return binascii.a2b_base64(data)
    except binascii.Error:
        kept = re.sub(rb"[^A-Za-z0-9+/]", b"", data)
        kept = kept[:-1] if len(kept) % 4 == 1 else kept
        return binascii.a2b_base64(kept + b"=" * (-len(kept) % 4))


_LINE_BREAKS = re.compile("\r\n|[\r\x0b\x0c\x85\u2028\u2029]")
_CONTROL = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x9f\ufeff]")
_BIDI = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def clean_text(text: str) -> str:
    """Text with `\\n` line ends, without control characters except tab and newline."""
    return _CONTROL.sub("", _LINE_BREAKS.sub("\n", text))


def one_line(text: str) -> str:
    """Text on one line, without control characters. Bidi marks stay: Hebrew and Arabic need them."""
    return " ".join(_CONTROL.sub("", _LINE_BREAKS.sub(" ", text).replace("\n", " ")).split())


def display_name(text: str, limit: int = 200) -> str | None:
    """A sender's display name, or None if it is empty, too long or contains `@`.

    A name with an `@` could show agents an address that is not the sender's.
    """
    name = unicodedata.normalize("NFKC", _BIDI.sub("", one_line(text))).strip(" \"'")
    if not name or len(name) > limit or "@" in name:
        return None
    return name


def file_name(text: str, limit: int = 120) -> str | None:
    """A safe file name: no path, control or bidi character, at most `limit` characters.

    A longer one is shortened before its extension, with an ellipsis as the mark.
    """
    name = unicodedata.normalize("NFC", _BIDI.sub("", one_line(text)))
    name = re.split(r"[/\\]", name)[-1].strip(" .\"'") or ""
    if len(name) > limit:
        stem, dot, extension = name.rpartition(".")
        keep = limit - len(extension) - 2
        has_extension = dot and len(extension) <= 10
        name = f"{stem[:keep]}….{extension}" if has_extension else f"{name[: limit - 1]}…"
    return name or None
