"""The brief: what the next party needs in ten seconds, told from a customer's touchpoints by rule.

No model and no guess: every line points at the touchpoints that prove it. Lines about what was only
claimed are lines of their own and say so. Screens render from `code` and `params`; `text` is the
English rendering.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from typing import Any

from msgspec import Struct, field

from .clock import MINUTE, Micros, format_time, parse_time
from .identity import Assurance

RULES = 1
"""Version of these rules, kept with every snapshot."""

MAX_LINES = 12  # a section; what is left out is counted
MAX_QUOTE = 280  # characters of somebody's words in a line; the touchpoint has them all


class Told(Struct, frozen=True, kw_only=True):
    """A touchpoint as the rules read it, oldest first. `id` is its public id."""

    id: str
    type: str
    channel: str
    direction: str
    visibility: str
    assurance: str
    occurred_at: Micros
    conversation: str
    subject: str | None = None
    text: str | None = None
    by: str | None = None
    data: dict[str, Any] = field(default_factory=dict)
    traits: dict[str, Any] = field(default_factory=dict)


class Line(Struct, frozen=True, kw_only=True):
    """One statement of the brief and the touchpoints that prove it."""

    code: str
    params: dict[str, Any]
    count: int
    touchpoints: tuple[str, ...]
    assurance: str
    text: str


class Effort(Struct, frozen=True, kw_only=True):
    """What it has cost the customer so far; times in RFC 3339, waiting in whole minutes."""

    contacts: int
    channels: tuple[str, ...]
    switches: int
    transfers: int
    repeated: int
    since: str | None
    waiting_since: str | None
    waiting_minutes: int


class Brief(Struct, frozen=True, kw_only=True):
    """The sections in the order in which they are of use."""

    why_now: tuple[Line, ...]
    wants: tuple[Line, ...]
    tried: tuple[Line, ...]
    promised: tuple[Line, ...]
    known: tuple[Line, ...]
    feelings: tuple[Line, ...]
    effort: Effort


class Pending(Struct, frozen=True, kw_only=True):
    """The hand-off that this brief is for."""

    id: str
    reason: str
    sender: str
    to: str
    requested_at: Micros


_CONTACT = frozenset(
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
_SPOKEN = frozenset({"message.received", "email.received", "callback.requested", "complaint.opened"})
_ANSWERS = frozenset({"message.sent", "email.sent", "callback.completed"})


def tell(
    told: Sequence[Told], *, now: Micros, waiting_since: Micros | None, pending: Pending | None = None
) -> Brief:
    """The brief over the given touchpoints (oldest first) as of `now`."""
    return Brief(
        why_now=_why_now(told, now, waiting_since, pending),
        wants=_wants(told),
        tried=_tried(told),
        promised=_promised(told, now),
        known=_known(told),
        feelings=_feelings(told),
        effort=_effort(told, now, waiting_since),
    )


def _quote(text: str | None) -> str:
    flat = " ".join((text or "").split())
    return flat if len(flat) <= MAX_QUOTE else flat[: MAX_QUOTE - 1] + "…"


def _clock(at: Micros) -> str:
    """A time as people read it: to the minute."""
    return format_time(at)[:16].replace("T", " ") + " UTC"


def _due(line: Told) -> str | None:
    """When something promised is due, as its sender wrote it or to the minute where it is a time."""
    due = line.data.get("due")
    if not isinstance(due, str):
        return None
    try:
        return _clock(parse_time(due))
    except ValueError:
        return due


def _mark(assurance: str, text: str) -> str:
    return text if assurance == Assurance.VERIFIED else f"({assurance}) {text}"


def _line(code: str, params: dict[str, Any], proof: Sequence[Told], text: str) -> Line:
    assurance = proof[-1].assurance if proof else Assurance.VERIFIED.value
    return Line(
        code=code,
        params=params,
        count=max(len(proof), 1),
        touchpoints=tuple(it.id for it in proof),
        assurance=assurance,
        text=_mark(assurance, text),
    )


def _grouped(
    told: Iterable[Told], key: Callable[[Told], tuple[Any, ...] | None]
) -> list[tuple[tuple[Any, ...], list[Told]]]:
    """Touchpoints with one key collapse into one line; claimed ones never mix with verified ones."""
    groups: dict[tuple[Any, ...], list[Told]] = {}
    for it in told:
        found = key(it)
        if found is not None:
            groups.setdefault((it.assurance, *found), []).append(it)
    return [(group[1:], proof) for group, proof in groups.items()]


def _why_now(
    told: Sequence[Told], now: Micros, waiting_since: Micros | None, pending: Pending | None
) -> tuple[Line, ...]:
    lines: list[Line] = []
    params: dict[str, Any]
    if pending:
        proof = [it for it in told if it.data.get("handoff") == pending.id][-1:]
        params = {
            "handoff": pending.id,
            "reason": pending.reason,
            "from": pending.sender,
            "to": pending.to,
            "requested_at": format_time(pending.requested_at),
        }
        text = f"Handed over from {pending.sender} to {pending.to}: {_quote(pending.reason)}"
        lines.append(_line("handoff_requested", params, proof, text))
    missed = _unanswered_callback(told)
    if missed:
        params = {"at": format_time(missed[-1].occurred_at), "attempts": len(missed)}
        lines.append(_line("callback_missed", params, missed, f"Our call back was missed ({len(missed)}×)"))
    if waiting_since is not None:
        minutes = max((now - waiting_since) // MINUTE, 0)
        proof = [it for it in told if it.occurred_at == waiting_since and it.type in _CONTACT][:1]
        params = {"since": format_time(waiting_since), "minutes": minutes}
        lines.append(
            _line("waiting", params, proof, f"Waiting since {_clock(waiting_since)} ({minutes} min)")
        )
    return tuple(lines)


def _unanswered_callback(told: Sequence[Told]) -> list[Told]:
    missed: list[Told] = []
    for it in told:
        if it.type == "callback.missed":
            missed.append(it)
        elif it.type in ("callback.completed", "callback.cancelled", "callback.requested"):
            missed = []
    return missed


def _wants(told: Sequence[Told]) -> tuple[Line, ...]:
    """The customer's own last words on each channel, newest first."""
    last: dict[tuple[str, str], Told] = {}
    for it in told:
        words = it.text or it.subject
        if it.type in _SPOKEN and it.direction == "inbound" and it.visibility == "public" and words:
            last[it.assurance, it.channel] = it
    lines = []
    for it in sorted(last.values(), key=lambda it: it.occurred_at, reverse=True):
        words = _quote(it.text or it.subject)
        params = {"channel": it.channel, "at": format_time(it.occurred_at), "words": words}
        if it.subject:
            params["subject"] = _quote(it.subject)
        lines.append(_line("said", params, [it], f"On {it.channel}: “{words}”"))
    return tuple(lines[:MAX_LINES])


