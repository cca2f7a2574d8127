"""Every line code of a brief with its params, as JSON Schema, for those who render briefs themselves.

The table mirrors the rules in `handoff.domain.brief`. A new code needs an entry here; tests compare the table
with the frozen brief codes and with the lines of a running server.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct, field

from handoff.domain.brief import RULES

Schema = dict[str, Any]
SCHEMAS = "#/components/schemas/"
TEXT: Schema = {"type": "string"}
COUNT: Schema = {"type": "integer", "minimum": 0}
TIME: Schema = {"type": "string", "format": "date-time"}
TEXT_OR_NULL: Schema = {"anyOf": [TEXT, {"type": "null"}]}
TEXTS: Schema = {"type": "array", "items": TEXT}
HOPS: Schema = {
    "type": "array",
    "items": {
        "type": "object",
        "properties": {
            "handoff": TEXT,
            "from": TEXT,
            "to": TEXT,
            "reason": TEXT,
            "outcome": TEXT,
            "waited_minutes": COUNT,
        },
        "required": ["handoff", "from", "to", "reason", "outcome", "waited_minutes"],
    },
}

TRANSCRIBED: Schema = {
    "type": "object",
    "description": "The words in this line were not typed: a machine transcribed or read them.",
    "properties": {
        "by": TEXT,
        "kind": {"type": "string", "enum": ["transcript", "ocr"]},
        "confidence": {"anyOf": [{"type": "number", "minimum": 0, "maximum": 1}, {"type": "null"}]},
    },
    "required": ["by", "kind", "confidence"],
}
"""A param that any line may have."""

WISH: Schema = {"channel": TEXT, "at": TIME, "words": TEXT, "matter": COUNT}
REFERENCES: Schema = {
    "type": "array",
    "items": {"type": "object", "properties": {"name": TEXT, "value": TEXT}, "required": ["name", "value"]},
}

WISH_MORE: Schema = {
    "references": REFERENCES,
    "files": TEXTS,
    "question": TEXT,
    "nudges": COUNT,
    "nudge": TEXT,
    "late": {"type": "boolean"},
    "corrected": TEXTS,
    "answer": TEXT,
    "answered_by": TEXT,
}


ALSO: Schema = {
    "also": {
        "type": "array",
        "items": {
            "type": "object",
            "properties": {"touchpoint": TEXT, "channel": TEXT, "source": TEXT},
            "required": ["touchpoint", "channel", "source"],
        },
    }
}
"""A line that quotes a touchpoint may name the further routes by which it arrived."""


def values(*names: str) -> Schema:
    return {"type": "string", "enum": list(names)}


class BriefCode(Struct, frozen=True, kw_only=True):
    """A line code: where it appears, its meaning, its params, and an English template of the line.

    A line always has all `params` and may have any of `optional`. `template` names params in braces.
    """

    section: str
    meaning: str
    template: str
    params: Mapping[str, Schema] = field(default_factory=dict)
    optional: Mapping[str, Schema] = field(default_factory=dict)


BRIEF_CODES: Mapping[str, BriefCode] = {
    "handoff_requested": BriefCode(
        section="why_now",
        meaning="The handoff that this brief is for.",
        template="Handed over from {from} to {to}: {reason}",
        params={"handoff": TEXT, "reason": TEXT, "from": TEXT, "to": TEXT, "requested_at": TIME},
    ),
    "ping_pong": BriefCode(
        section="why_now",
        meaning="The customer was passed on repeatedly for one reason. `hops` lists the newest handoffs.",
        template="Passed on {transfers} times for the same reason: {reason}",
        params={"reason": TEXT, "transfers": COUNT, "hops": HOPS},
    ),
    "handed_before": BriefCode(
        section="why_now",
        meaning="Handoffs of the conversation before this one. `hops` lists the newest; `way` is their text.",
        template="Handed over before: {way}",
        params={"transfers": COUNT, "hops": HOPS, "way": TEXT},
    ),
    "returned": BriefCode(
        section="why_now",
        meaning="The customer repeats settled words. `times` counts the settlements.",
        template="Closed {times} times, same words again: “{words}”",
        params={"times": COUNT, "words": TEXT, "matter": COUNT},
    ),
    "continues": BriefCode(
        section="why_now",
        meaning="The customer used a continuity code: this continues an earlier conversation, perhaps of "
        "another identity. `conversation` is its id.",
        template="Continues the {from} of {since}, by code",
        params={"from": TEXT, "since": TIME, "channel": TEXT, "at": TIME, "conversation": TEXT, "by": TEXT},
    ),
    "code_refused": BriefCode(
        section="why_now",
        meaning="The newest touchpoint carries a continuity code that joined nothing.",
        template="Continuity code {outcome} at {at}: it may be somebody else",
        params={
            "outcome": values("used", "expired", "revoked", "unknown", "limited"),
            "channel": TEXT,
            "at": TIME,
        },
    ),
    "callback_missed": BriefCode(
        section="why_now",
        meaning="The customer missed our callback. `at` is the last attempt.",
        template="Our callback was missed ({attempts} attempts)",
        params={"at": TIME, "attempts": COUNT},
    ),
    "waiting": BriefCode(
        section="why_now",
        meaning="The customer is waiting for an answer.",
        template="Waiting {minutes} min, since {since}",
        params={"since": TIME, "minutes": COUNT},
    ),
    "given_back": BriefCode(
        section="why_now",
        meaning="An agent released the conversation. `by` and `to` may be empty.",
        template="Given back by {by} to {to}: {words}",
        params={"by": TEXT, "to": TEXT, "words": TEXT, "at": TIME},
    ),
    "bot_after_person": BriefCode(
        section="why_now",
        meaning="A bot answered after a person had taken over.",
        template="A bot answered after {who} took over: “{words}”",
        params={"who": TEXT, "words": TEXT, "at": TIME},
    ),
    "assigned": BriefCode(
        section="why_now",
        meaning="The person to whom the vendor's platform has assigned the conversation.",
        template="{who} has it since {since}",
        params={"who": TEXT, "since": TIME},
    ),
    "transfer_not_followed": BriefCode(
        section="why_now",
        meaning="A transfer was announced, and none happened in its time.",
        template="{who} announced a transfer at {at}, none followed",
        params={"who": TEXT, "at": TIME, "words": TEXT, "announcement": TEXT},
    ),
    "callback_not_followed": BriefCode(
        section="why_now",
        meaning="A call back was announced, and none was made or registered in its time.",
        template="{who} announced a call back at {at}, none followed",
        params={"who": TEXT, "at": TIME, "words": TEXT, "announcement": TEXT},
    ),
    "mail_not_followed": BriefCode(
        section="why_now",
        meaning="A mail was announced, and none was sent in its time.",
        template="{who} announced a mail at {at}, none followed",
        params={"who": TEXT, "at": TIME, "words": TEXT, "announcement": TEXT},
    ),
    "unclear": BriefCode(
        section="why_now",
        meaning="A contact that could be about any of several matters.",
        template="In touch at {at}, unclear about which matter",
        params={"at": TIME, "channel": TEXT},
    ),
    "solved": BriefCode(
        section="why_now",
        meaning="A settled matter. `words` and `answer` may be empty; `how` is the kind of the settlement. "
        "`references` are its numbers that neither has, `answered_by` is who gave the answer.",
        template="Solved {at}: “{words}” → “{answer}”",
        params={"at": TIME, "words": TEXT, "answer": TEXT, "how": TEXT, "matter": COUNT},
        optional={"references": REFERENCES, "answered_by": TEXT},
    ),
    "said": BriefCode(
        section="wants",
        meaning="The customer's words on a channel. `subject` is set for emails, once for several with the "
        "same. `nudges` counts reminders, `late` marks words that arrived after the answer, `corrected` has "
        "numbers in them that the customer corrected later, `channels` has all channels of repeated words. "
        "The first line of a matter has its numbers as `references`; the `name` of each is the sender's, and "
        "may be empty.",
        template="On {channel}: “{words}”",
        params=WISH,
        optional={**WISH_MORE, "subject": TEXT, "channels": TEXTS},
    ),
    "asked_for_call": BriefCode(
        section="wants",
        meaning="The reason of a requested callback.",
        template="Asked for a callback: “{words}”",
        params=WISH,
        optional=WISH_MORE,
    ),
    "sent_files": BriefCode(
        section="wants",
        meaning="Files that the customer sent without words.",
        template="Sent on {channel}: {files}",
        params=WISH,
        optional=WISH_MORE,
    ),
    "dormant": BriefCode(
        section="wants",
        meaning="A matter that nobody has touched for 30 days.",
        template="Dormant since {since}: “{words}”",
        params={"since": TIME, "words": TEXT, "matter": COUNT},
    ),
    "candidate_words": BriefCode(
        section="wants",
        meaning="Words of an unproved sender that name a number of this customer's.",
        template="Perhaps theirs too, {identity} about {reference}: “{words}”",
        params={"identity": TEXT, "reference": TEXT, "words": TEXT, "channel": TEXT, "at": TIME},
    ),
    "read_article": BriefCode(
        section="tried",
        meaning="The customer read a help article.",
        template="Read “{title}”",
        params={"title": TEXT},
    ),
    "searched": BriefCode(
        section="tried",
        meaning="The customer searched. `results` is the number of results, if known.",
        template="Searched for “{query}”",
        params={"query": TEXT},
        optional={"results": {"type": "integer"}},
    ),
    "form_failed": BriefCode(
        section="tried",
        meaning="A form failed. `error` may be empty.",
        template="{form} failed: {error}",
        params={"form": TEXT, "error": TEXT},
    ),
    "form_submitted": BriefCode(
        section="tried",
        meaning="The customer submitted a form.",
        template="Sent {form}",
        params={"form": TEXT},
    ),
    "bot_answered": BriefCode(
        section="tried",
        meaning="A bot answered. `words` may be empty. `automatic` marks an automatic reply.",
        template="Bot on {channel}: “{words}”",
        params={"channel": TEXT, "words": TEXT},
        optional={"automatic": {"type": "boolean"}},
    ),
    "asked_call_back": BriefCode(
        section="tried", meaning="The customer asked for a callback.", template="Asked for a callback"
    ),
    "call_unanswered": BriefCode(
        section="tried",
        meaning="The customer called and nobody answered. `status` is the phone system's word.",
        template="Called and got no answer",
        params={"status": TEXT},
    ),
    "not_delivered": BriefCode(
        section="tried",
        meaning="Our message to the customer did not arrive.",
        template="Our message by {channel} did not arrive",
        params={"channel": TEXT},
    ),
    "nobody_took_it": BriefCode(
        section="tried",
        meaning="A handoff ended because nobody accepted it.",
        template="Nobody accepted the handoff to {to}",
        params={"to": TEXT},
        optional={"reason": TEXT},
    ),
    "declined": BriefCode(
        section="tried",
        meaning="One of several targets declined a handoff. `reason` may be empty.",
        template="A handoff was declined: {reason}",
        params={"reason": TEXT},
    ),
    "withdrawn": BriefCode(
        section="tried",
        meaning="A handoff was withdrawn before anyone accepted it. `reason` may be empty.",
        template="A handoff was withdrawn: {reason}",
        params={"reason": TEXT},
    ),
    "deleted": BriefCode(
        section="tried",
        meaning="The customer deleted messages. Their words are never shown.",
        template="Deleted a message on {channel}",
        params={"channel": TEXT},
    ),
    "answered": BriefCode(
        section="answered",
        meaning="An answer by a member of staff. `who` may be empty.",
        template="{who}, {channel}: “{words}”",
        params={"who": TEXT, "channel": TEXT, "words": TEXT, "at": TIME},
    ),
    "noted": BriefCode(
        section="answered",
        meaning="An internal note. Readers with a customer's audience do not get it.",
        template="Note {who}: “{words}”",
        params={"who": TEXT, "words": TEXT, "at": TIME},
    ),
    "spoke": BriefCode(
        section="answered",
        meaning="A conversation on the phone. `seconds` is null if unknown.",
        template="Spoke on the phone {at}",
        params={"at": TIME, "seconds": {"anyOf": [COUNT, {"type": "null"}]}},
        optional={"words": TEXT},
    ),
    "handoff_ended": BriefCode(
        section="answered",
        meaning="How an earlier handoff ended. `who` and `reason` may be empty.",
        template="Handoff ended ({reason}), {who}: “{words}”",
        params={
            "who": TEXT,
            "how": values("completed", "given back"),
            "reason": TEXT,
            "words": TEXT,
            "at": TIME,
        },
    ),
    "held": BriefCode(
        section="answered",
        meaning="A person announced an answer and has not given it yet.",
        template="{who} has it since {since}: “{words}”",
        params={"who": TEXT, "since": TIME, "words": TEXT},
    ),
    "callback": BriefCode(
        section="promised",
        meaning="A promised callback. `due` is a time, or the sender's words for one.",
        template="A callback by {due}: {state}",
        params={
            "due": TEXT_OR_NULL,
            "state": values("broken", "missed", "overdue", "open", "served", "kept", "cancelled"),
        },
        optional={"missed": COUNT, "spoke": TIME, "voicemail": {"type": "boolean"}},
    ),
    "promise": BriefCode(
        section="promised",
        meaning="A promise to the customer. `due` is a time, or the sender's words for one.",
        template="“{words}” by {due}: {state}",
        params={
            "words": TEXT,
            "due": TEXT_OR_NULL,
            "state": values("broken", "missed", "overdue", "open", "kept", "cancelled"),
        },
        optional={"promised_by": TEXT},
    ),
    "promise_candidate": BriefCode(
        section="promised",
        meaning="A sentence that reads like a promise; nobody has confirmed it.",
        template="Perhaps promised by {promised_by}: “{words}” by {due}",
        params={
            "words": TEXT,
            "due": {"anyOf": [TIME, {"type": "null"}]},
            "state": values("candidate"),
            "promised_by": TEXT,
            "act": values("call", "write", "refund", "send", "visit", "other"),
            "due_rule": {"anyOf": [TEXT, {"type": "null"}]},
        },
    ),
    "fact": BriefCode(
        section="known",
        meaning="A known value. `before` has older values, newest first. If `withheld`, `value` is null "
        "because it is a password, a card number, or the like.",
        template="{name}: {value}",
        params={"name": TEXT, "value": TEXT_OR_NULL},
        optional={"before": TEXTS, "withheld": {"type": "boolean"}},
    ),
    "passed_on": BriefCode(
        section="known",
        meaning="A value from the context that the sender of a handoff gave. If `withheld`, `value` is null.",
        template="{name}: {value} (from {from})",
        params={"name": TEXT, "value": TEXT_OR_NULL, "from": TEXT},
        optional={"withheld": {"type": "boolean"}},
    ),
    "consent_withdrawn": BriefCode(
        section="known",
        meaning="The customer withdrew their consent for a purpose, and has not given it again.",
        template="Consent withdrawn: {purpose}",
        params={"purpose": TEXT},
    ),
    "writes_in": BriefCode(
        section="known",
        meaning="The language in which the customer writes, as a code of two letters. `others` has the "
        "languages of their other messages, newest first.",
        template="Writes in {language}",
        params={"language": TEXT},
        optional={"others": TEXTS},
    ),
    "survey": BriefCode(
        section="feelings",
        meaning="A survey response: a score, words, or both.",
        template="Survey: {score} “{words}”",
        params={"score": TEXT_OR_NULL, "words": TEXT},
        optional={"out_of": TEXT},
    ),
    "complaint": BriefCode(
        section="feelings",
        meaning="The customer complained.",
        template="Complained: “{words}” ({state})",
        params={"words": TEXT, "state": values("open", "resolved")},
    ),
    "complaint_candidate": BriefCode(
        section="feelings",
        meaning="Words that read like a complaint; nobody has confirmed it.",
        template="Perhaps a complaint: “{words}”",
        params={"words": TEXT, "state": values("candidate")},
    ),
}
"""Every code that a line can have, in the order of the brief's sections."""


