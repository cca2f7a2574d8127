"""HTML to text, in bounded time and with bounded output.

HTML in mail and chat is untrusted. There are three converters, each faster and plainer than the one
before, so that 64 KiB block the event loop for at most about 20 ms: `_rendered` for ordinary mail,
`_flattened` for dense mail, `_scanned` for the rest.
"""

from __future__ import annotations

import html
import re
from typing import Any

from inscriptis.html_engine import Inscriptis  # type: ignore[import-untyped]
from inscriptis.model.config import ParserConfig  # type: ignore[import-untyped]
from lxml import etree  # type: ignore[import-untyped]

MAX_INPUT = 4_000_000  # characters that are read; a mail is at most 25 MB, most of it attachments
MAX_PARSED = 256_000  # characters; larger input is only scanned
MAX_RENDERED_TAGS = 1_000  # opening and closing ones; Inscriptis takes about 15 µs for each
MAX_PARSED_TAGS = 6_000  # parsing and converting the tree takes about 2 µs for each
MAX_ATTRIBUTES = 1_000  # of one element: the parser compares each with all others
MAX_LEVELS = 60  # of elements that Inscriptis indents; each further one makes every line longer
MAX_OUTPUT = 1_000_000  # characters of text
CUT = "\n[…]"
"""Marks where the text or the HTML was truncated."""
_UNSEEN = ("script", "style", "head", "title", "template", "noscript", "object", "svg", "math")
_UNSEEN_SPAN = re.compile(r"<(script|style|head|title|template|noscript|svg|math)\b", re.IGNORECASE)
_END_OF = {
    name: re.compile(rf"</{name}\s{{0,20}}>", re.IGNORECASE)
    for name in ("script", "style", "head", "title", "template", "noscript", "svg", "math")
}
_BREAK = re.compile(
    r"</?(?:p|div|br|tr|li|ul|ol|table|h[1-6]|blockquote|pre|hr|section|article)\b[^<>]*>", re.IGNORECASE
)
_TAG = re.compile(r"<[A-Za-z/!?][^>]*>")
_INDENTED = re.compile(r"<(?:ul|ol|dl|dd|menu|dir|blockquote|li)\b", re.IGNORECASE)
_MARKUP = re.compile(r"<(?:!--|!doctype\b|/?[a-z][a-z0-9]*\b[^<>]*>)", re.IGNORECASE)
# Tags as browsers parse them (HTML §13.2.5): quotes count only after `=`. There is no backtracking.
_MANY_ATTRIBUTES = re.compile(
    r"<[A-Za-z][^\s/>]*+"
    r"(?:[\s/]*+(?:=[^\s/>=]*+|[^\s/>=]++)(?:\s*+=\s*+(?:\"[^\"]*+\"?+|'[^']*+'?+|[^\s>]*+))?+)"
    rf"{{{MAX_ATTRIBUTES}}}"
)
_BLANK_LINES = re.compile(r"\n{3,}")
_BLOCKS = (
    *("address", "article", "blockquote", "center", "dd", "div", "dl", "dt", "footer", "form", "h1", "h2"),
    *("h3", "h4", "h5", "h6", "header", "hr", "li", "main", "nav", "ol", "p", "pre", "section", "ul"),
    *("table", "tbody", "thead", "tfoot", "tr", "caption"),
)
_PARAGRAPHS = frozenset({"p", "h1", "h2", "h3", "h4", "h5", "h6", "blockquote"})
_LINE = "\u2028"  # LINE SEPARATOR: a placeholder for line breaks while those of the source count as blanks
_HIDDEN = etree.XPath(
    "//*[@style][contains(translate(@style, 'DISPLAYNOE \t\r\n', 'displaynoe'), 'display:none')]"
)


def is_markup(text: str) -> bool:
    """Whether a text contains a tag or a comment."""
    return _MARKUP.search(text) is not None


def html_to_text(source: str, tags_before: int = 0, limit: int = MAX_OUTPUT) -> str:
    """The readable text of `source`: everything but scripts, styles and hidden elements.

    Tables are read cell by cell: mail uses them for layout, and aligned columns could turn a kilobyte
    of table into megabytes of blanks. `tags_before` is the number of tags in the mail's other parts.
    A text longer than `limit` characters ends in `CUT`.
    """
    seen = source[:MAX_INPUT]
    text = _read(seen, seen.count("<") + tags_before)
    if len(text) <= limit:
        return text if len(seen) == len(source) else text + CUT
    return text[: max(limit - len(CUT), 0)].rstrip() + CUT


