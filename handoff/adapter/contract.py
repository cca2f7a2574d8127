"""The adapter contract, version 2: implemented by each module that reads one vendor's format.

Derive from `handoff.adapter.base.BaseAdapter`, which has a default for everything but `parse`. An adapter
does no I/O. Limits, decompression, quarantine, and recording are implemented once for all adapters, in
`handoff.services.sources.inbound`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, runtime_checkable

import msgspec
from msgspec import Struct

from handoff.domain.clock import Micros
from handoff.domain.errors import HandoffError
from handoff.domain.identity import Identity
from handoff.domain.touchpoint import Touchpoint

from .admission import ByteBudget

if TYPE_CHECKING:
    from .manifest import Manifest

CONTRACT_VERSION = 2
"""Grows with each change of this contract that adapters have to follow."""


class SourceOptions(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The options that every `[[sources]]` table takes.

    An adapter's subclass adds exactly the options it reads: any other option of a source is a
    configuration error. `former` names those that earlier releases accepted without using them: they are
    ignored with a warning. `expected_every_s` is how long silence is normal for this source. `outbound` is
    who writes the business's messages there, where the vendor does not state it. After a form in
    `no_answer_forms` (a newsletter) nobody waits for an answer. Secrets arrive resolved, never as `env:`
    or `file:`.
    """

    former: ClassVar[frozenset[str]] = frozenset()

    name: str
    adapter: str
    tenant: str = "default"
    expected_every_s: float | None = None
    outbound: Literal["bot", "person"] | None = None
    no_answer_forms: tuple[str, ...] = ()

    @property
    def authenticated(self) -> bool:
        """Whether only holders of a secret can send to this source.

        Quarantined items of such a source count as missing history.
        """
        return False

    def check(self) -> None:
        """ConfigurationError for a missing secret, or for options that contradict each other."""

    def without_effect(self) -> list[str]:
        """Options that are ignored because of others, each with the reason, as a predicate of the source."""
        return []


