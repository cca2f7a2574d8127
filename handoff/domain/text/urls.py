"""Parsing of untrusted URLs.

The libraries raise many kinds of errors, some only when a part is read (`https://xn--/`,
`http://[::1`, `http://a:port/`). Here a URL has all of its parts, or it is invalid.
"""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import urlsplit

from msgspec import Struct

from .cleaning import is_clean

MAX_HOST = 253  # characters; RFC 1035 §2.3.4, without the last dot
# RFC 952 does not allow underscores, but container networks use them.
_LABEL = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?", re.ASCII)


class UrlParts(Struct, frozen=True, kw_only=True):
    """The parts of a URL. `host` is in lower case without brackets, and "" if there is none."""

    scheme: str
    netloc: str
    host: str
    port: int | None
    username: str | None
    password: str | None
    path: str
    query: str
    fragment: str


def split_url(text: str) -> UrlParts | None:
    """The parts of a URL as written, or None for an invalid one.

    The URL may be relative. Nothing is resolved or decoded, so the host may not be a host name.
    """
    if not is_clean(text):
        return None
    try:
        parts = urlsplit(text)
        return UrlParts(
            scheme=parts.scheme,
            netloc=parts.netloc,
            host=parts.hostname or "",
            port=parts.port,
            username=parts.username,
            password=parts.password,
            path=parts.path,
            query=parts.query,
            fragment=parts.fragment,
        )
    except ValueError:  # includes UnicodeError
        return None


def is_host(host: str) -> bool:
    """Whether `host`, in ASCII and without brackets, is an IP address or a name that can be resolved."""
    name = host.removesuffix(".")
    return is_address(host) or (0 < len(name) <= MAX_HOST and all(map(_LABEL.fullmatch, name.split("."))))


def is_address(host: str) -> bool:
    """Whether `host` is an IP address, with or without a zone id."""
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True
