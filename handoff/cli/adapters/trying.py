"""`handoff adapters try`: what an adapter reads in a captured delivery."""

from __future__ import annotations

import argparse
import re
import sys
import time
import tomllib
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote

import msgspec

from handoff.adapter.contract import Adapter, InboundRequest, Outcome, Parsed, Reply
from handoff.adapter.trial import inbound_request, shown
from handoff.bootstrap.settings import load_source, read_options
from handoff.cli.operating.tables import printable
from handoff.cli.terminal import print_json
from handoff.domain.clock import parse_any_time
from handoff.domain.errors import ConfigurationError, HandoffError, SignatureRefused
from handoff.services.sources.parsing import parse
from handoff_adapters.registry import adapter_class

_REQUEST_LINE = re.compile(rb"([A-Z]{3,10}) (\S+) HTTP/[0-9.]+\r?\n")
_BLANK_LINE = re.compile(rb"\r?\n\r?\n")
_SHOWN = ("medium", "subject", "text", "thread", "amends", "language", "seq")
MAX_TEXT = 300  # characters of a text for people


def try_delivery(options: argparse.Namespace) -> int:
    """Show what becomes of the delivery. Returns 1 if it, or a part of it, is refused or quarantined."""
    class_ = adapter_class(options.name)
    adapter = class_(_source_options(class_, options))
    request, whole = _request(options)
    signed = any(it.startswith(("secrets=", "shared_keys=")) for it in options.option)
    signed = signed or (options.source is not None and whole)
    result = examine(adapter, request, check_signature=signed)
    if options.json:
        print_json(result)
    else:
        print("\n".join(_lines(result)))
    return 1 if result["refused"] or result["malformed"] or result["signature"].startswith("refused") else 0


def _source_options(class_: type[Adapter], options: argparse.Namespace) -> Any:
    table = _source_table(class_, options)
    tuples = {it.encode_name for it in msgspec.structs.fields(class_.options) if it.default == ()}
    for pair in options.option:
        key, separator, text = pair.partition("=")
        if not separator:
            raise HandoffError(f"--option {pair!r} is written KEY=VALUE", code="usage")
        value = _value(text)
        table[key] = [value] if key in tuples and not isinstance(value, list) else value
    known = {it.encode_name for it in msgspec.structs.fields(class_.options)}
    if "allow_unsigned" in known and "secrets" not in table:
        table.setdefault("allow_unsigned", True)
    return read_options(table, class_.options, class_.options.former)


def _source_table(class_: type[Adapter], options: argparse.Namespace) -> dict[str, Any]:
    """The table of the source that the command names, else one without options."""
    if (options.config is None) != (options.source is None):
        raise HandoffError("--config and --source go together", code="usage")
    if options.config is None:
        return {"name": "trial", "adapter": class_.name}
    table = load_source(options.config, options.source)
    if table.get("adapter") != class_.name:
        raise HandoffError(f"source {options.source!r} is of {table.get('adapter')}", code="usage")
    return table


