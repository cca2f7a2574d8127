"""Where the names are that must not change: the one file to follow when modules move or are renamed.

The left side of each table is a frozen name itself; the right side is where the code has it now.
"""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Any

from handoff.api.description.asyncapi import KINDS
from handoff.api.description.openapi import document
from handoff.api.http.idempotency import KeptAnswer
from handoff.api.http.problem_codes import PROBLEM_CODES
from handoff.api.operations import DOCUMENTED, OPERATIONS
from handoff.bootstrap.settings import Settings
from handoff.cli.arguments import parser
from handoff.codec import body, compression, member
from handoff.domain.brief import codes
from handoff.domain.continuity.code import CodeState, CodeUse, ContinuityCode
from handoff.domain.conversation import ConversationState
from handoff.domain.evidence import EvidenceClass, Statement
from handoff.domain.handoff import Action, Fallback, Handoff, Hop, Party, SnapshotRef, State, Step
from handoff.domain.identity import Assurance, Identity
from handoff.domain.ledger.entry import Alarm, EntryState, LedgerEntry
from handoff.domain.touchpoint import CHANNELS, TYPES, Direction, Visibility
from handoff.services.access.api_keys import ApiKey
from handoff.services.access.principal import SCOPES
from handoff.services.access.sessions import Session
from handoff.services.callbacks.callback import STATES, Callback
from handoff.services.conversations.vendor_threads import Desktop
from handoff.services.events.publishing import Event, StoredEvent
from handoff.services.handoffs.records import Chain
from handoff.services.privacy.erasure import Erasure
from handoff.services.sources.quarantine import Quarantined
from handoff.services.webhooks.deliveries import DeliveryAttempt
from handoff.services.webhooks.spec import SubscriptionSpec
from handoff.services.webhooks.subscriptions import Key, Subscription
from handoff.store import keys, workers
from handoff.store.repositories import deliveries, outbox
from handoff.store.repositories import identities as records
from handoff.store.repositories.tenant.source_records import RefusedDeliveries
from handoff_adapters import registry

ROOT = Path(__file__).parents[2]
TREES = (ROOT / "handoff", ROOT / "adapters")
KEYS = Path(keys.__file__)
FUNCTIONS = KEYS.parent / "functions"
BRIEF = ROOT / "handoff" / "domain" / "brief"
STREAMS = ROOT / "handoff" / "api" / "handlers" / "live"

STORED_RECORDS: dict[str, Any] = {
    "handoff": Handoff,
    "handoff.party": Party,
    "handoff.fallback": Fallback,
    "handoff.history": Step,
    "handoff.hop": Hop,
    "handoff.snapshot": SnapshotRef,
    "chain": Chain,
    "callback": Callback,
    "ledger entry": LedgerEntry,
    "continuity code": ContinuityCode,
    "continuity code.use": CodeUse,
    "erasure": Erasure,
    "subscription": Subscription,
    "subscription.wishes": SubscriptionSpec,
    "subscription.key": Key,
    "subscription.desktop": Desktop,
    "session": Session,
    "api key": ApiKey,
    "kept answer": KeptAnswer,
    "quarantined item": Quarantined,
    "refusal": RefusedDeliveries,
    "delivery attempt": DeliveryAttempt,
    "event": Event,
    "stored event": StoredEvent,
    "worker": workers.WorkerInfo,
}
"""Written as maps of these names."""

STORED_ROWS: dict[str, Any] = {"body": body.Body, "identity": Identity}
"""Written as arrays in this order: only ever append."""

ENUMERATIONS: dict[str, type[Enum]] = {
    "handoff state": State,
    "handoff action": Action,
    "ledger state": EntryState,
    "ledger alarm": Alarm,
    "continuity state": CodeState,
    "conversation state": ConversationState,
    "assurance": Assurance,
    "direction": Direction,
    "visibility": Visibility,
    "statement": Statement,
    "evidence class": EvidenceClass,
    "evidence kind": records.EntryKind,
}

CODES: dict[str, Any] = {
    "touchpoint type": TYPES,
    "channel": CHANNELS,
    "direction": body._DIRECTIONS,
    "visibility": body._VISIBILITIES,
    "assurance": body._ASSURANCES,
    "evidence assurance": records._ASSURANCES,
    "evidence statement": records._STATEMENTS,
}
"""Stored as a number: the place in this list. Only ever append."""

VALUES: dict[str, Any] = {
    "member flag late": member.FLAG_LATE,
    "member flag arrival": member.FLAG_ARRIVAL,
    "member flag blanked": member.FLAG_BLANKED,
    "member flag reference": member.FLAG_REFERENCE,
    "member flag amended": member.FLAG_AMENDED,
    "member flag participants": member.FLAG_PARTICIPANTS,
    "member channel declared": member.OTHER_CHANNEL,
    "member header": member._HEADER.format,
    "member digest bytes": body.DIGEST_KEPT,
    "codec plain": compression.PLAIN,
    "codec dictionary 1": compression.DICTIONARY_1,
    "outbox touchpoint": outbox.TOUCHPOINT_ENTRY.decode(),
    "outbox control": outbox.CONTROL_ENTRY.decode(),
    **{f"delivery {name}": letter.decode() for letter, name in deliveries._STATES.items()},
    **{f"callback {name}": name for name in STATES},
}

KEY_CALLS = ("record", "set", "named")
"""Methods that are given part of a key's name as their first argument."""
BRIEF_CODES = codes.CODES
BRIEF_CALLS, BRIEF_NAMES = ("line", "Attempt"), ("code",)
"""Functions and containers that take the code of a brief line."""
STREAM_CALLS = ("send", "event_bytes")
"""Functions that take the name of a live event."""

PROBLEMS = PROBLEM_CODES
TOKEN_SCOPES = SCOPES
EVENT_KINDS = KINDS
SETTINGS = Settings
COMMANDS = parser
ROUTES = OPERATIONS


def adapters() -> dict[str, Any]:
    """The options of every built-in adapter, by its name."""
    found = registry.available()
    return {name: found[name].options for name in registry.BUILT_IN}


def api_document() -> dict[str, Any]:
    return document(DOCUMENTED)