def _tried_key(it: Told) -> tuple[Any, ...] | None:
    data = it.data
    if it.type == "article.viewed":
        return ("read_article", str(data.get("title") or it.subject or data.get("url") or "an article"))
    if it.type == "search.performed":
        return ("searched", str(data.get("query") or it.text or ""))
    if it.type == "form.failed":
        form = str(data.get("form") or it.subject or data.get("name") or "a form")
        return ("form_failed", form, str(data.get("error") or it.text or ""))
    if it.type == "form.submitted":
        return ("form_submitted", str(data.get("form") or it.subject or data.get("name") or "a form"))
    if it.type == "message.sent" and it.by == "bot":
        return ("bot_answered", it.channel)
    if it.type == "callback.requested":
        return ("asked_call_back",)
    return None


_TRIED_TEXT: dict[str, tuple[tuple[str, ...], Callable[..., str]]] = {
    "read_article": (("title",), lambda title: f"Read “{_quote(title)}”"),
    "searched": (("query",), lambda query: f"Searched for “{_quote(query)}”"),
    "form_failed": (
        ("form", "error"),
        lambda form, error: f"{_quote(form)} failed" + (f": {_quote(error)}" if error else ""),
    ),
    "form_submitted": (("form",), lambda form: f"Sent {_quote(form)}"),
    "bot_answered": (("channel",), lambda channel: f"Was answered by a bot on {channel}"),
    "asked_call_back": ((), lambda: "Asked for a call back"),
}


def _tried(told: Sequence[Told]) -> tuple[Line, ...]:
    lines = []
    for (code, *values), proof in _grouped(told, _tried_key):
        names, render = _TRIED_TEXT[code]
        times = f" ({len(proof)}×)" if len(proof) > 1 else ""
        params = dict(zip(names, values, strict=True))
        lines.append(_line(code, params, proof, render(*values) + times))
    return tuple(lines[-MAX_LINES:])


