"""`handoff context`, `handoff handoffs` and `handoff customer …`."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Callable, Coroutine
from typing import Any

from rich.console import Console
from rich.table import Table

from handoff.cli.client import Remote, remote
from handoff.cli.rendering import print_context
from handoff.cli.terminal import print_json
from handoff.domain.errors import HandoffError

Action = Callable[[Remote, argparse.Namespace, Console], Coroutine[Any, Any, None]]


def show_context(options: argparse.Namespace) -> int:
    """Show the context that an agent would receive for these identities."""
    return _run(_show_context, options)


def show_handoffs(options: argparse.Namespace) -> int:
    """List handoffs by state, queue and agent."""
    return _run(_show_handoffs, options)


def show_links(options: argparse.Namespace) -> int:
    """List the evidence that connects a customer's identities."""
    return _run(_show_links, options)


def separate(options: argparse.Namespace) -> int:
    """Show a touchpoint by itself."""
    return _run(_separate, options)


def assign(options: argparse.Namespace) -> int:
    """Assign a touchpoint on a shared identity to one person."""
    return _run(_assign, options)


def show_candidates(options: argparse.Namespace) -> int:
    """List the customers who may be the same person, and why."""
    return _run(_show_candidates, options)


def export(options: argparse.Namespace) -> int:
    """Export everything stored about a customer, to a file or standard output."""
    return _run(_export, options)


def link(options: argparse.Namespace) -> int:
    """Add an identity to a customer."""
    return _run(_link, options)


def withdraw(options: argparse.Namespace) -> int:
    """Withdraw a piece of evidence."""
    return _run(_withdraw, options)


def split(options: argparse.Namespace) -> int:
    """Move identities out of a customer."""
    return _run(_split, options)


def _run(action: Action, options: argparse.Namespace) -> int:
    async def call() -> None:
        async with remote(options.url, options.token) as server:
            await action(server, options, Console(highlight=False))

    asyncio.run(call())
    return 0


async def _look_up(server: Remote, identities: list[str]) -> dict[str, Any]:
    context: dict[str, Any] = await server.post("/v1/context", {"identities": identities})
    return context


async def _show_context(server: Remote, options: argparse.Namespace, console: Console) -> None:
    context = await _look_up(server, options.identity)
    if options.json:
        print_json(context)
    else:
        print_context(console, context)


async def _show_handoffs(server: Remote, options: argparse.Namespace, console: Console) -> None:
    filters = {name: getattr(options, name) for name in ("state", "queue", "agent")}
    page = await server.get("/v1/handoffs", {name: value for name, value in filters.items() if value})
    if options.json:
        print_json(page)
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("Requested (UTC)", "State", "From", "To", "Owner", "Reason", "Id"):
        table.add_column(heading)
    for handoff in page["handoffs"]:
        table.add_row(
            handoff["requested_at"][:16].replace("T", " "),
            handoff["state"],
            _party(handoff["from"]),
            _party(handoff["to"]),
            handoff["owner"] or "",
            handoff["reason"],
            handoff["id"],
        )
    console.print(table)
    total = "" if page["total"] is None else f" of {page['total']}"
    console.print(f"{page['returned']}{total} shown", style="dim")


def _party(party: dict[str, Any]) -> str:
    return party.get("agent") or party.get("queue") or party.get("party") or party.get("channel") or ""


async def customer_id(server: Remote, *identities: str) -> str:
    """The id of the customer with these identities, or the given one. HandoffError for none or several."""
    if len(identities) == 1 and identities[0].startswith("cu_"):
        return identities[0]
    context = await _look_up(server, list(identities))
    if context["customer"] is None:
        found = "no customer matches" if context["match"] == "none" else "several customers match"
        raise HandoffError(f"{found} {', '.join(identities)}; use a customer id instead", code="not_found")
    return str(context["customer"]["id"])


async def _show_links(server: Remote, options: argparse.Namespace, console: Console) -> None:
    id_ = await customer_id(server, *options.identity)
    answer = await server.get(f"/v1/customers/{id_}/links")
    if options.json:
        print_json(answer)
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("", "Identities", "Statement", "By", "Why", "Id"):
        table.add_column(heading)
    for link in answer["links"]:
        mark = "✓" if link["effective"] else ("withdrawn" if link["withdrawn"] else "–")
        others = link["from_identities"]
        names = "  ".join(link["identities"]) + (f"  ≠  {'  '.join(others)}" if others else "")
        statement = f"{link['statement']} ({link['assurance']})"
        table.add_row(mark, names, statement, link["by"], link["why"], link["id"])
    console.print(table)


