"""`handoff demo`: runs the server and plays one customer's journey through it."""

from __future__ import annotations

import os
import re
from functools import partial

import aiohttp
from rich.console import Console

from handoff.adapter.contract import Outcome
from handoff.bootstrap.server import Options, Server, running
from handoff.bootstrap.settings import ADMIN_TOKEN, Settings
from handoff.domain.errors import ConfigurationError

from .journey import DemoTargets, play
from .rendering import print_context
from .serve import run_loop, stop_signal

SOURCES = ("shop-web", "shop-chat", "shop-phone", "shop-mail")


def demo(settings: Settings, *, once: bool) -> int:
    """Serve, play the journey, print the agent's context and the URLs, and run until Ctrl-C."""
    return run_loop(_demo(settings, once=once))


async def _demo(settings: Settings, *, once: bool) -> int:
    stopping = stop_signal()
    console = Console(highlight=False)
    place = settings.store.url or f"an embedded store in {settings.store.data_dir}"
    console.print(f"Starting the server with {_without_password(place)} …", soft_wrap=True, markup=False)
    async with running(settings, Options(admin_token=os.environ.get(ADMIN_TOKEN))) as server:
        targets = _targets(settings, server)
        server.site.inbound.on_first = partial(_print_first, console)
        console.print(f"Listening on {server.url}. Sending as a customer's channels would …\n")
        console.print("[bold]A customer's journey[/bold]")
        async for step in play(targets):
            console.print(f"  {step.channel:6} {step.text}")
        console.print("\n[bold]What the agent receives[/bold]")
        print_context(console, await _context(targets))
        await _print_urls(console, settings, server, targets)
        if not once:
            console.print("Press Ctrl-C to stop. The data stays in " + settings.store.data_dir)
            await stopping.wait()
    console.print("Stopped. All data is saved.")
    return 0


def _without_password(place: str) -> str:
    return re.sub(r"(?<=://)[^/]*@", "…@", place)


def _print_first(console: Console, source: str, outcome: Outcome) -> None:
    """Print a source's first delivery that was stored, or that a run before this one has stored."""
    what = f"{outcome.accepted} stored" if outcome.accepted else f"{outcome.duplicates} known already"
    console.print(f"  first delivery of {source} accepted: {what}", style="green")


def _targets(settings: Settings, server: Server) -> DemoTargets:
    secrets = {it["name"]: it["secrets"][0] for it in settings.sources if it.get("secrets")}
    tokens = {it.name: it.secret for it in settings.tokens}
    missing = [name for name in SOURCES if name not in server.site.sources]
    if missing or "bot" not in tokens:
        raise ConfigurationError(f"the demo needs the sources {', '.join(SOURCES)} and a token named bot")
    return DemoTargets(
        url=server.url,
        web_key=secrets["shop-web"],
        chat_secret=secrets["shop-chat"],
        phone_token=secrets["shop-phone"],
        mail=server.listeners["shop-mail"],
        bot_token=tokens["bot"],
    )


async def _context(targets: DemoTargets) -> dict[str, object]:
    headers = {"Authorization": f"Bearer {targets.bot_token}"}
    async with (
        aiohttp.ClientSession() as session,
        session.get(
            f"{targets.url}/v1/context", params={"identity": "user:anna"}, headers=headers
        ) as response,
    ):
        context: dict[str, object] = await response.json()
        return context


async def _panel_token(targets: DemoTargets, secret: str) -> str:
    """A short-lived token for the panel, requested as a platform's back end does."""
    scopes = ["context:read", "handoffs:read", "handoffs:write", "touchpoints:write", "links:write"]
    headers = {"Authorization": f"Bearer {secret}"}
    async with (
        aiohttp.ClientSession() as session,
        session.post(
            f"{targets.url}/v1/sessions", json={"agent": "mia", "scopes": scopes}, headers=headers
        ) as response,
    ):
        return str((await response.json()).get("token", ""))


async def _print_urls(console: Console, settings: Settings, server: Server, targets: DemoTargets) -> None:
    secret = next((it.secret for it in settings.tokens if it.name == "desk"), targets.bot_token)
    token = await _panel_token(targets, secret)
    console.print("\n[bold]Try it[/bold]")
    panel = f"{server.url}/panel/#token={token}&queue=refunds&identity=user:anna"
    console.print(f"  panel      {panel}", soft_wrap=True, markup=False)
    console.print(f"  API docs   {server.url}/docs")
    console.print(f"  metrics    {server.url}/metrics")
    console.print("  context    ", end="")
    console.print(
        f"curl -H 'Authorization: Bearer {secret}' '{server.url}/v1/context?identity=user:anna'",
        soft_wrap=True,
        markup=False,
    )
    if server.admin_token:
        console.print(f"  admin      token {server.admin_token}")
