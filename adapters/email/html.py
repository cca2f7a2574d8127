"""HTML mail to text, in bounded time."""

from __future__ import annotations

import html
import re
from typing import Any

from inscriptis.html_engine import Inscriptis  # type: ignore[import-untyped]
from inscriptis.model.config import ParserConfig  # type: ignore[import-untyped]
from lxml import etree  # type: ignore[import-untyped]

MAX_CHARACTERS = 256_000  # larger or denser mail goes the plain way
MAX_TAGS = 10_000  # opening and closing ones of a mail; Inscriptis takes about 15 µs for each
_UNSEEN = ("script", "style", "head", "title", "template", "noscript", "object", "svg", "math")
_UNSEEN_SPAN = re.compile(r"<(script|style|head|title|template|noscript|svg|math)\b", re.IGNORECASE)
_BREAK = re.compile(
    r"</?(?:p|div|br|tr|li|ul|ol|table|h[1-6]|blockquote|pre|hr|section|article)\b[^>]*>", re.IGNORECASE
)
_TAG = re.compile(r"<[A-Za-z/!?][^>]*>")
_BLANK_LINES = re.compile(r"\n{3,}")


def html_to_text(source: str, tags_before: int = 0) -> str:
    """The readable text of `source`: no scripts, styles or hidden elements, nothing else left out.

    Tables are read cell by cell: mail uses them for layout, and aligned columns let a kilobyte of
    table become megabytes of blanks. What is too large, too dense or too deep for the HTML parser
    is read by a plain scan for tags instead; `tags_before` counts those of the mail's other parts.
    """
    if len(source) > MAX_CHARACTERS or source.count("<") + tags_before > MAX_TAGS:
        return _scanned(source)
    try:
        return _rendered(source)
    except (etree.LxmlError, RecursionError, ValueError, AssertionError, IndexError, KeyError, TypeError):
        return _scanned(source)


def _rendered(source: str) -> str:
    # huge_tree: without it libxml2 drops everything below its 256th level, and says nothing.
    parser = etree.HTMLParser(encoding="utf-8", huge_tree=True, remove_comments=True, remove_pis=True)
    root: Any = etree.fromstring(source.encode("utf-8", "replace"), parser)
    if root is None:
        return ""
    etree.strip_elements(root, *_UNSEEN, with_tail=False)
    for element in root.iter("table", "tbody", "thead", "tfoot", "tr", "caption"):
        element.tag = "div"
    for element in root.iter("td", "th"):
        element.tag = "span"
        element.tail = " " + (element.tail or "")
    return str(Inscriptis(root, ParserConfig()).get_text())


def _scanned(source: str) -> str:
    """The characters outside tags; every tag that starts a line becomes a line break.

    Each pass is linear: a pattern that runs to a `>` is only tried where one follows.
    """
    last = source.rfind(">") + 1
    seen = _without_unseen(_without_comments(source[:last]))
    text = _TAG.sub("", _BREAK.sub("\n", seen)) + source[last:]
    lines = (" ".join(line.split()) for line in html.unescape(text).split("\n"))
    return _BLANK_LINES.sub("\n\n", "\n".join(lines)).strip()


def _without_comments(source: str) -> str:
    out: list[str] = []
    at = 0
    while (start := source.find("<!--", at)) >= 0 and (end := source.find("-->", start)) >= 0:
        out.append(source[at:start])
        at = end + 3
    return "".join(out) + source[at:]


def _without_unseen(source: str) -> str:
    """`source` without the elements nobody reads; one that is never closed is taken for a bare tag."""
    out: list[str] = []
    at = 0
    open_for_ever: set[str] = set()
    for found in _UNSEEN_SPAN.finditer(source):
        name = found[1].lower()
        if found.start() < at or name in open_for_ever:
            continue
        end = re.compile(rf"</{name}\s{{0,20}}>", re.IGNORECASE).search(source, found.start())
        if end is None:
            open_for_ever.add(name)
            continue
        out.append(source[at : found.start()])
        at = end.end()
    return "".join(out) + source[at:]
