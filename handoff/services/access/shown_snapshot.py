"""A pinned context for a limited reader.

The pinned bytes never change, and their hash is of all of them. A limited reader gets what is left of them
after the same rules as for a new context; what cannot be proved to be theirs is left out.
"""

from __future__ import annotations

from typing import Any

import msgspec

from handoff.services.access.reader import Reader

_SECTIONS = ("why_now", "wants", "tried", "answered", "promised", "known", "feelings")


def shown_snapshot(content: bytes, reader: Reader) -> bytes | None:
    """The JSON of a pinned context as the reader may see it, with `left_out.limited` set.

    None if the reader may see all of it, and so gets exactly the pinned bytes.
    """
    context: dict[str, Any] = msgspec.json.decode(content)
    timeline = context.get("timeline") or {}
    pinned = timeline.get("touchpoints") or []
    visible = [(it, shown) for it in pinned if (shown := _touchpoint(it, reader)) is not None]
    if not reader.internal:
        public = {it["id"] for it, _shown in visible}
        visible = [(it, shown) for it, shown in visible if _stands_alone(it, public)]
    whole = {it["id"] for it, shown in visible if shown is it or shown == _without_derived(it)}
    handoffs = [_handoff(it, reader) for it in context.get("handoffs") or ()]
    brief = context.get("brief") or {}
    others = _others(context, reader)
    if (
        len(whole) == len(pinned)
        and all(shown is it for it, shown in visible)
        and handoffs == (context.get("handoffs") or [])
        and not others
        and all(set(line.get("touchpoints") or ()) <= whole for line in _lines(brief))
    ):
        return None
    context["handoffs"] = handoffs
    if timeline:
        kept = [shown for _it, shown in visible]
        context["timeline"] = {**timeline, "touchpoints": kept, "returned": len(kept), "total": None}
    if brief:
        context["brief"] = _brief(brief, whole, transcribed=reader.internal)
    context |= others
    subjects = {it["subject"] for it, _shown in visible if it["id"] in whole}
    context["conversations"] = [
        it if it.get("subject") in subjects else {**it, "subject": None}
        for it in context.get("conversations") or ()
    ]
    context["left_out"] = {**(context.get("left_out") or {}), "limited": True}
    return msgspec.json.encode(context)


def _others(context: dict[str, Any], reader: Reader) -> dict[str, Any]:
    """The members that show other people than the customer, without these; empty if there are none."""
    hidden = (
        {"shared_identities"} if reader.queues is None else {"shared_identities", "candidates", "conflicts"}
    )
    if not reader.internal:
        hidden = hidden | {"consents"}  # the touchpoint behind one may be internal
    changed: dict[str, Any] = {}
    customer = context.get("customer") or {}
    if shown := {name for name in hidden if customer.get(name)}:
        changed["customer"] = {**customer, **{name: [] for name in shown}}
    candidates = context.get("candidates") or []
    if candidates and reader.queues is not None:
        changed["candidates"] = []
    elif any(it.get("summary") for it in candidates):
        changed["candidates"] = [{**it, "summary": None} for it in candidates]
    return changed


def _lines(brief: dict[str, Any]) -> list[dict[str, Any]]:
    return [line for section in _SECTIONS for line in brief.get(section) or ()]


def _touchpoint(touchpoint: dict[str, Any], reader: Reader) -> dict[str, Any] | None:
    data = reader.shown_data(touchpoint["type"], touchpoint.get("data") or {})
    if data is None:
        if not (reader.internal or touchpoint.get("visibility") == "public"):
            return None
        return touchpoint if reader.internal else _without_derived(touchpoint)
    return {**touchpoint, "subject": None, "text": None, "data": data}


def _without_derived(touchpoint: dict[str, Any]) -> dict[str, Any]:
    """The touchpoint without what was derived from it, which is internal."""
    if "derived" not in touchpoint:
        return touchpoint
    return {name: value for name, value in touchpoint.items() if not name.startswith("derived")}


def _stands_alone(touchpoint: dict[str, Any], public: set[str]) -> bool:
    """Whether it neither edits, nor was edited by, a touchpoint that the reader does not see."""
    others = {touchpoint.get("amends"), touchpoint.get("amended_by")} - {None}
    return others <= public


def _handoff(handoff: dict[str, Any], reader: Reader) -> dict[str, Any]:
    to = handoff.get("to") or {}
    mine = reader.in_scope(to.get("queue"), to.get("agent"))
    own = reader.internal or handoff.get("requested_by") == reader.name
    silent = dict(handoff)
    if not mine or not own:
        silent |= {"reason": "", "context": None}
    if not mine:
        silent |= {"snapshot": None, "snapshots": []}
    silent["hops"] = [_without_reason(it, reader) for it in handoff.get("hops") or ()]
    known = (None, handoff.get("reason")) if mine and own else (None,)
    silent["history"] = [
        step if (mine and reader.internal) or step.get("reason") in known else {**step, "reason": None}
        for step in handoff.get("history") or ()
    ]
    return silent


def _without_reason(hop: dict[str, Any], reader: Reader) -> dict[str, Any]:
    to = hop.get("to") or {}
    mine = reader.internal and reader.in_scope(to.get("queue"), to.get("agent"))
    return hop if mine else {**hop, "reason": ""}


def _brief(brief: dict[str, Any], shown: set[str], *, transcribed: bool) -> dict[str, Any]:
    """The lines that touchpoints prove which the reader sees; a summary is made of everything.

    `transcribed`: also those that quote a transcript.
    """
    kept = {
        section: [
            line
            for line in brief.get(section) or ()
            if _proved(line, shown) and (transcribed or "transcribed" not in line.get("params", {}))
        ]
        for section in _SECTIONS
    }
    return {**brief, **kept, "summary": None}


def _proved(line: dict[str, Any], shown: set[str]) -> bool:
    named = line.get("touchpoints") or ()
    return bool(named) and len(named) == line.get("count") and set(named) <= shown
