"""`/openapi.json`, `/asyncapi.json`, and `/docs`: the descriptions, and Swagger UI from an installed package.

The page loads nothing from other servers and runs no inline script. Its Content-Security-Policy enforces
that.
"""

from __future__ import annotations

import asyncio
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path

import msgspec
from aiohttp import web
from aiohttp.helpers import ETag
from msgspec import Struct

from handoff.domain.errors import NotFound

ASSETS = "flask_swagger_ui"  # only its files are used; it is never imported
SCRIPT_NAME = "start.js"
STYLE_NAME = "page.css"
_SERVED = {
    "swagger-ui.css": "text/css; charset=utf-8",
    "swagger-ui-bundle.js": "text/javascript; charset=utf-8",
    "favicon-32x32.png": "image/png",
}
"""Media types by file name, since the tables of operating systems differ."""
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Images may be `data:` because the style sheet embeds its icons that way."""
_HEADERS = {"Content-Security-Policy": _POLICY, "Referrer-Policy": "no-referrer", "Cache-Control": "no-cache"}
_PAGE = f"""\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>API</title>
<link rel="icon" href="docs/favicon-32x32.png">
<link rel="stylesheet" href="docs/swagger-ui.css">
<link rel="stylesheet" href="docs/{STYLE_NAME}">
<script src="docs/swagger-ui-bundle.js" defer></script>
<script src="docs/{SCRIPT_NAME}" defer></script>
</head>
<body>
<main id="page"></main>
<noscript>The description is at <a href="openapi.json">openapi.json</a>.</noscript>
</body>
</html>
"""
_SCRIPT = """\
"use strict";
const accessible = ({ React }) => ({
  components: {
    // By default a link inside the button that opens the operation: a control within a control.
    DeepLink: ({ text }) => React.createElement("span", {}, text),
    // By default a list without a name. There is only this server.
    ServersContainer: () => null,
  },
});
window.ui = SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#page",
  deepLinking: true,
  docExpansion: "list",
  defaultModelsExpandDepth: 0,
  plugins: [accessible],
  validatorUrl: null, // by default, Swagger UI sends the document to another server
  oauth2RedirectUrl: null,
});
// Fields of an opened operation have no names, and its examples scroll without a key.
const name = (field, text) => field.hasAttribute("aria-label") || field.setAttribute("aria-label", text);
new MutationObserver(() => {
  for (const it of document.querySelectorAll("textarea.body-param__text")) name(it, "Request body");
  for (const row of document.querySelectorAll("tr[data-param-name]")) {
    for (const it of row.querySelectorAll("input, select, textarea")) name(it, row.dataset.paramName);
  }
  for (const it of document.querySelectorAll("pre.microlight")) it.tabIndex = 0;
}).observe(document.getElementById("page"), { childList: true, subtree: true });
"""
_STYLE = """\
/* Colours of Swagger UI with a contrast of at least 4.5:1. */
.swagger-ui .opblock.opblock-get .opblock-summary-method { background: #0b63b5; }
.swagger-ui .opblock.opblock-post .opblock-summary-method { background: #1b7a4b; }
.swagger-ui .opblock.opblock-put .opblock-summary-method { background: #965200; }
.swagger-ui .opblock.opblock-patch .opblock-summary-method { background: #0f766e; }
.swagger-ui .opblock.opblock-delete .opblock-summary-method { background: #c0231f; }
.swagger-ui .info .title small { background: #4b5563; }
.swagger-ui .info .title small.version-stamp { background: #4d6b00; }
.swagger-ui .info .url, .swagger-ui .info a { color: #0b5cad; }
.swagger-ui .btn.authorize { color: #1b7a4b; border-color: #1b7a4b; }
.swagger-ui .btn.authorize svg { fill: #1b7a4b; }
.swagger-ui .btn.execute { background: #0b63b5; border-color: #0b63b5; }
.swagger-ui .btn.cancel { color: #b3261e; border-color: #b3261e; }
.swagger-ui .parameter__in, .swagger-ui .prop-format { color: #595959; }
@media (max-width: 640px) {
  .swagger-ui table td { display: block; overflow-wrap: anywhere; }
  .swagger-ui table thead { display: none; }
  .swagger-ui .opblock-section-header { flex-wrap: wrap; }
}
"""


class Text(Struct, frozen=True):
    """Constant bytes and their ETag."""

    body: bytes
    media: str
    etag: str


class Descriptions(Struct, frozen=True):
    """The descriptions of the API and of its messages."""

    api: Text
    messages: Text


class Docs:
    """The pages and files served here. `assets` is None if the package is not installed."""

    def __init__(self) -> None:
        self.page = _text(_PAGE.encode(), "text/html")
        self.script = _text(_SCRIPT.encode(), "text/javascript")
        self.style = _text(_STYLE.encode(), "text/css")
        self.assets = _assets()
        self._building: asyncio.Task[Descriptions] | None = None

    async def descriptions(self) -> Descriptions:
        """Built on first use, in a thread, since that takes as long as starting the server."""
        if self._building is None:
            self._building = asyncio.create_task(asyncio.to_thread(make_descriptions))
        return await asyncio.shield(self._building)  # the first client may disconnect


DOCS = web.AppKey("docs", Docs)


def make_descriptions() -> Descriptions:
    """Both documents of this release."""
    # Imported on first use, so that the server starts faster.
    from handoff.api.description import asyncapi
    from handoff.api.description.openapi import document
    from handoff.api.operations import DOCUMENTED

    return Descriptions(
        _text(msgspec.json.encode(document(DOCUMENTED)), "application/json"),
        _text(msgspec.json.encode(asyncapi.document()), "application/json"),
    )


def _text(body: bytes, media: str) -> Text:
    return Text(body, media, sha256(body).hexdigest()[:32])


def _assets() -> Path | None:
    spec = find_spec(ASSETS)
    places = list(spec.submodule_search_locations or ()) if spec else []
    return Path(places[0]) / "dist" if places else None


async def describe(request: web.Request) -> web.Response:
    """`GET /openapi.json`. Public, also for pages of other origins."""
    return _for_anyone(request, (await request.app[DOCS].descriptions()).api)


async def describe_messages(request: web.Request) -> web.Response:
    """`GET /asyncapi.json`. Public, also for pages of other origins."""
    return _for_anyone(request, (await request.app[DOCS].descriptions()).messages)


def _for_anyone(request: web.Request, text: Text) -> web.Response:
    response = _answer(request, text)
    response.headers["Access-Control-Allow-Origin"] = "*"
    return response


async def page(request: web.Request) -> web.Response:
    """`GET /docs`."""
    return _answer(request, request.app[DOCS].page)


async def asset(request: web.Request) -> web.StreamResponse:
    """`GET /docs/{asset}`: the start script, the style, or a file of the package."""
    docs, name = request.app[DOCS], request.match_info["asset"]
    if name == SCRIPT_NAME:
        return _answer(request, docs.script)
    if name == STYLE_NAME:
        return _answer(request, docs.style)
    if name not in _SERVED:
        raise NotFound("The page has no such file")
    if docs.assets is None or not (docs.assets / name).is_file():
        raise NotFound("The page's files are not installed")
    return web.FileResponse(docs.assets / name, headers={**_HEADERS, "Content-Type": _SERVED[name]})


def _answer(request: web.Request, text: Text) -> web.Response:
    known = request.if_none_match or ()
    if any(it.value in (text.etag, "*") for it in known):
        response = web.Response(status=304, headers=_HEADERS)
    else:
        response = web.Response(body=text.body, content_type=text.media, charset="utf-8", headers=_HEADERS)
    response.etag = ETag(text.etag)
    return response