_CALLBACK_ENDS = {
    "callback.completed": "kept",
    "callback.cancelled": "cancelled",
    "callback.given_up": "broken",
    "callback.missed": "missed",
    "callback.overdue": "overdue",
}


def _promised(told: Sequence[Told], now: Micros) -> tuple[Line, ...]:
    """Promises and call-backs, each with how it stands: open, kept, broken, missed, overdue."""
    lines: list[Line] = []
    made: dict[str, tuple[list[Told], str]] = {}
    call: list[Told] = []
    state = "open"
    for it in told:
        key = str(it.data.get("promise") or it.data.get("id") or it.text or it.id)
        if it.type == "promise.made":
            made[key] = ([it], "open")
        elif it.type in ("promise.kept", "promise.broken") and key in made:
            made[key] = ([*made[key][0], it], it.type.removeprefix("promise."))
        elif it.type in ("callback.requested", "callback.scheduled", "callback.rescheduled"):
            call, state = [*call, it] if state == "open" else [it], "open"
        elif it.type in _CALLBACK_ENDS and (call or it.type == "callback.missed"):
            call, state = [*call, it], _CALLBACK_ENDS[it.type]
    if call and state not in ("kept", "cancelled"):
        due = next((it.data["due"] for it in reversed(call) if it.data.get("due")), None)
        by = next((_due(it) for it in reversed(call) if it.data.get("due")), None)
        text = "A call back" + (f" by {by}" if by else "") + f": {state}"
        lines.append(_line("callback", {"due": due, "state": state}, call, text))
    for proof, state in made.values():
        words, due = _quote(proof[0].text), proof[0].data.get("due")
        text = f"“{words}”" + (f" by {_due(proof[0])}" if due else "") + f": {state}"
        lines.append(_line("promise", {"words": words, "due": due, "state": state}, proof, text))
    return tuple(lines[-MAX_LINES:])


def _known(told: Sequence[Told]) -> tuple[Line, ...]:
    """Facts already given, so that nobody asks again: the newest value of each."""
    newest: dict[tuple[str, str], tuple[Told, Any]] = {}
    for it in told:
        for name, value in it.traits.items():
            if isinstance(value, str | int | float) and not isinstance(value, bool) and value != "":
                newest[it.assurance, name] = (it, value)
    lines = [
        _line("fact", {"name": name, "value": value}, [it], f"{name}: {_quote(str(value))}")
        for (_assurance, name), (it, value) in newest.items()
    ]
    return tuple(lines[:MAX_LINES])


def _feelings(told: Sequence[Told]) -> tuple[Line, ...]:
    """Surveys and complaints as the customer stated them; nothing is guessed."""
    lines: list[Line] = []
    for it in told:
        if it.type == "survey.answered":
            score = it.data.get("score", it.data.get("rating"))
            params = {"score": score, "words": _quote(it.text)}
            said = " ".join(
                part for part in (str(score) if score is not None else "", _quote(it.text)) if part
            )
            lines.append(_line("survey", params, [it], f"Survey: {said}"))
        elif it.type == "complaint.opened":
            lines.append(
                _line("complaint", {"words": _quote(it.text)}, [it], f"Complained: “{_quote(it.text)}”")
            )
    return tuple(lines[-MAX_LINES:])


def _effort(told: Sequence[Told], now: Micros, waiting_since: Micros | None) -> Effort:
    contacts = [it for it in told if it.type in _CONTACT and it.direction == "inbound"]
    ours = [it for it in told if not it.type.startswith(("handoff.", "identity.", "context."))]
    channels = tuple(dict.fromkeys(it.channel for it in ours))
    moves = [it.channel for it in contacts]
    words = [_quote(it.text).casefold() for it in contacts if it.text]
    return Effort(
        contacts=len(contacts),
        channels=channels,
        switches=sum(1 for one, other in pairwise(moves) if one != other),
        transfers=sum(1 for it in told if it.type == "handoff.transferred"),
        repeated=len(words) - len(set(words)),
        since=format_time(ours[0].occurred_at) if ours else None,
        waiting_since=format_time(waiting_since) if waiting_since is not None else None,
        waiting_minutes=max((now - waiting_since) // MINUTE, 0) if waiting_since is not None else 0,
    )
