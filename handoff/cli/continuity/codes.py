"""`handoff continuity`, over the API of a running server."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import quote

from handoff.cli.client import Remote, remote
from handoff.cli.customers.actions import customer_id
from handoff.cli.operating.tables import print_fields, print_rows, short_time
from handoff.cli.terminal import print_json

Ask = Callable[[Remote, str], Awaitable[Any]]


def issue(options: argparse.Namespace) -> int:
    """Issue a code."""
    given = {
        "conversation": options.conversation,
        "channel": options.channel,
        "expires_in_s": options.expires_in,
        "digits_expire_in_s": options.digits_expire_in,
        "uses": options.uses,
        "assurance": "verified" if options.verified else None,
    }
    body = {name: value for name, value in given.items() if value is not None}
    return _run(options, lambda server, path: server.post(path, body), _print_issued)


def show(options: argparse.Namespace) -> int:
    """List a customer's codes."""
    return _run(options, lambda server, path: server.get(path, {}), _print_list)


def revoke(options: argparse.Namespace) -> int:
    """Refuse further uses of a code."""
    params = {"undo": "true"} if options.undo else {}
    code = quote(options.code, safe="")
    return _run(
        options,
        lambda server, path: server.delete(f"{path}/{code}", params),
        lambda it: _print_list({"codes": [it]}),
    )


def _run(options: argparse.Namespace, ask: Ask, show_answer: Callable[[Any], None]) -> int:
    async def call() -> Any:
        async with remote(options.url, options.token, options.tenant) as server:
            id_ = await customer_id(server, options.identity)
            return await ask(server, f"/v1/customers/{id_}/continuity")

    found = asyncio.run(call())
    if options.json:
        print_json(found)
    else:
        show_answer(found)
    return 0


def _print_issued(code: Any) -> None:
    forms = code["forms"]
    print_fields(
        [
            ("Digits", f"{code['digits_grouped']} (until {short_time(code['digits_expire_at'])} UTC)"),
            ("Text", forms["text"]),
            ("Link", forms["link_parameter"]),
            ("Subject", forms["subject_tag"]),
            ("Address", ", ".join(forms["plus_addresses"])),
            ("Valid until", f"{short_time(code['expires_at'])} UTC"),
            ("Continues", f"the {code['channel']} of {short_time(code['opened_at'])} UTC"),
            ("Id", code["id"]),
        ]
    )


def _print_list(page: Any) -> None:
    rows = [
        (
            it["id"],
            it["state"],
            f"{it['channel']} of {short_time(it['opened_at'])}",
            short_time(it["expires_at"]),
            f"{it['uses'] - it['uses_left']}/{it['uses']}",
            ", ".join(f"{use['channel']} {short_time(use['at'])}" for use in it["used_by"]),
            it["by"],
        )
        for it in page["codes"]
    ]
    print_rows(("Id", "State", "Continues", "Until (UTC)", "Uses", "Used by", "By"), rows)
