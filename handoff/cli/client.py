"""The command line's own client: a running server, by its URL and a token."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, BinaryIO

import aiohttp

from handoff.domain.errors import HandoffError
from handoff.domain.text.urls import split_url

URL = "HANDOFF_URL"
TOKEN = "HANDOFF_TOKEN"  # noqa: S105 - the name of a variable, not its value
DEFAULT_URL = "http://127.0.0.1:8080"
SILENT_S = 60.0  # without a byte of a long answer


class Remote:
    """Calls of one command. HandoffError carries the server's own words."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self.session = session
        self.url = url

    async def get(self, path: str, params: Mapping[str, str] | None = None) -> Any:
        return await self._call("GET", path, params=params)

    async def post(self, path: str, body: Any, params: Mapping[str, str] | None = None) -> Any:
        return await self._call("POST", path, json=body, params=params)

    async def save(self, path: str, params: Mapping[str, str], file: BinaryIO) -> int:
        """Write an answer of any length to a file as it comes; its size. `cut_off` where it did not end."""
        patience = aiohttp.ClientTimeout(total=None, sock_read=SILENT_S)
        size = 0
        async with self._answer("GET", path, params=params, timeout=patience) as response:
            if response.status >= 400:
                await read_answer(response)
            async for part in response.content.iter_any():
                size += file.write(part)
        return size

    async def _call(self, method: str, path: str, **arguments: Any) -> Any:
        async with self._answer(method, path, **arguments) as response:
            return await read_answer(response)

    @asynccontextmanager
    async def _answer(
        self, method: str, path: str, **arguments: Any
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """The answer to a request; whatever goes wrong with it is said in a line."""
        try:
            async with self.session.request(method, self.url + path, **arguments) as response:
                yield response
        except aiohttp.ClientConnectionError as error:
            raise HandoffError(f"no server answers at {self.url}: {error}", code="unreachable") from error
        except (aiohttp.ClientPayloadError, TimeoutError) as error:
            raise HandoffError(f"the answer was cut off: {error}", code="cut_off") from error
        except ValueError as error:  # a proxy's page, or no URL
            raise HandoffError(f"what answers at {self.url} is no such server", code="unreachable") from error


async def read_answer(response: aiohttp.ClientResponse) -> Any:
    """The JSON of an answer; the problem's detail as a HandoffError where it is one."""
    body = await response.json(content_type=None) if response.status != 204 else None
    if response.status >= 400:
        detail = body.get("detail", response.reason) if isinstance(body, dict) else response.reason
        code = body.get("code", "http_error") if isinstance(body, dict) else "http_error"
        raise HandoffError(f"{detail} ({response.status} {code})", code=code)
    return body


@asynccontextmanager
async def remote(url: str | None, token: str | None) -> AsyncIterator[Remote]:
    """A client for `--url` and `--token`, or what HANDOFF_URL and HANDOFF_TOKEN say."""
    secret = token or os.environ.get(TOKEN) or os.environ.get("HANDOFF_ADMIN_TOKEN")
    if not secret:
        raise HandoffError(f"a token is needed: --token or {TOKEN}", code="unauthenticated")
    address = (url or os.environ.get(URL) or DEFAULT_URL).rstrip("/")
    parts = split_url(address)
    if not parts or parts.scheme not in ("http", "https") or not parts.host:
        raise HandoffError(f"{address} is no URL: it begins with http:// or https://", code="unreachable")
    headers = {"Authorization": f"Bearer {secret}"}
    async with aiohttp.ClientSession(headers=headers, trust_env=False) as session:
        yield Remote(session, address)