class InboundRequest(Struct, frozen=True, kw_only=True):
    """One received delivery: all the input of `verify` and `parse`.

    `path` is the part after `/in/{source}`, empty or with its leading slash. `url` is the complete URL that
    the vendor called: `server.public_url` with the raw path and query. `headers` have lower-case names and
    their first values. All text is clean (`domain.text.cleaning`): invalid UTF-8 becomes U+FFFD. `raw` has
    the bytes as received, `body` the same after bounded decompression.
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
    """One invalid item of a delivery. It is quarantined and can be replayed.

    `item` must be the bytes that `parse` reads as this item when they are sent alone to the same `path`.
    """

    code: str
    detail: str
    item: bytes


class CallLeg(Struct, frozen=True, kw_only=True):
    """An event of a call that another call started, if the event does not name the customer.

    `passed_on` is filed under the customer of its thread, the first call, if that call is known. Otherwise
    the event is `alone`, or the name under which it is counted as ignored.
    """

    passed_on: Touchpoint
    alone: Touchpoint | str
    unfiled: Malformed | None = None
    """Quarantined instead of `alone`, if it is set: an event that is lost without its call."""


class Parsed(Struct, frozen=True, kw_only=True):
    """The content of one delivery. `ignored` counts known events that are not touchpoints, by name.

    `context` is whatever the adapter's `reply` needs to know about the delivery, so that `reply` does not
    read the body again. It must be picklable: another process parses large bodies.
    """

    touchpoints: tuple[Touchpoint, ...] = ()
    legs: tuple[CallLeg, ...] = ()
    malformed: tuple[Malformed, ...] = ()
    ignored: Mapping[str, int] = msgspec.field(default_factory=dict)
    context: Any = None


class Outcome(Struct, frozen=True, kw_only=True):
    """The result of a delivery. Everything it counts is durable when the adapter replies."""

    accepted: int = 0
    duplicates: int = 0
    expired: int = 0
    """Touchpoints that are older than the configuration keeps them: they are not stored."""
    quarantined: int = 0
    ignored: int = 0


class Reply(Struct, frozen=True, kw_only=True):
    """The reply to a delivery, in the form that the vendor expects.

    `error` is set, not by adapters, if a delivery is refused or cannot be recorded. `kept` is set if such a
    delivery is in quarantine as a whole, so that a mail server need not send it again.
    """

    status: int = 200
    body: bytes = b""
    content_type: str | None = None
    headers: tuple[tuple[str, str], ...] = ()
    error: HandoffError | None = None
    kept: bool = False


class Mentions(Struct, frozen=True, kw_only=True):
    """The people and threads that a delivery names. `threads` are (id space, thread) pairs.

    `complete` is false if the part that could not be read may name further people.
    """

    identities: tuple[Identity, ...] = ()
    threads: tuple[tuple[str, str], ...] = ()
    complete: bool = True


class Adapter(Protocol):
    """The reader of one configured source, created with the source's options.

    A delivery passes through `handshake`, `verify` (raw bytes, constant time, several secrets), `parse`,
    recording, and `reply`. Only `parse` has no default in `BaseAdapter`.
    """

    manifest: ClassVar[Manifest]
    name: ClassVar[str]
    """`<channel>.<vendor>`, as in the configuration. This and the next two are the manifest's."""
    channel: ClassVar[str]
    options: ClassVar[type[SourceOptions]]
    identity_spaces: Sequence[tuple[str, str]]
    """The (type, space) pairs of this source's vendor-scoped handles that the configuration determines.
    A lookup without a space tries them."""

    def __init__(self, options: Any) -> None: ...

    def handshake(self, request: InboundRequest) -> Reply | None:
        """The reply to a request without events: CORS, a check by GET or HEAD, a challenge by POST.

        None for a delivery. It comes before `verify`: a challenge that the vendor signs is verified here,
        with SignatureRefused. Also called before the body is read, with `raw` and `body` empty.
        """
        ...

    def check_head(self, request: InboundRequest) -> None:
        """SignatureRefused if no body could make this request valid. `raw` and `body` are empty."""
        ...

    def verify(self, request: InboundRequest) -> None:
        """SignatureRefused unless the request is from the vendor."""
        ...

    def parse(self, request: InboundRequest) -> Parsed:
        """The content of a delivery. Pure.

        InvalidPayload if the bytes are not this vendor's; `Malformed` for single invalid items.
        """
        ...

    def mentions(self, request: InboundRequest) -> Mentions:
        """The people and threads in the readable part of `request`, never the business's own.

        A delivery that `parse` cannot read then lowers the completeness of these customers only, and not of
        all who use the source. Pure, and bounded in time: at most some milliseconds for any bytes. The body
        may be the item of a `Malformed`.
        """
        ...

    def reply(self, request: InboundRequest, parsed: Parsed | None, outcome: Outcome) -> Reply:
        """The reply that makes the vendor send the delivery again, or not.

        `parsed` is None if the delivery is in quarantine as a whole. A status below 400 then acknowledges
        it; with any other, the core replies with a problem document.
        """
        ...

    def headers(self, request: InboundRequest) -> tuple[tuple[str, str], ...]:
        """Headers of every reply, errors included: a browser ignores replies without CORS headers."""
        ...


Receive = Callable[[InboundRequest], Awaitable[Reply]]
"""Record one delivery of a listener; returns when it is durable, or with the `error` that prevents it.

The listener acknowledges a delivery without `error`, and one that was `kept`. The server's own `Receive`
has a `budget` (`budget_of`), from which a listener takes the bytes that it holds.
"""


def budget_of(receive: Receive) -> ByteBudget:
    """The server's budget of bytes in flight."""
    budget: ByteBudget = getattr(receive, "budget", None) or ByteBudget(1 << 30)
    return budget


@runtime_checkable
class Listener(Protocol):
    """An adapter with its own socket (mail). It listens while the context of `listen` is entered."""

    def listen(self, receive: Receive) -> AbstractAsyncContextManager[Any]: ...
