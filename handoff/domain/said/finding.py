"""From the words of a touchpoint to its candidates. Pure: time, zone, and rules are arguments."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from msgspec import Struct

from .candidate import Candidate, Utterance


class SaidRules(Struct, frozen=True, kw_only=True):
    """What the rules need beside the words."""

    key: bytes = b""
    """Keys the ids of candidates."""
    day_ends: int = 17 * 60
    """When the business day ends, in minutes after midnight: a promise for a day is due then."""


def candidates(utterance: Utterance, zone: ZoneInfo, rules: SaidRules) -> list[Candidate]:
    """The promises or complaints in one touchpoint's words, in their order. Never raises.

    `zone` is the customer's time zone, in which "tomorrow before noon" is resolved.
    """
    return []
