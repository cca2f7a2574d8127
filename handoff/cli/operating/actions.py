"""The operator's commands, over the API of a running server."""

from __future__ import annotations

import argparse
import asyncio
import sys
from base64 import b64decode
from collections.abc import Callable, Coroutine
from typing import Any
from urllib.parse import quote

from handoff.cli.client import Remote, remote
from handoff.cli.terminal import confirmed, print_json
from handoff.domain.errors import HandoffError

from . import output

PARTLY = 3
"""The exit status of a command that did its work, with something left that needs a person."""
Ask = Callable[[Remote], Coroutine[Any, Any, Any]]


def _path(*parts: str) -> str:
    return "/v1/" + "/".join(quote(it, safe="") for it in parts)


def _given(**values: Any) -> dict[str, str]:
    return {name: str(value) for name, value in values.items() if value not in (None, "", False)}


def _run(options: argparse.Namespace, ask: Ask, show: Callable[[Any], None]) -> Any:
    """Ask the server, and print its answer or, with --json, its JSON."""

    async def call() -> Any:
        async with remote(options.url, options.token, options.tenant) as server:
            return await ask(server)

    answer = asyncio.run(call())
    if options.json:
        print_json(answer)
    else:
        show(answer)
    return answer


def list_sources(options: argparse.Namespace) -> int:
    """List the sources with their activity."""
    _run(options, lambda it: it.get("/v1/sources"), output.print_sources)
    return 0


def show_source(options: argparse.Namespace) -> int:
    """Show a source with its last refusals."""
    _run(options, lambda it: it.get(_path("sources", options.name)), output.print_source)
    return 0


def show_status(options: argparse.Namespace) -> int:
    """Show the state of a server. Returns 3 if it is not ready."""
    answer = _run(options, lambda it: it.get("/v1/status"), output.print_status)
    return PARTLY if answer["problem"] else 0


def show_configuration(options: argparse.Namespace) -> int:
    """Show a server's configuration without secrets: always as JSON."""
    options.json = True
    _run(options, lambda it: it.get("/v1/configuration"), print)
    return 0


def list_quarantine(options: argparse.Namespace) -> int:
    """List quarantined items."""
    params = _given(source=options.source, limit=options.limit, cursor=options.cursor)
    _run(options, lambda it: it.get("/v1/quarantine", params), output.print_quarantine)
    return 0


def show_quarantined(options: argparse.Namespace) -> int:
    """Show a quarantined item with its content, or write only the content."""

    def show(item: Any) -> None:
        if options.raw:
            sys.stdout.flush()
            sys.stdout.buffer.write(b64decode(item["base64"]))
        else:
            output.print_item(item)

    if options.raw and options.json:
        raise HandoffError("use either --raw or --json", code="usage")
    _run(options, lambda it: it.get(_path("quarantine", options.id)), show)
    return 0


def try_quarantined(options: argparse.Namespace) -> int:
    """Show what the adapter reads in an item. Returns 3 if it cannot read it."""
    path = _path("quarantine", options.id, "try")
    answer = _run(options, lambda it: it.post(path, {}), output.print_trial)
    return 0 if answer["readable"] else PARTLY


def _selection(options: argparse.Namespace) -> list[dict[str, Any]]:
    """The bodies of the requests: one for a source, or one for each hundred ids."""
    if bool(options.id) == (options.source is not None):
        raise HandoffError("name either ids or --source", code="usage")
    if options.id:
        if options.code is not None:
            raise HandoffError("--code goes with --source", code="usage")
        ids = list(dict.fromkeys(options.id))
        return [{"ids": ids[at : at + 100]} for at in range(0, len(ids), 100)]
    return [{"source": options.source} | ({"code": options.code} if options.code else {})]


async def _all(server: Remote, path: str, bodies: list[dict[str, Any]]) -> dict[str, Any]:
    """Send each body until its `next` is null; the sums of the answers."""
    total: dict[str, Any] = {}
    for body in bodies:
        cursor: str | None = None
        while True:
            answer = await server.post(path, body | ({"cursor": cursor} if cursor else {}))
            cursor = answer.pop("next")
            for name, value in answer.items():
                total[name] = total[name] + value if name in total else value
            if cursor is None:
                break
    return total


