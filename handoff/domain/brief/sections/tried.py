"""What they tried and how it failed: help read, searches, forms, bot answers, calls, messages lost.

Each touchpoint says its own line; those that say the same are one line with a count.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from msgspec import Struct

from ..lines import first_word, line, quote, same, times, word
from ..shapes import Line, TimelineItem
from ..signals import Acts
from ..story import Story

_UNANSWERED = frozenset({"noanswer", "busy", "failed", "canceled", "cancelled", "abandoned"})
_RESULTS = ("results", "result_count", "results_count", "total", "hits")


class Attempt(Struct, frozen=True):
    """What one touchpoint says; those with equal code and key are one line, the newest one's words."""

    code: str
    key: tuple[str, ...]
    params: dict[str, Any]
    text: str


def tried(story: Story) -> list[Line]:
    """In the order in which each thing was tried first; not what belongs to a settled matter."""
    groups: dict[tuple[str, ...], tuple[Attempt, list[TimelineItem]]] = {}
    for it in story.items:
        reader = _READERS.get(it.type)
        attempt = it.once("attempt", partial(reader, it)) if reader else None
        if attempt is None and reader is None:
            attempt = _machine(story, it)
        if attempt is not None and not story.settled(it):
            key = (it.assurance, attempt.code, *attempt.key)
            groups[key] = (attempt, [*groups[key][1], it] if key in groups else [it])
    ordered = sorted(groups.items(), key=lambda found: (found[1][1][0].occurred_at, found[0]))
    lines = [
        line(attempt.code, attempt.params, proof, attempt.text + times(len(proof)))
        for _key, (attempt, proof) in ordered
    ]
    return lines + _deleted(story)


def _deleted(story: Story) -> list[Line]:
    """Messages that the customer deleted: that there were some, never what they said."""
    found = [it for it in story.everything if it.deleted and it.direction == "inbound"]
    if not found:
        return []
    channel = found[-1].channel
    return [
        line("deleted", {"channel": channel}, found, f"Deleted a message on {channel}{times(len(found))}")
    ]


def _article(it: TimelineItem) -> Attempt:
    title = first_word(it.data.get("title"), it.subject, it.data.get("url")) or "an article"
    return Attempt("read_article", (same(title),), {"title": title}, f"Read “{title}”")


def _search(it: TimelineItem) -> Attempt | None:
    query = first_word(it.data.get("query"), it.text)
    if not query:
        return None
    params: dict[str, Any] = {"query": query}
    found = next((it.data[name] for name in _RESULTS if name in it.data), None)
    text = f"Searched for “{query}”"
    if isinstance(found, int) and not isinstance(found, bool):
        params["results"] = found
        text += "" if found else ", found nothing"
    return Attempt("searched", (same(query),), params, text)


def form_name(it: TimelineItem) -> str:
    return first_word(it.data.get("form"), it.data.get("name"), it.subject) or "a form"


def _form_failed(it: TimelineItem) -> Attempt:
    form, error = form_name(it), first_word(it.data.get("error"), it.text)
    text = f"{form} failed" + (f": {error}" if error else "")
    return Attempt("form_failed", (same(form), same(error)), {"form": form, "error": error}, text)


def _form_submitted(it: TimelineItem) -> Attempt:
    form = form_name(it)
    return Attempt("form_submitted", (same(form),), {"form": form}, f"Sent {form}")


def _machine(story: Story, it: TimelineItem) -> Attempt | None:
    """What a program answered, on whatever channel."""
    signal = story.signals.get(it.id)
    if signal is None or not signal.acts & Acts.MACHINE or it.direction != "outbound":
        return None
    words = quote(it.text)
    text = f"A bot answered on {it.channel}" + (f": “{words}”" if words else "")
    key = same(words)
    return Attempt("bot_answered", (it.channel, key), {"channel": it.channel, "words": words}, text)


def _asked_call_back(it: TimelineItem) -> Attempt:
    return Attempt("asked_call_back", (), {}, "Asked for a call back")


def _unanswered_call(it: TimelineItem) -> Attempt | None:
    status = word(it.data.get("status"))
    if it.direction != "inbound" or same(status) not in _UNANSWERED:
        return None
    return Attempt("call_unanswered", (), {"status": status}, "Called and got no answer")


def _not_delivered(it: TimelineItem) -> Attempt | None:
    if it.direction != "outbound":
        return None
    text = f"Our message by {it.channel} did not arrive"
    return Attempt("not_delivered", (it.channel,), {"channel": it.channel}, text)


def _not_taken(it: TimelineItem) -> Attempt | None:
    """A handoff that ended without anybody; an offer that lapsed leaves it in its queue."""
    reason = quote(it.text or word(it.data.get("answer")) or word(it.data.get("failure")))
    if it.data.get("state") != it.type.removeprefix("handoff."):
        return _refused(reason) if it.type == "handoff.declined" else None
    to = it.data.get("to")
    named = to if isinstance(to, Mapping) else {"party": to}
    party = first_word(*(named.get(name) for name in ("agent", "party", "queue", "channel")))
    name = party or "somebody"
    params = {"to": name} | ({"reason": reason} if reason else {})
    text = f"Was to be handed to {name}: nobody took it" + (f" ({reason})" if reason else "")
    return Attempt("nobody_took_it", (same(name), same(reason)), params, text)


def _refused(reason: str) -> Attempt:
    """One of several who were asked: the handoff went on to the next."""
    text = "A handoff was declined" + (f": {reason}" if reason else "")
    return Attempt("declined", (same(reason),), {"reason": reason}, text)


def _withdrawn(it: TimelineItem) -> Attempt:
    """Called off before anybody took it, or because the customer left."""
    reason = quote(it.text or word(it.data.get("answer")))
    text = "A handoff was withdrawn" + (f": {reason}" if reason else "")
    return Attempt("withdrawn", (same(reason),), {"reason": reason}, text)


_READERS: Mapping[str, Callable[[TimelineItem], Attempt | None]] = {
    "article.viewed": _article,
    "search.performed": _search,
    "form.failed": _form_failed,
    "form.submitted": _form_submitted,
    "callback.requested": _asked_call_back,
    "call.ended": _unanswered_call,
    "email.bounced": _not_delivered,
    "message.failed": _not_delivered,
    "handoff.declined": _not_taken,
    "handoff.expired": _not_taken,
    "handoff.failed": _not_taken,
    "handoff.withdrawn": _withdrawn,
}
"""Touchpoint type -> what it says was tried."""
