"""aiohttp on uvloop with one layer more each: what HTTP alone costs before anything is recorded."""

from __future__ import annotations

import asyncio
import sys

import uvloop
from aiohttp import web
from aiohttp.typedefs import Handler

from handoff.api.http.fast_path import FastPath
from handoff.api.http.plain_requests import Answer, FastRoute, PlainAnswer

ANSWER = b'{"accepted":1,"duplicates":0,"rejected":[],"ids":["tp_%b"],"expired":0}' % (b"A" * 43)
HEADERS = {
    "Content-Type": "application/json",
    "Cache-Control": "no-store",
    "Handoff-Request-Id": "0000000000000000",
    "X-Content-Type-Options": "nosniff",
}


class Turn:
    """Lets requests of one turn of the event loop wait for each other, as recording does."""

    def __init__(self) -> None:
        self._waiting: list[asyncio.Future[None]] = []

    async def wait(self) -> None:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()
        if not self._waiting:
            loop.call_soon(self._go_on)
        self._waiting.append(future)
        await future

    def _go_on(self) -> None:
        waiting, self._waiting = self._waiting, []
        for future in waiting:
            future.set_result(None)


async def answer(request: web.BaseRequest) -> web.Response:
    await request.read()
    return web.Response(body=ANSWER, headers=HEADERS)


@web.middleware
async def around(request: web.Request, handler: Handler) -> web.StreamResponse:
    return await handler(request)


async def serve(port: int, layer: str) -> None:
    turn = Turn()
    if layer == "fast":
        await serve_fast(port)

    async def waiting(request: web.BaseRequest) -> web.Response:
        await request.read()
        await turn.wait()
        return web.Response(body=ANSWER, headers=HEADERS)

    runner: web.AppRunner | web.ServerRunner
    if layer == "server":
        runner = web.ServerRunner(web.Server(waiting))
    else:
        app = web.Application(middlewares=[around] if layer == "middleware" else [])
        app.router.add_post("/", answer if layer == "answer" else waiting)
        runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    await asyncio.Event().wait()


async def serve_fast(port: int) -> None:
    """The product's own fast path, with answers in the turn after the request."""
    loop = asyncio.get_running_loop()

    def take(_body: bytes, answer: Answer) -> bool:
        loop.call_soon(answer, PlainAnswer(200, ANSWER, (*HEADERS.items(),)))
        return True

    path = FastPath(
        {b"/": FastRoute("/", lambda _path, _headers: take)}, web.Server(answer), lambda *_noted: None
    )
    server = await loop.create_server(path.protocol, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1]), sys.argv[2]))
