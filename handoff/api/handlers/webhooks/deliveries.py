"""`/v1/webhooks/{id}/…`: a subscription's messages, tests, and replays."""

from __future__ import annotations

import asyncio
import time

from aiohttp import web
from msgspec import Struct

from handoff.api.http.app_keys import SITE
from handoff.api.http.exchange import (
    answer,
    bad_parameter,
    encode_number,
    number_cursor,
    query_limit,
    read_json,
)
from handoff.domain.clock import parse_time
from handoff.domain.errors import NotFound, Unprocessable
from handoff.services.webhooks import deliveries
from handoff.services.webhooks.deliveries import DeliveryView, Replayed

from .subscriptions import find

TEST_WAIT_S = 5.0  # a test waits this long for the subscriber's response before it returns `pending`
TEST_POLL_S = 0.05


class DeliveriesView(Struct, frozen=True, kw_only=True):
    """A page of a subscription's messages, newest first."""

    deliveries: list[DeliveryView]
    total: int
    returned: int
    next: str | None


class ReplayInput(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of a replay: one message by `id`, or all from `since` to `until` (default: now)."""

    id: str | None = None
    since: str | None = None
    until: str | None = None
    only_failed: bool = False

    def __post_init__(self) -> None:
        if (self.id is None) == (self.since is None):
            raise ValueError("Name either id or since")


async def test(request: web.Request) -> web.Response:
    """`POST /v1/webhooks/{id}/test`: 200 with the subscriber's response, 202 if there is none yet."""
    principal, subscription = await find(request)
    store = request.app[SITE].store
    id_ = await deliveries.queue_test(store, subscription, principal.name)
    deadline = time.monotonic() + TEST_WAIT_S
    while True:
        view = await deliveries.one(store, subscription, id_)
        if view.attempts or view.state == "dead":
            return answer(view)
        if time.monotonic() > deadline:
            return answer(view, status=202)
        await asyncio.sleep(TEST_POLL_S)


async def list_deliveries(request: web.Request) -> web.Response:
    """`GET /v1/webhooks/{id}/deliveries?state=dead&id=`."""
    _principal, subscription = await find(request)
    store = request.app[SITE].store
    state = request.query.get("state")
    if state not in (None, "dead"):
        raise bad_parameter("state", "state must be dead, or missing")
    message_id = request.query.get("id")
    if message_id is not None:
        try:
            found = [await deliveries.one(store, subscription, message_id)]
        except NotFound:
            found = []
        return answer(DeliveriesView(deliveries=found, total=len(found), returned=len(found), next=None))
    page = await deliveries.page(
        store, subscription, dead=state == "dead", limit=query_limit(request), below=number_cursor(request)
    )
    return answer(
        DeliveriesView(
            deliveries=page.deliveries,
            total=page.total,
            returned=len(page.deliveries),
            next=encode_number(page.bound),
        )
    )


async def replay(request: web.Request) -> web.Response:
    """`POST /v1/webhooks/{id}/replay`: 202 with the number of queued messages."""
    given = await read_json(request, ReplayInput)
    _principal, subscription = await find(request)
    store = request.app[SITE].store
    replayed: Replayed
    if given.id is not None:
        replayed = await deliveries.replay_one(store, subscription, given.id)
    else:
        now = await store.of(subscription.tenant).clock()
        since = _time("since", given.since or "")
        until = _time("until", given.until) if given.until else now
        replayed = await deliveries.replay_since(
            store, subscription, since, until, only_failed=given.only_failed
        )
    return answer(replayed, status=202)


def _time(name: str, text: str) -> int:
    try:
        return parse_time(text)
    except ValueError as error:
        pointer = {"pointer": f"/{name}", "detail": str(error)}
        raise Unprocessable(str(error), code="invalid_time", pointers=[pointer]) from error
