"""`/`: names the server and links to its pages."""

from __future__ import annotations

import msgspec
from aiohttp import web

from handoff import __version__

_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
    "Vary": "Accept",
}
_LINKS = {
    "docs": ("docs", "API reference"),
    "panel": ("panel/", "Agents' panel"),
    "openapi": ("openapi.json", "OpenAPI description"),
    "asyncapi": ("asyncapi.json", "Messages of webhooks"),
    "ready": ("readyz", "Is the server ready?"),
}
"""Relative, since a proxy may serve us on any path."""
_ITEMS = "\n".join(f'<p><a href="{path}">{text}</a></p>' for path, text in _LINKS.values())
_PAGE = f"""\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>conversation-handoff</title>
<link rel="icon" href="docs/favicon-32x32.png">
</head>
<body>
<main>
<h1>conversation-handoff</h1>
<p>The server is running. Senders deliver to <code>/in/SOURCE</code>; the API is under <code>/v1</code>.</p>
<nav aria-label="Pages">
{_ITEMS}
</nav>
</main>
</body>
</html>
"""
_INDEX = msgspec.json.encode(
    {"name": "conversation-handoff", "version": __version__}
    | {name: path for name, (path, _text) in _LINKS.items()}
)


async def page(request: web.Request) -> web.Response:
    """`GET /`: links, as a page for browsers and as JSON for everybody else."""
    if "text/html" in request.headers.get("Accept", ""):
        return web.Response(body=_PAGE.encode(), content_type="text/html", charset="utf-8", headers=_HEADERS)
    return web.Response(body=_INDEX, content_type="application/json", headers=_HEADERS)