async def _export(server: Remote, options: argparse.Namespace, console: Console) -> None:
    id_ = await customer_id(server, options.identity)
    path, params = f"/v1/customers/{id_}/export", {"format": options.format}
    headers = {"Handoff-Reason": options.reason} if options.reason else {}
    if options.reveal:
        params["reveal"] = "true"
    if options.output is None:
        await server.save(path, params, sys.stdout.buffer, headers)
        return
    part = options.output.with_name(
        f"{options.output.name}.part"
    )  # an incomplete export never gets the final name
    with part.open("wb") as file:
        size = await server.save(path, params, file, headers)
    part.replace(options.output)
    console.print(f"{options.output}: {size:,} bytes", markup=False)


async def _link(server: Remote, options: argparse.Namespace, console: Console) -> None:
    body = {"identity": options.other, "reason": options.reason}
    await _change(server, options, console, "links", body)


async def _assign(server: Remote, options: argparse.Namespace, console: Console) -> None:
    body = {
        "identity": options.identity,
        "reason": options.reason,
        "conversation": options.conversation,
    }
    view = await server.post(f"/v1/touchpoints/{options.touchpoint}/assign", body)
    if options.json:
        print_json(view)
        return
    what = "conversation" if view["conversation_id"] else "touchpoint"
    done = "Assigned" if view["created"] else "Already assigned"
    console.print(
        f"{done}: a {what} of {view['shared_identity']} to {view['identity']} ({view['customer_id']})",
        markup=False,
    )
    console.print(
        f"  undo: handoff customer withdraw {view['identity']} {view['id']} --reason …", markup=False
    )


async def _separate(server: Remote, options: argparse.Namespace, console: Console) -> None:
    view = await server.post(f"/v1/touchpoints/{options.touchpoint}/separate", {"reason": options.reason})
    if options.json:
        print_json(view)
        return
    done = "Separated" if view["created"] else "Already separated"
    console.print(f"{done}: a touchpoint of {view['identity']} ({view['customer_id']})", markup=False)
    console.print(
        f"  undo: handoff customer withdraw {view['identity']} {view['id']} --reason …", markup=False
    )


async def _show_candidates(server: Remote, options: argparse.Namespace, console: Console) -> None:
    id_ = await customer_id(server, *options.identity)
    answer = await server.get(f"/v1/customers/{id_}/candidates")
    if options.json:
        print_json(answer)
        return
    for candidate in answer["candidates"]:
        console.print(
            f"{candidate['identity']}  {candidate['touchpoints']} touchpoints  {candidate['customer_id']}",
            markup=False,
        )
        for reason in candidate["reasons"]:
            console.print(f"  {reason['text']}  {reason.get('link', '')}".rstrip(), markup=False)
    if not answer["candidates"]:
        console.print("no candidates")
    if answer["left_out"]:
        console.print(f"{answer['left_out']} more claims not read", style="dim")


async def _withdraw(server: Remote, options: argparse.Namespace, console: Console) -> None:
    await _change(server, options, console, f"links/{options.link}/withdraw", {"reason": options.reason})


async def _split(server: Remote, options: argparse.Namespace, console: Console) -> None:
    body = {"identities": options.others, "reason": options.reason}
    await _change(server, options, console, "split", body)


async def _change(
    server: Remote, options: argparse.Namespace, console: Console, path: str, body: dict[str, Any]
) -> None:
    id_ = await customer_id(server, options.identity)
    params = {"dry_run": "true"} if options.dry_run else None
    forecast = await server.post(f"/v1/customers/{id_}/{path}", body, params)
    if options.json:
        print_json(forecast)
        return
    console.print("The result would be" if forecast["dry_run"] else "Result", style="bold")
    for part in forecast["after"]:
        names = ", ".join(part["identities"])
        console.print(f"  {part['customer_id']}  {part['touchpoints']} touchpoints  {names}", markup=False)
    if forecast["conflicts"]:
        console.print(f"  prevented from joining by: {', '.join(forecast['conflicts'])}")
