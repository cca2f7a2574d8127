"""Chatwoot events as facts: type, time, text and data of each kind of webhook."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from msgspec import Struct

from handoff.domain.clock import Micros
from handoff.domain.errors import Unprocessable
from handoff.domain.touchpoint import Direction, Visibility, default_direction, default_visibility
from handoff_adapters.shared.fields import bounded, data, digest, first_text, mapping, text

from .content import attachments_of, plain_text
from .payload import Payload
from .people import actor, party


class ChatFact(Struct, frozen=True, kw_only=True):
    """One fact that an event states. `key` identifies it within the account, however often it is sent."""

    key: str
    type: str
    at: Micros
    channel: str
    direction: Direction
    visibility: Visibility
    data: dict[str, Any] = {}
    subject: str | None = None
    text: str | None = None
    attachments: tuple[dict[str, Any], ...] = ()
    actor: dict[str, Any] | None = None
    amends: str | None = None


Reader = Callable[[Payload], ChatFact | str]
"""Reads one kind of event. Returns its fact, or the name under which it is counted as ignored."""

_ABSENT: tuple[Any, ...] = (None, "", [])


def _fact(payload: Payload, key: str, type: str, at: Micros, **more: Any) -> ChatFact:
    more.setdefault("channel", payload.channel)
    more.setdefault("direction", default_direction(type))
    more.setdefault("visibility", default_visibility(type))
    return ChatFact(key=key, type=type, at=at, **more)


def message_created(payload: Payload) -> ChatFact | str:
    """A message, by its `message_type` (`sender.type` is missing since 2023). `private` is a note."""
    if payload.message_type in (None, "activity"):
        return f"message_created.{payload.message_type or 'unknown_type'}"
    incoming, channel, subject = payload.message_type == "incoming", payload.channel, None
    body, details = payload.body, _message_data(payload)
    if body.get("private") is True:
        type_ = "note.added"
        direction = default_direction(type_)
    elif _call_status(payload) is not None:
        type_, channel = "call.started", "phone"
        direction = Direction.INBOUND if incoming else Direction.OUTBOUND
    else:
        type_ = _message_touchpoint_type(payload, incoming)
        direction, subject = default_direction(type_), _mail_subject(payload)
    return ChatFact(
        key=_message_key(payload),
        type=type_,
        at=payload.at(body.get("created_at"), payload.nested_message.get("created_at")),
        channel=channel,
        direction=direction,
        visibility=default_visibility(type_),
        data=details,
        subject=subject,
        text=_text(payload),
        attachments=attachments_of(payload.body.get("attachments")),
        actor=None if incoming else actor(payload),
    )


def message_updated(payload: Payload) -> ChatFact | str:
    """A change of a message: deleted, answered (a survey, a form), edited, delivered, read or failed.

    The event does not state the change. Servers that mark edits or list changes are believed.
    Otherwise an update of an outgoing message is its delivery status, because Chatwoot does not allow
    edits of sent messages; the status is present only until the next message. An update of an
    incoming message is an edit: the key contains the digest of the text, so the same text again is
    the same fact.
    """
    if payload.message_type in (None, "activity"):
        return f"message_updated.{payload.message_type or 'unknown_type'}"
    key, attributes = _message_key(payload), payload.attributes
    at = payload.at(payload.body.get("updated_at"), payload.nested_message.get("updated_at"))
    shared = {"visibility": _visibility(payload), "direction": _message_direction(payload)}
    if attributes.get("deleted") is True:
        return _fact(payload, f"{key}/deleted", "message.deleted", at, amends=key, **shared)
    if answers := _answers(attributes):
        return _answered(payload, f"{key}/answered/{digest(bounded(answers))}", answers, at)
    if (call := _call_status(payload)) is not None:
        if call not in ("completed", "ended", "no-answer", "failed", "missed"):
            return "message_updated.voice_call"
        more = {**shared, "channel": "phone", "data": {**_message_data(payload), "status": call}}
        return _fact(payload, f"{key}/ended", "call.ended", at, **more)
    changed, status = payload.changed(), _status(payload)
    marked = bool(attributes.get("edited") or attributes.get("is_edited")) or "content" in (changed or {})
    if not marked and status in ("delivered", "read", "failed") and payload.message_type != "incoming":
        return _fact(
            payload,
            f"{key}/{status}",
            f"message.{status}",
            at,
            data={"message": key} | _failure(attributes),
            actor=actor(payload),
        )
    if not marked and (changed is not None or payload.message_type != "incoming"):
        return "message_updated.nothing_said"
    return _edited(payload, at, shared)


def _edited(payload: Payload, at: Micros, shared: Mapping[str, Any]) -> ChatFact | str:
    key = _message_key(payload)
    words, attachments = _text(payload), attachments_of(payload.body.get("attachments"))
    if words is None and not attachments:
        return "message_updated.nothing_said"
    stamp = digest([words, *([one.get("url"), one.get("transcript")] for one in attachments)])
    return _fact(
        payload,
        f"{key}/updated/{stamp}",
        "message.edited",
        at,
        amends=key,
        text=words,
        attachments=attachments,
        data=_message_data(payload),
        actor=None if payload.message_type == "incoming" else actor(payload),
        **shared,
    )


def conversation_created(payload: Payload) -> ChatFact | str:
    body = payload.body
    extra = mapping(body.get("additional_attributes"))
    started = mapping(extra.get("initiated_at")).get("timestamp")
    details = {"referer": extra.get("referer"), "subject": extra.get("mail_subject")}
    return _fact(
        payload,
        f"{_conversation_key(payload)}/created",
        "conversation.opened",
        payload.at(body.get("created_at"), started, body.get("timestamp")),
        subject=text(extra.get("mail_subject")),
        data=data({key: value for key, value in details.items() if value}),
    )


STATUS_TYPES: Mapping[str, str] = {"resolved": "conversation.resolved", "open": "conversation.reopened"}
"""New status -> type; `pending` and `snoozed` are tracked events of that name."""


def conversation_status_changed(payload: Payload) -> ChatFact | str:
    """A change of status. From `pending` to `open`, the bot hands over to people.

    If the previous status is unknown, `open` counts as reopened, because a new conversation has its
    own event. Servers of 2021, and agent-bot webhooks of all versions, send `conversation_resolved`
    and `conversation_opened` without a previous status. They get the same key, except for a handoff,
    which they cannot distinguish.
    """
    changed = payload.changed() or {}
    previous, current = changed.get("status", (None, None))
    before = text(previous)
    status = _STATUS_OF_EVENT.get(payload.event) or text(current) or text(payload.body.get("status"))
    if status is None:
        return "conversation_status_changed.unknown"
    stamp = _stamp(payload)
    key = f"{_conversation_key(payload)}/status/{status}/{stamp}"
    at = payload.at(payload.body.get("updated_at"), payload.body.get("timestamp"))
    details: dict[str, Any] = {"status": status} | ({"previous_status": before} if before else {})
    by = _performed_by(payload)
    if status == "open" and before == "pending":
        details |= {"from": "bot", "to": "human"} | _assigned(payload)
        key = f"{_conversation_key(payload)}/handoff/{stamp}"
        return _fact(payload, key, "handoff.requested", at, data=details, actor=by)
    type_ = STATUS_TYPES.get(status)
    if type_ is not None:
        direction = Direction.INTERNAL
        return _fact(payload, key, type_, at, data=details, direction=direction, actor=by)
    details["name"] = f"conversation.{status[:40]}"
    return _tracked(payload, key, at, details, by)


_STATUS_OF_EVENT = {"conversation_resolved": "resolved", "conversation_opened": "open"}


def conversation_updated(payload: Payload) -> ChatFact | str:
    """A change of assignee or team. Other events report all other changes of a conversation."""
    changed = payload.changed() or {}
    relevant = [name for name in ("assignee_id", "assignee_agent_bot_id", "team_id") if name in changed]
    if not relevant:
        return "conversation_updated"
    details: dict[str, Any] = {"name": "conversation.assigned"} | _assigned(payload)
    for name in relevant:
        details[f"previous_{name}"] = bounded(changed[name][0])
        details[name] = bounded(changed[name][1])
    key = f"{_conversation_key(payload)}/assigned/{digest(details)}/{_stamp(payload)}"
    at = payload.at(payload.body.get("updated_at"), payload.body.get("timestamp"))
    return _tracked(payload, key, at, details, _performed_by(payload))


def webwidget_triggered(payload: Payload) -> ChatFact | str:
    """The widget was opened on a page: there may be no conversation yet."""
    info = mapping(payload.body.get("event_info"))
    page = {key: info.get(key) for key in ("referer", "widget_language", "browser_language", "browser")}
    details = data({"name": "webwidget_triggered"} | {key: value for key, value in page.items() if value})
    if url := text(info.get("referer")):
        details["url"] = url
    inbox = first_text(payload.body, "id", "source_id")
    return _fact(
        payload,
        f"webwidget/{inbox}/{digest(bounded(dict(info)))}",
        "event.tracked",
        payload.at(mapping(info.get("initiated_at")).get("timestamp")),
        channel="web",
        subject="Chat widget opened",
        data=details,
    )


def contact_changed(payload: Payload) -> ChatFact | str:
    """`contact_created` and `contact_updated`: the details of a contact."""
    body = payload.body
    verb = payload.event.removeprefix("contact_")
    at = payload.at(body.get(f"{verb}_at"), body.get("last_activity_at"))
    key = f"contact/{payload.contact_id}/{verb}"
    if verb == "updated":
        seen = {name: body.get(name) for name in ("name", "email", "phone_number", "identifier")}
        key = f"{key}/{digest(bounded(seen | {'changed': body.get('changed_attributes')}))}"
    return _fact(payload, key, "identified", at, data={"call": payload.event})


READERS: Mapping[str, Reader] = {
    "message_created": message_created,
    "message_updated": message_updated,
    "conversation_created": conversation_created,
    "conversation_status_changed": conversation_status_changed,
    "conversation_resolved": conversation_status_changed,
    "conversation_opened": conversation_status_changed,
    "conversation_updated": conversation_updated,
    "webwidget_triggered": webwidget_triggered,
    "contact_created": contact_changed,
    "contact_updated": contact_changed,
}
"""Chatwoot event -> its reader."""


def _message_key(payload: Payload) -> str:
    number = text(payload.body.get("id"))
    if number is None:
        raise Unprocessable("the message has no id", code="missing_id")
    return f"message/{number}"


def _conversation_key(payload: Payload) -> str:
    number = text(payload.conversation.get("id"))
    if number is None:
        raise Unprocessable("the conversation has no id", code="missing_id")
    return f"conversation/{number}"


def _stamp(payload: Payload) -> str:
    return first_text(payload.body, "updated_at", "timestamp") or "undated"


def _message_touchpoint_type(payload: Payload, incoming: bool) -> str:
    """The type of a public message. For mail, Chatwoot marks automatic replies."""
    if payload.channel != "email":
        return "message.received" if incoming else "message.sent"
    if not incoming:
        return "email.sent"
    by_program = mapping(payload.attributes.get("email")).get("auto_reply") is True
    return "email.auto_replied" if by_program else "email.received"


def _message_direction(payload: Payload) -> Direction:
    if payload.body.get("private") is True:
        return Direction.INTERNAL
    return Direction.INBOUND if payload.message_type == "incoming" else Direction.OUTBOUND


def _visibility(payload: Payload) -> Visibility:
    return Visibility.INTERNAL if payload.body.get("private") is True else Visibility.PUBLIC


def _status(payload: Payload) -> str | None:
    return text(payload.body.get("status")) or text(payload.nested_message.get("status"))


def _text(payload: Payload) -> str | None:
    content = text(payload.body.get("content"))
    is_mail = payload.channel == "email" or payload.body.get("content_type") == "incoming_email"
    return plain_text(content) if content and is_mail else content


def _mail_subject(payload: Payload) -> str | None:
    mail = mapping(payload.attributes.get("email"))
    return text(mail.get("subject")) or text(payload.extra.get("mail_subject"))


def _message_data(payload: Payload) -> dict[str, Any]:
    """The data that every copy of a message shares. The conversation's state differs between copies."""
    body, attributes = payload.body, payload.attributes
    details = {
        "content_type": body.get("content_type"),
        "source_id": body.get("source_id"),
        "inbox": mapping(body.get("inbox")).get("name"),
        "items": attributes.get("items"),
        "in_reply_to": attributes.get("in_reply_to"),
        "mail_id": mapping(attributes.get("email")).get("message_id"),
    }
    return data({key: value for key, value in details.items() if value or value not in _ABSENT})