def schema_name(code: str) -> str:
    return f"BriefLine{code.title().replace('_', '')}"


def brief_schemas() -> dict[str, Schema]:
    """A component for each code, and `BriefLineByCode` with all of them and the version of the rules."""
    components = {schema_name(code): _line(code, entry) for code, entry in BRIEF_CODES.items()}
    references = {code: SCHEMAS + schema_name(code) for code in BRIEF_CODES}
    components["BriefLineByCode"] = {
        "description": f"A brief line by its `code`, version {RULES} of the rules. Later versions may add "
        "codes and params: show `text` for a code you do not know.",
        "oneOf": [{"$ref": reference} for reference in references.values()],
        "discriminator": {"propertyName": "code", "mapping": references},
        "x-rules": RULES,
    }
    return components


def _line(code: str, entry: BriefCode) -> Schema:
    params: Schema = {
        "type": "object",
        "properties": {**entry.params, **entry.optional, "transcribed": TRANSCRIBED, **ALSO},
        "required": list(entry.params),
    }
    if not entry.params and not entry.optional:
        params["additionalProperties"] = True
    return {
        "type": "object",
        "description": f"{entry.meaning} In `{entry.section}`. Template: {entry.template}",
        "properties": {"code": {"const": code, "type": "string"}, "params": params},
        "required": ["code", "params"],
        "x-section": entry.section,
        "x-template": entry.template,
    }
