"""`handoff audit verify` reads files; `handoff audit search` asks a running server."""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import time
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table

from handoff.bootstrap.settings import load_settings
from handoff.cli.client import remote
from handoff.cli.terminal import print_json
from handoff.domain.clock import SECOND, format_time
from handoff.domain.errors import ConfigurationError, HandoffError
from handoff.services.audit.verifying import Verification, verify

_AGES = {"m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}
MAX_PAGES = 10_000


def check(options: argparse.Namespace) -> int:
    """Check every line of the trail. Returns 1 if something was changed, removed, or reordered."""
    settings = load_settings(options.config)
    data = settings.store.data_dir if options.data is None else options.data
    folder = Path(options.dir) if options.dir else settings.audit.folder(data, embedded=True)
    roots = [root for root in (folder, settings.audit.journal_dir) if root is not None]
    if folder is None or not folder.is_dir():
        raise ConfigurationError(f"there is no audit trail in {folder}: use --dir or --config")
    found = [verify(Path(it), options.expect if it == folder else ()) for it in roots]
    if options.json:
        print(json.dumps([_plain(it) for it in found], indent=2))
    else:
        for result in found:
            _print(result)
    return 0 if all(it.ok for it in found) else 1


def _plain(found: Verification) -> Any:
    chains = [
        {
            "writer": it.writer,
            "entries": it.entries,
            "files": it.files,
            "since": it.first,
            "line": it.head.n,
            "hash": it.head.hash,
        }
        for it in found.chains
    ]
    return {"ok": found.ok, "chains": chains, "findings": msgspec.to_builtins(found.findings)}


def _print(found: Verification) -> None:
    console = Console(highlight=False)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("Writer", "Entries", "Files", "Since (UTC)", "Last line", "Its hash"):
        table.add_column(heading, overflow="fold")
    for chain in found.chains:
        table.add_row(
            chain.writer,
            str(chain.entries),
            str(chain.files),
            (chain.first or "")[:16],
            str(chain.head.n),
            chain.head.hash,
        )
    console.print(table)
    for finding in found.findings:
        place = f"{finding.file}:{finding.line}" if finding.line else finding.file
        mark = "note" if finding.harmless else "FOUND"
        console.print(f"{mark}: {place}: {finding.problem}", markup=False, soft_wrap=True)
    console.print("the trail is intact" if found.ok else "the trail was changed")


def search(options: argparse.Namespace) -> int:
    """List accesses, newest first."""
    filters = {"agent": options.agent, "token": options.token_name, "action": options.action}
    params = {name: value for name, value in filters.items() if value}
    if options.customer:
        params["customer" if options.customer.startswith("cu_") else "identity"] = options.customer
    for name in ("since", "until"):
        if getattr(options, name):
            params["from" if name == "since" else "to"] = moment(getattr(options, name))
    found = asyncio.run(_search(options, params))
    if options.json:
        print_json(found)
    else:
        _print_entries(found)
    return 0


async def _search(options: argparse.Namespace, params: dict[str, str]) -> Any:
    """All pages up to the limit, as one answer."""
    entries: list[Any] = []
    async with remote(options.url, options.token, options.tenant) as server:
        for _ in range(MAX_PAGES):
            left = options.limit - len(entries)
            page = await server.get("/v1/audit", {**params, "limit": str(min(500, left))})
            entries += page["entries"]
            if page["next"] is None or len(entries) >= options.limit:
                break
            params = {**params, "cursor": page["next"]}
    return {**page, "entries": entries, "returned": len(entries)}


def moment(text: str) -> str:
    """An RFC 3339 time from one, or from an age such as `30d`. HandoffError otherwise."""
    age = re.fullmatch(r"(\d{1,6})([mhdw])", text)
    if age is not None:
        seconds = int(age[1]) * _AGES[age[2]]
        return format_time(round((time.time() - seconds) * SECOND))
    if re.match(r"\d{4}-\d\d-\d\d", text):
        return text if "T" in text else f"{text}T00:00:00Z"
    raise HandoffError(f"{text!r} is neither a time nor an age such as 30d", code="invalid_time")


def _print_entries(found: Any) -> None:
    console = Console(highlight=False)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("Time (UTC)", "Who", "Action", "Resource", "Result", "Reason"):
        table.add_column(heading, overflow="fold")
    for entry in found["entries"]:
        who = f"{entry['agent']} ({entry['token']})" if entry["agent"] else entry["token"]
        names = ", ".join(identity["masked"] for identity in entry["identities"])
        table.add_row(
            entry["at"][:19].replace("T", " "),
            who,
            entry["action"],
            names or entry["resource"],
            entry["outcome"],
            entry["reason"] or "",
        )
    console.print(table)
    more = " (there are more: raise --limit)" if found["next"] else ""
    console.print(f"{found['returned']} accesses{more}", style="dim")
    if found["not_searched"]:
        console.print(f"not searched: {', '.join(found['not_searched'])}", style="bold")
