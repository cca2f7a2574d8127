"""Why now: what comes back, who hands over and why, what was missed, who has it, how long they wait."""

from __future__ import annotations

from itertools import islice
from typing import Any

from handoff.domain.clock import format_time
from handoff.domain.handoff import Hop, Party, State

from ..lines import SHORT, clock, duration, line, minutes, quote, same, times, word
from ..matters import Matter
from ..shapes import BriefLine, Pending, TimelineItem
from ..signals import Acts
from ..story import Story
from .continued import by_code
from .ownership import who_has_it

PING_PONG = 3  # handoffs for one reason, this one included, from which on the line is shown
MAX_HOPS = 8  # named in it, the newest; `transfers` counts them all
MAX_ENDED = 200  # characters of the answer that settled a matter
MAX_NAMED = 4  # numbers of a settled matter that its quotes do not show
MAX_SOLVED = 3  # settled matters, the newest; the others are counted
_REQUESTS = frozenset({"handoff.requested"})
_CALLS = frozenset({"callback.missed", "callback.completed", "callback.cancelled", "callback.requested"})
_PASSED_ON = frozenset({State.ACCEPTED, State.TRANSFERRED, State.RELEASED, State.COMPLETED})
"""Outcomes of handoffs that somebody took: what nobody took did not move the customer."""


def why_now(story: Story) -> list[BriefLine]:
    """Lines in the order of use."""
    lines = [_returned(story, it) for it in story.live() if it.returned]
    if story.pending:
        lines.append(_handed_over(story, story.pending))
        circles = _ping_pong(story, story.pending)
        lines += circles or _handed_before(story, story.pending)
    missed = _unanswered_callback(story)
    if missed:
        params: dict[str, Any] = {"at": format_time(missed[-1].occurred_at), "attempts": len(missed)}
        lines.append(line("callback_missed", params, missed, f"Our call back was missed{times(len(missed))}"))
    lines += by_code(story)
    lines += _waiting(story)
    lines += who_has_it(story)
    lines += [_unclear(story.by_id[it.id]) for it in story.folded.unclear[-2:]]
    return lines + _solved(story)


def _returned(story: Story, matter: Matter) -> BriefLine:
    settled = [it for it in story.folded.matters if not it.unsettled]
    known = set[str]().union(*(it.keys for it in settled))
    back = [ask for ask in matter.asks if ask.signal.key in known] or matter.asks
    proof = [story.by_id[ask.signal.id] for ask in back]
    words = quote(proof[-1].text, SHORT)
    closed = "once" if matter.returned == 1 else f"{matter.returned} times"
    params = {"times": matter.returned, "words": words, "matter": matter.shown_as}
    return line("returned", params, proof, f"Closed {closed}, same words again: “{words}”")


def _handed_over(story: Story, pending: Pending) -> BriefLine:
    proof = [it for it in story.items if it.data.get("handoff") == pending.id][-1:]
    params = {
        "handoff": pending.id,
        "reason": quote(pending.reason),
        "from": pending.sender,
        "to": pending.to,
        "requested_at": format_time(pending.requested_at),
    }
    why = f": {quote(pending.reason)}" if pending.reason else ""  # hidden from some readers
    text = f"Handed over from {pending.sender} to {pending.to}{why}"
    return line("handoff_requested", params, proof, text)


def _ping_pong(story: Story, pending: Pending) -> list[BriefLine]:
    """The line about a customer who is passed round for one reason."""
    reason = same(pending.reason)
    hops = [it for it in pending.hops if it.outcome in _PASSED_ON and same(it.reason) == reason]
    count = len(hops) + 1
    if count < PING_PONG or not reason:
        return []
    ids = {it.id for it in hops} | {pending.id}
    shown = hops[-MAX_HOPS:]
    params = {
        "reason": quote(pending.reason),
        "transfers": count,
        "hops": [_hop(it) for it in shown],
    }
    way = ", ".join(f"{it.sender.name} → {it.to.name} ({duration(it.waited_us)} wait)" for it in shown)
    text = f"Passed on {count} times for the same reason: {way}, now {pending.sender} → {pending.to}"
    return [line("ping_pong", params, _requests(story, ids), text)]


def _handed_before(story: Story, pending: Pending) -> list[BriefLine]:
    """The way of the conversation before this handoff."""
    hops = [it for it in pending.hops if it.outcome in _PASSED_ON]
    if not hops:
        return []
    shown = hops[-MAX_HOPS:]
    params = {"transfers": len(hops), "hops": [_hop(it) for it in shown]}
    params["way"] = way = ", ".join(
        f"{it.sender.name} → {_target(it.to)}" + (f" ({quote(it.reason, 60)})" if it.reason else "")
        for it in shown
    )
    return [
        line("handed_before", params, _requests(story, {it.id for it in hops}), f"Handed over before: {way}")
    ]


