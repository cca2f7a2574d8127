"""Promises, each with its due time and state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from handoff.domain.clock import Micros, format_time

from ..lines import clock, line, quote, stated_time, word
from ..shapes import BriefLine, TimelineItem
from ..signals import Acts
from ..story import Story
from .candidates import PROMISES, promise_candidates

URGENCY = ("broken", "missed", "overdue", "open", "served", "kept", "cancelled")
"""The states of a promise, the most urgent first."""

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
DISMISSED = "dismissed"
"""The state of a promise that was none, or that somebody took back. It is not shown."""
_ENDED = frozenset({"kept", "cancelled", "broken", DISMISSED})
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


def promised(story: Story) -> list[BriefLine]:
    """Callbacks and promises: what is broken or late first, then by the time they are due; at the end
    what sounds like a promise and nobody has confirmed."""
    now = story.now
    found = [
        ("served" if _served(story, it) else _standing(it, now), "callback", it)
        for it in _call_backs(story.of(_CALL_STEPS.keys()))
    ]
    stated_here = [it for it in stated_promises(story.of(PROMISES)) if it.state != DISMISSED]
    found += [(_standing(it, now), "promise", it) for it in stated_here]
    found.sort(key=_order)
    stated = [
        _call_back(it, state, _spoken(story, it)) if kind == "callback" else _promise(it, state)
        for state, kind, it in found
    ]
    return stated + promise_candidates(story)


def _order(found: tuple[str, str, Promise]) -> tuple[int, Micros, Micros, str]:
    state, _kind, promise = found
    last = promise.proof[-1].occurred_at
    due = stated_time(promise.due)
    return URGENCY.index(state), last if due is None else due, last, promise.proof[-1].id


def _standing(promise: Promise, now: Micros) -> str:
    """An open promise whose time has passed is overdue, even if no event reported it."""
    due = stated_time(promise.due)
    return "overdue" if promise.state == "open" and due is not None and due < now else promise.state


def _served(story: Story, promise: Promise) -> bool:
    """Whether the matter that a call was promised for was settled or talked about before the call."""
    matter = story.matter_of.get(promise.proof[0].id)
    if promise.state in _ENDED or matter is None:
        return False
    if not matter.unsettled and matter.how != "callback":  # which keeps a promise of its own
        return True
    return _spoken(story, promise) is not None


def _spoken(story: Story, promise: Promise) -> Micros | None:
    """When somebody spoke with them about it on the phone before the call that was promised."""
    matter, asked = story.matter_of.get(promise.proof[0].id), promise.proof[0].occurred_at
    if promise.state in _ENDED or matter is None:
        return None
    return next(
        (one.at for one in matter.answers if one.acts & Acts.TALK and not one.callback and one.at > asked),
        None,
    )


def _call_backs(items: Sequence[TimelineItem]) -> list[Promise]:
    """Calls promised, by their id; steps that name none belong to the newest that is still open."""
    found: list[Promise] = []
    for item in items:
        state = _CALL_STEPS[item.type]
        key = word(item.data.get("callback"))
        known = _open_call(found, key, item.type)
        if known is not None and known.state == "kept" and state == "missed":
            continue  # a second line that rang in vain beside the one that was answered
        if known is not None:
            known.proof.append(item)
            known.state = state
        elif item.type in _ALONE or state == "open":
            found.append(Promise(key=key, conversation=item.conversation, state=state, proof=[item]))
    return found


def _open_call(found: Sequence[Promise], key: str, type_: str) -> Promise | None:
    for promise in reversed(found):
        if promise.key and promise.key == key:
            return promise
        new_request = type_ == "callback.requested" and promise.state != "open"
        if not (key and promise.key) and promise.state not in _ENDED and not new_request:
            return promise
    return None


def stated_promises(items: Sequence[TimelineItem]) -> list[Promise]:
    """The promises that `promise.*` touchpoints, given oldest first, leave."""
    found: list[Promise] = []
    for item in items:
        state = "open" if item.type == "promise.made" else item.type.removeprefix("promise.")
        key = word(item.data.get("promise")) or word(item.data.get("id"))
        known = _known_promise(found, key, item)
        if known is None:
            found.append(Promise(key=key, conversation=item.conversation, state=state, proof=[item]))
            continue
        known.proof.append(item)
        if known.state != DISMISSED and not (known.state == "kept" and state == "broken"):
            known.state = state  # proof from before the due time may arrive after the report of the break
    return found


def _known_promise(found: Sequence[Promise], key: str, item: TimelineItem) -> Promise | None:
    """The promise that a touchpoint is about: by id, by words, else the newest open one there.

    A dismissal with an id is about that promise or candidate only, which may be none of these.
    """
    named = bool(key) and item.type == "promise.dismissed"
    for known in reversed(found):
        if key and key in (known.key, known.proof[0].id):
            return known
        same_words = not named and not (key and known.key) and item.text and known.proof[0].text == item.text
        if same_words and known.state not in _ENDED:
            return known
    if item.type == "promise.made" or named:
        return None
    here = [known for known in found if known.conversation == item.conversation and known.state == "open"]
    return here[-1] if here and not (key and here[-1].key) else None


def _shown_due(promise: Promise) -> tuple[str | None, str]:
    """When it is due for `params` and, put in words, for `text`."""
    due = promise.due
    at = stated_time(due)
    if at is not None:
        return format_time(at), f" by {clock(at)}"
    stated = word(due)
    return stated or None, f" by {stated}" if stated else ""


def _call_back(promise: Promise, state: str, spoke: Micros | None) -> BriefLine:
    due, by = _shown_due(promise)
    params: dict[str, Any] = {"due": due, "state": state}
    attempts = sum(1 for step in promise.proof if step.type == "callback.missed")
    if attempts:
        params["missed"] = attempts
    tried = f", tried {attempts} times" if attempts > 1 else ""
    outcome = "served since" if state == "served" else state
    if state == "missed" and _voicemail(promise.proof[-1]):
        params["voicemail"] = True
        outcome += ", reached a voicemail"
    if spoke is not None:
        params["spoke"] = format_time(spoke)
        outcome += f", spoke {clock(spoke)}"
    return line("callback", params, promise.proof, f"A call back{by}: {outcome}{tried}")


def _voicemail(item: TimelineItem) -> bool:
    machine = word(item.data.get("answered_by")).startswith("machine")
    return machine or word(item.data.get("reason")) == "voicemail"


def _promise(promise: Promise, state: str) -> BriefLine:
    due, by = _shown_due(promise)
    made = promise.proof[0]
    words = quote(made.text) or word(made.subject) or "a promise"
    params: dict[str, Any] = {"words": words, "due": due, "state": state}
    if made.name and made.type == "promise.made":
        params["promised_by"] = quote(made.name)
    return line("promise", params, promise.proof, f"“{words}”{by}: {state}")
