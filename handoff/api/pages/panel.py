"""`/panel/`: the agents' panel, static files of this package.

The server reads every file at start, compresses it on the first request, and answers with ETags. The page
runs only scripts of this server, creates no markup from text (Trusted Types without a policy), and may be
framed only by the configured desktops.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
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
    ".ts": "text/plain",  # the TypeScript types of the API, for custom desktops
}
_ORIGINS = "{{origins}}"
_COMMON = {
    "Cache-Control": "no-cache",  # browsers notice updates; unchanged files cost a 304
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "cross-origin",  # desktops of other origins load the elements
    "Vary": "Accept-Encoding, Origin",
}


class Asset(Struct, frozen=True, dict=True):
    """One file with its ETag."""

    body: bytes
    media: str
    etag: str

    @cached_property
    def packed(self) -> bytes:
        """The file compressed: not at start, since most workers never serve the panel."""
        return gzip.compress(self.body, mtime=0)


class Panel(Struct, frozen=True, kw_only=True):
    """All files by name, and the page's Content-Security-Policy."""

    assets: Mapping[str, Asset]
    policy: str


PANEL = web.AppKey("panel", Panel)


def make_panel(origins: Sequence[str]) -> Panel:
    """The files of the package. `origins` may frame the page and exchange messages with it."""
    assets = {name: _asset(name, body, origins) for name, body in _read(files("handoff") / "panel", "")}
    return Panel(assets=assets, policy=_policy(origins))


def _read(folder: Traversable, prefix: str) -> Iterator[tuple[str, bytes]]:
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from _read(entry, f"{prefix}{entry.name}/")
        elif "." + entry.name.rpartition(".")[2] in _MEDIA:
            yield prefix + entry.name, entry.read_bytes()


def _asset(name: str, body: bytes, origins: Sequence[str]) -> Asset:
    if name == PAGE:
        body = body.replace(_ORIGINS.encode(), escape(" ".join(origins)).encode())
    return Asset(body, _MEDIA["." + name.rpartition(".")[2]], sha256(body).hexdigest()[:32])


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


async def redirect(_request: web.Request) -> web.StreamResponse:
    """`GET /panel`: redirect by a relative address, since a proxy may serve us on any path."""
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
        raise NotFound("The panel has no such file")
    headers = {**_COMMON, "Content-Security-Policy": panel.policy}
    if any(it.value in (found.etag, "*") for it in request.if_none_match or ()):
        response = web.Response(status=304, headers=headers)
    elif "gzip" in request.headers.get("Accept-Encoding", ""):
        headers["Content-Encoding"] = "gzip"
        response = web.Response(body=found.packed, content_type=found.media, charset="utf-8", headers=headers)
    else:
        response = web.Response(body=found.body, content_type=found.media, charset="utf-8", headers=headers)
    response.etag = ETag(found.etag, is_weak=True)  # the same for both encodings
    return response