def _read(source: str, tags: int) -> str:
    if len(source) > MAX_PARSED or tags > MAX_PARSED_TAGS or _MANY_ATTRIBUTES.search(source):
        return _scanned(source)
    plain = tags > MAX_RENDERED_TAGS or len(_INDENTED.findall(source)) > MAX_LEVELS
    for convert in (_flattened,) if plain else (_rendered, _flattened):
        try:
            return convert(source)
        except (etree.LxmlError, RecursionError, ValueError, AssertionError, LookupError, TypeError):
            continue
    return _scanned(source)


def _tree(source: str) -> Any:
    """The tree of `source` without invisible elements, or None when it is empty.

    ValueError when the parser did not read to the end: it drops everything below level 2 048.
    """
    # huge_tree: without it libxml2 silently drops everything below level 256.
    parser = etree.HTMLParser(encoding="utf-8", huge_tree=True, remove_comments=True, remove_pis=True)
    root: Any = etree.fromstring(source.encode("utf-8", "replace"), parser)
    if parser.error_log.filter_from_fatals():
        raise ValueError("nested too deep")
    if root is not None:
        etree.strip_elements(root, *_UNSEEN, with_tail=False)
    return root


def _rendered(source: str) -> str:
    """The text as a text browser shows it."""
    root = _tree(source)
    if root is None:
        return ""
    for element in root.iter("table", "tbody", "thead", "tfoot", "tr", "caption"):
        element.tag = "div"
    for element in root.iter("td", "th"):
        element.tag = "span"
        element.tail = " " + (element.tail or "")
    return str(Inscriptis(root, ParserConfig()).get_text())


def _flattened(source: str) -> str:
    """The text of the tree, with line breaks where a block begins and ends, without indentation."""
    root = _tree(source)
    if root is None:
        return ""
    for element in _HIDDEN(root):
        if element is not root:
            element.tag = "template"
    etree.strip_elements(root, "template", with_tail=False)
    for element in root.iter(*_BLOCKS):
        around = _LINE * 2 if element.tag in _PARAGRAPHS else _LINE
        first = "* " if element.tag == "li" else ""
        if element.tag == "pre":
            element.text = (element.text or "").replace("\n", _LINE)
        element.text = around + first + (element.text or "")
        element.tail = around + (element.tail or "")
    for element in root.iter("br"):
        element.tail = _LINE + (element.tail or "")
    for element in root.iter("td", "th"):
        element.tail = " " + (element.tail or "")
    return _lines(etree.tostring(root, method="text", encoding="unicode").split(_LINE))


def _scanned(source: str) -> str:
    """The characters outside tags. A tag that starts a line becomes a line break.

    Each pass is linear: a pattern that extends to a `>` is only tried if one follows.
    """
    last = source.rfind(">") + 1
    seen = _without_unseen(_without_comments(source[:last]))
    text = _TAG.sub("", _BREAK.sub("\n", seen)) + source[last:]
    return _lines(html.unescape(text).split("\n"))


def _lines(lines: list[str]) -> str:
    return _BLANK_LINES.sub("\n\n", "\n".join(" ".join(line.split()) for line in lines)).strip()


def _without_comments(source: str) -> str:
    out: list[str] = []
    at = 0
    while (start := source.find("<!--", at)) >= 0 and (end := source.find("-->", start)) >= 0:
        out.append(source[at:start])
        at = end + 3
    return "".join(out) + source[at:]


def _without_unseen(source: str) -> str:
    """`source` without invisible elements. An element that is never closed counts as a bare tag."""
    out: list[str] = []
    at = 0
    never_closed: set[str] = set()
    for found in _UNSEEN_SPAN.finditer(source):
        name = found[1].lower()
        if found.start() < at or name in never_closed:
            continue
        end = _END_OF[name].search(source, found.start())
        if end is None:
            never_closed.add(name)
            continue
        out.append(source[at : found.start()])
        at = end.end()
    return "".join(out) + source[at:]
