"""Address lists of header fields (RFC 5322 §3.4, older and broken forms), parsed in one pass."""

from __future__ import annotations

import re

from msgspec import Struct

from .characters import decode_words

_ENCODED_WORD = re.compile(r"=\?[\w.:+*-]{1,80}\?[bBqQ]\?[^?<>]{0,1000}\?=", re.ASCII)
_BARE = re.compile(r"[^\s<>()\",;:]{1,320}@[^\s<>()\",;:]{1,255}")
_AT_DOMAIN = re.compile(r"[ \t]*@[ \t]*([^\s<>()\",;:@]{1,255})")
_UNQUOTED = re.compile(r"[^\s<>()\[\]\\,;:@\"]+")
_QUOTED_LOCAL = re.compile(r'"((?:[^"\\]|\\.){1,64})"(?=@)')
_MAX_ADDRESS = 320  # characters; RFC 5321 §4.5.3.1
_COMMENT = re.compile(r"\([^()]*\)")
_LOOSE = re.compile(r"\s*([.@])\s*")  # RFC 5322 §4.4: white space around dots and at signs


class Mailbox(Struct, frozen=True):
    """A display name as written (decoded, not cleaned) and an address as written (not normalised)."""

    name: str
    address: str


def mailboxes(value: str) -> list[Mailbox]:
    """The mailboxes in `value`, groups flattened. Entries without an address are skipped."""
    return [found for found in map(_mailbox, _entries(value)) if found]


class _Entry:
    """One list entry under construction."""

    __slots__ = ("angle", "comment", "phrase", "quoted")

    def __init__(self) -> None:
        self.phrase: list[str] = []
        self.comment: list[str] = []
        self.angle: str | None = None
        self.quoted: str | None = None  # an address whose local part is in quotes


def _entries(value: str) -> list[_Entry]:
    entries = [_Entry()]
    at, size = 0, len(value)
    while at < size:
        char, entry = value[at], entries[-1]
        if char == '"':
            text, at = _quoted(value, at + 1)
            entry.phrase.append(text)
            if domain := _AT_DOMAIN.match(value, at):
                entry.quoted = entry.quoted or f"{_local_part(text)}@{domain[1]}"
        elif char == "(":
            text, at = _comment(value, at + 1)
            entry.comment.append(text)
        elif char == "<":
            end = value.find(">", at)
            end = size if end < 0 else end
            entry.angle = entry.angle or value[at + 1 : end].strip()
            at = end + 1
        elif char in ",;":
            entries.append(_Entry())
            at += 1
        elif char == ":" and entry.angle is None and "@" not in "".join(entry.phrase[-80:]):
            entry.phrase.clear()  # the name of a group
            at += 1
        elif char == "=" and (word := _ENCODED_WORD.match(value, at)):
            entry.phrase.append(word[0])
            at = word.end()
        else:
            entry.phrase.append(char)
            at += 1
    return entries


def _quoted(value: str, at: int) -> tuple[str, int]:
    """The quoted string that starts at `at`, and its end. An unterminated string ends with the value."""
    out: list[str] = []
    while at < len(value) and value[at] != '"':
        at += value[at] == "\\"
        out.append(value[at : at + 1])
        at += 1
    return "".join(out), at + 1


def _local_part(text: str) -> str:
    """A quoted local part, without the quotes if they are unnecessary (`"anna..v."@…`)."""
    if _UNQUOTED.fullmatch(text):
        return text
    escaped = re.sub(r'(["\\])', r"\\\1", text)
    return f'"{escaped}"'


def _comment(value: str, at: int) -> tuple[str, int]:
    """The comment that starts at `at`, including nested comments, and its end."""
    out: list[str] = []
    depth = 1
    while at < len(value):
        char = value[at]
        at += 1
        if char == "\\":
            char = value[at : at + 1]
            at += 1
        elif char in "()":
            depth += 1 if char == "(" else -1
            if not depth:
                break
        out.append(char)
    return "".join(out), at


def _mailbox(entry: _Entry) -> Mailbox | None:
    phrase = "".join(entry.phrase).strip()
    if entry.angle:
        address = entry.angle.rpartition(":")[2].strip()  # without an obsolete source route
        if len(address) <= _MAX_ADDRESS:
            if quoted := _QUOTED_LOCAL.match(address):
                text = re.sub(r"\\(.)", r"\1", quoted[1])
                address = _local_part(text) + address[quoted.end() :]
            else:
                address = _LOOSE.sub(r"\1", _COMMENT.sub("", address))
        if "@" in address:
            return Mailbox(decode_words(phrase or "".join(entry.comment)), address.strip("<> "))
    if entry.quoted:
        return Mailbox(decode_words("".join(entry.comment)), entry.quoted)
    at = phrase.find("@")
    bare = _BARE.search(phrase[max(at - _MAX_ADDRESS, 0) : at + _MAX_ADDRESS]) if at > 0 else None
    if bare is None:
        return None
    return Mailbox(decode_words("".join(entry.comment)), bare[0])