def replay_quarantined(options: argparse.Namespace) -> int:
    """Replay quarantined items. Returns 3 if some of them stay in quarantine."""
    bodies = _selection(options)
    answer = _run(options, lambda it: _all(it, "/v1/quarantine/replay", bodies), output.print_replayed)
    _check_found(options, answer["replayed"] + len(answer["failed"]))
    return PARTLY if answer["failed"] else 0


def _check_found(options: argparse.Namespace, found: int) -> None:
    """HandoffError if the server knew fewer items than there are ids."""
    missing = len(dict.fromkeys(options.id)) - found
    if missing > 0:
        raise HandoffError(f"{missing} of these ids are not in quarantine", code="not_found")


def dismiss_quarantined(options: argparse.Namespace) -> int:
    """Delete quarantined items, after a question."""
    bodies = _selection(options)
    what = f"{len(options.id)} items" if options.id else f"all items of {options.source}"
    if options.source and options.code:
        what += f" with the code {options.code}"
    if not options.yes and not confirmed(f"Delete {what} for good? [y/N] ", "y", "yes"):
        print("nothing was deleted", file=sys.stderr)
        return 1
    answer = _run(
        options,
        lambda it: _all(it, "/v1/quarantine/dismiss", bodies),
        lambda answer: print(f"{answer['dismissed']} deleted"),
    )
    _check_found(options, answer["dismissed"])
    return 0


def list_webhooks(options: argparse.Namespace) -> int:
    """List all subscriptions with the state of their queues."""

    async def ask(server: Remote) -> Any:
        answer = await server.get("/v1/webhooks", {"limit": "500"})
        page = answer
        while page["next"] is not None:
            page = await server.get("/v1/webhooks", {"limit": "500", "cursor": page["next"]})
            answer["webhooks"] += page["webhooks"]
        return answer | {"returned": len(answer["webhooks"]), "next": None}

    _run(options, ask, output.print_webhooks)
    return 0


def list_deliveries(options: argparse.Namespace) -> int:
    """List a subscription's messages."""
    path = _path("webhooks", options.webhook, "deliveries")
    state = "dead" if options.dead else None
    params = _given(state=state, limit=options.limit, cursor=options.cursor)
    _run(options, lambda it: it.get(path, params), output.print_deliveries)
    return 0


def show_delivery(options: argparse.Namespace) -> int:
    """Show a message with every attempt."""

    async def ask(server: Remote) -> Any:
        path = _path("webhooks", options.webhook, "deliveries")
        found = (await server.get(path, {"id": options.id}))["deliveries"]
        if not found:
            raise HandoffError("there is no such message", code="not_found")
        return found[0]

    _run(options, ask, output.print_delivery)
    return 0


def replay_deliveries(options: argparse.Namespace) -> int:
    """Send messages of a subscription again."""
    if options.id and (options.until or options.only_failed):
        raise HandoffError("--until and --only-failed go with --since", code="usage")
    body: dict[str, Any] = {"id": options.id} if options.id else {"since": options.since}
    if options.until:
        body["until"] = options.until
    if options.only_failed:
        body["only_failed"] = True

    async def ask(server: Remote) -> Any:
        path, queued = _path("webhooks", options.webhook, "replay"), 0
        while True:
            answer = await server.post(path, body)
            queued += answer["queued"]
            if answer["next"] is None:
                return {"queued": queued}
            body["since"] = answer["next"]

    _run(options, ask, lambda answer: print(f"{answer['queued']} queued"))
    return 0


def list_sessions(options: argparse.Namespace) -> int:
    """List open sessions."""
    params = _given(agent=options.agent, token=options.opened_by)
    _run(options, lambda it: it.get("/v1/sessions", params), output.print_sessions)
    return 0
