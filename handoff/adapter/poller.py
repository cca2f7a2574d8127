"""Pollers: adapters of sources that the server fetches, because their vendor sends nothing.

The core keeps the cursor, decides which worker polls, waits, and records. A poller asks for one page at a
time, through the client that the core hands in. It opens no connection of its own.
"""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol

from msgspec import Struct

from handoff.domain.clock import parse_time
from handoff.domain.errors import ConfigurationError, SignatureRefused
from handoff.domain.text.urls import split_url

from .base import BaseAdapter
from .contract import InboundRequest, SourceOptions

LEAST_EVERY_S = 1.0


class OAuthOptions(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the server gets access tokens (RFC 6749), in the table `oauth` of a source.

    `refresh_token` is the first one of the grant of that name. The server keeps those that follow. The client
    authenticates with HTTP Basic, or in the body of the request where the vendor wants it there.
    """

    token_url: str
    client_id: str
    client_secret: str = ""
    grant: Literal["client_credentials", "refresh_token"] = "client_credentials"
    refresh_token: str = ""
    scope: str = ""
    client_in: Literal["header", "body"] = "header"


class PollOptions(SourceOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The options of a source that the server fetches.

    `since` is where it begins without a cursor. `allow_networks` and `allow_insecure` allow private addresses
    and http.
    """

    base_url: str
    every_s: float = 60.0
    since: str | None = None
    timeout_s: float = 20.0
    allow_networks: tuple[str, ...] = ()
    allow_insecure: bool = False
    oauth: OAuthOptions | None = None

    @property
    def authenticated(self) -> bool:
        return True

    def check(self) -> None:
        fault = self._fault()
        if fault:
            raise ConfigurationError(f"source {self.name!r}: {fault}")

    def _fault(self) -> str | None:
        if self.every_s < LEAST_EVERY_S:
            return f"`every_s` must be at least {LEAST_EVERY_S:g}"
        if not 0 < self.timeout_s <= 20:
            return "`timeout_s` must be above 0 and at most 20"
        if self.since is not None and not _is_time(self.since):
            return "`since` must be a time such as 2026-01-31T00:00:00Z"
        if self.oauth is not None and self.oauth.grant == "refresh_token" and not self.oauth.refresh_token:
            return "`oauth` needs a `refresh_token` for the grant refresh_token"
        if self.oauth is not None and self.oauth.grant == "client_credentials" and self.oauth.refresh_token:
            return '`oauth` uses its `refresh_token` only with grant = "refresh_token"'
        return None


def _is_time(text: str) -> bool:
    try:
        parse_time(text)
    except ValueError:
        return False
    return True


class PollFailed(Exception):
    """The vendor could not be asked, or its answer cannot be used. The poll is repeated after a wait.

    `reason` is one word such as `timeout` or `status_503`. No HTTP response has it: it is in the log and in
    the list of sources.
    """

    def __init__(self, reason: str, detail: str = "", *, retry_after_s: float | None = None) -> None:
        super().__init__(detail or reason)
        self.reason = reason
        self.detail = detail or reason
        self.retry_after_s = retry_after_s


class CursorRefused(Exception):
    """The vendor does not know the cursor (any more): the source begins again at `since`."""


class Fetched(Struct, frozen=True, kw_only=True):
    """A vendor's answer, whole. `headers` have lower-case names."""

    status: int
    body: bytes
    headers: Mapping[str, str] = {}

    def content(self) -> bytes:
        """The body of an answer of success; PollFailed for any other."""
        if not 200 <= self.status < 300:
            raise PollFailed(f"status_{self.status}")
        return self.body

    def json(self) -> Any:
        """The JSON of an answer of success; PollFailed for anything else."""
        try:
            return json.loads(self.content())
        except (ValueError, RecursionError) as error:
            raise PollFailed("not_json") from error


class PollClient(Protocol):
    """The client that the core hands to `poll`: it connects to the origins of the poller only.

    It adds the access token, has limits of time and size, and follows no redirects. It raises PollFailed for
    401, 403, 408, 429, redirects, and every 5xx; other answers are the poller's to judge.
    """

    async def request(
        self,
        method: str,
        url: str,
        *,
        query: Sequence[tuple[str, str]] = (),
        headers: Mapping[str, str] = {},
        body: bytes | None = None,
    ) -> Fetched: ...


class Page(Struct, frozen=True, kw_only=True):
    """The content of one poll. The adapter's `parse` reads each delivery, as if the vendor had sent it.

    `cursor` is where the next poll continues; None leaves it where it is. With `more`, the next poll follows
    at once; otherwise after `wait_s`, or the source's `every_s`.
    """

    deliveries: tuple[bytes, ...] = ()
    cursor: str | None = None
    more: bool = False
    wait_s: float | None = None


class Poller(BaseAdapter):
    """An adapter that fetches. Its options derive from PollOptions. `poll` and `parse` have no default."""

    @abstractmethod
    async def poll(self, client: PollClient, cursor: str | None) -> Page:
        """The page after `cursor`; None: from the option `since`.

        The cursor is stored after all deliveries of the page are. A page may come twice: the event ids of
        `parse` must not depend on the page. CursorRefused if the vendor does not know the cursor.
        """
        ...

    def origins(self) -> Sequence[str]:
        """URLs of the servers that `poll` may ask, besides that of `base_url`: none."""
        return ()

    def verify(self, request: InboundRequest) -> None:
        """SignatureRefused: the server fetches this source, and nobody may send to it."""
        raise SignatureRefused("The server fetches this source: nothing may be sent to it")


def origin_of(url: str) -> tuple[str, str]:
    """Scheme and authority of a URL, in lower case."""
    parts = split_url(url)
    return (parts.scheme.lower(), parts.netloc.lower()) if parts is not None else ("", "")
