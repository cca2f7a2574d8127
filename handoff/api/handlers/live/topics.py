"""`POST /v1/events`: one stream for any number of topics.

A browser opens six connections per server over HTTP/1.1. With a stream for each queue, agent, and customer,
nothing is left for its requests.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from contextlib import ExitStack

from aiohttp import web
from msgspec import Struct

from handoff.api.http.app_keys import PRINCIPAL, SITE
from handoff.api.http.auditing import part, parts_done
from handoff.api.http.exchange import broken, read_json
from handoff.api.http.protocol import HttpProtocol
from handoff.domain.errors import HandoffError
from handoff.services.access.authorize import Permission, authorize
from handoff.services.events.missed import MissedFrames

from .customer_touchpoints import CustomerTopic
from .handoff_changes import SharedParts, agent_topic, pending_topic, queue_topic
from .outlet import Outlet, Topic
from .stream import Stream

MAX_TOPICS = 100
MAX_NAME = 200  # characters of the name of a queue, an agent, or a customer
MAX_POSITION = 16_000  # characters: a customer with 500 identities has 8 000
PENDING = "pending"
_SCOPES: Mapping[str, str] = {
    "customer": "context:read",
    "queue": "handoffs:read",
    "agent": "handoffs:read",
    PENDING: "handoffs:read",
}
"""The kinds of topics, with the scope that each needs."""


class TopicInput(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`customer:ID`, `queue:NAME`, `agent:ID`, or `pending`, and the last `position` received of it."""

    topic: str
    position: str | None = None


class TopicsInput(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of `POST /v1/events`: the topics to follow."""

    topics: list[TopicInput]


class TopicPosition(Struct, frozen=True, kw_only=True):
    """A topic, and the position after everything sent so far."""

    topic: str
    position: str


class TopicsReady(Struct, frozen=True, kw_only=True):
    """All topics are live from here on."""

    topics: list[TopicPosition]


async def of_topics(request: web.Request) -> web.StreamResponse:
    """`POST /v1/events`: the events of all topics, each with its topic and position."""
    given = await read_json(request, TopicsInput, stored=False)
    _check(given.topics)
    if isinstance(request.protocol, HttpProtocol):
        request.protocol.release()  # not its body's bytes for as long as the stream is open
    stream = Stream(request)
    # All topics but customers have positions in the tenant's outbox.
    positions = [it.position for it in given.topics if it.position and not it.topic.startswith("customer:")]
    missed = MissedFrames(request.app[SITE].hub, request[PRINCIPAL].tenant, positions)
    with ExitStack() as opened:
        topics = {}
        for wanted in given.topics:
            topics[wanted.topic] = topic = await _opened(request, stream, wanted, missed)
            opened.callback(topic.close)
        parts_done(request)
        try:
            return await stream.run(_Shared(request, stream, topics, missed).follow)
        except ConnectionError:
            return web.Response(status=499)


def _check(topics: Sequence[TopicInput]) -> None:
    """Unprocessable unless these are different topics, of known kinds and not too many."""
    if not 0 < len(topics) <= MAX_TOPICS:
        raise broken("/topics", f"A stream has 1 to {MAX_TOPICS} topics", "too_many_topics")
    seen = set()
    for at, given in enumerate(topics):
        kind, _, name = given.topic.partition(":")
        named = kind in _SCOPES and kind != PENDING and 0 < len(name) <= MAX_NAME
        if not named and given.topic != PENDING:
            known = "A topic is customer:ID, queue:NAME, agent:ID, or pending"
            raise _of(given, broken(f"/topics/{at}/topic", known, "unknown_topic"))
        if given.topic in seen:
            raise _of(given, broken(f"/topics/{at}/topic", "The topic is listed twice", "duplicate_topic"))
        if given.position is not None and len(given.position) > MAX_POSITION:
            text = f"A position has at most {MAX_POSITION} characters"
            raise _of(given, broken(f"/topics/{at}/position", text))
        seen.add(given.topic)


def _of(given: TopicInput, error: HandoffError) -> HandoffError:
    """The error, naming its topic: a client can follow the others without it."""
    error.fields["topic"] = given.topic[: MAX_NAME * 2]
    return error


async def _opened(request: web.Request, stream: Stream, wanted: TopicInput, missed: MissedFrames) -> Topic:
    """The topic, registered for its events. Errors name it."""
    kind, _, name = wanted.topic.partition(":")
    access = part(request, kind, name)
    try:
        principal = request[PRINCIPAL]
        authorize(
            principal, Permission(scopes=(_SCOPES[kind],), queues=True, customers=True), principal.tenant
        )
        shared = SharedParts(access=access, missed=missed.after)
        topic = _topic(request, Outlet(stream, wanted.topic), wanted, shared)
        try:
            await topic.open()
        except BaseException:
            topic.close()
            raise
    except HandoffError as error:
        error.fields["topic"] = wanted.topic
        parts_done(request, access)
        raise
    return topic


def _topic(request: web.Request, out: Outlet, wanted: TopicInput, shared: SharedParts) -> Topic:
    kind, _, name = wanted.topic.partition(":")
    if kind == "customer":
        return CustomerTopic(request, out, name, wanted.position, shared.access)
    if kind == "queue":
        return queue_topic(request, out, name, wanted.position, shared)
    if kind == "agent":
        return agent_topic(request, out, name, wanted.position, shared)
    return pending_topic(request, out, wanted.position, shared)


class _Shared:
    """Several topics on one stream. The stream ends with the first topic that ends."""

    def __init__(
        self, request: web.Request, stream: Stream, topics: Mapping[str, Topic], missed: MissedFrames
    ) -> None:
        self._heartbeat_s = request.app[SITE].hub.limits.heartbeat_s
        self._stream = stream
        self._topics = topics
        self._missed = missed

    async def follow(self) -> None:
        for name, topic in self._topics.items():
            await _named(name, topic.begin())
        self._missed.forget()
        positions = [TopicPosition(topic=name, position=it.position) for name, it in self._topics.items()]
        await self._stream.send("ready", None, TopicsReady(topics=positions))
        following = [
            asyncio.ensure_future(_named(name, topic.follow())) for name, topic in self._topics.items()
        ]
        try:
            done: set[asyncio.Future[None]] = set()
            while not done:
                done, _ = await asyncio.wait(
                    following, timeout=self._heartbeat_s, return_when=asyncio.FIRST_COMPLETED
                )
                if not done:
                    await self._stream.beat()
            for ended in done:
                ended.result()
        finally:
            for task in following:
                task.cancel()
            await asyncio.gather(*following, return_exceptions=True)


async def _named(topic: str, work: Awaitable[None]) -> None:
    """Do the work of a topic. Its errors name it."""
    try:
        await work
    except HandoffError as error:
        error.fields["topic"] = topic
        raise
