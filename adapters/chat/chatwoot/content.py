"""Message content as plain text: email inboxes send HTML."""

from __future__ import annotations

import html
import re

from inscriptis import get_text  # type: ignore[import-untyped]
from lxml.etree import LxmlError  # type: ignore[import-untyped]

_TAG = re.compile(r"<!--.*?-->|<(?:!doctype|/?[a-z][a-z0-9]*)\b[^<>]*>", re.IGNORECASE | re.DOTALL)
_BLANK_LINES = re.compile(r"\n\s*\n\s*\n+")


def plain_text(content: str) -> str | None:
    """`content` as text; it is read as HTML where it holds a tag. None when nothing is left."""
    if _TAG.search(content) is None:
        return content.strip() or None
    try:
        rendered = get_text(content)
    except (LxmlError, ValueError, RecursionError):
        rendered = ""
    if not rendered.strip():  # the parser gives up on markup nested hundreds deep
        rendered = html.unescape(_TAG.sub(" ", content))
    return _BLANK_LINES.sub("\n\n", rendered).strip() or None
