"""What they want: the customer's own last words on each channel, and what the call back is for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from handoff.domain.clock import format_time

from .shapes import Line, Told
from .why_now import ASKS
from .wording import line, quote

_SPOKEN = frozenset({"message.received", "email.received", "form.submitted"})
"""Types whose text is what the customer wrote. The reason of a call back may be an agent's words and
is told as such."""


def wants(told: Sequence[Told]) -> list[Line]:
    """Newest first; what was said about a matter that is settled is no wish any more."""
    done = settled(told)
    last: dict[tuple[str, str, str], Told] = {}
    for it in told:
        if it.direction != "inbound" or it.visibility != "public" or it.conversation in done:
            continue
        if it.type in _SPOKEN and (it.text or (it.subject and it.type == "email.received")):
            last[it.assurance, it.channel, "said"] = it
        elif it.type == "complaint.opened" and it.text:
            last[it.assurance, it.channel, "complained"] = it
        elif it.type == "callback.requested" and it.text:
            last[it.assurance, it.channel, "asked_for_call"] = it
    for assurance, channel, code in list(last):
        if code == "complained" and (assurance, channel, "said") in last:
            del last[assurance, channel, code]  # a complaint stands among the feelings, the wish here
    newest = sorted(last.items(), key=lambda found: (-found[1].occurred_at, found[0]))
    return [_line(code, it) for (_assurance, _channel, code), it in newest]


def _line(code: str, it: Told) -> Line:
    words = quote(it.text or it.subject)
    params: dict[str, Any] = {"channel": it.channel, "at": format_time(it.occurred_at), "words": words}
    if code == "asked_for_call":
        return line(code, params, [it], f"Asked for a call back: “{words}”")
    code, about = "said", ""
    if it.type == "email.received" and it.subject:
        params["subject"] = quote(it.subject)
        about = f" ({params['subject']})" if it.text else ""
    return line(code, params, [it], f"On {it.channel}{about}: “{words}”")


def settled(told: Sequence[Told]) -> frozenset[str]:
    """Conversations that were resolved and in which nothing was asked since."""
    done: set[str] = set()
    for it in told:
        if it.type == "conversation.resolved":
            done.add(it.conversation)
        elif it.type == "conversation.reopened" or (it.direction == "inbound" and it.type in ASKS):
            done.discard(it.conversation)
    return frozenset(done)
