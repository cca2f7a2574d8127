"""Requests to adapters, and touchpoints as people write them: for tests, fixtures, and trials."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

import msgspec

from handoff.domain.clock import Micros, format_time, parse_time
from handoff.domain.text.cleaning import clean, clean_headers, clean_pairs
from handoff.domain.touchpoint import Touchpoint

from .contract import InboundRequest

RECEIVED_AT: Micros = parse_time("2026-11-21T21:10:00Z")
PUBLIC_URL = "https://handoff.example.com"


def inbound_request(
    path: str = "",
    *,
    method: str = "POST",
    body: bytes = b"",
    headers: Mapping[str, str] | None = None,
    query: Sequence[tuple[str, str]] = (),
    received_at: Micros = RECEIVED_AT,
    source: str = "src",
) -> InboundRequest:
    """A request to `/in/{source}{path}`, cleaned as the server cleans it."""
    search = f"?{urlencode(query, errors='replace')}" if query else ""
    return InboundRequest(
        method=method,
        path=clean(path),
        url=clean(f"{PUBLIC_URL}/in/{source}{path}{search}"),
        query=clean_pairs(query),
        headers=clean_headers((headers or {}).items()),
        raw=body,
        body=body,
        received_at=received_at,
    )


def shown(touchpoint: Touchpoint) -> dict[str, Any]:
    """A touchpoint as fixtures write it."""
    plain: dict[str, Any] = msgspec.to_builtins(touchpoint)
    plain["identities"] = [f"{one.identity} {one.assurance}" for one in touchpoint.identities]
    plain["occurred_at"] = format_time(touchpoint.occurred_at)
    plain["attachments"] = list(plain["attachments"])
    plain["participants"] = [f"{one.role} {one.identity}" for one in touchpoint.participants]
    return plain
