"""Journeys as files: what happened to a customer, and the brief that the next party gets.

A file has `now`, a `handoff` where one is pending, `touchpoints` oldest first, and under `brief` the
lines that are expected: the text, its rule, and which touchpoints prove it.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from msgspec import Struct

from handoff.domain.brief import Brief, Pending, TimelineItem, build_brief
from handoff.domain.clock import MINUTE, Micros, parse_time
from handoff.domain.handoff import Hop, Party, State
from handoff.domain.touchpoint import TYPE_SET, default_direction, default_visibility
from tests.briefs import RULES

FOLDER = Path(__file__).parent
NAMES = sorted(it.stem for it in FOLDER.glob("*.toml"))
_FIELDS = frozenset({"subject", "text", "by", "name", "data", "traits", "deleted"})


class Journey(Struct, frozen=True, kw_only=True):
    """A journey as the rules read it, and the lines that they should write."""

    items: tuple[TimelineItem, ...]
    now: Micros
    pending: Pending | None
    expected: dict[str, Any]

    def brief(self, *, internal: bool = True) -> Brief:
        return build_brief(self.items, now=self.now, rules=RULES, pending=self.pending, internal=internal)


def journey(name: str) -> Journey:
    """The journey in `<name>.toml`."""
    stated = tomllib.loads((FOLDER / f"{name}.toml").read_text("utf-8"))
    items = tuple(_item(it) for it in stated["touchpoints"])
    return Journey(
        items=items,
        now=parse_time(stated["now"]),
        pending=_pending(stated["handoff"]) if "handoff" in stated else None,
        expected=stated.get("brief", {}),
    )


def _item(stated: dict[str, Any]) -> TimelineItem:
    type_ = stated["type"]
    assert type_ in TYPE_SET, type_
    known = {"id", "at", "type", "channel", "conversation", "assurance", "direction", "visibility"}
    assert set(stated) <= _FIELDS | known, set(stated) - _FIELDS - known
    return TimelineItem(
        id=stated["id"],
        type=type_,
        channel=stated["channel"],
        direction=stated.get("direction", default_direction(type_).value),
        visibility=stated.get("visibility", default_visibility(type_).value),
        assurance=stated.get("assurance", "verified"),
        occurred_at=parse_time(stated["at"]),
        conversation=stated.get("conversation", stated["channel"]),
        **{key: value for key, value in stated.items() if key in _FIELDS},
    )


def _pending(stated: dict[str, Any]) -> Pending:
    at = parse_time(stated["requested_at"])
    return Pending(
        id=stated["id"],
        reason=stated["reason"],
        sender=stated["from"],
        to=stated["to"],
        requested_at=at,
        hops=tuple(
            hop(at=at, **{"sender" if k == "from" else k: v for k, v in it.items()})
            for it in stated.get("hops", ())
        ),
    )


def hop(*, id: str, sender: str, to: str, reason: str, outcome: str, waited_min: int, at: Micros = 0) -> Hop:
    return Hop(
        id=id,
        sender=Party(party=sender),
        to=Party(queue=to),
        reason=reason,
        outcome=State(outcome),
        requested_at=at,
        ended_at=at,
        waited_us=waited_min * MINUTE,
    )