def _answers(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """The customer's answers in a widget form, an email request or a survey."""
    found: dict[str, Any] = {}
    if attributes.get("submitted_email"):
        found["email"] = attributes["submitted_email"]
    if attributes.get("submitted_values"):
        found["values"] = attributes["submitted_values"]
    return found


def _answered(payload: Payload, key: str, answers: dict[str, Any], at: Micros) -> ChatFact:
    values = answers.get("values")
    survey = mapping(mapping(values).get("csat_survey_response"))
    more = {"direction": Direction.INBOUND}
    if payload.body.get("content_type") == "input_csat" or survey:
        details = {"rating": survey.get("rating"), "answers": values}
        words = text(survey.get("feedback_message"))
        return _fact(payload, key, "survey.answered", at, data=data(details), text=words, **more)
    form = text(payload.body.get("content_type")) or "form"
    details = {"form": form, "message": _message_key(payload), **answers}
    words = text(payload.body.get("content"))
    return _fact(payload, key, "form.submitted", at, data=data(details), subject=words, **more)


def _call_status(payload: Payload) -> str | None:
    if payload.body.get("content_type") != "voice_call":
        return None
    details = mapping(payload.attributes.get("data"))
    return text(details.get("status")) or "ringing"


def _failure(attributes: Mapping[str, Any]) -> dict[str, Any]:
    error = text(attributes.get("external_error"))
    return {"error": error} if error else {}


def _assigned(payload: Payload) -> dict[str, Any]:
    meta = mapping(payload.conversation.get("meta"))
    found = {name: party(mapping(meta.get(name))) for name in ("assignee", "team")}
    return {name: stated for name, stated in found.items() if stated}


def _performed_by(payload: Payload) -> dict[str, Any] | None:
    """{"type", "id"} of the person or bot that changed a conversation; servers send it since 2026."""
    stated = mapping(payload.body.get("performed_by"))
    kind = text(stated.get("type"))
    if kind is None:
        return None
    ours = {"user": "agent", "agent_bot": "bot", "contact": "customer"}.get(kind.lower(), "platform")
    return {"type": ours} | party(stated)


def _tracked(
    payload: Payload, key: str, at: Micros, details: dict[str, Any], by: dict[str, Any] | None
) -> ChatFact:
    """An internal change without a touchpoint type of its own."""
    hidden = {"direction": Direction.INTERNAL, "visibility": Visibility.INTERNAL}
    return _fact(payload, key, "event.tracked", at, data=details, actor=by, **hidden)
