"""The text and attachments of a Chatwoot message. Email inboxes send HTML."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from handoff_adapters.shared.fields import bounded, first_text, mapping, sequence, text, whole
from handoff_adapters.shared.html import html_to_text, is_markup

MAX_RENDERED = 100_000  # characters of text from HTML: a long mail, within the limit of a touchpoint


def plain_text(content: str) -> str | None:
    """`content` as text, or None when it is empty. It is parsed as HTML if it contains a tag."""
    if not is_markup(content):
        return content.strip() or None
    return html_to_text(content, limit=MAX_RENDERED).strip() or None


def attachments_of(stated: object) -> tuple[dict[str, Any], ...]:
    """[{"name"?, "url"?, "content_type"?, "size"?, …}]. A location also has `latitude` and `longitude`, a
    voice message Chatwoot's `transcript`.
    """
    return tuple(_attachment(mapping(one)) for one in sequence(stated)) if stated else ()


def _attachment(stated: Mapping[str, Any]) -> dict[str, Any]:
    url = text(stated.get("data_url"))
    name = text(stated.get("fallback_title")) or (url or "").partition("?")[0].rpartition("/")[2]
    is_place = stated.get("file_type") == "location"
    values = {
        "name": name or None,
        "url": url,
        "content_type": first_text(stated, "content_type", "file_type"),
        "size": whole(stated.get("file_size")),
        "latitude": _degrees(stated.get("coordinates_lat")) if is_place else None,
        "longitude": _degrees(stated.get("coordinates_long")) if is_place else None,
        "transcript": text(stated.get("transcribed_text")),
    }
    return {key: value for key, value in values.items() if value is not None}


def _degrees(stated: object) -> object:
    return bounded(stated) if type(stated) in (int, float) else None
