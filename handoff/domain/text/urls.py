"""URLs that somebody else wrote: the one place where they are taken apart.

The libraries raise many kinds of errors, some of them only when a part is read (`https://xn--/`,
`http://[::1`, `http://a:port/`). Here a URL has all of its parts, or it is none.
"""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import urlsplit

from msgspec import Struct

from .cleaning import is_clean

MAX_HOST = 253  # characters; RFC 1035 §2.3.4, without the last dot
# Underscores are in no host name of RFC 952, and in many of container networks.
_LABEL = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?", re.ASCII)


class UrlParts(Struct, frozen=True, kw_only=True):
    """A URL taken apart. `host` is without brackets, in lower case and "" where there is none."""

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
    """The parts of a URL as it is written, or None where it cannot be taken apart.

    It need not be absolute, and nothing is looked up or decoded: a host may still be no host name.
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
    except ValueError:  # UnicodeError is one
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
