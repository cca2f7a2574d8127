"""A brief as plain text, in reading order, for desktops that show text only."""

from __future__ import annotations

import re
from collections.abc import Sequence

from handoff.domain.brief import Brief, Line

SECTIONS = (
    ("why_now", "Why now"),
    ("wants", "Wants"),
    ("tried", "Already tried"),
    ("answered", "Answered"),
    ("promised", "Promised"),
    ("known", "Known, no need to ask"),
    ("feelings", "Feelings, as stated"),
)
_BLANKS = re.compile(r"[\s\x00-\x1f\x7f\u2028\u2029]+")
_LINKING = re.compile(r"\](?=[(:\[])")


def note_text(head: Sequence[str], brief: Brief | None, tail: Sequence[str], limit: int) -> str:
    """The note, of at most `limit` characters: `head` and `tail` whole, of the brief what fits.

    Sections that say nothing are left out; how many lines were cut is said.
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
    """One line that no desktop reads as markup: a customer's words make no link and load no picture."""
    return _LINKING.sub("] ", _BLANKS.sub(" ", text).strip())


def _brief_lines(brief: Brief) -> list[str]:
    lines: list[str] = []
    if brief.summary is not None:
        lines += ["", f"Summary (machine-made by {plain(brief.summary.by)}): {plain(brief.summary.text)}"]
    for name, heading in SECTIONS:
        told: Sequence[Line] = getattr(brief, name)
        if told:
            lines += ["", f"{heading}:", *(_line(it) for it in told)]
            left_out = brief.left_out.get(name)
            lines += [f"- … {left_out} more"] if left_out else []
    if brief.effort.text:
        lines += ["", f"So far: {plain(brief.effort.text)}"]
    return lines


def _line(it: Line) -> str:
    sure = "" if it.assurance == "verified" else f" ({it.assurance})"
    return f"- {plain(it.text)}{sure}"
