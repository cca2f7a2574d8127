"""`/panel/` and `/panel/ops/`: the pages of agents and of operators, static files of this package, and icons.

The server reads every file at start, compresses it on the first request, and answers with ETags. Browsers
keep what has a version in its address (`assets`). The page runs only scripts of this server, creates no
markup from text (Trusted Types without a policy), and may be framed only by the configured desktops. Nothing
may frame the operators' page.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from html import escape
from importlib.resources import files

from aiohttp import web
from aiohttp.helpers import ETag
from msgspec import Struct

from handoff.api.http.cors import check_origin
from handoff.domain.errors import NotFound
from handoff.domain.text.urls import split_url

from .assets import VERSIONED, Asset, asset_of, read_assets, version_of, versioned_page
from .icons import icons_file

PAGE = "index.html"
ICONS_FILE = "icons.json"
OPS = "ops"
OPS_PAGE = f"{OPS}/index.html"
FETCHED = ("styles/elements.css", "styles/forms.css", "styles/story.css", ICONS_FILE)
_ORIGINS, _SIGN_IN = "{{origins}}", "{{sign_in}}"
_COMMON = {
    "Cache-Control": "no-cache",  # browsers notice updates; unchanged files cost a 304
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "cross-origin",  # desktops of other origins load the elements
    "Vary": "Accept-Encoding, Origin",
}


class Panel(Struct, frozen=True, kw_only=True, dict=True):
    """All files by name, each page's Content-Security-Policy, and the origins that may frame the agents'.

    `known` are those, and the origin of the sign-in page, which may send agents back into a frame.
    """

    assets: Mapping[str, Asset]
    policy: str
    ops_policy: str
    origins: frozenset[str]
    known: frozenset[str]

    @cached_property
    def version(self) -> str:
        return version_of(self.assets)

    @cached_property
    def pages(self) -> Mapping[str, Asset]:
        """Both pages with versioned addresses: not at start, since most workers never serve them."""
        return {
            PAGE: versioned_page(self.assets, PAGE, self.version, FETCHED),
            OPS_PAGE: versioned_page(self.assets, OPS_PAGE, self.version, FETCHED[:1]),
        }


PANEL = web.AppKey("panel", Panel)


def make_panel(origins: Sequence[str], sign_in_url: str | None = None) -> Panel:
    """The files of the package. `origins` may frame the page and exchange messages with it.

    `sign_in_url` is where agents without a session get one.
    """
    filled = {_ORIGINS: " ".join(origins), _SIGN_IN: sign_in_url or ""}
    contents = {**dict(read_assets(files("handoff") / "panel")), ICONS_FILE: icons_file()}
    contents[PAGE] = _filled(contents[PAGE], filled)
    assets = {name: asset_of(name, body) for name, body in contents.items()}
    framed_by_desktops = " ".join(("'self'", *origins))
    return Panel(
        assets=assets,
        policy=_policy(framed_by_desktops),
        ops_policy=_policy("'none'"),
        origins=frozenset(origins),
        known=frozenset((*origins, *_origins(sign_in_url))),
    )


def _origins(url: str | None) -> Iterator[str]:
    parts = split_url(url) if url else None
    if parts:
        yield f"{parts.scheme}://{parts.netloc}".lower()


def _filled(page: bytes, values: Mapping[str, str]) -> bytes:
    for gap, text in values.items():
        page = page.replace(gap.encode(), escape(text).encode())
    return page


def _policy(ancestors: str) -> str:
    return "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "connect-src 'self'",
            "img-src 'self' data:",
            "base-uri 'none'",
            "form-action 'none'",
            f"frame-ancestors {ancestors}",
            "require-trusted-types-for 'script'",
            "trusted-types 'none'",
        )
    )


async def redirect(_request: web.Request) -> web.StreamResponse:
    """`GET /panel`: redirect by a relative address, since a proxy may serve us on any path."""
    return web.Response(status=308, headers={"Location": "panel/", "Cache-Control": "no-cache"})


async def page(request: web.Request) -> web.StreamResponse:
    """`GET /panel/`."""
    panel = request.app[PANEL]
    framing = _foreign_frame(request, panel.known)
    return _explain(framing, panel.origins) if framing else _answer(request, panel, PAGE)


def _foreign_frame(request: web.Request, allowed: frozenset[str]) -> str | None:
    """The origin that opens the page in a frame and may not, if the browser states it in its headers.

    It may be a page that the frame showed before, so a sign-in page is `allowed` too. The policy of the page
    decides who may frame it.
    """
    if request.headers.get("Sec-Fetch-Dest") not in ("iframe", "frame"):
        return None
    if request.headers.get("Sec-Fetch-Site") in (None, "same-origin", "none"):
        return None
    parts = split_url(request.headers.get("Referer", ""))
    origin = f"{parts.scheme}://{parts.netloc}".lower() if parts else ""
    try:
        return None if check_origin(origin) in allowed else origin
    except ValueError:
        return None  # not stated: the browser refuses the page by its policy, and shows nothing


def _explain(origin: str, allowed: frozenset[str]) -> web.StreamResponse:
    """The page for a frame that would be blank otherwise: the missing entry of the configuration."""
    text = (
        f"<!doctype html><html lang=en><title>Not allowed here</title><p>{escape(origin)} may not embed this "
        "panel. Add it to <code>allowed_origins</code> under <code>[panel]</code> in the server's "
        "configuration, exactly as it is written here.</p></html>"
    )
    headers = {
        **_COMMON,
        "Cache-Control": "no-store",
        "Content-Security-Policy": f"default-src 'none'; base-uri 'none'; form-action 'none'; "
        f"frame-ancestors {' '.join((origin, *sorted(allowed)))}",
    }
    return web.Response(status=403, text=text, content_type="text/html", headers=headers)


async def ops_page(request: web.Request) -> web.StreamResponse:
    """`GET /panel/ops/`."""
    return _answer(request, request.app[PANEL], OPS_PAGE)


async def asset(request: web.Request) -> web.StreamResponse:
    """`GET /panel/{asset}`."""
    if request.match_info["asset"] == OPS:
        return web.Response(status=308, headers={"Location": f"{OPS}/", "Cache-Control": "no-cache"})
    return _answer(request, request.app[PANEL], request.match_info["asset"])


def _answer(request: web.Request, panel: Panel, asked: str) -> web.StreamResponse:
    versioned = VERSIONED.fullmatch(asked)
    name = versioned[2] if versioned else asked
    found = panel.pages.get(name) or panel.assets.get(name)
    if found is None or (versioned and name in panel.pages):
        raise NotFound("The panel has no such file")
    policy = panel.ops_policy if name == OPS_PAGE else panel.policy
    headers = {**_COMMON, "Content-Security-Policy": policy}
    if versioned and versioned[1] == panel.version:  # else another release's page asks: it must ask again
        headers["Cache-Control"] = "public, max-age=31536000, immutable"
    if any(it.value in (found.etag, "*") for it in request.if_none_match or ()):
        response = web.Response(status=304, headers=headers)
    elif "gzip" in request.headers.get("Accept-Encoding", ""):
        headers["Content-Encoding"] = "gzip"
        response = web.Response(body=found.packed, content_type=found.media, charset="utf-8", headers=headers)
    else:
        response = web.Response(body=found.body, content_type=found.media, charset="utf-8", headers=headers)
    response.etag = ETag(found.etag, is_weak=True)  # the same for both encodings
    return response
