"""One attempt: a signed POST with limits on time and response size. Redirects are not followed."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Self

import aiohttp
import structlog
from aiohttp.abc import AbstractResolver
from msgspec import Struct

from handoff import __version__
from handoff.services.events.payloads import CONTENT_TYPE
from handoff.services.webhooks.destinations import EgressPolicy
from handoff.services.webhooks.signing import sign

from .guard import ConnectionRefusedByPolicy, OpenSocket, Resolver, guarded_connector, open_socket
from .schedule import AttemptOutcome, retry_after_s

TOTAL_S = 20.0
CONNECT_S = 10.0
BODY_S = 2.0  # the status decides; the body is only for the log
MAX_READ = 16 * 1024
KEPT_ANSWER = 1024
RESOLVERS = 32  # threads: a lookup at a slow name server blocks one of them

log = structlog.get_logger(__name__)


class BoundedResponse(Struct, frozen=True, kw_only=True):
    """Time limits for an attempt and for reading its response's body, and what to keep of it."""

    total_s: float
    body_s: float = BODY_S
    keep: int = KEPT_ANSWER
    headers: bool = False


class Sender:
    """The HTTP client of all deliveries, with one session per policy, created on first use."""

    def __init__(
        self,
        *,
        total_s: float = TOTAL_S,
        tls: ssl.SSLContext | bool = True,
        resolver: AbstractResolver | None = None,
        opening: OpenSocket = open_socket,
    ) -> None:
        self._total_s = total_s
        self._tls = tls
        self._opening = opening
        self._threads = ThreadPoolExecutor(RESOLVERS, thread_name_prefix="resolver")
        self._resolver = resolver or Resolver(self._threads)
        self._sessions: dict[EgressPolicy, aiohttp.ClientSession] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exception: object) -> None:
        for session in self._sessions.values():
            await session.close()
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _session(self, policy: EgressPolicy) -> aiohttp.ClientSession:
        session = self._sessions.get(policy)
        if session is None:
            session = self._sessions[policy] = aiohttp.ClientSession(
                connector=guarded_connector(policy, self._resolver, self._tls, self._opening),
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=False,
                auto_decompress=False,
                timeout=aiohttp.ClientTimeout(
                    total=self._total_s, sock_connect=min(CONNECT_S, self._total_s)
                ),
                headers={"User-Agent": f"handoff/{__version__}", "Accept-Encoding": "identity"},
            )
        return session

    async def post(
        self,
        url: str,
        policy: EgressPolicy,
        *,
        message_id: str,
        body: bytes,
        keys: list[str],
        headers: Mapping[str, str],
    ) -> AttemptOutcome:
        """Make one signed attempt. Every error becomes an AttemptOutcome; only cancellation is raised."""
        timestamp = int(time.time())
        sent = {
            **headers,
            "Content-Type": CONTENT_TYPE,
            "webhook-id": message_id,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": sign(keys, message_id, timestamp, body),
        }
        return await self.request(
            "POST", url, policy, headers=sent, body=body, reading=BoundedResponse(total_s=self._total_s)
        )

    async def request(
        self,
        method: str,
        url: str,
        policy: EgressPolicy,
        *,
        headers: Mapping[str, str],
        body: bytes | None,
        reading: BoundedResponse,
    ) -> AttemptOutcome:
        """Make one unsigned attempt within the policy. Every error becomes an AttemptOutcome."""
        started = time.perf_counter()
        total_s = min(reading.total_s, self._total_s)
        timeout = aiohttp.ClientTimeout(total=total_s, sock_connect=min(CONNECT_S, total_s))
        try:
            async with self._session(policy).request(
                method,
                url,
                data=body,
                headers=headers,
                allow_redirects=False,
                timeout=timeout,
                middlewares=(_NoResend(),),
            ) as response:
                latency_s = time.perf_counter() - started
                answer, complete = await _first_bytes(response, reading)
                return AttemptOutcome(
                    status=response.status,
                    latency_s=latency_s,
                    retry_after_s=retry_after_s(response.headers.get("Retry-After"), time.time()),
                    answer=answer,
                    complete=complete,
                    location=response.headers.get("Location"),
                    headers=_lower(response.headers) if reading.headers else {},
                )
        except Exception as error:  # a subscriber can cause any error
            return AttemptOutcome(error=_reason(error), latency_s=time.perf_counter() - started)


def _lower(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


class _NoResend:
    """Stops aiohttp from resending a PUT or GET after a lost connection. The server may have processed it,
    and retries belong to the queue."""

    def __init__(self) -> None:
        self._sent = False

    async def __call__(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        if self._sent:
            raise aiohttp.ServerDisconnectedError("not sent again")
        self._sent = True
        return await handler(request)


async def _first_bytes(response: aiohttp.ClientResponse, reading: BoundedResponse) -> tuple[bytes, bool]:
    """The response's first bytes, and whether they are all of it.

    The connection is only reused if the whole response was read.
    """
    read = bytearray()
    complete = False
    try:
        async with asyncio.timeout(reading.body_s):
            async for chunk in response.content.iter_any():
                read += chunk
                if len(read) > max(MAX_READ, reading.keep):
                    break
            else:
                complete = True
    except (TimeoutError, aiohttp.ClientError, OSError):
        pass
    if not complete:
        response.close()
    return bytes(read[: reading.keep]), complete and len(read) <= reading.keep


def _reason(error: Exception) -> str:
    """A stable word for an attempt without a response."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ConnectionRefusedByPolicy):
            return "refused_address"
        if isinstance(cause, BaseExceptionGroup):
            cause = cause.exceptions[0]
        else:
            cause = getattr(cause, "os_error", None) or cause.__cause__
    if isinstance(error, TimeoutError):
        return "timeout"
    if isinstance(error, aiohttp.InvalidURL):
        return "url"
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "name"
    if isinstance(error, aiohttp.ClientSSLError):
        return "tls"
    if isinstance(error, aiohttp.ClientConnectorError):
        return "connect"
    if isinstance(error, aiohttp.ClientError | OSError):
        return "connection"
    log.error("webhook_attempt_crashed", error=type(error).__name__)
    return "internal"
