"""What was promised and by when, each with how it stands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from handoff.domain.clock import Micros, format_time

from ..lines import clock, line, quote, stated_time, word
from ..shapes import Line, TimelineItem
from ..signals import Acts
from ..story import Story
from .candidates import promise_candidates

URGENCY = ("broken", "missed", "overdue", "open", "served", "kept", "cancelled")
"""How a promise can stand, what needs an answer first."""

_CALL_STEPS: Mapping[str, str] = {
    "callback.requested": "open",
    "callback.scheduled": "open",
    "callback.rescheduled": "open",
    "callback.completed": "kept",
    "callback.cancelled": "cancelled",
    "callback.given_up": "broken",
    "callback.missed": "missed",
    "callback.overdue": "overdue",
}
_ALONE = frozenset({"callback.missed", "callback.overdue", "callback.given_up"})
"""Steps that show a call back was promised even where nothing before them is known."""
_ENDED = frozenset({"kept", "cancelled", "broken"})
_DUE = ("due", "due_at", "by")


class Promise(Struct, kw_only=True):
    """A promise as its touchpoints leave it. `key` is its sender's id of it, empty where it has none."""

    key: str
    conversation: str
    state: str
    proof: list[TimelineItem]

    @property
    def due(self) -> object:
        """When it is due, as its newest sender wrote it."""
        stated = (it.data.get(name) for it in reversed(self.proof) for name in _DUE)
        return next((value for value in stated if word(value)), None)


def promised(story: Story) -> list[Line]:
    """Call-backs and promises: what is broken or late first, then by the time they are due; at the end
    what sounds like a promise and nobody has confirmed."""
    now = story.now
    found = [
        ("served" if _served(story, it) else _standing(it, now), "callback", it)
        for it in _call_backs(story.items)
    ]
    found += [(_standing(it, now), "promise", it) for it in _promises(story.items)]
    found.sort(key=_order)
    stated = [
        _call_back(it, state, _spoken(story, it)) if kind == "callback" else _promise(it, state)
        for state, kind, it in found
    ]
    return stated + promise_candidates(story)


def _order(found: tuple[str, str, Promise]) -> tuple[int, Micros, Micros, str]:
    state, _kind, it = found
    last = it.proof[-1].occurred_at
    due = stated_time(it.due)
    return URGENCY.index(state), last if due is None else due, last, it.proof[-1].id


def _standing(it: Promise, now: Micros) -> str:
    """An open promise whose time has passed is overdue, whoever noticed."""
    due = stated_time(it.due)
    return "overdue" if it.state == "open" and due is not None and due < now else it.state


def _served(story: Story, it: Promise) -> bool:
    """Whether the matter that a call was promised for was settled or talked about before the call."""
    matter = story.matter_of.get(it.proof[0].id)
    if it.state in _ENDED or matter is None:
        return False
    if not matter.unsettled and matter.how != "callback":  # which keeps a promise of its own
        return True
    return _spoken(story, it) is not None


def _spoken(story: Story, it: Promise) -> Micros | None:
    """When somebody spoke with them about it on the phone before the call that was promised."""
    matter, asked = story.matter_of.get(it.proof[0].id), it.proof[0].occurred_at
    if it.state in _ENDED or matter is None:
        return None
    return next(
        (one.at for one in matter.answers if one.acts & Acts.TALK and not one.callback and one.at > asked),
        None,
    )


def _call_backs(items: Sequence[TimelineItem]) -> list[Promise]:
    """Calls promised, by their id; steps that name none belong to the newest that still stands."""
    found: list[Promise] = []
    for it in items:
        state = _CALL_STEPS.get(it.type)
        if state is None:
            continue
        key = word(it.data.get("callback"))
        known = _open_call(found, key, it.type)
        if known is not None and known.state == "kept" and state == "missed":
            continue  # a second line that rang in vain beside the one that was answered
        if known is not None:
            known.proof.append(it)
            known.state = state
        elif it.type in _ALONE or state == "open":
            found.append(Promise(key=key, conversation=it.conversation, state=state, proof=[it]))
    return found


def _open_call(found: Sequence[Promise], key: str, type_: str) -> Promise | None:
    for it in reversed(found):
        if it.key and it.key == key:
            return it
        asked_anew = type_ == "callback.requested" and it.state != "open"
        if not (key and it.key) and it.state not in _ENDED and not asked_anew:
            return it
    return None


def _promises(items: Sequence[TimelineItem]) -> list[Promise]:
    found: list[Promise] = []
    for it in items:
        if not it.type.startswith("promise."):
            continue
        state = "open" if it.type == "promise.made" else it.type.removeprefix("promise.")
        key = word(it.data.get("promise")) or word(it.data.get("id"))
        known = _known_promise(found, key, it)
        if known is not None:
            known.proof.append(it)
            known.state = state
        else:
            found.append(Promise(key=key, conversation=it.conversation, state=state, proof=[it]))
    return found


def _known_promise(found: Sequence[Promise], key: str, it: TimelineItem) -> Promise | None:
    """The promise that `it` is about: by id, by its words, else the newest open one of its conversation."""
    for known in reversed(found):
        if key and known.key:
            if known.key == key:
                return known
        elif it.text and known.proof[0].text == it.text and known.state not in _ENDED:
            return known
    if it.type == "promise.made":
        return None
    here = [known for known in found if known.conversation == it.conversation and known.state == "open"]
    return here[-1] if here and not (key and here[-1].key) else None


def _shown_due(it: Promise) -> tuple[str | None, str]:
    """When it is due for `params` and, put in words, for `text`."""
    due = it.due
    at = stated_time(due)
    if at is not None:
        return format_time(at), f" by {clock(at)}"
    stated = word(due)
    return stated or None, f" by {stated}" if stated else ""


def _call_back(it: Promise, state: str, spoke: Micros | None) -> Line:
    due, by = _shown_due(it)
    params: dict[str, Any] = {"due": due, "state": state}
    attempts = sum(1 for step in it.proof if step.type == "callback.missed")
    if attempts:
        params["missed"] = attempts
    tried = f", tried {attempts} times" if attempts > 1 else ""
    said = "served since" if state == "served" else state
    if spoke is not None:
        params["spoke"] = format_time(spoke)
        said += f", spoke {clock(spoke)}"
    return line("callback", params, it.proof, f"A call back{by}: {said}{tried}")


def _promise(it: Promise, state: str) -> Line:
    due, by = _shown_due(it)
    made = it.proof[0]
    words = quote(made.text) or word(made.subject) or "a promise"
    params: dict[str, Any] = {"words": words, "due": due, "state": state}
    if made.name and made.type == "promise.made":
        params["promised_by"] = quote(made.name)
    return line("promise", params, it.proof, f"“{words}”{by}: {state}")
