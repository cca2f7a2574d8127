"""`handoff webhooks test URL`: tests a receiver before you subscribe it."""

from __future__ import annotations

import argparse
import asyncio

from handoff.delivery.probe import probe


def test(options: argparse.Namespace) -> int:
    """Send a signed test event to a URL. Returns 1 if the receiver did not accept it."""
    result = asyncio.run(
        probe(
            options.url,
            secret=options.secret,
            allow_insecure=options.allow_insecure,
            allow_networks=tuple(options.allow_network),
        )
    )
    if not options.secret:
        print(f"signed with {result.secret}")
    status = f"status {result.status}" if result.status else result.error
    print(f"{'ok' if result.ok else 'failed'}: {status} in {result.latency_ms:.0f} ms; {result.meaning}")
    if result.answer:
        print(result.answer)
    return 0 if result.ok else 1
