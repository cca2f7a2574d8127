"""The adapter contract: what a module that understands one vendor's format implements.

An adapter does no input or output. The flow around it (limits, decompression, quarantine,
recording, answering) is written once, in `handoff.services.inbound`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, ClassVar, Literal, Protocol, runtime_checkable

import msgspec
from msgspec import Struct

from handoff.domain.clock import Micros
from handoff.domain.touchpoint import Touchpoint


class SourceOptions(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every `[[sources]]` table may say. An adapter adds its own keys by subclassing.

    `secrets` arrive resolved (never as `env:` or `file:`). `own` holds the addresses, numbers and
    agents of the business: they are never a customer. `expected_every_s` is how long silence is
    normal for this source. `outbound` says who writes what the business sends there, where the vendor
    does not. After a form in `no_answer_forms` (a newsletter) nobody waits for an answer.
    """

    name: str
    adapter: str
    tenant: str = "default"
    secrets: tuple[str, ...] = ()
    trust: Literal["server", "public", "vendor"] | None = None
    verified_traits: tuple[str, ...] = ()
    id_space: str | None = None
    user_space: str = ""
    default_region: str | None = None
    own: tuple[str, ...] = ()
    expected_every_s: float | None = None
    outbound: Literal["bot", "person"] | None = None
    no_answer_forms: tuple[str, ...] = ()


class InboundRequest(Struct, frozen=True, kw_only=True):
    """One delivery as it came: everything `verify` and `parse` may look at.

    `path` is what follows `/in/{source}`, with its leading slash or empty. `url` is the whole URL
    as the vendor called it: `server.public_url` and the raw path and query. `headers` have
    lower-case names and, where repeated, the first value. `raw` are the bytes on the wire, `body`
    the same after bounded decompression. `received_at` is when it came.
    """

    method: str
    path: str
    url: str
    query: tuple[tuple[str, str], ...]
    headers: Mapping[str, str]
    raw: bytes
    body: bytes
    received_at: Micros


class Malformed(Struct, frozen=True, kw_only=True):
    """One item of a delivery that is not what it should be: kept in quarantine, can be replayed.

    `item` must be bytes that, sent alone to the same `path`, `parse` would read as this item.
    """

    code: str
    detail: str
    item: bytes


class Parsed(Struct, frozen=True, kw_only=True):
    """What one delivery holds. `ignored` counts known events that are no touchpoint, by name."""

    touchpoints: tuple[Touchpoint, ...] = ()
    malformed: tuple[Malformed, ...] = ()
    ignored: Mapping[str, int] = msgspec.field(default_factory=dict)


class Outcome(Struct, frozen=True, kw_only=True):
    """What became of a delivery: everything counted is durable when the adapter answers."""

    accepted: int = 0
    duplicates: int = 0
    expired: int = 0
    quarantined: int = 0
    ignored: int = 0


class Reply(Struct, frozen=True, kw_only=True):
    """The answer this vendor needs."""

    status: int = 200
    body: bytes = b""
    content_type: str | None = None
    headers: tuple[tuple[str, str], ...] = ()


class Adapter(Protocol):
    """One configured inbound of one vendor's format; made with its source's options.

    Life of a delivery: `verify` (raw bytes, constant time, several secrets; SignatureRefused),
    `parse` (pure; InvalidPayload when the bytes are not this vendor's, `Malformed` for single bad
    items), record, `answer`. `preflight` answers requests that carry no events (CORS, set-up
    handshakes) before `verify`, or returns None.
    """

    name: ClassVar[str]
    """`<channel>.<vendor>`, as in the configuration."""
    channel: ClassVar[str]
    options: ClassVar[type[SourceOptions]]
    identity_spaces: Sequence[tuple[str, str]]
    """The (type, space) pairs that this source's vendor-scoped handles may have and are known from
    the configuration alone; a look-up without a space tries them."""

    def __init__(self, options: Any) -> None: ...

    def preflight(self, request: InboundRequest) -> Reply | None: ...

    def headers(self, request: InboundRequest) -> tuple[tuple[str, str], ...]:
        """What every answer carries, errors too: a browser reads no answer without its CORS headers."""
        ...

    def verify(self, request: InboundRequest) -> None: ...

    def parse(self, request: InboundRequest) -> Parsed: ...

    def answer(self, request: InboundRequest, outcome: Outcome) -> Reply: ...


Receive = Callable[[InboundRequest], Awaitable[Outcome]]
"""Record one delivery of a listener: returns when it is durable.

Raises SignatureRefused, InvalidPayload, PayloadTooLarge, or StoreUnavailable/Overloaded when
nothing may be acknowledged.
"""


@runtime_checkable
class Listener(Protocol):
    """An adapter that opens its own socket (mail): `listen` runs for as long as it is entered."""

    def listen(self, receive: Receive) -> AbstractAsyncContextManager[Any]: ...
