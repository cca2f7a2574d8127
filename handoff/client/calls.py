"""Requests with bounded retries. Every error response becomes a ClientError with its code."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from typing import Any

import aiohttp
import msgspec
from msgspec import Struct

ATTEMPTS = 5
PAUSE_S = 0.2  # before the second attempt; doubled each time, with jitter
MAX_PAUSE_S = 5.0
RETRYABLE = frozenset({429, 503})  # after a 503 the outcome is unknown, and repeating the request is safe


class ClientError(Exception):
    """The server returned an error, or was unreachable (`status` 0, `code` "unreachable").

    `body` is the problem document. After a conflict its `current` is the handoff's current state.
    """

    def __init__(self, status: int, code: str, detail: str, body: Mapping[str, Any] | None = None) -> None:
        super().__init__(f"{detail} ({status} {code})")
        self.status = status
        self.code = code
        self.detail = detail
        self.body = dict(body or {})


class Answer(Struct, frozen=True):
    """A successful response, read completely."""

    status: int
    body: bytes
    etag: str | None


class ApiCall(Struct, frozen=True, kw_only=True):
    """One request. Every attempt sends the same bytes."""

    method: str
    path: str
    params: tuple[tuple[str, str], ...] = ()
    body: bytes | None = None
    headers: Mapping[str, str] = {}


async def send(session: aiohttp.ClientSession, url: str, call: ApiCall) -> Answer:
    """Send a request. Raises ClientError for an error response, or without a response after ATTEMPTS."""
    error = ClientError(0, "unreachable", f"cannot reach the server at {url}")
    for attempt in range(ATTEMPTS):
        if attempt:
            await asyncio.sleep(_pause(attempt, error))
        try:
            async with session.request(
                call.method, url + call.path, params=call.params, data=call.body, headers=call.headers
            ) as response:
                body = await response.read()
                if response.status < 400:
                    return Answer(response.status, body, response.headers.get("ETag"))
                error = refusal(response, body)
        except (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError, TimeoutError) as broken:
            error = ClientError(0, "unreachable", f"cannot reach the server at {url}: {broken}")
            continue
        if response.status not in RETRYABLE:
            break
    raise error


def _pause(attempt: int, error: ClientError) -> float:
    """The server's Retry-After or a growing pause, in seconds; at most MAX_PAUSE_S."""
    after = error.body.get("retry_after")
    wait = float(after) if isinstance(after, int) else PAUSE_S * 2.0 ** (attempt - 1)
    return min(wait, MAX_PAUSE_S) * random.uniform(0.75, 1.25)


def refusal(response: aiohttp.ClientResponse, body: bytes) -> ClientError:
    """The error for a response, from its problem document if it has one."""
    try:
        problem = msgspec.json.decode(body, type=dict[str, Any])
    except msgspec.DecodeError:
        problem = {}
    after = response.headers.get("Retry-After", "")
    if after.isdigit():
        problem["retry_after"] = int(after)
    detail = str(problem.get("detail") or response.reason or "refused")
    return ClientError(response.status, str(problem.get("code") or "http_error"), detail, problem)
