"""Limits on wrong digits. A token is too long to guess; digits are not, if anybody may try as often as they
like."""

from __future__ import annotations

from collections.abc import Mapping

import structlog

from handoff.store.store import Store
from handoff.store.tenant import TenantStore

WINDOW_S = 3600
LIMITS: Mapping[str, int] = {"handle": 5, "source": 100, "tenant": 300}
"""Touchpoints with wrong digits in an hour, after which further ones are not tried. With 2 000 valid codes,
all 300 guesses together find one in 1 700 hours."""

log = structlog.get_logger(__name__)


def scopes_of(source: str, home: bytes) -> dict[str, str]:
    """The names under which a touchpoint's wrong digits are counted, by limit."""
    return {"handle": f"handle:{home.hex()}", "source": f"source:{source}", "tenant": "tenant"}


async def reached_limit(part: TenantStore, scopes: Mapping[str, str]) -> bool:
    """Whether there were too many wrong digits; one round trip."""
    counts = await part.continuity.wrong(list(scopes.values()))
    return any(count >= LIMITS[name] for name, count in zip(scopes, counts, strict=True))


async def note_wrong(
    store: Store, tenant: str, source: str, scopes: Mapping[str, str], touchpoint: bytes
) -> None:
    """Count a touchpoint's wrong digits, and raise the alarm when they reach a limit. One round trip."""
    part = store.of(tenant)
    counts = await part.continuity.note_wrong(list(scopes.values()), touchpoint, WINDOW_S)
    for name, count in zip(scopes, counts, strict=True):
        if count == LIMITS[name]:
            log.warning("continuity_guessing", tenant=tenant, source=source, limit=name)
            await store.codes.alarmed(tenant, source, name)
