"""`web.segment`: events that browsers, apps and servers track with a Segment or RudderStack SDK."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from handoff.adapter.base import BaseAdapter
from handoff.adapter.contract import InboundRequest, Malformed, Mentions, Outcome, Parsed, Reply
from handoff.adapter.signatures import any_equal, basic_credentials
from handoff.domain.errors import HandoffError, InvalidPayload, SignatureRefused, Unprocessable
from handoff.domain.identity import Handle
from handoff.domain.touchpoint import MAX_EVENT_ID, Touchpoint, default_direction
from handoff_adapters.shared import fields
from handoff_adapters.shared.fields import bounded, mapping, text
from handoff_adapters.shared.handles import own_identities

from . import events, people
from .clock import EventTiming, occurred_at, timing_of
from .event import TrackedEvent, event
from .manifest import IGNORED_CALLS, MANIFEST
from .noise import NoiseRules
from .options import SegmentOptions
from .routes import BATCH, MERGE, EventBatch, delivery, is_in_query, pixel_event
from .sizes import TOO_LARGE, OversizedEvent, stated_keys

PIXEL = (
    b"GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff!\xf9\x04\x01\x00\x00\x00\x00,"
    b"\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x01D\x00;"
)
"""A transparent image of one pixel (GIF89a)."""

SUCCESS = b'{"success":true}'
ALLOWED_HEADERS = "Authorization, Content-Type, Content-Encoding, AnonymousId, SentAt, X-Retry-Count"
PREFLIGHT_AGE_S = 7200  # the longest that Chromium caches a preflight

# Fields that a client or gateway sets at each attempt. They do not identify an event.
_ENVELOPE = frozenset({"sentAt", "writeKey", "receivedAt", "_metadata", "request_ip", "rudderId"})


class SegmentAdapter(BaseAdapter):
    """One source of tracked events. `trust` decides whether its user ids are verified (see `people`)."""

    manifest = MANIFEST
    settings: SegmentOptions

    def __init__(self, options: SegmentOptions) -> None:
        super().__init__(options)
        self.identity_spaces = (("anonymous", options.space), ("user", options.user_space))
        self._secrets = tuple(secret.encode("utf-8") for secret in options.secrets)
        self._own = own_identities(options.own, options.default_region)
        self._handles = people.identities_of(options, self._own)
        self._types = events.track_types(options.events)
        self._articles = events.articles(options)
        self._noise = NoiseRules(options.ignore)

    def handshake(self, request: InboundRequest) -> Reply | None:
        """The reply to a browser's OPTIONS (Fetch standard, CORS preflight)."""
        if request.method != "OPTIONS":
            return None
        asked = request.headers.get("access-control-request-headers")
        headers = self.headers(request)
        if headers:
            headers += (
                ("Access-Control-Allow-Methods", "POST, GET, OPTIONS"),
                ("Access-Control-Allow-Headers", asked or ALLOWED_HEADERS),
                ("Access-Control-Max-Age", str(PREFLIGHT_AGE_S)),
            )
        return Reply(status=204, headers=headers)

    def verify(self, request: InboundRequest) -> None:
        """Checks the write key, wherever the SDK puts it. SignatureRefused.

        With HTTP Basic authorization only that key counts. Keys in the query and the body count
        beside an OAuth bearer token and without a header, as in raw HTTP calls and beacons.
        """
        if not self._secrets:
            return
        keys, decisive = _head_keys(request)
        if not self._knows(keys):
            more = [] if decisive else _body_keys(request)
            if not self._knows(more):
                raise _refusal([*keys, *more])

    def check_head(self, request: InboundRequest) -> None:
        """SignatureRefused where the head has a key that decides, and it is unknown."""
        if self._secrets:
            keys, decisive = _head_keys(request)
            if decisive and not self._knows(keys):
                raise _refusal(keys)

    def _knows(self, keys: Sequence[str]) -> bool:
        return any(any_equal(key.encode("utf-8", "replace"), self._secrets) for key in keys)

    def parse(self, request: InboundRequest) -> Parsed:
        found = delivery(request)
        touchpoints: list[Touchpoint] = []
        bad: list[Malformed] = []
        ignored: Counter[str] = Counter()
        seen: Counter[str] = Counter()
        timing = timing_of(found.items, found.sent, request.received_at)
        for item in found.items:
            if isinstance(item, OversizedEvent):
                bad.append(Malformed(code="too_large", detail=TOO_LARGE, item=item.alone))
                continue
            try:
                made = self._touchpoint(item, found, timing, seen)
            except Unprocessable as error:
                bad.append(fields.malformed(error, _alone(item, found)))
                continue
            if isinstance(made, str):
                ignored[made] += 1
            else:
                touchpoints.append(made)
        return Parsed(
            touchpoints=tuple(touchpoints),
            malformed=tuple(bad),
            ignored=dict(ignored),
            context=request.method == "GET" and found.route.pixel,
        )

    def mentions(self, request: InboundRequest) -> Mentions:
        return people.mentions(request, self.settings, self._handles, self._own)

    def reply(self, request: InboundRequest, parsed: Parsed | None, outcome: Outcome) -> Reply:
        """200 exactly: rudder-sdk-python resends a batch after any other 2xx."""
        if parsed is None:
            return super().reply(request, parsed, outcome)
        headers = self.headers(request)
        if parsed.context:
            no_store = (("Cache-Control", "no-store"),)
            return Reply(status=200, body=PIXEL, content_type="image/gif", headers=headers + no_store)
        return Reply(status=200, body=SUCCESS, content_type="application/json", headers=headers)

    def headers(self, request: InboundRequest) -> tuple[tuple[str, str], ...]:
        """CORS headers for SDKs in browsers."""
        allowed = self.settings.origins
        if "*" in allowed:
            return (("Access-Control-Allow-Origin", "*"),)
        origin = request.headers.get("origin")
        if origin in allowed and origin is not None:
            return (("Access-Control-Allow-Origin", origin), ("Vary", "Origin"))
        return ()

    def _touchpoint(
        self, raw: object, found: EventBatch, timing: EventTiming, seen: Counter[str]
    ) -> Touchpoint | str:
        """The touchpoint of one event, or the name under which it is counted as ignored."""
        if not isinstance(raw, dict):
            raise Unprocessable("An event must be a JSON object", code="not_an_object")
        item = _with_context(raw, found.context)
        call = (text(item.get("type")) or "").lower() if found.route.call == BATCH else found.route.call
        if call in IGNORED_CALLS:
            return call
        merged = people.merged(item, self.settings, self._own) if call == MERGE else ()
        if call == MERGE and len(merged) < 2:
            return call
        if call == "alias" and _is_self_alias(item):
            return "alias.self"
        tracked = event(item, call)
        if self._noise.any and (rule := self._noise.rule(tracked)):
            return rule
        fact = self._fact(tracked)
        session = text(tracked.context.get("sessionId"))
        return fields.checked(
            Touchpoint(
                id_space=self.settings.space,
                event_id=_event_id(raw, call, seen),
                source=self.settings.name,
                channel=self.channel,
                type=fact.type,
                occurred_at=occurred_at(item, timing),
                identities=merged or self._identities(tracked, fact.type),
                direction=default_direction(fact.type),
                medium=events.medium(tracked),
                subject=fields.subject(fact.subject),
                text=fact.text,
                language=fields.language(tracked.context.get("locale")),
                thread=session if session is None or len(session) <= MAX_EVENT_ID else None,
                traits=fields.data(tracked.traits),
                data=fact.data,
            ),
            found.size,
        )

    def _fact(self, tracked: TrackedEvent) -> events.WebFact:
        match tracked.call:
            case "track":
                return events.track_fact(tracked, self._types)
            case "page":
                return events.page_fact(tracked, self._articles)
            case "screen":
                return events.screen_fact(tracked)
            case "identify" | "alias" | "merge":
                return events.identify_fact(tracked)
            case "group":
                return events.group_fact(tracked)
        raise Unprocessable("The event's type is not a call of the tracking API", code="unknown_type")

    def _identities(self, tracked: TrackedEvent, type_: str) -> tuple[Handle, ...]:
        found = people.identities(tracked, type_, self.settings, self._handles)
        if not found:
            raise Unprocessable("The event has neither userId nor anonymousId", code="no_identity")
        return found


