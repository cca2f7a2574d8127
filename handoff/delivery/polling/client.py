"""The client of a poller: guarded addresses, known origins, limits of time and size, no redirects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from yarl import URL

from handoff.adapter.poller import Fetched, Poller, PollFailed, PollOptions, origin_of
from handoff.delivery.schedule import AttemptOutcome
from handoff.delivery.sender import BoundedResponse, Sender
from handoff.domain.errors import ConfigurationError, Unprocessable
from handoff.services.webhooks.destinations import EgressPolicy, check_url, parse_networks

from .oauth import AccessTokens

MAX_BYTES = 8 * 1024 * 1024
_TO_REPEAT = frozenset({401, 403, 408, 429})


def policy_of(options: PollOptions) -> EgressPolicy:
    """Unprocessable for a network that is none."""
    return EgressPolicy(networks=parse_networks(options.allow_networks), insecure=options.allow_insecure)


def check_poller(poller: Poller) -> None:
    """ConfigurationError, with the option in backquotes, for addresses that may not be asked."""
    options: PollOptions = poller.settings
    urls = [("base_url", options.base_url), *(("base_url", it) for it in poller.origins())]
    if options.oauth is not None:
        urls.append(("oauth", options.oauth.token_url))
    try:
        policy = policy_of(options)
    except Unprocessable as error:
        raise ConfigurationError(f"source {options.name!r}: `allow_networks`: {error.detail}") from error
    for key, url in urls:
        try:
            check_url(url, policy)
        except Unprocessable as error:
            detail = error.detail.replace("a webhook URL", "the URL")
            raise ConfigurationError(f"source {options.name!r}: `{key}`: {detail}") from error


class GuardedClient:
    """The client of one source. `tokens` has its access tokens, if it has OAuth."""

    def __init__(self, sender: Sender, poller: Poller, tokens: AccessTokens | None) -> None:
        options: PollOptions = poller.settings
        self._sender = sender
        self._policy = policy_of(options)
        self._origins = {origin_of(it) for it in (options.base_url, *poller.origins())}
        self._reading = reading_of(options)
        self._tokens = tokens

    async def request(
        self,
        method: str,
        url: str,
        *,
        query: Sequence[tuple[str, str]] = (),
        headers: Mapping[str, str] = {},
        body: bytes | None = None,
    ) -> Fetched:
        """One request; a second one, with a new access token, if the first is answered 401."""
        target = self._checked(url, query)
        outcome, used = await self._attempt(method, target, headers, body)
        if outcome.status == 401 and self._tokens is not None and used is not None:
            await self._tokens.replace(used)
            outcome, _used = await self._attempt(method, target, headers, body)
        return fetched(outcome)

    async def _attempt(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None
    ) -> tuple[AttemptOutcome, str | None]:
        """The outcome, and the access token that was used."""
        access = await self._tokens.access() if self._tokens is not None else None
        sent = {**headers, "Authorization": f"Bearer {access}"} if access is not None else dict(headers)
        outcome = await self._sender.request(
            method, url, self._policy, headers=sent, body=body, reading=self._reading
        )
        return outcome, access

    def _checked(self, url: str, query: Sequence[tuple[str, str]]) -> str:
        """The URL with its query. PollFailed for another server: credentials must not go there."""
        if origin_of(url) not in self._origins:
            raise PollFailed("other_origin", "The poller asked for a server that is not the source's")
        try:
            target = check_url(url, self._policy)
        except Unprocessable as error:
            raise PollFailed(error.problem_code, error.detail) from error
        return str(target.extend_query(list(query)) if query else URL(target))


def reading_of(options: PollOptions) -> BoundedResponse:
    return BoundedResponse(total_s=options.timeout_s, body_s=options.timeout_s, keep=MAX_BYTES, headers=True)


def fetched(outcome: AttemptOutcome) -> Fetched:
    """The answer. PollFailed if there is none, or if the request must be repeated later."""
    status = outcome.status
    if status is None:
        raise PollFailed(outcome.reason)
    if status in _TO_REPEAT or status >= 500 or 300 <= status < 400:
        raise PollFailed(outcome.reason, retry_after_s=outcome.retry_after_s)
    if not outcome.complete:
        raise PollFailed("incomplete", "The answer is cut off, or larger than 8 MiB")
    return Fetched(status=status, body=outcome.answer, headers=outcome.headers)
