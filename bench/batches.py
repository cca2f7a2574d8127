"""Many touchpoints a request: an SDK's batches and an import, in touchpoints per second."""

from __future__ import annotations

import base64
import functools
import statistics
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from bench.contenders import Started, bare, ours
from bench.load import EACH, EVENT, PERSON, Target, request, templates, write_templates
from bench.rounds import (
    Fresh,
    Lane,
    Round,
    Settings,
    check_total,
    how,
    interleaved,
    middle,
    no_refusals,
    together,
    touchpoints,
)
from bench.table import Table, spread, thousands

BATCH = 100  # events of a batch, as servers' SDKs send them
LINES = 1_000  # of an import's request
LIKELY = 60_000.0  # touchpoints per second that a server of one core does not reach
CONNECTIONS = {"segment": 8, "import": 2}
SIZES = {"bare": 1, "segment": BATCH, "import": LINES}
WRITE_KEY = "benchmark-write-key"
SOURCE = f"""
[[sources]]
name = "shop"
adapter = "web.segment"
secrets = ["{WRITE_KEY}"]
"""
PAGES = ("/", "/shoes", "/shoes/trail", "/cart", "/help/returns", "/help/where-is-my-order", "/orders")
CHECKED = 5  # customers of each run that are counted


def measure(settings: Settings, directory: Path) -> Table:
    """Bare requests, batches and imports in turn; some customers' touchpoints are counted afterwards."""
    directory.mkdir(parents=True, exist_ok=True)
    write_templates(directory / "templates.jsonl")
    with together(
        {"bare": bare, "segment": functools.partial(ours, more=SOURCE), "import": ours}, directory
    ) as started:
        lanes = _lanes(started, directory)
        found = interleaved(lanes, settings)
        for key, customer in (("segment", _visitor), ("import", _user)):
            no_refusals(key, found[key])
            for made in found[key]:
                _check(started[key], made, SIZES[key], customer)
    return Table(
        title="Batches: touchpoints per second",
        columns=("requests", "touchpoints/s", "× bare's requests/s", "server µs", "store µs"),
        rows=tuple((it.name, *_figures(found[it.key], found["bare"], SIZES[it.key])) for it in lanes),
        notes=(
            how(settings).replace("per request", "per touchpoint"),
            f"Segment: pages and tracked events of {BATCH // EACH} visitors with a login; import: mixed "
            f"touchpoints; {EACH} per customer, fresh ids, fsync before every acknowledgement",
        ),
    )


def _lanes(started: dict[str, Started], directory: Path) -> list[Lane]:
    bare_fire = touchpoints(started["bare"], directory / "templates.jsonl")
    headers = (("Authorization", "Basic " + base64.b64encode(f"{WRITE_KEY}:".encode()).decode()),)
    segment = Target(port=started["segment"].target.port, path="/in/shop/v1/batch", headers=headers)
    lines = started["import"].target
    bodies = templates()
    made = {
        "segment": (f"Segment, {BATCH} events a batch", segment, functools.partial(_batches, segment)),
        "import": (f"NDJSON, {LINES} lines a request", lines, functools.partial(_imports, lines, bodies)),
    }
    lanes = [Lane(key="bare", name="bare aiohttp, one a request", started=started["bare"], fire=bare_fire)]
    for key, (name, target, make) in made.items():
        connections = CONNECTIONS[key]
        fire = Fresh(target, directory / f"{key}.requests", make, connections, LIKELY / SIZES[key])
        label = f"handoff, {name}, {connections} connections"
        lanes.append(Lane(key=key, name=label, started=started[key], fire=fire))
    return lanes


def _figures(rounds: Sequence[Round], base: Sequence[Round], size: int) -> tuple[str, ...]:
    pairs = zip(rounds, base, strict=True)
    return (
        thousands(statistics.median(it.shot.rate * size for it in rounds)),
        spread([one.shot.rate * size / other.shot.rate for one, other in pairs]),
        middle((it.server_us / size for it in rounds), 1),
        middle((it.store_us / size for it in rounds), 1),
    )


def _batches(target: Target, run: int, numbers: Iterable[int]) -> Iterator[bytes]:
    """A server's SDK: pages and events of visitors who have logged in."""
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    for number in numbers:
        events = [_event(run, number, place, now) for place in range(BATCH)]
        yield request(target, msgspec.json.encode({"batch": events, "sentAt": now}))


def _event(run: int, number: int, place: int, now: str) -> dict[str, Any]:
    visitor = number * (BATCH // EACH) + place // EACH
    path = PAGES[(visitor + place) % len(PAGES)]
    event = {
        "messageId": f"node-{run:04d}-{number:09d}-{place:03d}",
        "anonymousId": _visitor(run, visitor).partition(":")[2],
        "userId": f"u{run:04d}{visitor:09d}",
        "timestamp": now,
        "context": {
            "library": {"name": "analytics-node", "version": "3.1.0"},
            "ip": "192.0.2.17",
            "locale": "fi-FI",
        },
        "integrations": {},
    }
    if place % 3:
        page = {"path": path, "title": path.strip("/") or "Start", "url": f"https://shop.example{path}"}
        return {**event, "type": "page", "name": page["title"], "properties": page}
    basket = {"order_id": f"A-{visitor}", "total": 59.9, "currency": "EUR", "items": 2}
    return {**event, "type": "track", "event": "Checkout Started", "properties": basket}


def _imports(target: Target, bodies: Sequence[bytes], run: int, numbers: Iterable[int]) -> Iterator[bytes]:
    """Lines of history, customer by customer."""
    event, person = EVENT.encode(), PERSON.encode()
    headers = (("Content-Type", "application/x-ndjson"),)
    for number in numbers:
        lines = []
        for line in range(number * LINES, (number + 1) * LINES):
            body = bodies[line % len(bodies)].replace(event, b"line-%04d-%010d" % (run, line))
            lines.append(body.replace(person, _user(run, line // EACH).encode()[5:]))
        yield request(target, b"\n".join(lines) + b"\n", headers)


def _visitor(run: int, number: int) -> str:
    return f"anonymous@segment:v{run:04d}{number:09d}"


def _user(run: int, number: int) -> str:
    return f"user:{run:04d}{number:08d}"


def _check(started: Started, made: Round, size: int, customer: Any) -> None:
    """Some customers of requests that were answered have all their touchpoints."""
    # The first request is made and not sent, and the last ones may be under way at the end.
    for number in range(1, min(CHECKED, made.shot.requests - 16)):
        check_total(started, customer(made.run, number * size // EACH), EACH)
