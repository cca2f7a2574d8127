"""Journeys as files: what happened to a customer, and the brief that the next party gets.

A file has `now`, a `handoff` where one is pending, `touchpoints` oldest first, and under `brief` the
lines that are expected: what is said, by which rule, and which touchpoints prove it.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from msgspec import Struct

from handoff.domain.brief import Brief, Pending, Told, tell
from handoff.domain.clock import MINUTE, Micros, parse_time
from handoff.domain.conversation import ConversationItem as Step
from handoff.domain.conversation import fold
from handoff.domain.handoff import Hop, Party, State
from handoff.domain.touchpoint import TYPE_SET, default_direction, default_visibility

FOLDER = Path(__file__).parent
NAMES = sorted(it.stem for it in FOLDER.glob("*.toml"))
_FIELDS = frozenset({"subject", "text", "by", "name", "data", "traits", "deleted"})


class Journey(Struct, frozen=True, kw_only=True):
    """A journey as the rules read it, and what they should say."""

    told: tuple[Told, ...]
    now: Micros
    waiting_since: Micros | None
    pending: Pending | None
    expected: dict[str, Any]

    def tell(self) -> Brief:
        return tell(self.told, now=self.now, waiting_since=self.waiting_since, pending=self.pending)


def journey(name: str) -> Journey:
    """The journey in `<name>.toml`."""
    stated = tomllib.loads((FOLDER / f"{name}.toml").read_text("utf-8"))
    told = tuple(_told(it) for it in stated["touchpoints"])
    steps = [_step(it) for it in told]
    return Journey(
        told=told,
        now=parse_time(stated["now"]),
        waiting_since=min((it.waiting_since for it in fold(steps) if it.waiting_since), default=None),
        pending=_pending(stated["handoff"]) if "handoff" in stated else None,
        expected=stated.get("brief", {}),
    )


def _told(stated: dict[str, Any]) -> Told:
    type_ = stated["type"]
    assert type_ in TYPE_SET, type_
    known = {"id", "at", "type", "channel", "conversation", "assurance", "direction", "visibility"}
    assert set(stated) <= _FIELDS | known, set(stated) - _FIELDS - known
    return Told(
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


def _step(it: Told) -> Step:
    return Step(
        conversation=it.conversation.encode(),
        home=b"customer",
        channel=it.channel,
        type=it.type,
        direction=it.direction,
        occurred_at=it.occurred_at,
        subject=it.subject,
        thread=it.conversation,
        visibility=it.visibility,
        by_bot=it.by == "bot",
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
