"""`generic.webhook`: webhooks of any platform, JSON or forms, read by the source's own mapping."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from handoff.adapter.base import BaseAdapter
from handoff.adapter.contract import InboundRequest, Malformed, Mentions, Parsed
from handoff.adapter.manifest import CHANNEL_OF_SOURCE, Manifest, VendorEvent
from handoff.domain.clock import Micros
from handoff.domain.errors import InvalidPayload, Unprocessable
from handoff.domain.identity import Identity
from handoff.domain.touchpoint import Touchpoint
from handoff_adapters.shared import fields
from handoff_adapters.shared.handles import own_identities
from handoff_adapters.shared.partial_json import readable_part

from .options import GenericOptions
from .reading import Expressions, ItemReader
from .schemes import check_credentials, check_scheme

ALONE = "handoff_item"
"""The key of an event that is sent again without the delivery that it came in."""
MAX_ITEMS = 1_000
MAX_NAMED = 100  # events of an unreadable delivery that are searched for people
MAX_FIELDS = 1_000
FORM = "application/x-www-form-urlencoded"

EVENTS = (
    VendorEvent("any", "event.tracked", "the touchpoint type is that of `mapping.types`; else this one"),
    VendorEvent("any", "ignored: unmapped", 'with `mapping.unmapped = "ignore"`'),
)


class GenericAdapter(BaseAdapter):
    """The part that both generic adapters share. Subclasses read the events from a delivery."""

    settings: GenericOptions

    def __init__(self, options: GenericOptions) -> None:
        super().__init__(options)
        vars(self)["channel"] = options.channel  # of this source: the class has none
        self._expressions = Expressions(options.mapping, options.name)
        self._reader = ItemReader(
            self._expressions,
            source=options.name,
            channel=options.channel,
            region=options.default_region,
            own=own_identities(options.own, options.default_region),
        )
        spaces = [(it.type, it.space) for it in options.mapping.identities if it.space]
        self.identity_spaces: Sequence[tuple[str, str]] = tuple(dict.fromkeys(spaces))

    def verify(self, request: InboundRequest) -> None:
        if self.settings.secrets and self.settings.signature:
            check_scheme(request, self.settings.signature, self.settings.secrets)
        else:
            super().verify(request)

    def check_head(self, request: InboundRequest) -> None:
        scheme = self.settings.signature
        if self.settings.secrets and scheme and scheme.knows_by_head:
            check_credentials(request, scheme, self.settings.secrets)

    def parse(self, request: InboundRequest) -> Parsed:
        touchpoints: list[Touchpoint] = []
        malformed: list[Malformed] = []
        ignored: Counter[str] = Counter()
        for item in self._bounded(self.events(request)):
            try:
                made = self.read(item, request.received_at)
            except Unprocessable as error:
                malformed.append(fields.malformed(error, self.alone(item)))
                continue
            if isinstance(made, str):
                ignored[fields.text(made[:60]) or "unmapped"] += 1
            else:
                touchpoints.append(made)
        return Parsed(touchpoints=tuple(touchpoints), malformed=tuple(malformed), ignored=dict(ignored))

    def mentions(self, request: InboundRequest) -> Mentions:
        """The people and threads that the expressions find in the readable part.

        An event in which they find neither may concern anyone.
        """
        people: dict[Identity, None] = {}
        threads: dict[tuple[str, str], None] = {}
        try:
            items, complete = self.readable_items(request)
        except (Unprocessable, InvalidPayload):
            return Mentions(complete=False)
        for item in items:
            try:
                handles, thread = self._reader.people(item), self._reader.thread(item)
            except Unprocessable:
                complete = False
                continue
            people.update((it.identity, None) for it in handles)
            if thread:
                threads[self.space_of(item), thread] = None
            complete = complete and bool(handles or thread)
        return Mentions(identities=tuple(people), threads=tuple(threads), complete=complete)

    def readable_items(self, request: InboundRequest) -> tuple[list[Any], bool]:
        """The first readable events of a delivery, and whether they are all."""
        found = readable_part(request.body)
        if isinstance(found.value, dict) and ALONE in found.value:
            return [found.value[ALONE]], found.whole
        items = self._expressions.items(found.value)
        return items[:MAX_NAMED], found.whole and len(items) <= MAX_NAMED

    def space_of(self, item: Any) -> str:
        """The id space of an event."""
        return self.settings.id_space or f"{self.settings.adapter}/{self.settings.name}"

    def events(self, request: InboundRequest) -> list[Any]:
        """The events of a delivery. InvalidPayload."""
        raise NotImplementedError

    def read(self, item: Any, received_at: Micros) -> Touchpoint | str:
        """The touchpoint of one event, or the name under which it is ignored. Unprocessable."""
        return self._reader.read(item, received_at, self.space_of(item))

    def alone(self, item: Any) -> bytes:
        """The bytes that are read as this event alone."""
        return msgspec.json.encode({ALONE: item})

    def _bounded(self, items: list[Any]) -> list[Any]:
        if len(items) > MAX_ITEMS:
            raise InvalidPayload(f"A delivery has at most {MAX_ITEMS} events", code="too_many_items")
        return items


class WebhookAdapter(GenericAdapter):
    """One source of webhooks."""

    manifest = Manifest(
        name="generic.webhook",
        channel=CHANNEL_OF_SOURCE,
        title="Webhooks of any platform, by a mapping in the configuration",
        options=GenericOptions,
        events=EVENTS,
        verified_against="the library of Standard Webhooks, and made-up webhooks of a shop and others",
    )

    def events(self, request: InboundRequest) -> list[Any]:
        body = _body(request)
        if isinstance(body, dict) and body.keys() == {ALONE}:
            return [body[ALONE]]
        try:
            return self._expressions.items(body)
        except Unprocessable as error:
            raise InvalidPayload(error.detail, code=error.problem_code) from error


def _body(request: InboundRequest) -> Any:
    if not request.headers.get("content-type", "").lower().startswith(FORM):
        return fields.decode_json(request.body)
    try:
        pairs = parse_qsl(
            request.body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=MAX_FIELDS
        )
    except ValueError as error:
        raise InvalidPayload(f"A form has at most {MAX_FIELDS} fields", code="too_many_fields") from error
    return dict(reversed(pairs))  # the first of a name counts