def _target(to: Party) -> str:
    return f"{to.queue}, {to.agent}" if to.queue and to.agent else to.name


def _requests(story: Story, ids: set[str]) -> list[TimelineItem]:
    return [it for it in story.of(_REQUESTS) if word(it.data.get("handoff")) in ids]


def _hop(hop: Hop) -> dict[str, Any]:
    return {
        "handoff": hop.id,
        "from": hop.sender.name,
        "to": hop.to.name,
        "reason": quote(hop.reason),
        "outcome": hop.outcome.value,
        "waited_minutes": minutes(hop.waited_us),
    }


def _unanswered_callback(story: Story) -> list[TimelineItem]:
    """The misses since the last call back was asked for, agreed on, made or called off, unless somebody
    was in touch with them since."""
    missed: list[TimelineItem] = []
    kept: set[str] = set()
    for item in story.of(_CALLS):
        key = word(item.data.get("callback"))
        if item.type == "callback.completed" and key:
            kept.add(key)
        if item.type == "callback.missed" and key in kept:
            continue  # a second line that rang in vain
        if item.type == "callback.missed":
            missed.append(item)
        elif item.type in ("callback.completed", "callback.cancelled", "callback.requested"):
            missed = []
    return [] if missed and story.answered_after(missed[-1].occurred_at) else missed


def _waiting(story: Story) -> list[BriefLine]:
    since = story.waiting_since()
    if since is None:
        return []
    asked = Acts.ASK | Acts.NUDGE
    found = (it for it in story.signals.values() if it.at == since and it.acts & asked)
    proof = [story.by_id[it.id] for it in islice(found, 1)]
    length = max(story.now - since, 0)
    params = {"since": format_time(since), "minutes": minutes(length)}
    return [line("waiting", params, proof, f"Waiting {duration(length)}, since {clock(since)}")]


def _unclear(item: TimelineItem) -> BriefLine:
    params = {"at": format_time(item.occurred_at), "channel": item.channel}
    verb = "Spoke" if item.channel == "phone" else "Answered"
    return line("unclear", params, [item], f"{verb} at {clock(item.occurred_at)}, unclear about which matter")


# --- What is settled ---


def _solved(story: Story) -> list[BriefLine]:
    """The newest settled matters, a line each; one that returned in the same words has a line of its own."""
    known = {key for it in story.folded.matters if it.returned and it.unsettled for key in it.keys}
    settled = [it for it in story.folded.matters if not (it.unsettled or it.about or it.keys & known)]
    settled.sort(key=lambda it: it.settled.at if it.settled else 0, reverse=True)
    if len(settled) > MAX_SOLVED:
        story.left_out["why_now"] += len(settled) - MAX_SOLVED
    return [line for it in settled[:MAX_SOLVED] if (line := _solved_line(story, it))]


def _solved_line(story: Story, matter: Matter) -> BriefLine | None:
    end = matter.settled
    assert end is not None
    ended = story.by_id[end.id]
    asks = [story.by_id[it.signal.id] for it in matter.asks]
    if not asks:
        return None  # nothing but "hello?"
    spoken = next((it for it in asks if it.text), asks[0])
    words = quote(story.words(spoken) or spoken.subject or word(spoken.data.get("form")), SHORT)
    last = _last_words(story, matter, ended)
    is_reason = last is ended and matter.how == "handoff"
    answer = quote(last.text if is_reason else story.words(last), MAX_ENDED) if last else ""
    who = quote(last.name, 60) if last and not is_reason else ""
    if not words and not answer:
        return None
    plain = same(f"{words} {answer}")
    named = [it for it in matter.references.values() if it.value not in plain][:MAX_NAMED]
    params: dict[str, Any] = {
        "at": format_time(end.at),
        "words": words,
        "answer": answer,
        "how": matter.how,
        "matter": matter.shown_as,
    }
    if named:
        params["references"] = [{"name": it.label, "value": it.shown} for it in named]
    if answer and who:
        params["answered_by"] = who
    text = f"Solved {clock(end.at)}"
    text += f" ({', '.join(it.shown for it in named)})" if named else ""
    text += f": “{words}”" if words else ""
    text += f" → {who + ': ' if who else ''}“{answer}”" if answer else ""
    if matter.how == "withdrawn":
        text += ", by the customer's own word"
    return line("solved", params, [*asks, ended], text, [last] if last else ())


def _last_words(story: Story, matter: Matter, ended: TimelineItem) -> TimelineItem | None:
    """The touchpoint with the words of the person who settled it."""
    if matter.how == "handoff" and ended.text:
        return ended
    answers = [story.by_id[it.id] for it in matter.answers]
    return next((it for it in reversed(answers) if it.text), None)
