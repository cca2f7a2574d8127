"""What they tried and how it failed: help read, searches, forms, bot answers, calls, messages lost.

Each touchpoint says its own line; those that say the same are one line with a count.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from msgspec import Struct

from .shapes import Line, Told
from .wants import settled
from .wording import first_word, line, quote, same, times, word

_UNANSWERED = frozenset({"noanswer", "busy", "failed", "canceled", "cancelled", "abandoned"})
_RESULTS = ("results", "result_count", "results_count", "total", "hits")


class Attempt(Struct, frozen=True):
    """What one touchpoint says; those with equal code and key are one line, the newest one's words."""

    code: str
    key: tuple[str, ...]
    params: dict[str, Any]
    text: str


def tried(told: Sequence[Told]) -> list[Line]:
    """In the order in which each thing was tried first; not what belongs to a settled matter."""
    done = settled(told)
    groups: dict[tuple[str, ...], tuple[Attempt, list[Told]]] = {}
    for it in told:
        reader = _READERS.get(it.type)
        attempt = reader(it) if reader and it.conversation not in done else None
        if attempt is not None:
            key = (it.assurance, attempt.code, *attempt.key)
            groups[key] = (attempt, [*groups[key][1], it] if key in groups else [it])
    ordered = sorted(groups.items(), key=lambda found: (found[1][1][0].occurred_at, found[0]))
    return [
        line(attempt.code, attempt.params, proof, attempt.text + times(len(proof)))
        for _key, (attempt, proof) in ordered
    ]


def _article(it: Told) -> Attempt:
    title = first_word(it.data.get("title"), it.subject, it.data.get("url")) or "an article"
    return Attempt("read_article", (same(title),), {"title": title}, f"Read “{title}”")


def _search(it: Told) -> Attempt | None:
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


def form_name(it: Told) -> str:
    return first_word(it.data.get("form"), it.data.get("name"), it.subject) or "a form"


def _form_failed(it: Told) -> Attempt:
    form, error = form_name(it), first_word(it.data.get("error"), it.text)
    text = f"{form} failed" + (f": {error}" if error else "")
    return Attempt("form_failed", (same(form), same(error)), {"form": form, "error": error}, text)


def _form_submitted(it: Told) -> Attempt:
    form = form_name(it)
    return Attempt("form_submitted", (same(form),), {"form": form}, f"Sent {form}")


def _bot_answer(it: Told) -> Attempt | None:
    if it.by != "bot" or it.visibility != "public":
        return None
    words = quote(it.text)
    text = f"A bot answered on {it.channel}" + (f": “{words}”" if words else "")
    return Attempt("bot_answered", (it.channel,), {"channel": it.channel, "words": words}, text)


def _asked_call_back(it: Told) -> Attempt:
    return Attempt("asked_call_back", (), {}, "Asked for a call back")


def _unanswered_call(it: Told) -> Attempt | None:
    status = word(it.data.get("status"))
    if it.direction != "inbound" or same(status) not in _UNANSWERED:
        return None
    return Attempt("call_unanswered", (), {"status": status}, "Called and got no answer")


def _not_delivered(it: Told) -> Attempt | None:
    if it.direction != "outbound":
        return None
    text = f"Our message by {it.channel} did not arrive"
    return Attempt("not_delivered", (it.channel,), {"channel": it.channel}, text)


def _not_taken(it: Told) -> Attempt | None:
    """A hand-off that ended without anybody; an offer that lapsed leaves it in its queue."""
    if it.data.get("state") != it.type.removeprefix("handoff."):
        return None
    to = it.data.get("to")
    named = to if isinstance(to, Mapping) else {"party": to}
    party = first_word(*(named.get(name) for name in ("agent", "party", "queue", "channel")))
    name = party or "somebody"
    return Attempt(
        "nobody_took_it", (same(name),), {"to": name}, f"Was to be handed to {name}: nobody took it"
    )


_READERS: Mapping[str, Callable[[Told], Attempt | None]] = {
    "article.viewed": _article,
    "search.performed": _search,
    "form.failed": _form_failed,
    "form.submitted": _form_submitted,
    "message.sent": _bot_answer,
    "callback.requested": _asked_call_back,
    "call.ended": _unanswered_call,
    "email.bounced": _not_delivered,
    "message.failed": _not_delivered,
    "handoff.declined": _not_taken,
    "handoff.expired": _not_taken,
    "handoff.failed": _not_taken,
}
"""Touchpoint type -> what it says was tried."""
