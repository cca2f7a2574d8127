"""`/panel/`: the agent's desktop, files of this package as they are.

Everything is read once at start, compressed once and answered by its ETag. The page runs scripts of
this server alone, makes no markup out of text (Trusted Types with no policy) and may be framed by
the configured desktops only.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from html import escape
from importlib.resources import files
from importlib.resources.abc import Traversable

from aiohttp import web
from aiohttp.helpers import ETag
from msgspec import Struct

from handoff.domain.errors import NotFound

PAGE = "index.html"
_MEDIA = {
    ".html": "text/html",
    ".js": "text/javascript",
    ".css": "text/css",
    ".json": "application/json",
    ".ts": "text/plain",  # the types of the API, for whoever writes their own
}
_ORIGINS = "{{origins}}"
_COMMON = {
    "Cache-Control": "no-cache",  # an update is seen at once; unchanged files cost a 304
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "cross-origin",  # desktops of other origins load the elements
    "Vary": "Accept-Encoding, Origin",
}


class Asset(Struct, frozen=True):
    """One file, plain and compressed, with its ETag."""

    body: bytes
    packed: bytes
    media: str
    etag: str


class Panel(Struct, frozen=True, kw_only=True):
    """Every file by its name, and the policy that goes with the page."""

    assets: Mapping[str, Asset]
    policy: str


PANEL = web.AppKey("panel", Panel)


def make_panel(origins: Sequence[str]) -> Panel:
    """The files of the package, the page knowing `origins`: who may frame it and speak to it."""
    assets = {name: _asset(name, body, origins) for name, body in _read(files("handoff") / "panel", "")}
    return Panel(assets=assets, policy=_policy(origins))


def _read(folder: Traversable, prefix: str) -> Iterator[tuple[str, bytes]]:
    for it in folder.iterdir():
        if it.is_dir():
            yield from _read(it, f"{prefix}{it.name}/")
        elif "." + it.name.rpartition(".")[2] in _MEDIA:
            yield prefix + it.name, it.read_bytes()


def _asset(name: str, body: bytes, origins: Sequence[str]) -> Asset:
    if name == PAGE:
        body = body.replace(_ORIGINS.encode(), escape(" ".join(origins)).encode())
    packed = gzip.compress(body, mtime=0)
    return Asset(body, packed, _MEDIA["." + name.rpartition(".")[2]], sha256(body).hexdigest()[:32])


def _policy(origins: Sequence[str]) -> str:
    return "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "connect-src 'self'",
            "img-src 'self' data:",
            "base-uri 'none'",
            "form-action 'none'",
            " ".join(("frame-ancestors 'self'", *origins)),
            "require-trusted-types-for 'script'",
            "trusted-types 'none'",
        )
    )


async def entry(_request: web.Request) -> web.StreamResponse:
    """`GET /panel`: to the page, by a relative address, since a proxy may have put us anywhere."""
    return web.Response(status=308, headers={"Location": "panel/", "Cache-Control": "no-cache"})


async def page(request: web.Request) -> web.StreamResponse:
    """`GET /panel/`."""
    return _answer(request, request.app[PANEL], PAGE)


async def asset(request: web.Request) -> web.StreamResponse:
    """`GET /panel/{asset}`."""
    return _answer(request, request.app[PANEL], request.match_info["asset"])


def _answer(request: web.Request, panel: Panel, name: str) -> web.StreamResponse:
    found = panel.assets.get(name)
    if found is None:
        raise NotFound("the panel has no such file")
    headers = {**_COMMON, "Content-Security-Policy": panel.policy}
    if any(it.value in (found.etag, "*") for it in request.if_none_match or ()):
        response = web.Response(status=304, headers=headers)
    elif "gzip" in request.headers.get("Accept-Encoding", ""):
        headers["Content-Encoding"] = "gzip"
        response = web.Response(body=found.packed, content_type=found.media, charset="utf-8", headers=headers)
    else:
        response = web.Response(body=found.body, content_type=found.media, charset="utf-8", headers=headers)
    response.etag = ETag(found.etag, is_weak=True)  # one for both encodings
    return response
