"""Hidden parts of deliveries: persons in URLs, and the secrets of sources."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote

import msgspec

from handoff.adapter.contract import SourceOptions
from handoff.adapter.manifest import Manifest
from handoff.domain.redaction.redaction import safe_detail
from handoff.domain.text.cleaning import clean
from handoff.domain.text.urls import split_url

HIDDEN = "…"
MAX_URL = 300  # characters
MAX_HEADER = 16 * 1024  # characters of a header that is kept; a longer one is not kept
DIGITS = 7  # as many may be a telephone number
SHORTEST = 6  # characters of a secret that is looked for inside a text
_NUMBER = re.compile(r"\d(?:[^A-Za-z]?\d){6,}")
_PLAIN_NAME = re.compile(r"[A-Za-z0-9_.\-]{1,40}")
_SECRET_OPTION = re.compile(r"secret|key|token|password")


def shown_url(url: str) -> str:
    """A URL without what may name a person or open a door: user, password, values of the query, numbers."""
    parts = split_url(url)
    if parts is None:
        return HIDDEN
    host = parts.netloc.rpartition("@")[2]
    path = "/".join(HIDDEN if _names_somebody(part) else part for part in parts.path.split("/"))
    path = _NUMBER.sub(HIDDEN, path)  # a number may also be spread over several parts
    query = "&".join(_shown_parameter(pair) for pair in parts.query.split("&") if pair)
    whole = f"{parts.scheme}://{host}{path}" + (f"?{query}" if query else "")
    return whole if len(whole) <= MAX_URL else whole[: MAX_URL - 1] + HIDDEN


def _shown_parameter(pair: str) -> str:
    """A parameter's name, unless the sender may have written a value there."""
    name, separator, _value = pair.partition("=")
    plain = separator and _PLAIN_NAME.fullmatch(name) and not _has_number(name)
    return f"{name if plain else HIDDEN}={HIDDEN}"


def _names_somebody(part: str) -> bool:
    """Whether a part of a path may be an address or a number: a stranger can write anything there."""
    return "@" in part or "%" in part or len(part) > 64 or _has_number(part)


def _has_number(text: str) -> bool:
    return sum(map(str.isdigit, text)) >= DIGITS


def source_secrets(options: SourceOptions) -> tuple[str, ...]:
    """The secrets of a source, the longest first."""
    named = (it.name for it in msgspec.structs.fields(options) if _SECRET_OPTION.search(it.name))
    found = {text for name in named for text in _texts(getattr(options, name))}
    return tuple(sorted(found - {""}, key=len, reverse=True))


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for part in value.values():
            yield from _texts(part)
    elif isinstance(value, (list, tuple, set, frozenset)):
        for part in value:
            yield from _texts(part)


def without_secrets(text: str, secrets: Sequence[str]) -> str:
    """A value of the head without secrets: some vendors send them in the URL."""
    return HIDDEN if text in secrets else without_secrets_in(text.encode(), secrets).decode()


def without_secrets_in(content: bytes, secrets: Sequence[str]) -> bytes:
    """Content without secrets, as they are, as JSON, and as a form has them."""
    for secret in secrets:
        if len(secret) >= SHORTEST:
            for form in {secret, msgspec.json.encode(secret)[1:-1].decode(), quote(secret, safe="")}:
                content = content.replace(form.encode(), HIDDEN.encode())
    return content


def kept_headers(
    manifest: Manifest, headers: Mapping[str, str], options: SourceOptions
) -> tuple[tuple[str, str], ...]:
    """The headers that are stored with an item in quarantine, without secrets and card numbers.

    Only those that the adapter's manifest names: any other may carry a credential.
    """
    present = [(name, headers[name]) for name in manifest.kept_headers if name in headers]
    secrets = source_secrets(options) if present else ()
    return tuple(
        (name, safe_detail(without_secrets(clean(value), secrets)))
        for name, value in present
        if len(value) <= MAX_HEADER
    )
