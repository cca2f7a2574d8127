"""The scrubber at the border: everything from outside passes it before it is stored, logged or sent."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import lru_cache
from typing import Any

import msgspec

from handoff.domain.clock import Micros
from handoff.domain.identity import Identity
from handoff.domain.text.derived import DERIVED
from handoff.domain.text.memo import CACHE_SIZE, MAX_CACHED, personal
from handoff.domain.touchpoint import Participant, Touchpoint

from .codes import may_name_code
from .digits import FEWEST, has_enough, has_enough_utf8
from .documents import masked_document, masked_encoded
from .fragments import Fragments, completes, masked_head
from .quick import is_suspicious, needs_look
from .scan import CARD_NUMBER, Counts, TenantPattern, add
from .values import masked_texts, masked_value

Counted = Callable[[str, str, int], None]
"""Takes the kind, the way in, and how many."""
Pseudonym = Callable[[str], str]
"""A short keyed hash of a value, so that two values with the same last digits stay apart."""

_ENCODE = msgspec.json.Encoder().encode
MESSAGES = frozenset({"message.received", "message.sent", DERIVED})
_NO_PATTERNS: tuple[TenantPattern, ...] = ()


class Redaction:
    """Masks what must not be stored. `patterns` are by tenant; `counted` gets everything masked."""

    def __init__(self, patterns: Mapping[str, Sequence[TenantPattern]] | None = None) -> None:
        self._patterns: dict[str, tuple[TenantPattern, ...]] = {}
        self._fragments = Fragments()
        self.counted: Counted = _uncounted
        self.replace(patterns or {})

    def replace(self, patterns: Mapping[str, Sequence[TenantPattern]]) -> None:
        """Use other patterns from now on."""
        self._patterns = {tenant: tuple(them) for tenant, them in patterns.items()}

    def forget(self) -> None:
        """Forget the ends of conversations' last messages."""
        self._fragments = Fragments()

    def touchpoint(self, tenant: str, touchpoint: Touchpoint, pseudonym: Pseudonym) -> Touchpoint:
        """The touchpoint with everything masked, and with the counts in `redacted`.

        Identities stay, since the customer is found by them: see `identity`. Nearly all touchpoints have too
        few digits for a card number, and are returned as they are after a check at C speed.
        """
        patterns = self._patterns.get(tenant, _NO_PATTERNS)
        text = touchpoint.text
        follows = text is not None and touchpoint.type in MESSAGES and Fragments.concerns(text)
        closer = bool(patterns) or _may_hold(touchpoint)
        if not (follows or closer):
            return touchpoint
        before, key = "", tuple[Any, ...]()
        if follows:
            key = _conversation(tenant, touchpoint)
            before = self._fragments.before(key, touchpoint.event_id, touchpoint.occurred_at)
        masked, counts = touchpoint, dict[str, int]()
        if closer or before:
            masked, counts = _masked_touchpoint(touchpoint, patterns, before, pseudonym)
            self._count(counts, touchpoint.channel)
        if follows:
            ended = "" if counts else text or ""
            self._fragments.note(key, touchpoint.event_id, touchpoint.occurred_at, before, ended)
        return masked

    def learn(self, tenant: str, touchpoint: Touchpoint, at: Micros, tail: str) -> None:
        """How the message before this one ended, at that time."""
        self._fragments.learn(_conversation(tenant, touchpoint), at, tail)

    def text(self, text: str, way: str, tenant: str = "") -> str:
        """A text with everything masked, such as a line of the log."""
        patterns = self._patterns.get(tenant, _NO_PATTERNS)
        if not patterns and not has_enough(text) and not may_name_code(text.encode(errors="replace")):
            return text
        (masked,), counts = masked_texts([text], patterns, mail=False)
        self._count(counts, way)
        return masked

    def value(self, value: Any, way: str, tenant: str = "", *, skip: Collection[str] = ()) -> Any:
        """A value of JSON's types with everything masked, except members named in `skip`."""
        masked, counts = masked_value(value, self._patterns.get(tenant, _NO_PATTERNS), skip=skip)
        self._count(counts, way)
        return masked

    def document(self, raw: bytes, way: str, tenant: str = "") -> bytes:
        """Bytes of any format with everything masked."""
        masked, counts = masked_document(raw, self._patterns.get(tenant, _NO_PATTERNS))
        self._count(counts, way)
        return masked

    def suspects(self, raw: bytes, tenant: str = "") -> bool:
        """Whether UTF-8 bytes need a closer look."""
        return tenant in self._patterns or has_enough_utf8(raw) or may_name_code(raw)

    def _count(self, counts: Counts, way: str) -> None:
        for kind, count in counts.items():
            self.counted(kind, way, count)


def may_continue(touchpoint: Touchpoint) -> bool:
    """Whether it is a message that may continue a number that another process knows the beginning of."""
    text = touchpoint.text
    return text is not None and touchpoint.type in MESSAGES and Fragments.may_continue(text)


