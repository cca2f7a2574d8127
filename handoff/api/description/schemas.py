"""JSON Schemas of requests and responses, made from the types of the handlers."""

from __future__ import annotations

import typing
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import UnsetType

from handoff.api.handlers.callbacks import CallbackInput, CancelInput, RescheduleInput
from handoff.api.handlers.contexts import MAX_IDENTITIES, ContextInput
from handoff.api.handlers.handoffs import (
    MAX_DEADLINE_S,
    MAX_NAME,
    MAX_STEPS,
    HandoffInput,
    MoveInput,
    PartyInput,
)
from handoff.api.handlers.links import (
    AssignInput,
    LinkInput,
    SeparateInput,
    SharedInput,
    SplitInput,
    WithdrawInput,
)
from handoff.api.handlers.sessions import MAX_AGENT, SessionInput
from handoff.api.handlers.touchpoints.continuity import ContinuityInput
from handoff.api.http.exchange import MAX_LIMIT, MAX_REASON
from handoff.domain import touchpoint as limits
from handoff.domain.identity import Assurance
from handoff.services.access.sessions import MAX_TTL_S
from handoff.services.continuity.issuing import DIGITS_MAX_S, LEAST_S, MAX_S, MAX_USES
from handoff.services.sources.native import IdentityInput, TouchpointInput

Schema = dict[str, Any]
SCHEMAS = "#/components/schemas/"
NAMES = {
    "EventEnvelope": "CloudEvent",
    "ListView": "HandoffList",
    "SnapshotsView": "SnapshotList",
    "CallbackAnswer": "CallbackList",
    "LinksAnswer": "LinkList",
    "CandidatesAnswer": "CandidateList",
    "CodesAnswer": "ContinuityCodeList",
    "ContinuityAnswer": "ContinuityCode",
    "CodeView": "ContinuityCodeSummary",
    "CodeUseView": "ContinuityUse",
    "CodeForms": "ContinuityForms",
    "QuarantineAnswer": "QuarantineList",
    "QuarantineView": "QuarantinedItem",
    "QuarantineItemView": "QuarantinedContent",
    "ReadTouchpoint": "TrialTouchpoint",
    "SelectionInput": "QuarantineSelection",
    "SourcesView": "SourceList",
    "RecordedView": "Recorded",
    "DeliveriesView": "DeliveryList",
    "WebhooksView": "WebhookList",
    "LinesView": "RecordedLines",
    "Outcome": "ReplayOutcome",
    "ConversationView": "ConversationSummary",
    "ConversationDetail": "Conversation",
}
"""Public names of types whose Python name is unclear out of context. Other names lose their `View`."""

_TIMES = frozenset({"deadline", "due", "last_seen", "offer_until", "since", "time", "waiting_since"})
_WORDS: Mapping[str, Sequence[str]] = {
    "assurance": tuple(Assurance),
    "direction": tuple(limits.Direction),
    "visibility": tuple(limits.Visibility),
}
"""Values of properties that mean the same in every schema."""

_REASON: Schema = {"minLength": 1, "maxLength": MAX_REASON}

NOTES: Mapping[type, Mapping[str, Schema]] = {
    TouchpointInput: {
        "id": {
            "description": "The sender's permanent id of the event.",
            "minLength": 1,
            "maxLength": limits.MAX_EVENT_ID,
        },
        "channel": {"description": f"{', '.join(limits.CHANNELS)}, or one that the configuration declares."},
        "type": {"enum": list(limits.TYPES)},
        "occurred_at": {"description": "When the event happened, with a zone.", "format": "date-time"},
        "identities": {
            "description": "Identities of one person, as `type:value`, `type@space:value`, or objects. Only "
            "these create links. The default assurance is claimed for `email` and `phone`, else verified.",
            "minItems": 1,
            "maxItems": limits.MAX_IDENTITIES,
        },
        "participants": {"maxItems": limits.MAX_PARTICIPANTS},
        "text": {"maxLength": limits.MAX_TEXT},
        "subject": {"maxLength": limits.MAX_SUBJECT},
        "attachments": {"maxItems": limits.MAX_ATTACHMENTS},
        "seq": {
            "description": "The source's sequence number. Orders events with equal times.",
            "minimum": 0,
            "maximum": limits.MAX_SEQ,
        },
        "thread": {"minLength": 1, "maxLength": limits.MAX_EVENT_ID},
        "amends": {"description": "The touchpoint that this one edits: its id here, or the sender's id."},
        "actor": {"description": "The actor, as an object or `type:id`, such as `bot:helper`."},
        "source": {"description": "Default: the token's name."},
    },
    IdentityInput: {
        "space": {"description": "Ignored for `email` and `phone`, which are global in a tenant."}
    },
    ContextInput: {
        "identities": {"minItems": 1, "maxItems": MAX_IDENTITIES},
        "limit": {"description": "Maximum number of touchpoints.", "minimum": 1, "maximum": MAX_LIMIT},
    },
    HandoffInput: {
        "reason": {"minLength": 1, "maxLength": MAX_REASON},
        "deadline_s": {"exclusiveMinimum": 0, "maximum": MAX_DEADLINE_S},
        "fallback": {
            "description": "The next parties to ask if nobody accepts, in order.",
            "maxItems": MAX_STEPS,
        },
        "context": {"description": "Any JSON for the next party."},
    },
    PartyInput: {
        name: {"minLength": 1, "maxLength": MAX_NAME} for name in ("channel", "party", "queue", "agent")
    },
    MoveInput: {
        "agent": {"minLength": 1, "maxLength": MAX_NAME},
        "reason": {"maxLength": MAX_REASON},
        "deadline_s": {"exclusiveMinimum": 0, "maximum": MAX_DEADLINE_S},
    },
    ContinuityInput: {
        "expires_in_s": {"minimum": LEAST_S, "maximum": MAX_S},
        "digits_expire_in_s": {"minimum": LEAST_S, "maximum": DIGITS_MAX_S},
        "uses": {"minimum": 1, "maximum": MAX_USES},
        "assurance": {"enum": ["claimed", "verified"]},
    },
    LinkInput: {"reason": _REASON},
    WithdrawInput: {"reason": _REASON},
    SplitInput: {"reason": _REASON},
    SharedInput: {"reason": _REASON},
    SeparateInput: {"reason": _REASON},
    AssignInput: {
        "reason": _REASON,
        "conversation": {"description": "Whether everything in the touchpoint's conversation is assigned."},
    },
    CallbackInput: {"reason": {"maxLength": MAX_REASON}},
    RescheduleInput: {"reason": {"maxLength": MAX_REASON}},
    CancelInput: {"reason": {"maxLength": MAX_REASON}},
    SessionInput: {
        "agent": {"minLength": 1, "maxLength": MAX_AGENT},
        "ttl_s": {"minimum": 1, "maximum": MAX_TTL_S},
    },
}
"""Limits, formats, and descriptions that the types cannot express."""


