"""The ids by which senders name a message: its Message-ID, or its id on the platform that carried it.

The rules are data. Two touchpoints of different sources with an equal id are candidates for one act.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from msgspec import Struct

MAX_ID = 512  # characters


class StatedIdRule(Struct, frozen=True, kw_only=True):
    """Where an id is stated in `data`, and what it looks like.

    With `names_one`, a message has one id of this kind: two different ones are two messages.
    """

    kind: str
    keys: tuple[str, ...]
    pattern: re.Pattern[str]
    names_one: bool = True


_ANY = ("message_sid", "source_id", "external_id", "message")
ID_RULES: tuple[StatedIdRule, ...] = (
    StatedIdRule(  # RFC 5322 §3.6.4, with or without its brackets
        kind="message_id",
        keys=("message_id", "mail_id", "source_id", "external_id"),
        pattern=re.compile(r"<?([^\s<>@]{1,250}@[^\s<>@]{1,250})>?"),
    ),
    StatedIdRule(kind="twilio", keys=_ANY, pattern=re.compile(r"((?:SM|MM)[0-9a-f]{32})", re.ASCII)),
    StatedIdRule(kind="whatsapp", keys=_ANY, pattern=re.compile(r"(wamid\.[\w+/=-]{8,200})", re.ASCII)),
    StatedIdRule(  # long enough that two platforms do not count the same
        kind="platform",
        keys=("source_id", "external_id", "message_id", "mail_id"),
        pattern=re.compile(r"([!-~]{16,512})", re.ASCII),
        names_one=False,
    ),
)
_RULES_BY_KEY: Mapping[str, tuple[StatedIdRule, ...]] = {
    key: tuple(rule for rule in ID_RULES if key in rule.keys)
    for key in dict.fromkeys(key for rule in ID_RULES for key in rule.keys)
}
ID_KEYS = frozenset(_RULES_BY_KEY)
MESSAGE_ID = "message_id"
PLATFORM = "platform"


def stated_ids(data: Mapping[str, Any]) -> dict[str, tuple[str, bool]]:
    """Kind → (id, whether a message has one of the kind), for the ids that a touchpoint states."""
    found: dict[str, tuple[str, bool]] = {}
    for key, rules in _RULES_BY_KEY.items():
        value = data.get(key)
        if not isinstance(value, str) or len(value) > MAX_ID:
            continue
        for rule in rules:
            if rule.kind not in found and (match := rule.pattern.fullmatch(value)):
                found[rule.kind] = (match[1], rule.names_one)
    if len(found) > 1:
        found.pop(PLATFORM, None)  # the same id, less surely
    return found
