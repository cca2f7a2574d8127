"""The client: customer lookup, handoffs, touchpoints and live events over one HTTP session."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from types import TracebackType
from typing import Any, TypeVar
from urllib.parse import quote

import aiohttp
import msgspec
from msgspec import Struct

from .calls import Answer, ApiCall, send
from .live import events, topic_events
from .shapes import (
    ApiAssignment,
    ApiContext,
    ApiExplainedCandidate,
    ApiHandoff,
    ApiParty,
    ApiRecorded,
    ApiSeparation,
    ApiSession,
    ApiTimeline,
    LiveEvent,
)

T = TypeVar("T")
TIMEOUT_S = 20.0  # for one attempt


class _Candidates(Struct, frozen=True):
    candidates: list[ApiExplainedCandidate]


class _Page(Struct, frozen=True):
    handoffs: list[ApiHandoff]


class _Ended(Struct, frozen=True):
    ended: int


class Client:
    """Use it as an async context manager. It does not close a session that you pass in."""

    def __init__(self, url: str, token: str, *, session: aiohttp.ClientSession | None = None) -> None:
        self._url = url.rstrip("/")
        self._headers = {"Authorization": f"Bearer {token}"}
        self._session = session
        self._own = session is None

    async def __aenter__(self) -> Client:
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIMEOUT_S))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._own and self._session is not None:
            await self._session.close()
            self._session = None

    # --- Context -------------------------------------------------------------------------------------

    async def context(
        self,
        *identities: str,
        limit: int | None = None,
        fields: Iterable[str] | None = None,
        min_assurance: str | None = None,
        known: ApiContext | None = None,
    ) -> ApiContext:
        """The context of the customer with these identities (`type:value`); `known` if it is unchanged."""
        params = [("identity", it) for it in identities]
        return await self._context("/v1/context", params, limit, fields, min_assurance, known)

    async def customer_context(
        self, customer_id: str, *, limit: int | None = None, known: ApiContext | None = None
    ) -> ApiContext:
        path = f"/v1/customers/{_part(customer_id)}/context"
        return await self._context(path, [], limit, None, None, known)

    async def handoff_context(
        self, handoff_id: str, *, limit: int | None = None, known: ApiContext | None = None
    ) -> ApiContext:
        path = f"/v1/handoffs/{_part(handoff_id)}/context"
        return await self._context(path, [], limit, None, None, known)

    async def timeline(self, customer_id: str, *, cursor: str | None = None, limit: int = 50) -> ApiTimeline:
        """A page, newest first. Pass its `next` as `cursor` for the next page."""
        params = [("limit", str(limit)), *([("cursor", cursor)] if cursor else [])]
        return await self._get(f"/v1/customers/{_part(customer_id)}/timeline", ApiTimeline, params)

    # --- Who it is -----------------------------------------------------------------------------------

    async def candidates(self, customer_id: str) -> list[ApiExplainedCandidate]:
        """The customers who may be the same person, each with the reasons in words."""
        found = await self._get(f"/v1/customers/{_part(customer_id)}/candidates", _Candidates)
        return found.candidates

    async def assign(
        self, touchpoint_id: str, identity: str, *, reason: str, conversation: bool = False
    ) -> ApiAssignment:
        """Assign a touchpoint on a shared identity, or everything in its `conversation`, to one person.

        Repeating the call returns the assignment. Raises ClientError 409 `not_shared` for a touchpoint that
        already has one owner.
        """
        body = {"identity": identity, "reason": reason, "conversation": conversation}
        return await self._post(f"/v1/touchpoints/{_part(touchpoint_id)}/assign", body, ApiAssignment)

    async def separate(self, touchpoint_id: str, *, reason: str) -> ApiSeparation:
        """Show a touchpoint by itself, although it resembles another one. Repeating it changes nothing."""
        path = f"/v1/touchpoints/{_part(touchpoint_id)}/separate"
        return await self._post(path, {"reason": reason}, ApiSeparation)

    async def withdraw_link(self, customer_id: str, link_id: str, *, reason: str) -> None:
        """Withdraw a piece of evidence, such as the `id` of an assignment or a separation."""
        path = f"/v1/customers/{_part(customer_id)}/links/{_part(link_id)}/withdraw"
        await self._post(path, {"reason": reason}, dict[str, Any])

    # --- Handoffs ------------------------------------------------------------------------------------

    async def request_handoff(
        self, *, to: ApiParty, reason: str, sender: ApiParty, **given: Any
    ) -> ApiHandoff:
        """Request a handoff. Pass one of `identity`, `customer_id` and `conversation_id`; optionally
        `context`, `deadline_s` and `fallback`. Repeating the request while it is pending returns it."""
        body = {"from": sender, "to": to, "reason": reason, **given}
        headers = {"Idempotency-Key": secrets.token_hex(16)}
        return await self._post("/v1/handoffs", body, ApiHandoff, headers)

    async def handoff(self, handoff_id: str) -> ApiHandoff:
        return await self._get(f"/v1/handoffs/{_part(handoff_id)}", ApiHandoff)

    async def handoffs(self, **filters: str) -> list[ApiHandoff]:
        """The newest handoffs, filtered by `state`, `queue` and `agent`."""
        return (await self._get("/v1/handoffs", _Page, list(filters.items()))).handoffs

    async def move(
        self, handoff: ApiHandoff, action: str, *, agent: str | None = None, reason: str | None = None
    ) -> ApiHandoff:
        """`offer`, `accept`, `decline`, `release`, `complete` or `withdraw` this version of the handoff.

        Raises ClientError 409 if the handoff has changed; `current` in its body is the current state.
        It is also raised if an earlier attempt of this call succeeded but its response was lost.
        """
        given = {"version": handoff.version, "agent": agent, "reason": reason}
        body = {name: value for name, value in given.items() if value is not None}
        return await self._post(f"/v1/handoffs/{_part(handoff.id)}/{_part(action)}", body, ApiHandoff)

    async def viewed(self, handoff_id: str) -> ApiHandoff:
        """Report that an agent has seen the context."""
        return await self._post(f"/v1/handoffs/{_part(handoff_id)}/viewed", {}, ApiHandoff)

    # --- Sessions ------------------------------------------------------------------------------------

    async def open_session(
        self,
        agent: str,
        *,
        scopes: Sequence[str] | None = None,
        queues: Sequence[str] | None = None,
        ttl_s: int | None = None,
        role: str | None = None,
    ) -> ApiSession:
        """Create a token for an agent's browser. `queues` limits it to the handoffs of these queues."""
        given = {"agent": agent, "scopes": scopes, "queues": queues, "ttl_s": ttl_s, "role": role}
        body = {name: value for name, value in given.items() if value is not None}
        return await self._post("/v1/sessions", body, ApiSession)

    async def end_session(self, session_id: str) -> None:
        """End a session; its streams end within seconds."""
        await self._call("DELETE", f"/v1/sessions/{_part(session_id)}")

    async def end_sessions(self, agent: str) -> int:
        """End an agent's sessions; returns how many there were."""
        answer = await self._call("DELETE", "/v1/sessions", params=(("agent", agent),))
        return msgspec.json.decode(answer.body, type=_Ended).ended

    # --- Touchpoints ---------------------------------------------------------------------------------

    async def record(self, *touchpoints: Mapping[str, Any]) -> ApiRecorded:
        """Record touchpoints. Each has the sender's own `id`, so repeating the call stores no duplicate.

        Raises ClientError 422 if all were rejected; otherwise `rejected` lists the rejected ones.
        """
        return await self._post("/v1/touchpoints", list(touchpoints), ApiRecorded)

    # --- Live ----------------------------------------------------------------------------------------

    def customer_events(self, customer_id: str, *, after: str | None = None) -> AsyncIterator[LiveEvent]:
        """`touchpoint` events after a context's `as_of`, and `reset` when you must read the context again."""
        return self._events(f"/v1/customers/{_part(customer_id)}/events", after)

    def queue_events(self, queue: str, *, after: str | None = None) -> AsyncIterator[LiveEvent]:
        """`ready` with the pending handoffs, then every change."""
        return self._events(f"/v1/queues/{_part(queue)}/events", after)

    def agent_events(self, agent: str, *, after: str | None = None) -> AsyncIterator[LiveEvent]:
        return self._events(f"/v1/agents/{_part(agent)}/events", after)

    def topic_events(self, topics: Mapping[str, str | None]) -> AsyncIterator[LiveEvent]:
        """The events of several topics on one stream: `customer:ID`, `queue:NAME`, `agent:ID`, or `pending`.

        Each continues after its position; None starts with its current state.
        """
        return topic_events(self._opened(), self._url + "/v1/events", self._headers, topics)

    def _events(self, path: str, after: str | None) -> AsyncIterator[LiveEvent]:
        return events(self._opened(), self._url + path, self._headers, after)

    # --- Requests ------------------------------------------------------------------------------------

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            raise RuntimeError("use the client as an async context manager")
        return self._session

    async def _context(
        self,
        path: str,
        params: Sequence[tuple[str, str]],
        limit: int | None,
        fields: Iterable[str] | None,
        min_assurance: str | None,
        known: ApiContext | None,
    ) -> ApiContext:
        query = list(params)
        query += [("limit", str(limit))] if limit is not None else []
        query += [("fields", ",".join(fields))] if fields is not None else []
        query += [("min_assurance", min_assurance)] if min_assurance is not None else []
        headers = {"If-None-Match": known.etag} if known and known.etag else {}
        answer = await self._call("GET", path, params=tuple(query), headers=headers)
        if answer.status == 304 and known:
            return known
        context = msgspec.json.decode(answer.body, type=ApiContext)
        return msgspec.structs.replace(context, etag=answer.etag)

    async def _get(self, path: str, type_: type[T], params: Sequence[tuple[str, str]] = ()) -> T:
        answer = await self._call("GET", path, params=tuple(params))
        return msgspec.json.decode(answer.body, type=type_)

    async def _post(
        self, path: str, body: Any, type_: type[T], headers: Mapping[str, str] | None = None
    ) -> T:
        sent = {"Content-Type": "application/json", **(headers or {})}
        answer = await self._call("POST", path, body=msgspec.json.encode(body), headers=sent)
        return msgspec.json.decode(answer.body, type=type_)

    async def _call(
        self,
        method: str,
        path: str,
        *,
        params: tuple[tuple[str, str], ...] = (),
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        sent = {**self._headers, **(headers or {})}
        call = ApiCall(method=method, path=path, params=params, body=body, headers=sent)
        return await send(self._opened(), self._url, call)


def _part(text: str) -> str:
    """Percent-encode a path segment."""
    return quote(text, safe="")