def component_schemas(
    taken: Sequence[Any], answered: Sequence[Any]
) -> tuple[dict[Any, Schema], dict[str, Schema]]:
    """The schemas of request types (`taken`) and response types (`answered`), and their components by name.

    Types that appear only in responses list all members they always have as required. ValueError if two types
    would have the same name.
    """
    types = [*taken, *answered]
    schemas, components = msgspec.json.schema_components(types, ref_template=SCHEMAS + "{name}")
    classes = dict(_classes(types))
    inputs = dict(_classes(taken))
    if unknown := components.keys() - classes.keys():
        raise ValueError(f"several types have the same name, rename one of them: {sorted(unknown)}")
    for name, schema in components.items():
        cls = classes[name]
        if name not in inputs:
            _require_always_written(schema, cls)
        _annotate(schema, NOTES.get(cls, {}))
    names = {name: public_name(name) for name in components}
    if len(set(names.values())) < len(names):
        raise ValueError(f"two types have the same public name, rename one in NAMES: {sorted(names)}")
    renamed = {names[name]: _renamed(schema, names) for name, schema in components.items()}
    for name, schema in renamed.items():
        if "title" in schema:
            schema["title"] = name
    by_type = {type_: _renamed(schema, names) for type_, schema in zip(types, schemas, strict=True)}
    return by_type, dict(sorted(renamed.items()))


def public_name(name: str) -> str:
    return NAMES.get(name, name.removesuffix("View"))


def _classes(types: Iterable[Any]) -> Iterator[tuple[str, type]]:
    """Named types and the named types in them, by name."""
    seen: set[type] = set()
    waiting: list[Any] = list(msgspec.inspect.multi_type_info(types))
    while waiting:
        info = waiting.pop()
        cls = getattr(info, "cls", None)
        if cls is not None:
            if cls in seen:
                continue
            seen.add(cls)
            yield cls.__name__, cls
        waiting.extend(_within(info))


def _within(info: Any) -> Iterator[Any]:
    for name in getattr(info, "__struct_fields__", ()):
        value = getattr(info, name)
        for part in value if isinstance(value, tuple) else (value,):
            if isinstance(part, msgspec.inspect.Type | msgspec.inspect.Field):
                yield part


def _require_always_written(schema: Schema, cls: type) -> None:
    """Members that the encoder always writes are required and have no default."""
    config = getattr(cls, "__struct_config__", None)
    if config is None or config.omit_defaults:
        return
    hints = typing.get_type_hints(cls)
    fields = msgspec.structs.fields(cls)
    schema["required"] = [it.encode_name for it in fields if UnsetType not in typing.get_args(hints[it.name])]
    for described in schema["properties"].values():
        described.pop("default", None)


def _annotate(schema: Schema, notes: Mapping[str, Schema]) -> None:
    properties = schema.get("properties", {})
    if notes.keys() - properties.keys():
        raise ValueError(f"NOTES names unknown properties: {sorted(notes.keys() - properties.keys())}")
    for name, described in properties.items():
        text = _text(described)
        if text is not None and (name in _TIMES or name.endswith("_at")):
            text["format"] = "date-time"
        elif text is not None and name in _WORDS and "enum" not in text:
            text["enum"] = list(_WORDS[name])
        for key, value in notes.get(name, {}).items():
            (text if key in ("enum", "format") and text is not None else described)[key] = value


def _text(schema: Schema) -> Schema | None:
    """The string schema of a string, or of a string or null; else None."""
    parts = [it for it in schema.get("anyOf", [schema]) if it.get("type") != "null"]
    return parts[0] if len(parts) == 1 and parts[0].get("type") == "string" else None


def _renamed(schema: Any, names: Mapping[str, str]) -> Any:
    if isinstance(schema, dict):
        renamed = {
            key: SCHEMAS + names[value.removeprefix(SCHEMAS)] if key == "$ref" else _renamed(value, names)
            for key, value in schema.items()
        }
        if schema.get("type") == "object" and not schema.keys() & {"properties", "additionalProperties"}:
            renamed["additionalProperties"] = True  # the default; generators read its absence as "no members"
        return renamed
    return [_renamed(it, names) for it in schema] if isinstance(schema, list) else schema
