"""The command line's parser. Each command names the function that runs it.

This module imports nothing that a command needs, so that `handoff --help` and small commands start fast.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

from handoff import __version__

from . import help_texts
from .operating import arguments as operating
from .setup.arguments import add_setup

_LEVELS = ("debug", "info", "warning", "error")


def parser() -> argparse.ArgumentParser:
    """The parser. It sets `run` to `module:function`, a function in `handoff.cli`."""
    top = argparse.ArgumentParser(
        prog="handoff",
        description="One timeline per customer across all channels, handed over with the conversation.",
        epilog=help_texts.TOP_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=f"handoff {__version__}")
    top.add_argument(
        "--log-level",
        default=os.environ.get("HANDOFF_LOG_LEVEL", "info"),
        choices=_LEVELS,
        metavar="LEVEL",
        help=f"{', '.join(_LEVELS[:-1])} or {_LEVELS[-1]} (or HANDOFF_LOG_LEVEL; default: info)",
    )
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_servers(commands)
    _add_reports(commands)
    _add_customer(commands)
    _add_erasures(commands)
    _add_access(commands)
    _add_audit(commands)
    _add_import(commands)
    _add_webhooks(commands)
    operating.add(commands, _command, _add_admin)
    add_setup(commands, _command)
    _add_store(commands)
    _add_keys(commands)
    _add_retention(commands)
    return top


def _command(
    commands: Any, name: str, summary: str, examples: str | None = None, *, description: str | None = None
) -> argparse.ArgumentParser:
    """A command whose own help starts with its summary, unless it has a longer description."""
    made: argparse.ArgumentParser = commands.add_parser(
        name,
        help=summary,
        description=description or f"{summary[0].upper()}{summary[1:]}.",
        epilog=examples,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    return made


def _add_servers(commands: Any) -> None:
    serving = _command(commands, "serve", "run the server", help_texts.SERVE_EXAMPLES)
    _add_serving(serving, "configured:serve", "the server listens on loopback and has no sources")
    serving.add_argument(
        "--workers", type=int, metavar="N", help="server processes that share the port (default: 1)"
    )
    showing = _command(
        commands, "demo", "run the server and play a customer's journey through it", help_texts.DEMO_EXAMPLES
    )
    _add_serving(showing, "configured:demo", "the demo uses its own")
    showing.add_argument("--once", action="store_true", help="exit after the journey")


def _add_serving(command: argparse.ArgumentParser, run: str, default: str) -> None:
    command.add_argument(
        "--config", type=Path, metavar="FILE", help=f"a TOML configuration file; without it, {default}"
    )
    command.add_argument("--host", help="the address to listen on (default: 127.0.0.1)")
    command.add_argument("--port", type=int, help="the port to listen on (default: 8080; 0 picks a free one)")
    command.add_argument("--data", metavar="DIR", help="the data directory of the embedded store")
    command.set_defaults(run=run)


def _add_reports(commands: Any) -> None:
    context = _command(
        commands, "context", "show the context that an agent would receive", help_texts.CONTEXT_EXAMPLES
    )
    context.add_argument(
        "identity", nargs="+", help="type:value; add more identities if one matches several customers"
    )
    _add_reading(context, "customers:show_context")
    handoffs = _command(commands, "handoffs", "list handoffs", help_texts.HANDOFFS_EXAMPLES)
    handoffs.add_argument("--state", help="only handoffs in this state, such as requested or accepted")
    handoffs.add_argument("--queue", help="only handoffs to this queue")
    handoffs.add_argument("--agent", help="only this agent's handoffs")
    _add_reading(handoffs, "customers:show_handoffs")


def _add_customer(commands: Any) -> None:
    customer = _command(
        commands,
        "customer",
        "show, export, link or split a customer's identities",
        help_texts.CUSTOMER_EXAMPLES,
    )
    actions = customer.add_subparsers(dest="action", required=True, metavar="ACTION")
    show = _command(actions, "show", "show the customer with an identity")
    show.add_argument("identity", nargs="+", help="type:value")
    _add_reading(show, "customers:show_context")
    links = _command(actions, "links", "list the evidence that connects a customer's identities")
    links.add_argument("identity", nargs="+", help="type:value, or one customer id")
    _add_reading(links, "customers:show_links")
    candidates = _command(actions, "candidates", "list the customers who may be the same person, and why")
    candidates.add_argument("identity", nargs="+", help="type:value, or one customer id")
    _add_reading(candidates, "customers:show_candidates")
    assign = _command(actions, "assign", "give a touchpoint on a shared identity to one person")
    assign.add_argument("touchpoint", help="the touchpoint's id, from a timeline")
    assign.add_argument("identity", help="the person's identity, type:value")
    assign.add_argument("--reason", required=True, help="recorded with the assignment")
    assign.add_argument(
        "--conversation", action="store_true", help="assign everything in the touchpoint's conversation"
    )
    _add_reading(assign, "customers:assign")
    _add_export(actions)
    _add_erasing(actions)
    for name, summary, operand, about in (
        ("link", "add an identity to a customer", "other", "the identity to add, type:value"),
        ("withdraw", "withdraw a piece of evidence", "link", "the id that `handoff customer links` shows"),
        ("split", "move identities out of a customer", "others", "the identities to move out, type:value"),
    ):
        change = _command(actions, name, summary)
        change.add_argument("identity", help="type:value, or a customer id")
        change.add_argument(operand, help=about, nargs="+" if operand == "others" else None)
        change.add_argument("--reason", required=True, help="recorded with the change")
        change.add_argument(
            "--dry-run", action="store_true", help="show the result without changing anything"
        )
        _add_reading(change, f"customers:{name}")


def _add_export(actions: Any) -> None:
    export = _command(actions, "export", "export everything stored about a customer")
    export.add_argument("identity", help="type:value, or a customer id")
    export.add_argument(
        "--format", choices=("json", "vcon"), default="json", help="the file's format (default: json)"
    )
    export.add_argument(
        "--output", type=Path, metavar="FILE", help="write to a file instead of standard output"
    )
    export.add_argument(
        "--reveal", action="store_true", help="with bank account and national numbers; needs --reason"
    )
    export.add_argument("--reason", help="kept in the audit trail; a ticket, not a story")
    _add_remote(export, "customers:export")


def _add_erasing(actions: Any) -> None:
    erase = _command(actions, "erase", "erase a customer for good", help_texts.ERASE_EXAMPLES)
    erase.add_argument("customer", help="a customer id, or type:value")
    erase.add_argument("--identity", help="erase only this identity of the customer, type:value")
    erase.add_argument("--reason", help="kept with the erasure; do not name the person")
    erase.add_argument("--wait", action="store_true", help="wait for the end, and print the receipt")
    erase.add_argument(
        "--now", action="store_true", help="compact the embedded store's log now, not within the hour"
    )
    erase.add_argument("--yes", action="store_true", help="do not ask")
    _add_admin(erase, "privacy.erasures:erase")
    reveal = _command(actions, "reveal", "show a touchpoint with its bank account and national numbers")
    reveal.add_argument("touchpoint", help="the touchpoint's id")
    reveal.add_argument("--reason", required=True, help="audited; a ticket, not a story")
    _add_admin(reveal, "privacy.revealing:reveal")


def _add_erasures(commands: Any) -> None:
    erasures = _command(commands, "erasures", "show erasures and their receipts")
    actions = erasures.add_subparsers(dest="action", required=True, metavar="ACTION")
    every = _command(actions, "list", "list erasures, newest first")
    every.add_argument("--limit", type=_page, default=50, metavar="N", help="how many (default: 50)")
    every.add_argument("--cursor", help="continue where an earlier list ended")
    every.add_argument("--all", action="store_true", help="all of them, page by page")
    _add_admin(every, "privacy.erasures:show_all")
    show = _command(actions, "show", "show an erasure with its receipt")
    show.add_argument("erasure", help="the erasure's id")
    _add_admin(show, "privacy.erasures:show")


def _add_access(commands: Any) -> None:
    tokens = _command(commands, "tokens", "create, rotate and revoke API keys", help_texts.API_KEY_EXAMPLES)
    actions = tokens.add_subparsers(dest="action", required=True, metavar="ACTION")
    create = _command(actions, "create", "create an API key and print it")
    create.add_argument("name", help="the key's name in logs and records")
    create.add_argument("--scope", action="append", default=[], help="a scope; can be repeated")
    create.add_argument("--queue", action="append", default=[], help="limit to a queue; can be repeated")
    create.add_argument(
        "--network", action="append", default=[], metavar="CIDR", help="accept from a network only"
    )
    create.add_argument("--environment", help="the second part of the key (default: live)")
    create.add_argument("--ttl-s", type=int, metavar="SECONDS", help="lifetime (default: no end)")
    create.add_argument("--audience", choices=("agent", "customer"), help="the readers of its answers")
    create.add_argument("--agent", help="bind to one agent")
    create.add_argument("--role", choices=("agent", "lead"), help="lead: may end handoffs of others")
    _add_admin(create, "access.commands:create")
    _add_admin(_command(actions, "list", "list the API keys"), "access.commands:show")
    rotate = _command(actions, "rotate", "create the successor of an API key and print it")
    rotate.add_argument("id", help="the key's id")
    rotate.add_argument("--overlap", type=int, metavar="SECONDS", help="how long the old key stays valid")
    _add_admin(rotate, "access.commands:rotate")
    revoke = _command(actions, "revoke", "revoke an API key at once")
    revoke.add_argument("id", help="the key's id")
    _add_admin(revoke, "access.commands:revoke")
    sessions = _command(commands, "sessions", "list and end agents' sessions", operating.SESSIONS_EXAMPLES)
    ends = sessions.add_subparsers(dest="action", required=True, metavar="ACTION")
    operating.add_session_list(ends, _command, _add_admin)
    end = _command(ends, "end", "end sessions; their streams end, too")
    whose = end.add_mutually_exclusive_group(required=True)
    whose.add_argument("--agent", help="sessions of this agent")
    whose.add_argument("--opened-by", metavar="NAME", help="sessions that this token opened")
    whose.add_argument("--all", action="store_true", help="every session of the tenant")
    _add_admin(end, "access.commands:end_sessions")
    _add_admin(
        _command(commands, "reload", "let a running server read its configuration again"),
        "access.commands:reload",
    )


def _add_audit(commands: Any) -> None:
    audit = _command(commands, "audit", "check and search the audit trail", help_texts.AUDIT_EXAMPLES)
    tools = audit.add_subparsers(dest="tool", required=True, metavar="TOOL")
    verify = _command(tools, "verify", "check that nothing in the trail's files was changed or removed")
    verify.add_argument("--config", type=Path, metavar="FILE", help="the server's configuration file")
    verify.add_argument("--data", metavar="DIR", help="the server's data directory")
    verify.set_defaults(run="audit.commands:check")
    verify.add_argument("--dir", metavar="DIR", help="the trail's directory, or a copy of it")
    verify.add_argument(
        "--expect", action="append", default=[], metavar="HASH", help="a hash of a line; can be repeated"
    )
    verify.add_argument("--json", action="store_true", help="print the result as JSON")
    search = _command(tools, "search", "list who read and changed what")
    search.add_argument("--customer", metavar="CUSTOMER", help="type:value, or a customer id")
    search.add_argument("--agent", help="only accesses by this agent")
    search.add_argument("--by-token", dest="token_name", metavar="NAME", help="only accesses by this token")
    search.add_argument("--action", help="only this operation, such as exportCustomer")
    search.add_argument("--since", metavar="TIME", help="a time, or an age such as 30d")
    search.add_argument("--until", metavar="TIME", help="a time, or an age such as 1h")
    search.add_argument("--limit", type=_count, default=500, metavar="N", help="default: 500")
    _add_admin(search, "audit.commands:search")


def _add_admin(command: argparse.ArgumentParser, run: str) -> None:
    _add_reading(command, run)
    command.add_argument("--tenant", help="the tenant, for admin tokens (default: the token's)")


def _add_reading(command: argparse.ArgumentParser, run: str) -> None:
    _add_remote(command, run)
    command.add_argument("--json", action="store_true", help="print the server's JSON response")


def _add_remote(command: argparse.ArgumentParser, run: str) -> None:
    command.add_argument("--url", help="the server's URL (or HANDOFF_URL; default: http://127.0.0.1:8080)")
    command.add_argument("--token", help="a bearer token (or HANDOFF_TOKEN, or HANDOFF_ADMIN_TOKEN)")
    command.set_defaults(run=run)


def _add_import(commands: Any) -> None:
    command = _command(
        commands,
        "import",
        "import touchpoints from an NDJSON file",
        help_texts.IMPORT_EXAMPLES,
        description=help_texts.IMPORT,
    )
    command.add_argument("file", type=Path, help="an NDJSON file, plain or gzip-compressed")
    _add_remote(command, "importing:run")
    command.add_argument(
        "--announce", action="store_true", help="trigger webhooks, connectors, policies and notifications"
    )
    command.add_argument(
        "--restart", action="store_true", help="send the whole file again, including lines already stored"
    )
    command.add_argument(
        "--rejected",
        type=Path,
        metavar="PATH",
        help="the file for rejected lines (default: FILE.rejected.ndjson)",
    )
    command.add_argument(
        "--patience",
        type=float,
        default=300.0,
        metavar="SECONDS",
        help="how long to retry while the server is unreachable or overloaded (default: 300)",
    )


def _add_webhooks(commands: Any) -> None:
    webhooks = _command(commands, "webhooks", "list subscriptions, and test webhook receivers")
    tools = webhooks.add_subparsers(dest="tool", required=True, metavar="TOOL")
    operating.add_webhook_list(tools, _command, _add_admin)
    test = _command(tools, "test", "send a signed test event to a URL", help_texts.WEBHOOK_EXAMPLES)
    test.add_argument("url", help="the receiver's URL")
    test.add_argument(
        "--secret", help="the signing secret, whsec_…; without it, the command prints a new one"
    )
    test.add_argument("--allow-insecure", action="store_true", help="allow http:// URLs")
    test.add_argument(
        "--allow-network",
        action="append",
        default=[],
        metavar="CIDR",
        help="allow a private network, such as 10.0.0.0/8; can be repeated",
    )
    test.set_defaults(run="webhooks:test")


def _add_store(commands: Any) -> None:
    store = _command(commands, "store", "inspect and maintain the store")
    tools = store.add_subparsers(dest="tool", required=True, metavar="TOOL")
    upgrading = _command(
        tools, "upgrade", "let the store use this release's formats", description=help_texts.UPGRADE
    )
    _add_store_options(upgrading, "maintenance:upgrade_store")
    upgrading.add_argument("--dry-run", action="store_true", help="only report what prevents the upgrade")
    upgrading.add_argument(
        "--force",
        action="store_true",
        help="upgrade even if some workers are too old or cannot be reached; such workers become "
        "unready and must be replaced",
    )
    pruning = _command(tools, "prune-functions", "remove other releases' functions from the store")
    pruning.add_argument("--config", type=Path, metavar="FILE", help="the server's configuration file")
    pruning.set_defaults(run="maintenance:prune_functions")
    accepting = _command(
        tools, "accept-loss", "resume writes after the store lost data", description=help_texts.ACCEPT_LOSS
    )
    _add_store_options(accepting, "maintenance:accept_loss_of_data")
    sealing = _command(
        tools, "seal", "seal what was stored before sealing was on", description=help_texts.SEAL
    )
    _add_store_options(sealing, "sealing.operating:seal_store")
    size = _command(tools, "size", "show how the store uses its memory")
    _add_store_options(size, "maintenance:show_sizes")
    size.add_argument(
        "--sample",
        type=_count,
        default=1000,
        metavar="N",
        help="keys to measure of each kind; 0 measures all (default: 1000)",
    )
    size.add_argument("--json", action="store_true", help="print the figures as JSON")


def _add_keys(commands: Any) -> None:
    keys = _command(commands, "keys", "list, rotate and destroy the keys of a sealed store")
    tools = keys.add_subparsers(dest="tool", required=True, metavar="TOOL")
    _add_store_options(_command(tools, "list", "list the key epochs"), "sealing.operating:show_keys")
    rotating = _command(
        tools, "rotate", "begin a key epoch and wrap all data keys in it", description=help_texts.ROTATE
    )
    _add_store_options(rotating, "sealing.operating:rotate_keys")
    rotating.add_argument("--tenant", help="only this tenant's (default: all tenants')")
    rotating.set_defaults(settle_s=12.0)  # more than the 10 s for which a server may use an older key file
    rotating.add_argument("--resume", action="store_true", help="continue without beginning an epoch")
    destroying = _command(tools, "destroy", "destroy retired epochs", description=help_texts.DESTROY)
    destroying.add_argument("epoch", nargs="+", help="an epoch's id, from `handoff keys list`")
    _add_store_options(destroying, "sealing.operating:destroy_keys")


def _add_retention(commands: Any) -> None:
    retention = _command(commands, "retention", "show or run the deletion of what was kept long enough")
    tools = retention.add_subparsers(dest="tool", required=True, metavar="TOOL")
    status = _command(tools, "status", "show the rules, the horizons, and the last sweep")
    _add_store_options(status, "privacy.retention:show_status")
    status.add_argument("--json", action="store_true", help="print JSON")
    sweep = _command(tools, "sweep", "delete now what is older than the rules allow")
    _add_store_options(sweep, "privacy.retention:sweep")
    sweep.add_argument("--dry-run", action="store_true", help="only count what would be deleted")
    sweep.add_argument("--json", action="store_true", help="print JSON")


def _add_store_options(command: argparse.ArgumentParser, run: str) -> None:
    command.add_argument("--config", type=Path, metavar="FILE", help="the server's configuration file")
    command.add_argument("--data", metavar="DIR", help="the data directory of a running embedded store")
    command.set_defaults(run=run)


def _count(text: str) -> int:
    number = int(text)
    if number < 0:
        raise ValueError(text)
    return number


def _page(text: str) -> int:
    number = int(text)
    if not 1 <= number <= 500:
        raise ValueError(text)
    return number
