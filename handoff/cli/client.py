"""The command line's HTTP client for a running server."""

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
SILENT_S = 60.0  # without receiving a byte of a long response


class Remote:
    """One command's requests to a server. A HandoffError carries the server's own message."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self.session = session
        self.url = url

    async def get(self, path: str, params: Mapping[str, str] | None = None) -> Any:
        return await self._call("GET", path, params=params)

    async def post(self, path: str, body: Any, params: Mapping[str, str] | None = None) -> Any:
        return await self._call("POST", path, json=body, params=params)

    async def delete(self, path: str, params: Mapping[str, str] | None = None) -> Any:
        return await self._call("DELETE", path, params=params)

    async def save(
        self,
        path: str,
        params: Mapping[str, str],
        file: BinaryIO,
        headers: Mapping[str, str] | None = None,
    ) -> int:
        """Stream a response to a file and return its size. HandoffError `cut_off` if it is incomplete."""
        patience = aiohttp.ClientTimeout(total=None, sock_read=SILENT_S)
        size = 0
        async with self._request("GET", path, params=params, headers=headers, timeout=patience) as response:
            if response.status >= 400:
                await read_response(response)
            async for part in response.content.iter_any():
                size += file.write(part)
        return size

    async def _call(self, method: str, path: str, **arguments: Any) -> Any:
        async with self._request(method, path, **arguments) as response:
            return await read_response(response)

    @asynccontextmanager
    async def _request(
        self, method: str, path: str, **arguments: Any
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Send a request. HandoffError explains a failure in one line."""
        try:
            async with self.session.request(method, self.url + path, **arguments) as response:
                yield response
        except aiohttp.ClientConnectionError as error:
            raise HandoffError(f"cannot reach {self.url}: {error}", code="unreachable") from error
        except (aiohttp.ClientPayloadError, TimeoutError) as error:
            raise HandoffError(f"the response was cut off: {error}", code="cut_off") from error
        except ValueError as error:  # a proxy's page, or an invalid URL
            raise HandoffError(f"{self.url} is not a handoff server", code="unreachable") from error


async def read_response(response: aiohttp.ClientResponse) -> Any:
    """The response's JSON. A problem document becomes a HandoffError with its detail."""
    body = await response.json(content_type=None) if response.status != 204 else None
    if response.status >= 400:
        detail = body.get("detail", response.reason) if isinstance(body, dict) else response.reason
        code = body.get("code", "http_error") if isinstance(body, dict) else "http_error"
        raise HandoffError(f"{detail} ({response.status} {code})", code=code)
    return body


@asynccontextmanager
async def remote(url: str | None, token: str | None, tenant: str | None = None) -> AsyncIterator[Remote]:
    """A client for `--url` and `--token`, or HANDOFF_URL and HANDOFF_TOKEN. `tenant` is for admin tokens."""
    secret = token or os.environ.get(TOKEN) or os.environ.get("HANDOFF_ADMIN_TOKEN")
    if not secret:
        raise HandoffError(f"no token: use --token or set {TOKEN}", code="unauthenticated")
    address = (url or os.environ.get(URL) or DEFAULT_URL).rstrip("/")
    parts = split_url(address)
    if not parts or parts.scheme not in ("http", "https") or not parts.host:
        raise HandoffError(
            f"invalid URL {address}: it must start with http:// or https://", code="unreachable"
        )
    headers = {"Authorization": f"Bearer {secret}"} | ({"Handoff-Tenant": tenant} if tenant else {})
    async with aiohttp.ClientSession(headers=headers, trust_env=False) as session:
        yield Remote(session, address)
