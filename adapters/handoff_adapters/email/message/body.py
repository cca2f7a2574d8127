"""The text and attachments of a mail."""

from __future__ import annotations

import hashlib
from typing import Any

from msgspec import Struct

from handoff_adapters.shared.html import html_to_text

from .characters import clean_text, file_name, one_line
from .mime import Part

MAX_TEXT_PARTS = 50  # joined into the text; further ones are listed as attachments
_TEXT_TYPES = frozenset({"text/plain", "text/html", "text/enriched", "text", "text/markdown"})
_OTHER_ALTERNATIVES = frozenset({"text/x-amp-html", "text/watch-html"})
"""Copies of the same text for clients with a presentation of their own."""
_PKCS7_TYPES = frozenset({"application/pkcs7-mime", "application/x-pkcs7-mime"})


class MessageBody(Struct, frozen=True):
    """`text` is all readable text, including quotes. `markup` is true if it was HTML.

    `attachments` describe all other leaves of the mail: name, content_type, size (bytes), sha256
    (hex, of the decoded content), inline, and content_id if there is one.
    """

    text: str
    markup: bool
    attachments: tuple[dict[str, Any], ...]
    encrypted: bool


def read_body(root: Part) -> MessageBody:
    """The text and attachments below `root` (RFC 2046 §5.1: the first plain alternative is preferred)."""
    chosen = (_readable(root) or _named(root))[:MAX_TEXT_PARTS]
    pieces: list[str] = []
    tags = 0
    for part in chosen:
        source = part.text()
        if part.content_type == "text/html":
            text = html_to_text(source, tags)
            tags += source.count("<")
        else:
            text = source
        text = clean_text(text).strip("\n").rstrip()
        if text.strip():
            pieces.append(text)
    shown = {id(part) for part in chosen}
    unread = [part for part in root.walk() if not part.children and id(part) not in shown]
    replaced = _replaced(root, shown)
    return MessageBody(
        text="\n\n".join(pieces),
        markup=bool(chosen) and all(part.content_type == "text/html" for part in chosen),
        attachments=tuple(_attachment(part) for part in unread if id(part) not in replaced),
        encrypted=root.content_type == "multipart/encrypted" or _is_enveloped(root),
    )


def _named(root: Part) -> list[Part]:
    """The text parts of a mail in which all of them have file names, as phone gateways send it."""
    if root.content_type == "multipart/encrypted":
        return []
    leaves = (part for part in root.walk() if not part.children)
    return [
        part for part in leaves if part.content_type in _TEXT_TYPES and part.disposition.value != "attachment"
    ]


def _is_enveloped(part: Part) -> bool:
    """Whether this is an encrypted S/MIME mail (RFC 8551 §3.2). Signed ones have the same content type."""
    kind = part.type.parameters.get("smime-type", "").lower()
    return part.content_type in _PKCS7_TYPES and kind in ("enveloped-data", "authenveloped-data")


def _readable(part: Part) -> list[Part]:
    """The leaves that make up the text, in order."""
    if not part.children:
        return [part] if _is_text(part) else []
    if part.content_type == "multipart/encrypted":
        return []
    branches = [_readable(child) for child in part.children]
    if part.content_type == "multipart/alternative":
        return _best(branches)
    if part.content_type in ("multipart/related", "multipart/signed"):
        return next((branch for branch in branches if branch), [])
    return [leaf for branch in branches for leaf in branch]


def _is_text(part: Part) -> bool:
    if part.disposition.value == "attachment" or _name(part):
        return False
    if part.content_type.startswith(
        "multipart/"
    ):  # a multipart without delimiters: mail clients show it as text
        return True
    return part.content_type in _TEXT_TYPES


def _best(branches: list[list[Part]]) -> list[Part]:
    """The first alternative with non-empty plain text, else the last one with any text."""
    filled = [branch for branch in branches if any(leaf.content.strip() for leaf in branch)]
    for branch in filled:
        if any(leaf.content_type == "text/plain" and leaf.text().strip() for leaf in branch):
            return branch
    return filled[-1] if filled else []


def _replaced(part: Part, shown: set[int]) -> set[int]:
    """Text leaves that repeat a shown alternative and are not attachments."""
    found: set[int] = set()
    if part.content_type == "multipart/alternative" and any(id(leaf) in shown for leaf in part.walk()):
        found.update(
            id(leaf)
            for leaf in part.walk()
            if not leaf.children and (_is_text(leaf) or leaf.content_type in _OTHER_ALTERNATIVES)
        )
    for child in part.children:
        found |= _replaced(child, shown)
    return found - shown


def _name(part: Part) -> str | None:
    stated = part.disposition.parameters.get("filename") or part.type.parameters.get("name") or ""
    return file_name(stated) if stated else None


def _attachment(part: Part) -> dict[str, Any]:
    content = part.decoded()
    content_id = one_line(part.headers.first("content-id")).strip("<> ")[:200]
    placed = part.disposition.value
    found: dict[str, Any] = {
        "name": _name(part),
        "content_type": one_line(part.content_type)[:100],
        "size": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        "inline": placed == "inline" or (bool(content_id) and placed != "attachment"),
    }
    if content_id:
        found["content_id"] = content_id
    return found
