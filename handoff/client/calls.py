"""Calls with retries: what may be sent again is, within bounds, and every refusal has its code."""

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
AGAIN = frozenset({429, 503})  # 503: the outcome is unknown and the same may be sent again


class ClientError(Exception):
    """The server refused, or did not answer (`status` 0, `code` "unreachable").

    `body` is the problem document; `current` of it the hand-off as it is, where somebody was faster.
    """

    def __init__(self, status: int, code: str, detail: str, body: Mapping[str, Any] | None = None) -> None:
        super().__init__(f"{detail} ({status} {code})")
        self.status = status
        self.code = code
        self.detail = detail
        self.body = dict(body or {})


class Answer(Struct, frozen=True):
    """A successful answer, read whole."""

    status: int
    body: bytes
    etag: str | None


class ApiCall(Struct, frozen=True, kw_only=True):
    """One request; it says the same however often it is sent."""

    method: str
    path: str
    params: tuple[tuple[str, str], ...] = ()
    body: bytes | None = None
    headers: Mapping[str, str] = {}


async def send(session: aiohttp.ClientSession, url: str, call: ApiCall) -> Answer:
    """The answer to a call. ClientError when it is refused, or not answered in ATTEMPTS."""
    error = ClientError(0, "unreachable", f"no server answers at {url}")
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
            error = ClientError(0, "unreachable", f"no server answers at {url}: {broken}")
            continue
        if response.status not in AGAIN:
            break
    raise error


def _pause(attempt: int, error: ClientError) -> float:
    """Seconds: what the server asked for, or a growing pause; never above MAX_PAUSE_S."""
    asked = error.body.get("retry_after")
    wait = float(asked) if isinstance(asked, int) else PAUSE_S * 2.0 ** (attempt - 1)
    return min(wait, MAX_PAUSE_S) * random.uniform(0.75, 1.25)


def refusal(response: aiohttp.ClientResponse, body: bytes) -> ClientError:
    """The error of an answer, by its problem document where it is one."""
    try:
        problem = msgspec.json.decode(body, type=dict[str, Any])
    except msgspec.DecodeError:
        problem = {}
    after = response.headers.get("Retry-After", "")
    if after.isdigit():
        problem["retry_after"] = int(after)
    detail = str(problem.get("detail") or response.reason or "refused")
    return ClientError(response.status, str(problem.get("code") or "http_error"), detail, problem)
