"""Attachments of messages, fetched within what a transcriber's table allows."""

from __future__ import annotations

import time
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any
from urllib.parse import urljoin, urlsplit

import msgspec
from msgspec import Struct, field

from handoff.adapter.transcriber import Media
from handoff.delivery.schedule import AttemptOutcome
from handoff.delivery.sender import KEPT_ANSWER, BoundedResponse, Sender
from handoff.delivery.settings import TranscriberSettings
from handoff.domain.errors import Unprocessable
from handoff.services.webhooks.destinations import check_url
from handoff.services.webhooks.subscriptions import Subscription

from . import FINAL

FETCH_S = 8.0  # with a transcription, an attempt stays below a delivery's lease
MAX_REDIRECTS = 3
_REDIRECTS = frozenset({301, 302, 303, 307, 308})


class MessageWithMedia(Struct, frozen=True, kw_only=True):
    """The part of a touchpoint event that a transcriber reads."""

    id: str
    channel: str
    identity: str
    assurance: str
    language: str | None = None
    attachments: list[dict[str, Any]] = field(default_factory=list)


class AttemptFailed(Exception):
    """An attempt ends with this outcome."""

    def __init__(self, outcome: AttemptOutcome) -> None:
        super().__init__(outcome.reason)
        self.outcome = outcome


def failed_for_good(error: str, started: float) -> AttemptFailed:
    return AttemptFailed(AttemptOutcome(error=error, latency_s=time.perf_counter() - started, final=True))


def is_wanted(rules: TranscriberSettings, attachment: Mapping[str, Any]) -> bool:
    url, kind = attachment.get("url"), _kind_of(attachment)
    if not isinstance(url, str) or not _allows(rules, url):
        return False
    return any(fnmatchcase(kind, pattern) for pattern in rules.content_types)


def _kind_of(attachment: Mapping[str, Any]) -> str:
    """The media type, or what the vendor states instead, such as `audio`."""
    kind = str(attachment.get("content_type") or "").partition(";")[0].strip().lower()
    return kind if "/" in kind else f"{kind}/"


def _allows(rules: TranscriberSettings, url: str) -> bool:
    """Whether a URL is below one of the allowed ones: scheme, host and port are equal, the path continues."""
    try:
        asked = urlsplit(url)
        asked_port = asked.port
    except ValueError:
        return False
    if "\\" in url or "/../" in asked.path or asked.username is not None or "%2e" in asked.path.lower():
        return False
    for allowed in map(urlsplit, rules.urls):
        same = (asked.scheme, asked.hostname, asked_port) == (allowed.scheme, allowed.hostname, allowed.port)
        if same and asked.path.startswith(allowed.path.rstrip("/") + "/"):
            return True
    return False


async def fetch_media(
    sender: Sender,
    rules: TranscriberSettings,
    subscription: Subscription,
    message: MessageWithMedia,
    attachment: Mapping[str, Any],
) -> Media:
    """Fetch an attachment. A redirect is followed to allowed URLs only, and takes no credentials along."""
    started, url = time.perf_counter(), str(attachment["url"])
    headers = subscription.wishes.headers
    reading = BoundedResponse(total_s=FETCH_S, body_s=FETCH_S, keep=rules.max_bytes + 1)
    for _hop in range(MAX_REDIRECTS + 1):
        try:
            check_url(url, subscription.wishes.policy)
        except Unprocessable as error:
            raise failed_for_good("url", started) from error
        policy = subscription.wishes.policy
        got = await sender.request("GET", url, policy, headers=headers, body=None, reading=reading)
        if got.status in _REDIRECTS and got.location:
            target = urljoin(url, got.location)
            if not _allows(rules, target):
                raise failed_for_good("redirect", started)
            headers = headers if urlsplit(target).netloc == urlsplit(url).netloc else {}
            url = target
            continue
        if not got.ok:
            final = got.status in FINAL
            raise AttemptFailed(msgspec.structs.replace(got, answer=got.answer[:KEPT_ANSWER], final=final))
        if len(got.answer) > rules.max_bytes:
            raise failed_for_good("media_too_large", started)
        if not got.complete:
            raise AttemptFailed(AttemptOutcome(error="timeout", latency_s=time.perf_counter() - started))
        name = attachment.get("name")
        return Media(
            content=got.answer,
            content_type=_kind_of(attachment),
            name=name if isinstance(name, str) else None,
            language=message.language,
            channel=message.channel,
        )
    raise failed_for_good("redirect", started)
