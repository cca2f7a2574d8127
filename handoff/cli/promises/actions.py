"""`handoff promises`, `complaints`, and `announcements`, over the API of a running server."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from handoff.cli.client import remote
from handoff.cli.customers.actions import customer_id
from handoff.cli.operating.tables import print_more, print_rows, printable, short_time
from handoff.cli.terminal import print_json


def list_promises(options: argparse.Namespace) -> int:
    """List promises."""
    return _list(options, "promises", _print_promises)


def list_complaints(options: argparse.Namespace) -> int:
    """List complaints."""
    return _list(options, "complaints", _print_complaints)


def list_announcements(options: argparse.Namespace) -> int:
    """List announcements."""
    return _list(options, "announcements", _print_announcements)


def dismiss_announcement(options: argparse.Namespace) -> int:
    """Dismiss an announcement."""
    options.candidate = options.announcement
    return _decide(options, "announcements", "dismiss", {})


def confirm_promise(options: argparse.Namespace) -> int:
    """Confirm that a sentence is a promise."""
    return _decide(options, "promises", "confirm", {"due": options.due} if options.due else {})


def dismiss_promise(options: argparse.Namespace) -> int:
    """Dismiss the candidate of a promise."""
    return _decide(options, "promises", "dismiss", {})


def confirm_complaint(options: argparse.Namespace) -> int:
    """Confirm that a sentence is a complaint."""
    return _decide(options, "complaints", "confirm", {})


def dismiss_complaint(options: argparse.Namespace) -> int:
    """Dismiss the candidate of a complaint."""
    return _decide(options, "complaints", "dismiss", {})


def _list(options: argparse.Namespace, name: str, show: Callable[[Any], None]) -> int:
    given = {it: getattr(options, it) for it in ("state", "owner", "limit", "cursor")}
    params = {key: str(value) for key, value in given.items() if value is not None}

    async def ask() -> Any:
        async with remote(options.url, options.token, options.tenant) as server:
            return await server.get(f"/v1/{name}", params)

    page = asyncio.run(ask())
    if options.json:
        print_json(page)
        return 0
    show(page)
    print_more(page["next"], page["returned"], page["total"])
    return 0


def _decide(options: argparse.Namespace, name: str, action: str, body: dict[str, str]) -> int:
    if options.reason:
        body["reason"] = options.reason

    async def ask() -> Any:
        async with remote(options.url, options.token, options.tenant) as server:
            id_ = await customer_id(server, options.identity)
            candidate = quote(options.candidate, safe="")
            return await server.post(f"/v1/customers/{id_}/{name}/{candidate}/{action}", body)

    decision = asyncio.run(ask())
    if options.json:
        print_json(decision)
        return 0
    due = f", due {short_time(decision['due'])}" if decision.get("due") else ""
    print(f"{decision['state']}: {printable(decision['id'])}{due} ({decision['touchpoint']})")
    return 0


def _owner(entry: Any) -> str:
    owner = entry["owner"]
    return owner["agent"] or (f"queue {owner['queue']}" if owner["queue"] else "")


def _print_promises(page: Any) -> None:
    rows = [
        (
            short_time(it["due"]),
            it["state"] + (" late" if it["late"] else ""),
            it["act"] or "",
            _owner(it),
            it["customer_id"],
            it["id"],
            it["text"] or "",
        )
        for it in page["promises"]
    ]
    print_rows(("Due (UTC)", "State", "What", "Owner", "Customer", "Id", "Words"), rows)


def _print_complaints(page: Any) -> None:
    rows = [
        (
            short_time(it["since"]),
            it["state"],
            f"{it['open_s'] // 3600} h",
            it["reopened"],
            _owner(it),
            it["customer_id"],
            it["id"],
            it["text"] or "",
        )
        for it in page["complaints"]
    ]
    print_rows(("Since (UTC)", "State", "Open", "Reopened", "Owner", "Customer", "Id", "Words"), rows)


def _print_announcements(page: Any) -> None:
    rows = [
        (
            short_time(it["announced_at"]),
            short_time(it["due"]),
            it["state"] + (" late" if it["late"] else ""),
            it["kind"],
            _owner(it),
            it["customer_id"],
            it["id"],
            it["text"] or "",
        )
        for it in page["announcements"]
    ]
    print_rows(("At (UTC)", "Due (UTC)", "State", "What", "Owner", "Customer", "Id", "Words"), rows)
