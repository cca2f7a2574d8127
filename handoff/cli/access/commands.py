"""API keys, sessions, and the configuration of a running server, over its API."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from rich.console import Console
from rich.table import Table

from handoff.cli.client import Remote, remote
from handoff.cli.terminal import print_json

Action = Callable[[Remote, argparse.Namespace], Coroutine[Any, Any, Any]]


def create(options: argparse.Namespace) -> int:
    """Create an API key and print it. It is not shown again."""
    return _run(_create, options, _print_key)


def show(options: argparse.Namespace) -> int:
    """List the API keys."""
    return _run(_show, options, _print_keys)


def rotate(options: argparse.Namespace) -> int:
    """Create the successor of an API key and print it."""
    return _run(_rotate, options, _print_key)


def revoke(options: argparse.Namespace) -> int:
    """Revoke an API key."""
    return _run(_revoke, options, lambda _answer: print(f"revoked {options.id}"))


def end_sessions(options: argparse.Namespace) -> int:
    """End sessions of an agent or of a token, or all of them."""
    return _run(_end_sessions, options, _print_ended)


def reload(options: argparse.Namespace) -> int:
    """Let a running server read its configuration again."""
    return _run(_reload, options, _print_reloaded)


def _run(action: Action, options: argparse.Namespace, show_answer: Callable[[Any], None]) -> int:
    async def call() -> Any:
        tenant = getattr(options, "tenant", None)
        async with remote(options.url, options.token, tenant) as server:
            return await action(server, options)

    answer = asyncio.run(call())
    if getattr(options, "json", False):
        print_json(answer)
    else:
        show_answer(answer)
    return 0


async def _create(server: Remote, options: argparse.Namespace) -> Any:
    body: dict[str, Any] = {"name": options.name, "scopes": options.scope, "networks": options.network}
    for name in ("environment", "ttl_s", "audience", "agent", "role"):
        if getattr(options, name) is not None:
            body[name] = getattr(options, name)
    if options.queue:
        body["queues"] = options.queue
    return await server.post("/v1/tokens", body)


async def _show(server: Remote, _options: argparse.Namespace) -> Any:
    return await server.get("/v1/tokens")


async def _rotate(server: Remote, options: argparse.Namespace) -> Any:
    body = {} if options.overlap is None else {"overlap_s": options.overlap}
    return await server.post(f"/v1/tokens/{options.id}/rotate", body)


async def _revoke(server: Remote, options: argparse.Namespace) -> Any:
    return await server.delete(f"/v1/tokens/{options.id}")


async def _end_sessions(server: Remote, options: argparse.Namespace) -> Any:
    given = {"agent": options.agent, "token": options.opened_by, "all": "true" if options.all else None}
    return await server.delete("/v1/sessions", {name: value for name, value in given.items() if value})


async def _reload(server: Remote, _options: argparse.Namespace) -> Any:
    return await server.post("/v1/configuration/reload", {})


def _print_key(key: Any) -> None:
    print(key["token"])


def _print_keys(answer: Any) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("Id", "Name", "Scopes", "Limits", "Expires (UTC)"):
        table.add_column(heading)
    for key in answer["tokens"]:
        limits = [f"queue {it}" for it in key["queues"] or ()] + [f"from {it}" for it in key["networks"]]
        limits += [f"agent {key['agent']}"] if key["agent"] else []
        limits += [key["audience"]] if key["audience"] != "agent" else []
        expires = (key["expires_at"] or "")[:16].replace("T", " ")
        table.add_row(key["id"], key["name"], " ".join(key["scopes"]), ", ".join(limits), expires)
    Console(highlight=False).print(table)


def _print_ended(answer: Any) -> None:
    print("all sessions have ended" if answer["ended"] is None else f"{answer['ended']} sessions have ended")


def _print_reloaded(answer: Any) -> None:
    print(f"{answer['tokens']} tokens, {answer['sources']} sources")
    if answer["tenants"]:
        print(f"new tenants: {', '.join(answer['tenants'])}")
    if answer["needs_restart"]:
        print(f"these take effect after a restart: {', '.join(answer['needs_restart'])}")
