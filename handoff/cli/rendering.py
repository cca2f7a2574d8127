"""Renders a context in the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

SECTIONS = (
    ("why_now", "Why now"),
    ("wants", "What they want"),
    ("tried", "What they tried"),
    ("answered", "What was answered"),
    ("promised", "What was promised"),
    ("known", "Do not ask again"),
    ("feelings", "How they feel"),
)
_STYLES = {"web": "cyan", "chat": "green", "phone": "magenta", "email": "yellow"}
MAX_WORDS = 90


def print_context(console: Console, context: Mapping[str, Any]) -> None:
    """Print the customer, the brief, and the timeline, oldest first."""
    if context["match"] != "one":
        _print_no_customer(console, context)
        if not context.get("timeline"):
            return
        console.print("History of the shared identity:", style="bold")
    else:
        words = _customer(context["customer"], context)
        console.print(Panel(words, title="Customer", title_align="left", expand=False))
    brief = context.get("brief") or {}
    for key, title in SECTIONS:
        lines = brief.get(key) or []
        if lines:
            console.print(Text(title, style="bold"))
            for line in lines:
                console.print(_bullet(line))
    _print_effort(console, brief)
    _print_timeline(console, context["timeline"]["touchpoints"])
    _print_completeness(console, context)


def _print_no_customer(console: Console, context: Mapping[str, Any]) -> None:
    if context["match"] == "none":
        console.print("No customer has this identity.")
        return
    console.print(Text("Several customers match:", style="bold"))
    for candidate in context.get("candidates", ()):
        console.print(
            f"  {candidate['identity']}  {candidate['reason']}, {candidate['touchpoints']} touchpoints"
            f"  {candidate['customer_id']}",
            markup=False,
        )
        if candidate.get("summary"):
            console.print(f"    {_summary(candidate['summary'])}", style="dim", markup=False)
    console.print(f"Ask the customer: {context.get('question')}")


def _summary(summary: Mapping[str, Any]) -> str:
    last = summary["last_at"] and f"last {summary['last_type']} on {summary['last_at'][:16]}Z"
    waiting = summary["waiting_since"] and f"waits since {summary['waiting_since'][:16]}Z"
    parts = (summary["name"], last, summary["last_subject"], ", ".join(summary["channels"]), waiting)
    return "; ".join(it for it in parts if it)


def _customer(customer: Mapping[str, Any], context: Mapping[str, Any]) -> Text:
    text = Text()
    name = customer["traits"].get("name")
    text.append(f"{name}  " if name else "", style="bold")
    text.append(customer["id"], style="dim")
    for identity in customer["identities"]:
        head = f"{identity['type']}@{identity['space']}" if identity["space"] else identity["type"]
        text.append(f"\n{head}:{identity['value']}  ")
        text.append(f"{identity['assurance']} via {identity['via']}", style="dim")
    for candidate in customer["candidates"]:
        text.append(f"\npossibly also {candidate['identity']}  ", style="yellow")
        text.append(
            f"{candidate['reason']}, {candidate['touchpoints']} touchpoints, not confirmed", style="dim"
        )
    for shared in customer.get("shared_identities", ()):
        text.append(f"\nshared with others: {shared['identity']}  ", style="yellow")
        waiting = shared["waiting_since"] and f", waiting since {shared['waiting_since'][:16]}Z"
        text.append(f"{shared['unattributed']} unassigned touchpoints{waiting or ''}", style="dim")
    for handoff in context["handoffs"][:1]:
        text.append(
            f"\nhandoff {handoff['id']}: {handoff['state']}, deadline {handoff['deadline'][:16]}Z",
            style="dim",
        )
    return text


def _bullet(line: Mapping[str, Any]) -> Text:
    style = "" if line["assurance"] == "verified" else "yellow"
    return Text(f"  • {line['text']}", style=style)


def _print_effort(console: Console, brief: Mapping[str, Any]) -> None:
    if not brief.get("effort"):
        return
    console.print(Text("Effort so far", style="bold"))
    console.print(f"  {brief['effort']['text']}", markup=False)
    left_out = {name: count for name, count in (brief.get("left_out") or {}).items() if count}
    if left_out:
        words = ", ".join(f"{count} in {name}" for name, count in left_out.items())
        console.print(f"  not shown: {words}", style="dim", markup=False)
    if brief.get("summary"):
        console.print(Text(f"Summary by {brief['summary']['by']}", style="bold"))
        console.print(f"  {brief['summary']['text']}", markup=False)


def _print_timeline(console: Console, touchpoints: Sequence[Mapping[str, Any]]) -> None:
    table = Table(title=None, box=None, pad_edge=False, show_header=True, header_style="bold")
    for heading in ("Time (UTC)", "Channel", "What happened", ""):
        table.add_column(heading, no_wrap=heading != "What happened")
    for touchpoint in reversed(touchpoints):
        marks = [] if touchpoint["assurance"] == "verified" else [touchpoint["assurance"]]
        marks += ["late"] if touchpoint["late"] else []
        marks += [f"assigned by {touchpoint['assigned']['by']}"] if touchpoint.get("assigned") else []
        marks += [f"also {it['source']}" for it in touchpoint.get("also", ())]
        marks += ["transcript"] if touchpoint.get("transcript_of") else []
        table.add_row(
            datetime.fromisoformat(touchpoint["occurred_at"]).strftime("%m-%d %H:%M:%S"),
            Text(touchpoint["channel"], style=_STYLES.get(touchpoint["channel"], "")),
            Text(_description(touchpoint)),
            Text(" ".join(marks), style="yellow"),
        )
    console.print()
    console.print(table)


def _description(touchpoint: Mapping[str, Any]) -> str:
    words = " ".join(
        (touchpoint["text"] or touchpoint["subject"] or touchpoint["data"].get("title") or "").split()
    )
    if touchpoint["subject"] and touchpoint["text"] and touchpoint["subject"] not in words:
        words = f"{touchpoint['subject']}: {words}"
    short = words if len(words) <= MAX_WORDS else words[: MAX_WORDS - 1] + "…"
    return f"{touchpoint['type']}  {short}".strip()


def _print_completeness(console: Console, context: Mapping[str, Any]) -> None:
    timeline = context["timeline"]
    console.print()
    total = timeline["total"]
    shown = f"{timeline['returned']} of {total} touchpoints" if total is not None else "filtered"
    console.print(f"{shown} shown; completeness: {context['completeness']['state']}", style="dim")
