"""`handoff customer erase`, and `handoff erasures …`."""

from __future__ import annotations

import argparse
import asyncio
from functools import partial
from typing import Any

from rich.console import Console

from handoff.cli.client import Remote, remote
from handoff.cli.customers.actions import customer_id
from handoff.cli.terminal import confirmed, print_json
from handoff.domain.errors import HandoffError

POLL_S = 0.2


def erase(options: argparse.Namespace) -> int:
    """Erase a customer, or one of the customer's identities, after a question."""
    id_ = asyncio.run(_find(options))
    what = f"{options.identity} of {id_}" if options.identity else id_
    if not options.yes and not confirmed(f"Erase {what} for good? Type yes: ", "yes"):
        raise HandoffError("nothing was erased", code="cancelled")
    return asyncio.run(_run(partial(_erase, id_), options))


def show_all(options: argparse.Namespace) -> int:
    """List erasures."""
    return asyncio.run(_run(_show_all, options))


def show(options: argparse.Namespace) -> int:
    """Show an erasure, with its receipt."""
    return asyncio.run(_run(_show, options))


async def _run(action: Any, options: argparse.Namespace) -> int:
    async with remote(options.url, options.token, options.tenant) as server:
        await action(server, options, Console(highlight=False))
    return 0


async def _find(options: argparse.Namespace) -> str:
    async with remote(options.url, options.token, options.tenant) as server:
        return await customer_id(server, options.customer)


async def _erase(id_: str, server: Remote, options: argparse.Namespace, console: Console) -> None:
    params = {"identity": options.identity, "reason": options.reason, "now": "true" if options.now else None}
    erasure = await server.delete(f"/v1/customers/{id_}", {name: it for name, it in params.items() if it})
    while options.wait and erasure["state"] == "running":
        await asyncio.sleep(POLL_S)
        erasure = await server.get(f"/v1/erasures/{erasure['id']}")
    _print(erasure, options, console)


async def _show(server: Remote, options: argparse.Namespace, console: Console) -> None:
    _print(await server.get(f"/v1/erasures/{options.erasure}"), options, console)


async def _show_all(server: Remote, options: argparse.Namespace, console: Console) -> None:
    """One page, or with `--all` every page: as JSON, one document of all erasures."""
    cursor, whole, shown = options.cursor, [], 0
    while True:
        params = {"limit": str(options.limit)} | ({"cursor": cursor} if cursor else {})
        page = await server.get("/v1/erasures", params)
        cursor, shown = page["next"], shown + page["returned"]
        if options.json:
            whole += page["erasures"]
        else:
            _print_page(page["erasures"], console)
        if not options.all or cursor is None:
            break
    if options.json:
        print_json({**page, "erasures": whole, "returned": shown})
        return
    console.print(f"{shown} of {page['total']} shown", style="dim")
    if cursor is not None:
        console.print(f"continue with --cursor {cursor}", style="dim", soft_wrap=True)


def _print_page(erasures: list[Any], console: Console) -> None:
    for erasure in erasures:
        at = erasure["erased_at"][:16].replace("T", " ")
        ids = f"{erasure['id']}  {erasure['customer_id']}"
        line = f"{at}  {erasure['state']:9}  {ids}  {erasure['requested_by']}"
        console.print(line, markup=False, soft_wrap=True)


def _print(erasure: Any, options: argparse.Namespace, console: Console) -> None:
    if options.json:
        print_json(erasure)
        return
    state = f"{erasure['state']} ({erasure['progress']:.0%})"
    console.print(f"{erasure['id']}  {state}  {erasure['customer_id']}", markup=False)
    receipt = erasure["receipt"]
    if receipt is None:
        return
    for name, count in receipt["counts"].items():
        console.print(f"  {count:>8,} {name}", markup=False)
    if receipt["backups_forget_at"]:
        console.print(f"  backups forget it by {receipt['backups_forget_at']}", markup=False)
    console.print(f"  sha256 {receipt['sha256']}", markup=False)