def _head_keys(request: InboundRequest) -> tuple[list[str], bool]:
    """The write keys in the head, and whether they decide: with HTTP Basic, keys in the body do not count."""
    header = request.headers.get("authorization", "")
    scheme, _, token = header.partition(" ")
    if scheme.lower() == "basic":
        return [basic_credentials(header)[0]], True
    keys = [token.strip()] if scheme.lower() == "bearer" else []
    return keys + [value for name, value in request.query if name == "writeKey"], False


def _refusal(keys: Sequence[str]) -> SignatureRefused:
    """The error for a delivery whose keys are all unknown, or that has none."""
    return SignatureRefused("The write key is unknown" if any(keys) else "The request has no write key")


def _body_keys(request: InboundRequest) -> list[str]:
    """The write key in the body or the pixel's data; none if the body is unreadable.

    Nothing else in a body is decoded: the sender is not known yet.
    """
    try:
        if not is_in_query(request):
            return stated_keys(request.body)
        key = pixel_event(request).get("writeKey")
    except HandoffError:
        return []
    return [key] if isinstance(key, str) else []


def _with_context(item: dict[str, Any], batch_context: Mapping[str, Any]) -> dict[str, Any]:
    """`item` with the batch's context for keys that its own context lacks."""
    if not batch_context:
        return item
    own = mapping(item.get("context"))
    return {**item, "context": {**batch_context, **own} if own else batch_context}


def _is_self_alias(item: Mapping[str, Any]) -> bool:
    """analytics-next sends `alias` with two equal ids after `identify`. It has no meaning."""
    previous = text(item.get("previousId"))
    return previous is not None and previous == text(item.get("userId"))


def _event_id(item: Mapping[str, Any], call: str, seen: Counter[str]) -> str:
    """The sender's `messageId`, else a name made of the event's content and its place among equal events.

    `seen` counts the equal events of this request: two of them are two events, and a retry of the
    same bytes gives the same names.
    """
    stated = text(item.get("messageId"))
    if stated is not None:
        return fields.event_id(stated)
    content = {key: value for key, value in item.items() if key not in _ENVELOPE}
    name = fields.digest([call, bounded(content)])
    seen[name] += 1
    return f"content:{name}:{seen[name]}"


def _alone(item: object, found: EventBatch) -> bytes:
    """The body of a request to the same path with only this event, without its write key."""
    if isinstance(item, dict):
        item = {key: value for key, value in item.items() if key != "writeKey"}
    whole: Any = item
    if found.route.call == BATCH:
        whole = {"batch": [item]}
        if found.sent_at is not None:
            whole["sentAt"] = found.sent_at
        if found.context:
            whole["context"] = found.context_json
    try:
        return msgspec.json.encode(whole)
    except RecursionError as error:  # just within the decoder's limit
        raise InvalidPayload("The JSON is nested too deeply") from error
