"""Access tokens of a source (RFC 6749): asked for once for all workers, and sealed in the store.

Only the holder of a source's lease asks for tokens. New ones are durable before they are used; they replace
exactly those that the request was made with, so that a worker that was paused overwrites nothing.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote_plus, urlencode

import msgspec
from msgspec import Struct

from handoff.adapter.poller import OAuthOptions, PollFailed, PollOptions
from handoff.delivery.schedule import AttemptOutcome
from handoff.delivery.sender import BoundedResponse, Sender
from handoff.domain.errors import ConfigurationError
from handoff.services.webhooks.destinations import EgressPolicy
from handoff.store.repositories.control import Changed
from handoff.store.tenant import TenantStore

SPARE_S = 30.0  # a token is replaced this long before it ends
DEFAULT_S = 300.0  # for a vendor that does not state when its tokens end
MAX_BYTES = 64 * 1024
FINISH_S = 3.0  # for a request for tokens when its poll is cancelled


class StoredTokens(Struct, frozen=True, kw_only=True):
    """The present tokens. `former` is the refresh token before `refresh`, tried if that is refused.

    `configured` is the digest of the options that they came from: with others, the server begins again.
    """

    access: str
    ends_at: float
    refresh: str = ""
    former: str = ""
    configured: str = ""


class AccessTokens:
    """The access tokens of one source."""

    def __init__(
        self, store: TenantStore, sender: Sender, options: PollOptions, policy: EgressPolicy
    ) -> None:
        assert options.oauth is not None
        self._oauth: OAuthOptions = options.oauth
        self._name = options.name
        self._store = store
        self._sender = sender
        self._policy = policy
        self._reading = BoundedResponse(total_s=options.timeout_s, body_s=options.timeout_s, keep=MAX_BYTES)
        self._configured = hashlib.sha256(msgspec.json.encode(options.oauth)).hexdigest()
        self._known: StoredTokens | None = None

    async def access(self) -> str:
        """A valid access token. PollFailed (`oauth_…`) if there is none."""
        known = self._known
        if known is None or known.ends_at <= time.time() + SPARE_S:
            return await self.replace(None)
        return known.access

    async def replace(self, refused: str | None) -> str:
        """Another access token than the refused one. It is not interrupted: a vendor that has issued a new
        refresh token may not accept the old one again."""
        asking = asyncio.create_task(self._replace(refused))
        try:
            return await asyncio.shield(asking)
        except asyncio.CancelledError:
            await asyncio.wait([asking], timeout=FINISH_S)
            raise

    async def _replace(self, refused: str | None) -> str:
        version, stored = await self._read()
        if stored is None or stored.access == refused or stored.ends_at <= time.time() + SPARE_S:
            stored = await self._ask(version, stored)
        self._known = stored
        return stored.access

    async def _read(self) -> tuple[int, StoredTokens | None]:
        version, sealed = await self._store.polls.tokens(self._name)
        if sealed is None:
            return version, None
        try:
            stored = msgspec.msgpack.decode(self._store.seal.open(sealed, self._place), type=StoredTokens)
        except (ConfigurationError, msgspec.DecodeError):  # of a key that is gone: begin with the options
            return version, None
        return version, stored if stored.configured == self._configured else None

    async def _ask(self, version: int, stored: StoredTokens | None) -> StoredTokens:
        """New tokens from the vendor, durable."""
        try:
            used, answer = await self._granted(stored)
        except PollFailed:
            later, other = await self._read()
            if other is None or later == version:
                raise
            return other  # another worker was first: the vendor has replaced the refresh token
        new = StoredTokens(
            access=_text(answer, "access_token"),
            ends_at=time.time() + _seconds(answer.get("expires_in")),
            refresh=str(answer.get("refresh_token") or used),
            former=used,
            configured=self._configured,
        )
        sealed = self._store.seal.seal(msgspec.msgpack.encode(new), self._place)
        try:
            await self._store.polls.replace_tokens(self._name, version, sealed)
        except Changed as error:
            _version, other = await self._read()
            if other is None:
                raise PollFailed("oauth_changed") from error
            return other
        return new

    async def _granted(self, stored: StoredTokens | None) -> tuple[str, dict[str, Any]]:
        """The refresh token that the vendor accepted (empty for client credentials), and its answer."""
        for refresh in self._candidates(stored):
            outcome = await self._post(refresh)
            if outcome.ok and outcome.complete:
                return refresh, _object(outcome.answer)
            if outcome.status not in (400, 401, 403):
                raise PollFailed(f"oauth_{outcome.reason}", retry_after_s=outcome.retry_after_s)
        raise PollFailed(
            "oauth_refused",
            "The vendor refuses the client or its refresh token: check `oauth` of the source, "
            "or authorise the server again and configure the new `refresh_token`",
        )

    def _candidates(self, stored: StoredTokens | None) -> Iterator[str]:
        if self._oauth.grant == "client_credentials":
            return iter(("",))
        known = (stored.refresh, stored.former) if stored is not None else ()
        return iter(dict.fromkeys(it for it in (*known, self._oauth.refresh_token) if it))

    async def _post(self, refresh: str) -> AttemptOutcome:
        oauth = self._oauth
        form: dict[str, str] = {"grant_type": oauth.grant}
        if refresh:
            form["refresh_token"] = refresh
        if oauth.scope:
            form["scope"] = oauth.scope
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
        if oauth.client_in == "header":
            pair = f"{quote_plus(oauth.client_id)}:{quote_plus(oauth.client_secret)}"
            headers["Authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()
        else:
            form |= {"client_id": oauth.client_id, "client_secret": oauth.client_secret}
        return await self._sender.request(
            "POST",
            oauth.token_url,
            self._policy,
            headers=headers,
            body=urlencode(form).encode(),
            reading=self._reading,
        )

    @property
    def _place(self) -> bytes:
        return b"poll_tokens:" + self._name.encode()


def _object(body: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise PollFailed("oauth_not_json") from error
    if not isinstance(answer, dict):
        raise PollFailed("oauth_not_json")
    return answer


def _text(answer: dict[str, Any], key: str) -> str:
    value = answer.get(key)
    if not isinstance(value, str) or not value.isascii() or not value.isprintable():
        raise PollFailed("oauth_without_token")
    return value


def _seconds(value: Any) -> float:
    """When the token ends; a vendor may state the number as text."""
    try:
        seconds = float(value)
    except (TypeError, ValueError):
        return DEFAULT_S
    return seconds if SPARE_S < seconds < 10**8 else DEFAULT_S
