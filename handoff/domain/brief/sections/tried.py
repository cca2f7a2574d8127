"""The customer's attempts and how they failed: help read, searches, forms, bot answers, calls, messages lost.

Each touchpoint makes its own line; equal ones are one line with a count.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from msgspec import Struct

from handoff.domain.said.sentences import sentences

from ..lines import SHORT, MadeLine, first_word, line, quote, same, times, word
from ..packs.tokens import has_digit
from ..shapes import BriefLine, TimelineItem
from ..signals import SENT, Acts, automatic
from ..story import Story

READ = 2_000  # characters of an automatic reply
ACKNOWLEDGED = 60  # characters of one that states no number
_UNANSWERED = frozenset({"noanswer", "busy", "failed", "canceled", "cancelled", "abandoned"})
_RESULTS = ("results", "result_count", "results_count", "total", "hits")


class Attempt(Struct, frozen=True):
    """The attempt in one touchpoint; those with equal code and key become one line, worded as the newest."""

    code: str
    key: tuple[str, ...]
    params: dict[str, Any]
    text: str


def tried(story: Story) -> list[MadeLine]:
    """In the order in which each thing was tried first; not what belongs to a settled matter."""
    groups: dict[tuple[str, ...], tuple[Attempt, list[TimelineItem]]] = {}
    for item in story.items:
        reader = _READERS.get(item.type)
        if reader is None and item.type not in SENT:
            continue
        attempt = item.once("attempt", partial(reader, item)) if reader else _machine(story, item)
        if attempt is not None and not story.settled(item):
            key = (item.assurance, attempt.code, *attempt.key)
            proof = groups[key][1] if key in groups else []
            proof.append(item)
            groups[key] = (attempt, proof)
    ordered = sorted(groups.items(), key=lambda found: (found[1][1][0].occurred_at, found[0]))
    lines = [partial(_line, attempt, proof) for _key, (attempt, proof) in ordered]
    return [*lines, *_deleted(story)]


def _line(attempt: Attempt, proof: list[TimelineItem]) -> BriefLine:
    return line(attempt.code, attempt.params, proof, attempt.text + times(len(proof)))


def _deleted(story: Story) -> list[BriefLine]:
    """Messages that the customer deleted: only that they existed, never their text."""
    if len(story.everything) == len(story.items):
        return []
    found = [it for it in story.everything if it.deleted and it.direction == "inbound"]
    if not found:
        return []
    channel = found[-1].channel
    return [
        line("deleted", {"channel": channel}, found, f"Deleted a message on {channel}{times(len(found))}")
    ]


def _article(item: TimelineItem) -> Attempt:
    title = first_word(item.data.get("title"), item.subject, item.data.get("url")) or "an article"
    return Attempt("read_article", (same(title),), {"title": title}, f"Read “{title}”")


def _search(item: TimelineItem) -> Attempt | None:
    query = first_word(item.data.get("query"), item.text)
    if not query:
        return None
    params: dict[str, Any] = {"query": query}
    found = next((item.data[name] for name in _RESULTS if name in item.data), None)
    text = f"Searched for “{query}”"
    if isinstance(found, int) and not isinstance(found, bool):
        params["results"] = found
        text += "" if found else ", found nothing"
    return Attempt("searched", (same(query),), params, text)


def form_name(item: TimelineItem) -> str:
    return first_word(item.data.get("form"), item.data.get("name"), item.subject) or "a form"


def _form_failed(item: TimelineItem) -> Attempt:
    form, error = form_name(item), first_word(item.data.get("error"), item.text)
    text = f"{form} failed" + (f": {error}" if error else "")
    return Attempt("form_failed", (same(form), same(error)), {"form": form, "error": error}, text)


def _form_submitted(item: TimelineItem) -> Attempt:
    form = form_name(item)
    return Attempt("form_submitted", (same(form),), {"form": form}, f"Sent {form}")


def _machine(story: Story, item: TimelineItem) -> Attempt | None:
    """A program's answer, on any channel."""
    signal = story.signals.get(item.id)
    if signal is None or not signal.acts & Acts.MACHINE or item.direction != "outbound":
        return None
    replied = item.type == "email.auto_replied" or automatic(item.data)
    words = _acknowledged(item) if replied else story.words(item)
    what = "Automatic reply" if replied else "Bot"
    text = f"{what} on {item.channel}" + (f": “{words}”" if words else "")
    params: dict[str, Any] = {"channel": item.channel, "words": words}
    if replied:
        params["automatic"] = True
    return Attempt("bot_answered", (item.channel, same(words)), params, text)


def _acknowledged(item: TimelineItem) -> str:
    """The words of an automatic reply: what it states in numbers, or its beginning."""
    text = (item.text or "")[:READ]
    stated = [text[begin:end] for begin, end in sentences(text)]
    return quote(" ".join(it for it in stated if has_digit(it)), SHORT) or quote(text, ACKNOWLEDGED)


def _asked_call_back(item: TimelineItem) -> Attempt:
    return Attempt("asked_call_back", (), {}, "Asked for a call back")


def _unanswered_call(item: TimelineItem) -> Attempt | None:
    status = word(item.data.get("status"))
    if item.direction != "inbound" or same(status) not in _UNANSWERED:
        return None
    return Attempt("call_unanswered", (), {"status": status}, "Called and got no answer")


def _not_delivered(item: TimelineItem) -> Attempt | None:
    if item.direction != "outbound":
        return None
    text = f"Our message by {item.channel} did not arrive"
    return Attempt("not_delivered", (item.channel,), {"channel": item.channel}, text)


def _not_taken(item: TimelineItem) -> Attempt | None:
    """A handoff that ended without anybody; an offer that lapsed leaves it in its queue."""
    reason = quote(item.text or word(item.data.get("answer")) or word(item.data.get("failure")))
    if item.data.get("state") != item.type.removeprefix("handoff."):
        return _refused(reason) if item.type == "handoff.declined" else None
    to = item.data.get("to")
    named = to if isinstance(to, Mapping) else {"party": to}
    party = first_word(*(named.get(name) for name in ("agent", "party", "queue", "channel")))
    name = party or "somebody"
    params = {"to": name} | ({"reason": reason} if reason else {})
    text = f"Was to be handed to {name}: nobody took it" + (f" ({reason})" if reason else "")
    return Attempt("nobody_took_it", (same(name), same(reason)), params, text)


def _refused(reason: str) -> Attempt:
    """One of several who were asked declined, and the handoff passed to the next."""
    text = "A handoff was declined" + (f": {reason}" if reason else "")
    return Attempt("declined", (same(reason),), {"reason": reason}, text)


def _withdrawn(item: TimelineItem) -> Attempt:
    """Called off before anybody took it, or because the customer left."""
    reason = quote(item.text or word(item.data.get("answer")))
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
"""Touchpoint type -> the reader of its attempt."""
