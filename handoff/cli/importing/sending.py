"""Sends lines until the server has stored them; retries through restarts and overload."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any

import aiohttp
import msgspec
from msgspec import Struct

from handoff.cli.client import Remote, read_response
from handoff.domain.errors import HandoffError

from .progress import ImportTarget
from .rejects import touchpoint_of
from .source import SourceLine

CONTINUE = "run the same command again to continue"
_PAUSES_S = (0.2, 5.0)  # the first and the longest pause if the server sends no Retry-After
_TIMEOUT = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=60)
_RETRYABLE = frozenset({408, 429, 500, 502, 503, 504})
_LOST = (aiohttp.ClientError, TimeoutError, ValueError)


class RejectedLine(Struct, frozen=True):
    """A line that the server rejected. `index` is its position in the request."""

    index: int
    code: str
    detail: str
    errors: list[dict[str, str]] | None = None


class ImportAnswer(Struct, frozen=True):
    """The result for lines of the request up to `through` that no earlier answer covers."""

    accepted: int
    duplicates: int
    rejected: list[RejectedLine]
    through: int
    expired: int = 0


class _Stopped(Struct, frozen=True):
    """The last line of a response if the server could not continue."""

    error: str
    status: int


class Answered(Struct, frozen=True):
    """Lines with their result."""

    lines: Sequence[SourceLine]
    answer: ImportAnswer
    rejected: list[tuple[SourceLine, RejectedLine]]


class _Interrupted(Exception):
    """No response, or one that asks for a retry. `after_s` is its Retry-After."""

    def __init__(self, why: str, after_s: float = 0.0) -> None:
        super().__init__(why)
        self.after_s = after_s


class ImportSender:
    """Sends lines to one server. It gives up after `patience_s` without progress, and calls `report` with the
    reason for each pause. HandoffError for failures that a retry cannot fix, such as a rejected token."""

    def __init__(
        self, server: Remote, *, announce: bool, patience_s: float, report: Callable[[str], None]
    ) -> None:
        self._server = server
        self._parameters = {} if announce else {"announce": "false"}
        self._patience_s = patience_s
        self._report = report
        self._failing_since: float | None = None
        self._failures = 0

    async def target(self) -> ImportTarget:
        """The store and tenant that receive the lines. The token is valid and the store is writable."""
        url = self._server.url
        while True:
            try:
                async with self._request("GET", "/v1/store") as response:
                    if response.status == 404:
                        raise HandoffError(
                            f"{url} is not a handoff server, or runs an earlier release: it does not "
                            "identify its store, and an import would trigger webhooks"
                        )
                    found = await _read(response)
                return ImportTarget(url=url, store=found["id"], tenant=found["tenant"])
            except _Interrupted as error:
                await self._wait(error)
            except aiohttp.ClientConnectionError as error:  # nothing was sent yet: fail immediately
                raise HandoffError(f"cannot reach {url}: {error}", code="unreachable") from error
            except (*_LOST, KeyError, TypeError) as error:
                raise HandoffError(f"{url} is not a handoff server", code="unreachable") from error

    async def send(self, lines: Sequence[SourceLine]) -> AsyncIterator[Answered]:
        """Send lines, and yield their results in order as the server reports them."""
        done = 0
        while done < len(lines):
            first = done
            try:
                async for answer in self._send_once(lines[first:]):
                    before, done = done, first + answer.through
                    self._failing_since, self._failures = None, 0
                    rejected = [(lines[first + it.index], it) for it in answer.rejected]
                    yield Answered(lines[before:done], answer, rejected)
                if done < len(lines):
                    raise _Interrupted("the response ended early")
            except _Interrupted as error:
                await self._wait(error)
            except _LOST as error:
                await self._wait(_Interrupted(f"{self._server.url} stopped responding: {error or 'timeout'}"))

    async def _send_once(self, lines: Sequence[SourceLine]) -> AsyncIterator[ImportAnswer]:
        headers = {"Content-Type": "application/x-ndjson"}
        body = b"".join(touchpoint_of(it.raw) + b"\n" for it in lines)
        sending = self._request(
            "POST", "/v1/touchpoints", params=self._parameters, data=body, headers=headers
        )
        async with sending as response:
            if response.status >= 400:
                await _read(response)
            async for raw in response.content:
                yield _answer(raw)

    def _request(
        self, method: str, path: str, **given: Any
    ) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
        return self._server.session.request(method, self._server.url + path, timeout=_TIMEOUT, **given)

    async def _wait(self, error: _Interrupted) -> None:
        """Pause before the next try. HandoffError if there was no progress for `patience_s`."""
        now = time.monotonic()
        if self._failing_since is None:
            self._failing_since = now
        pause_s = max(min(_PAUSES_S[0] * 2**self._failures, _PAUSES_S[1]), error.after_s)
        self._failures = min(self._failures + 1, 16)
        if now + pause_s - self._failing_since > self._patience_s:
            raise HandoffError(f"{error}; gave up after {now - self._failing_since:.0f} s, {CONTINUE}")
        self._report(f"{error}; retrying in {pause_s:.1f} s")
        await asyncio.sleep(pause_s)


def _answer(raw: bytes) -> ImportAnswer:
    """Decode a line of the response. _Interrupted if the server could not continue."""
    found = msgspec.json.decode(raw)
    if isinstance(found, dict) and "error" in found:
        stopped = msgspec.convert(found, _Stopped)
        if stopped.status in _RETRYABLE:
            raise _Interrupted(f"the server could not continue: {stopped.error}")
        raise HandoffError(f"the server stopped: {stopped.error} ({stopped.status}); {CONTINUE}")
    return msgspec.convert(found, ImportAnswer)


async def _read(response: aiohttp.ClientResponse) -> Any:
    """The response's JSON. _Interrupted if a retry may help."""
    if response.status not in _RETRYABLE:
        return await read_response(response)
    try:
        await read_response(response)
        reason = f"the server responded {response.status}"
    except HandoffError as error:
        reason = error.detail
    except ValueError:  # a proxy's page
        reason = f"{response.url.origin()} responded {response.status}"
    raise _Interrupted(reason, _retry_after(response.headers.get("Retry-After", "")))


def _retry_after(text: str) -> float:
    """Seconds from a Retry-After header. Dates, which our server never sends, count as 0."""
    return float(text) if text.isascii() and text.isdigit() and len(text) < 8 else 0.0
