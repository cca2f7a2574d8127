"""A brief as plain text, in reading order, for desktops that only show text."""

from __future__ import annotations

import re
from collections.abc import Sequence

from handoff.domain.brief import Brief, BriefLine

SECTIONS = (
    ("why_now", "Why now"),
    ("wants", "Customer wants"),
    ("tried", "Already tried"),
    ("answered", "Answered"),
    ("promised", "Promised"),
    ("known", "Already known, no need to ask"),
    ("feelings", "Sentiment, as stated"),
)
_BLANKS = re.compile(r"[\s\x00-\x1f\x7f\u2028\u2029]+")
_LINKING = re.compile(r"\](?=[(:\[])")


def note_text(head: Sequence[str], brief: Brief | None, tail: Sequence[str], limit: int) -> str:
    """The note, at most `limit` characters long: `head`, as much of the brief as fits, and `tail`.

    Empty sections are left out. A line states how many lines were cut.
    """
    lines = _brief_lines(brief) if brief is not None else []
    kept = len(lines)
    while True:
        cut = len(lines) - kept
        more = [f"… {cut} more lines in the panel"] if cut else []
        text = "\n".join([*head, *lines[:kept], *more, *tail])
        if len(text) <= limit or not kept:
            return text[:limit]
        kept -= 1


def plain(text: str) -> str:
    """One line without markup: a customer's text cannot create a link or load a picture."""
    return _LINKING.sub("] ", _BLANKS.sub(" ", text).strip())


def _brief_lines(brief: Brief) -> list[str]:
    lines: list[str] = []
    if brief.summary is not None:
        lines += ["", f"Summary (written by {plain(brief.summary.by)}): {plain(brief.summary.text)}"]
    for name, heading in SECTIONS:
        section: Sequence[BriefLine] = getattr(brief, name)
        if section:
            lines += ["", f"{heading}:", *(_line(it) for it in section)]
            left_out = brief.left_out.get(name)
            lines += [f"- … {left_out} more"] if left_out else []
    if brief.effort.text:
        lines += ["", f"So far: {plain(brief.effort.text)}"]
    return lines


def _line(line: BriefLine) -> str:
    assurance = "" if line.assurance == "verified" else f" ({line.assurance})"
    return f"- {plain(line.text)}{assurance}"
