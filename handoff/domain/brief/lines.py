"""How lines are worded: quotes, times, durations, marks of what is only claimed."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from typing import Any

from handoff.domain.clock import DAY, HOUR, MINUTE, Micros, format_time, parse_any_time
from handoff.domain.identity import ASSURANCE_RANK, Assurance
from handoff.domain.text.derived import UNSTATED
from handoff.domain.text.memo import cached_if_short

from .shapes import BriefLine, TimelineItem, Transcribed

MAX_QUOTE = 290  # characters of somebody's words in a line; the touchpoint has them all
SHORT = 140  # characters of words quoted beside others in one line
MAX_PROOF = 10  # touchpoints named by one line, the newest; `count` counts them all


def quote(text: str | None, limit: int = MAX_QUOTE) -> str:
    """Somebody's words on one line, cut between whole characters with an ellipsis."""
    flat = " ".join((text or "")[: 40 * limit].split())
    return flat if len(flat) <= limit else flat[: whole_characters(flat, limit - 1)] + "…"


_JOINER = "\u200d"
_FIRST_FLAG, _LAST_FLAG = "\U0001f1e6", "\U0001f1ff"
_FIRST_TONE, _LAST_TONE = "\U0001f3fb", "\U0001f3ff"


def whole_characters(text: str, at: int) -> int:
    """The last place up to `at` that splits no character that a reader sees (after UAX #29)."""
    while 0 < at < len(text) and _inside(text, at):
        at -= 1
    return at


def _inside(text: str, at: int) -> bool:
    before, after = text[at - 1], text[at]
    if after == _JOINER or before == _JOINER or _FIRST_TONE <= after <= _LAST_TONE:
        return True
    if unicodedata.category(after) in ("Mn", "Mc", "Me") or "\U000e0020" <= after <= "\U000e007f":
        return True
    if _FIRST_FLAG <= after <= _LAST_FLAG and _FIRST_FLAG <= before <= _LAST_FLAG:
        flags = 0
        while flags < at and _FIRST_FLAG <= text[at - 1 - flags] <= _LAST_FLAG:
            flags += 1
        return flags % 2 == 1
    return False


def word(value: object) -> str:
    """A sender's value as words: text and numbers, nothing else."""
    if isinstance(value, str):
        return quote(value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return quote(str(value))
    return ""


def first_word(*values: object) -> str:
    """The first of the values that is not empty."""
    return next((found for value in values if (found := word(value))), "")


def clock(at: Micros) -> str:
    """A time as people read it: to the minute."""
    return format_time(at)[:16].replace("T", " ") + " UTC"


def duration(length: Micros) -> str:
    """`46 min`, `3 h 10 min`, `2 d`, `2 d 5 h`."""
    if length < MINUTE:
        return "less than a minute"
    if length < HOUR:
        return f"{length // MINUTE} min"
    great, small = (DAY, HOUR) if length >= DAY else (HOUR, MINUTE)
    names = ("d", "h") if length >= DAY else ("h", "min")
    whole, rest = length // great, length % great // small
    return f"{whole} {names[0]}" + (f" {rest} {names[1]}" if rest else "")


def minutes(length: Micros) -> int:
    return max(length, 0) // MINUTE


def stated_time(value: object) -> Micros | None:
    """A time that a sender wrote in `data`; None where it is none."""
    try:
        return parse_any_time(value)
    except (ValueError, OverflowError):
        return None


def times(count: int) -> str:
    return f" ({count}×)" if count > 1 else ""


_LOWER = bytes(range(256)).lower()
_DROPPED = bytes(code for code in range(128) if not chr(code).isalnum())


def same(text: str) -> str:
    """Words as they are compared: case, punctuation and spaces do not matter."""
    if text.isascii():  # nearly all: a tenth of the time that looking at each character takes
        return text.encode().translate(_LOWER, _DROPPED).decode()
    return _same(text)


@cached_if_short
def _same(text: str) -> str:
    return "".join(filter(str.isalnum, text.casefold()))


def weakest(proof: Sequence[TimelineItem]) -> str:
    """The assurance of the least sure of these; a line without a touchpoint is our own."""
    if not proof:
        return Assurance.VERIFIED.value
    weak = proof[0] if len(proof) == 1 else min(proof, key=_rank)
    return Assurance(weak.assurance).value


def _rank(item: TimelineItem) -> int:
    return _RANKS[item.assurance]


_RANKS = {str(it.value): rank for it, rank in ASSURANCE_RANK.items()}


MadeLine = BriefLine | Callable[[], BriefLine]
"""A line, or what makes it: lines that do not fit are counted and never made."""


def line(
    code: str,
    params: dict[str, Any],
    proof: Sequence[TimelineItem],
    text: str,
    beside: Sequence[TimelineItem] = (),
) -> BriefLine:
    """A line with its proof; the text is marked where the line is not verified, or was transcribed.

    `beside` are touchpoints whose words are quoted in it, and that prove nothing.
    """
    assurance = weakest(proof)
    if len(proof) > 1:
        proof = sorted(proof, key=lambda it: (it.occurred_at, it.id))
    if mark := _least_sure([*proof, *beside]):
        params["transcribed"] = {"by": mark.by, "kind": mark.kind, "confidence": mark.confidence}
        text = f"({transcribed(mark)}) {text}"
    return BriefLine(
        code=code,
        params=params,
        count=max(len(proof), 1),
        touchpoints=tuple(it.id for it in proof[-MAX_PROOF:]),
        assurance=assurance,
        text=text if assurance == Assurance.VERIFIED else f"({assurance}) {text}",
    )


def transcribed(mark: Transcribed) -> str:
    """How words were derived: `as transcribed by X, 82 % sure`."""
    how = "read" if mark.kind == "ocr" else "transcribed"
    sure = "" if mark.confidence is None else f", {percent(mark.confidence)} % sure"
    return f"as {how} by {mark.by}{sure}"


def percent(confidence: float) -> int:
    """A confidence in whole percent. Only 1 is 100 %."""
    return 100 if confidence == 1 else min(round(100 * confidence), 99)


def _least_sure(items: Sequence[TimelineItem]) -> Transcribed | None:
    marks = [it.transcribed for it in items if it.transcribed is not None]
    return min(marks, key=sureness, default=None)


def sureness(mark: Transcribed) -> float:
    """By what marks are compared."""
    return UNSTATED if mark.confidence is None else mark.confidence
