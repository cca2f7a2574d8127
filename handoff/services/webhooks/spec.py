"""The settings of a webhook subscription, and their validation."""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any, Literal

from msgspec import field

from handoff.domain.errors import Unprocessable
from handoff.domain.open_record import OpenRecord
from handoff.services.conversations.vendor_threads import Desktop

from .destinations import EgressPolicy, check_url, parse_networks
from .event_types import EVENT_TYPES, FAMILIES
from .signing import Scheme

# The example schedule of Standard Webhooks: with the immediate first attempt, 75 h 35 min 5 s.
RETRY_SCHEDULE_S = (5.0, 300.0, 1800.0, 7200.0, 18000.0, 36000.0, 50400.0, 72000.0, 86400.0)
LONGEST_SCHEDULE_S = 14 * 86400
MAX_ATTEMPTS = 50
MAX_TEXT = 200
_TYPE = re.compile(r"[a-z*][a-z0-9_.*]{0,99}", re.ASCII)
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}", re.ASCII)
_HEADER_VALUE = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]{0,2046}[\x21-\x7e])?", re.ASCII)
_OWN_HEADERS = frozenset(
    (
        *("host", "connection", "cookie", "expect", "te", "trailer", "upgrade", "user-agent"),
        *("content-length", "content-type", "content-encoding", "transfer-encoding", "accept-encoding"),
        *("webhook-id", "webhook-timestamp", "webhook-signature"),
    )
)


class SubscriptionSpec(OpenRecord, frozen=True, kw_only=True):
    """The settings of a subscription, from the API or from the configuration. `check` validates them."""

    url: str
    types: tuple[str, ...] = ("handoff.*",)
    name: str | None = None
    include: Literal["context"] | None = None
    channels: tuple[str, ...] = ()
    queues: tuple[str, ...] = ()
    headers: dict[str, str] = field(default_factory=dict)
    rate_per_s: float | None = None
    signatures: tuple[Scheme, ...] = ("v1",)
    allow_insecure: bool = False
    allow_networks: tuple[str, ...] = ()
    retry_schedule_s: tuple[float, ...] | None = None
    desktop: Desktop | None = None
    """Set by the configuration only: messages become notes in an agent desktop and are not signed."""

    @property
    def policy(self) -> EgressPolicy:
        return EgressPolicy(networks=parse_networks(self.allow_networks), insecure=self.allow_insecure)

    @property
    def schedule_s(self) -> tuple[float, ...]:
        return RETRY_SCHEDULE_S if self.retry_schedule_s is None else self.retry_schedule_s


def matches(pattern: str, type_: str) -> bool:
    """Whether a type matches a pattern, in which `*` matches any number of characters."""
    if "*" not in pattern:
        return pattern == type_
    first, *rest = pattern.split("*")
    last = rest.pop()
    if len(type_) < len(first) + len(last) or not type_.startswith(first) or not type_.endswith(last):
        return False
    at, end = len(first), len(type_) - len(last)
    for part in rest:
        found = type_.find(part, at, end)
        if found < 0:
            return False
        at = found + len(part)
    return True


def useless_types(patterns: Iterable[str]) -> dict[int, str]:
    """The patterns that match no event type: their positions, each with what is wrong."""
    found = {}
    for at, pattern in enumerate(patterns):
        if not any(matches(pattern, it) for it in EVENT_TYPES):
            similar = get_close_matches(pattern, FAMILIES if "*" in pattern else sorted(EVENT_TYPES), n=1)
            hint = f"did you mean {similar[0]!r}?" if similar else "/asyncapi.json lists the event types"
            found[at] = f"{pattern[:60]!r} matches no event type; {hint}"
    return found


def check_types(patterns: Iterable[str]) -> None:
    """Raise Unprocessable for patterns that match no event type.

    Only for what somebody states now: subscriptions and configurations of earlier releases stay as they are.
    """
    if useless := useless_types(patterns):
        pointers = [{"pointer": f"/types/{at}", "detail": detail} for at, detail in useless.items()]
        raise Unprocessable(pointers[0]["detail"], parameter="types", pointers=pointers)


def check(spec: SubscriptionSpec) -> None:
    """Raise Unprocessable, with the field under `parameter`, for an invalid value."""
    check_url(spec.url, spec.policy)
    _limit("types", spec.types, 1, 100)
    for type_ in spec.types:
        if not _TYPE.fullmatch(type_) or type_.count("*") > 5:
            raise wrong("types", f"{type_[:60]!r} is not an event type; * matches any characters")
    for names in ("channels", "queues"):
        _limit(names, getattr(spec, names), 0, 100)
        if any(not 0 < len(it) <= MAX_TEXT for it in getattr(spec, names)):
            raise wrong(names, f"a name has 1 to {MAX_TEXT} characters")
    if spec.name is not None and not 0 < len(spec.name) <= MAX_TEXT:
        raise wrong("name", f"a name has 1 to {MAX_TEXT} characters")
    if spec.rate_per_s is not None and not 0.01 <= spec.rate_per_s <= 1000:
        raise wrong("rate_per_s", "a rate is 0.01 to 1000 messages a second")
    repeated = len(set(spec.signatures)) != len(spec.signatures)
    if repeated or bool(spec.signatures) == bool(spec.desktop):
        raise wrong("signatures", "name each signature scheme once")
    _check_headers(spec.headers)
    _check_schedule(spec.retry_schedule_s)


def _check_headers(headers: dict[str, str]) -> None:
    _limit("headers", headers, 0, 20)
    for name, value in headers.items():
        if not _HEADER_NAME.fullmatch(name) or name.lower() in _OWN_HEADERS:
            raise wrong("headers", f"{name[:60]!r} is not a header that can be set")
        if not _HEADER_VALUE.fullmatch(value):
            raise wrong("headers", f"the value of {name} is not printable ASCII of 1 to 2048 characters")


def _check_schedule(schedule: tuple[float, ...] | None) -> None:
    if schedule is None:
        return
    _limit("retry_schedule_s", schedule, 0, MAX_ATTEMPTS)
    if any(not 0 <= it <= LONGEST_SCHEDULE_S for it in schedule) or sum(schedule) > LONGEST_SCHEDULE_S:
        raise wrong("retry_schedule_s", "waits are at least 0 and at most 14 days in total")


def _limit(name: str, given: Any, least: int, most: int) -> None:
    if not least <= len(given) <= most:
        raise wrong(name, f"{name} has {least} to {most} entries")


def wrong(name: str, detail: str) -> Unprocessable:
    """The error for an invalid field."""
    pointer = {"pointer": f"/{name}", "detail": detail}
    return Unprocessable(detail, parameter=name, pointers=[pointer])