def _value(text: str) -> Any:
    """A value as TOML, else the text itself."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _request(options: argparse.Namespace) -> tuple[InboundRequest, bool]:
    """The request, and whether it was captured whole."""
    try:
        raw = sys.stdin.buffer.read() if options.file == "-" else Path(options.file).read_bytes()
    except OSError as error:
        raise HandoffError(f"{options.file} cannot be read: {error.strerror}", code="usage") from error
    method, target, headers, body = _captured(raw)
    for pair in options.header:
        name, separator, value = pair.partition(":")
        if not separator:
            raise HandoffError(f"--header {pair!r} is written NAME:VALUE", code="usage")
        headers[name.strip().lower()] = value.strip()
    path, _, query = (options.path or target).partition("?")
    request = inbound_request(
        unquote(path),
        method=options.method or method,
        body=body,
        headers=headers,
        query=parse_qsl(query, keep_blank_values=True),
        received_at=_received_at(options.received_at),
        source=options.source or "trial",
    )
    return request, _REQUEST_LINE.match(raw) is not None


def _received_at(stated: str | None) -> int:
    if stated is None:
        return time.time_ns() // 1000
    try:
        return parse_any_time(stated)
    except (ValueError, OverflowError) as error:
        raise HandoffError(f"--received-at {stated!r} is not a time", code="usage") from error


def _captured(raw: bytes) -> tuple[str, str, dict[str, str], bytes]:
    """Method, path below `/in/{source}`, headers, and body of a capture."""
    first = _REQUEST_LINE.match(raw)
    if first is None:
        return "POST", "", {}, raw
    head, _, body = raw.partition(found[0]) if (found := _BLANK_LINE.search(raw)) else (raw, b"", b"")
    headers: dict[str, str] = {}
    for line in head.decode("utf-8", "replace").splitlines()[1:]:
        name, _, value = line.partition(":")
        headers.setdefault(name.strip().lower(), value.strip())
    target = first[2].decode("utf-8", "replace")
    below = re.match(r"(?:https?://[^/]+)?/in/[^/?]+", target)
    return first[1].decode(), target[below.end() :] if below else target, headers, body


def examine(adapter: Adapter, request: InboundRequest, *, check_signature: bool) -> dict[str, Any]:
    """The touchpoints, ignored events, and problems of a delivery, as plain JSON. Nothing is stored."""
    result: dict[str, Any] = {
        "adapter": adapter.name,
        "signature": "not checked",
        "handshake": False,
        "touchpoints": [],
        "legs": [],
        "ignored": {},
        "malformed": [],
        "refused": None,
        "reply": None,
    }
    try:
        early = adapter.handshake(request)
        if early is not None:
            return {**result, "handshake": True, "reply": _reply(early)}
    except HandoffError as error:
        return {**result, "refused": _problem(error)}
    if check_signature:
        result["signature"] = _signature(adapter, request)
    try:
        parsed = parse(adapter, request)
    except HandoffError as error:
        return {**result, "refused": _problem(error)}
    accepted = len(parsed.touchpoints) + len(parsed.legs)
    ignored = sum(parsed.ignored.values())
    outcome = Outcome(accepted=accepted, ignored=ignored, quarantined=len(parsed.malformed))
    return result | _content(parsed) | {"reply": _reply(adapter.reply(request, parsed, outcome))}


def _signature(adapter: Adapter, request: InboundRequest) -> str:
    try:
        adapter.verify(request)
    except (SignatureRefused, ConfigurationError) as error:
        return f"refused: {error.detail}"
    return "accepted"


def _content(parsed: Parsed) -> dict[str, Any]:
    return {
        "touchpoints": [shown(it) for it in parsed.touchpoints],
        "legs": [shown(it.passed_on) for it in parsed.legs],
        "ignored": dict(parsed.ignored),
        "malformed": [{"code": it.code, "detail": it.detail} for it in parsed.malformed],
    }


def _problem(error: HandoffError) -> dict[str, str]:
    return {"code": error.problem_code, "detail": error.detail}


def _reply(reply: Reply) -> dict[str, Any]:
    return {
        "status": reply.status,
        "content_type": reply.content_type,
        "body": reply.body.decode("utf-8", "replace"),
    }


def _lines(result: dict[str, Any]) -> list[str]:
    lines = [f"{result['adapter']}: signature {result['signature']}"]
    if result["handshake"]:
        lines.append("a handshake: the request carries no events")
    for what in ("touchpoints", "legs"):
        lines += [line for it in result[what] for line in _touchpoint_lines(it, what)]
    lines += [f"ignored: {name} ({count})" for name, count in result["ignored"].items()]
    lines += [f"quarantined: {it['code']}: {it['detail']}" for it in result["malformed"]]
    if result["refused"]:
        lines.append(f"refused: {result['refused']['code']}: {result['refused']['detail']}")
    if result["reply"]:
        body = f", {result['reply']['body'][:MAX_TEXT]}" if result["reply"]["body"] else ""
        lines.append(f"reply: {result['reply']['status']}{body}")
    return [printable(line) for line in lines]


def _touchpoint_lines(touchpoint: dict[str, Any], what: str) -> list[str]:
    note = " (filed under the first call's customer, if known)" if what == "legs" else ""
    head = "  ".join(touchpoint[name] for name in ("type", "occurred_at", "channel", "direction"))
    lines = [head + note]
    lines.append(f"  id: {touchpoint['id_space']} {touchpoint['event_id']}")
    lines += [f"  customer: {one}" for one in touchpoint["identities"]]
    lines += [f"  {one}" for one in touchpoint["participants"]]
    stated = {name: touchpoint[name] for name in _SHOWN if touchpoint[name] is not None}
    lines += [f"  {name}: {str(value)[:MAX_TEXT]}" for name, value in stated.items()]
    for name in ("attachments", "actor", "traits", "data"):
        if touchpoint[name]:
            lines.append(f"  {name}: {msgspec.json.encode(touchpoint[name]).decode()[:MAX_TEXT]}")
    return lines