def _conversation(tenant: str, touchpoint: Touchpoint) -> tuple[Any, ...]:
    """The key of messages that follow one another. Parts of a transcript follow those of the same speaker."""
    speaker = touchpoint.data.get("speaker") if touchpoint.type == DERIVED else None
    by = speaker if isinstance(speaker, str) else None
    return (tenant, touchpoint.home.identity, touchpoint.thread, touchpoint.direction, by)


def _uncounted(kind: str, way: str, count: int) -> None:
    """Until the metrics exist."""


def _may_hold(touchpoint: Touchpoint) -> bool:
    """Whether a closer look is needed. Wrong only in one direction."""
    data = touchpoint.data
    try:
        if data or touchpoint.attachments or touchpoint.actor or touchpoint.traits:
            raw = _ENCODE(
                (
                    touchpoint.subject,
                    touchpoint.text,
                    data,
                    touchpoint.attachments,
                    touchpoint.actor,
                    touchpoint.traits,
                )
            )
        else:
            raw = _ENCODE((touchpoint.subject, touchpoint.text))
    except (UnicodeEncodeError, OverflowError, TypeError, ValueError):
        return True
    return needs_look(raw) or _has_long_name(touchpoint)


def _suspicious(name: str) -> bool:
    """`is_suspicious`, for names that come again and again."""
    return _known_name(name) if len(name) <= MAX_CACHED else is_suspicious(name)


_known_name = personal(lru_cache(CACHE_SIZE)(is_suspicious))


def _has_long_name(touchpoint: Touchpoint) -> bool:
    """Whether one of the short texts that senders choose may be a card number."""
    thread, medium, language = touchpoint.thread, touchpoint.medium, touchpoint.language
    return (
        (thread is not None and len(thread) >= FEWEST and _suspicious(thread))
        or (len(touchpoint.source) >= FEWEST and _suspicious(touchpoint.source))
        or (medium is not None and len(medium) >= FEWEST and is_suspicious(medium))
        or (language is not None and len(language) >= FEWEST and is_suspicious(language))
        or (bool(touchpoint.participants) and any(is_suspicious(it.role) for it in touchpoint.participants))
    )


def _masked_touchpoint(
    touchpoint: Touchpoint, patterns: Sequence[TenantPattern], before: str, pseudonym: Pseudonym
) -> tuple[Touchpoint, Counts]:
    counts: Counts = {}
    given = [
        touchpoint.subject,
        touchpoint.text,
        touchpoint.data,
        list(touchpoint.attachments),
        touchpoint.actor,
        touchpoint.traits,
    ]
    subject, text, *fields = masked_encoded(given, patterns, counts)
    if before and text and completes(before, text):
        text = masked_head(text)
        add(counts, {CARD_NUMBER: 1})
    masked, found = masked_value([subject, text, *fields], patterns)
    add(counts, found)
    names: dict[str, Any] = {}
    for name in ("source", "thread", "medium", "language"):
        value = getattr(touchpoint, name)
        if value and is_suspicious(value):
            (shown,), more = masked_texts([value])
            if more:
                names[name] = f"{shown}~{pseudonym(value)}" if name == "thread" else shown
                add(counts, more)
    participants = _masked_roles(touchpoint.participants, counts)
    if not counts:
        return touchpoint, counts
    subject, text, data, attachments, actor, traits = masked
    return msgspec.structs.replace(
        touchpoint,
        subject=subject,
        text=text,
        data=data,
        attachments=tuple(attachments),
        actor=actor,
        traits=traits,
        participants=participants,
        redacted=counts,
        **names,
    ), counts


def _masked_roles(participants: tuple[Participant, ...], counts: Counts) -> tuple[Participant, ...]:
    if not any(is_suspicious(it.role) for it in participants):
        return participants
    roles, found = masked_texts([it.role for it in participants])
    add(counts, found)
    return tuple(Participant(it.identity, role) for it, role in zip(participants, roles, strict=True))


def safe_detail(detail: str) -> str:
    """An error's text, which may quote what was sent, for answers, logs and quarantine."""
    if not has_enough(detail) and not may_name_code(detail.encode(errors="replace")):
        return detail
    return masked_texts([detail])[0][0]


def may_be_card(identity: Identity) -> bool:
    """Whether an identity needs a closer look."""
    return len(identity.value) >= FEWEST and not identity.space and is_suspicious(identity.value)


def storable_identity(identity: Identity, pseudonym: Pseudonym) -> Identity:
    """The identity as it is stored: a card number in it is masked, with a keyed hash to keep values apart.

    It is found by the hash of its real value all the same. Values in a vendor's space are ids that the vendor
    issues, often of 16 to 19 digits, and stay.
    """
    if not may_be_card(identity):
        return identity
    (shown,), counts = masked_texts([identity.value])
    if not counts:
        return identity
    return Identity(identity.type, identity.space, f"{shown}~{pseudonym(identity.value)}")
