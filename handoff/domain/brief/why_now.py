"""Why now: who hands over and why, whether it goes round in circles, what was missed, how long they wait."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from handoff.domain.clock import Micros, format_time
from handoff.domain.handoff import Hop, State

from .shapes import Line, Pending, Told
from .wording import clock, duration, line, minutes, quote, same, times, word

PING_PONG = 3  # hand-offs for one reason, this one included, from which on the line is shown
MAX_HOPS = 8  # named in it, the newest; `transfers` says how many there were
_PASSED_ON = frozenset({State.ACCEPTED, State.TRANSFERRED, State.RELEASED, State.COMPLETED})
"""Outcomes of hand-offs that somebody took: what nobody took did not move the customer."""

ASKS = frozenset(
    {
        "message.received",
        "email.received",
        "callback.requested",
        "form.submitted",
        "form.failed",
        "complaint.opened",
        "call.started",
    }
)
"""What a customer does to get something from us."""


def why_now(
    told: Sequence[Told], *, now: Micros, waiting_since: Micros | None, pending: Pending | None
) -> list[Line]:
    """Lines in the order of use."""
    lines: list[Line] = []
    if pending:
        lines.append(_handed_over(told, pending))
        lines += _ping_pong(told, pending)
    missed = _unanswered_callback(told)
    if missed:
        params: dict[str, Any] = {"at": format_time(missed[-1].occurred_at), "attempts": len(missed)}
        lines.append(line("callback_missed", params, missed, f"Our call back was missed{times(len(missed))}"))
    if waiting_since is not None:
        lines.append(_waiting(told, waiting_since, now))
    return lines


def _handed_over(told: Sequence[Told], pending: Pending) -> Line:
    proof = [it for it in told if it.data.get("handoff") == pending.id][-1:]
    params = {
        "handoff": pending.id,
        "reason": quote(pending.reason),
        "from": pending.sender,
        "to": pending.to,
        "requested_at": format_time(pending.requested_at),
    }
    text = f"Handed over from {pending.sender} to {pending.to}: {quote(pending.reason)}"
    return line("handoff_requested", params, proof, text)


def _ping_pong(told: Sequence[Told], pending: Pending) -> list[Line]:
    """The line about a customer who is passed round for one reason."""
    reason = same(pending.reason)
    hops = [it for it in pending.hops if it.outcome in _PASSED_ON and same(it.reason) == reason]
    count = len(hops) + 1
    if count < PING_PONG:
        return []
    ids = {it.id for it in hops} | {pending.id}
    proof = [it for it in told if it.type == "handoff.requested" and word(it.data.get("handoff")) in ids]
    shown = hops[-MAX_HOPS:]
    params = {
        "reason": quote(pending.reason),
        "transfers": count,
        "hops": [_hop(it) for it in shown],
    }
    way = ", ".join(f"{it.sender.name} → {it.to.name} ({duration(it.waited_us)} wait)" for it in shown)
    text = f"Passed on {count} times for the same reason: {way}, now {pending.sender} → {pending.to}"
    return [line("ping_pong", params, proof, text)]


def _hop(it: Hop) -> dict[str, Any]:
    return {
        "handoff": it.id,
        "from": it.sender.name,
        "to": it.to.name,
        "reason": quote(it.reason),
        "outcome": it.outcome.value,
        "waited_minutes": minutes(it.waited_us),
    }


def _unanswered_callback(told: Sequence[Told]) -> list[Told]:
    """The misses since the last call back was asked for, agreed on, made or called off."""
    missed: list[Told] = []
    for it in told:
        if it.type == "callback.missed":
            missed.append(it)
        elif it.type in ("callback.completed", "callback.cancelled", "callback.requested"):
            missed = []
    return missed


def _waiting(told: Sequence[Told], since: Micros, now: Micros) -> Line:
    proof = [it for it in told if it.occurred_at == since and it.type in ASKS][:1]
    params = {"since": format_time(since), "minutes": minutes(now - since)}
    return line("waiting", params, proof, f"Waiting since {clock(since)} ({duration(max(now - since, 0))})")
