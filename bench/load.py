"""Load: one request per touchpoint over many connections, by wrk where it is installed."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import msgspec
from msgspec import Struct

from bench.processes import LOAD_CORE, ROOT, Failed, pinned, python
from bench.touchpoints import journeys, native
from handoff.domain.touchpoint import Touchpoint

EACH = 5  # touchpoints of one customer, as in load.lua
BLOCK = 512  # customers who come by in turn, as in load.lua
TEMPLATES = 400  # customers whose touchpoints the load is made of
EVENT, PERSON = "\x01", "\x02"
SEED = 7


class Shot(Struct, frozen=True, kw_only=True):
    """What one run of the load generator saw. `refused` counts answers of 400 and above."""

    requests: int
    microseconds: int
    refused: int
    broken: int
    p50_us: float
    p99_us: float

    @property
    def rate(self) -> float:
        """Requests per second that were answered well."""
        return (self.requests - self.refused) / self.microseconds * 1e6


class Target(Struct, frozen=True, kw_only=True):
    """Where the load goes."""

    port: int
    path: str
    headers: tuple[tuple[str, str], ...] = ()


def write_templates(path: Path) -> float:
    """Write the bodies that the load is made of; their mean size in bytes."""
    bodies = [body for person in journeys(SEED, TEMPLATES, EACH) for body in map(_template, person)]
    path.write_bytes(b"\n".join(bodies) + b"\n")
    width = sum(len(body) + body.count(b"\x01") * 19 + body.count(b"\x02") * 11 for body in bodies)
    return width / len(bodies)


def _template(it: Touchpoint) -> bytes:
    stated = native(it)
    first, *others = stated["identities"]
    assert first.startswith("user:")
    further = [f"anonymous:{PERSON}" for _ in others]
    stated |= {"id": EVENT, "identities": [f"user:{PERSON}", *further]}
    if "thread" in stated:
        stated["thread"] = f"{stated['channel']}-{PERSON}"
    return msgspec.json.encode(stated).replace(b"\\u0001", b"\x01").replace(b"\\u0002", b"\x02")


def wrk() -> str | None:
    return shutil.which("wrk")


def customers(run: int, count: int) -> list[str]:
    """Identities to whom run number `run` gave all of their EACH touchpoints, if it was long enough."""
    # Not the first: wrk asks its script for one request more than it sends.
    return [f"user:{run:04d}{person:08d}" for person in range(1, min(count, BLOCK))]


def shoot(target: Target, templates: Path, *, run: int, connections: int, seconds: float) -> Shot:
    """One run. Failed when the load generator does, or when most answers are bad."""
    headers = {"Content-Type": "application/json", **dict(target.headers)}
    environment = {
        **os.environ,
        "BENCH_TEMPLATES": str(templates),
        "BENCH_PATH": target.path,
        "BENCH_HEADERS": "".join(f"{name}: {value}\r\n" for name, value in headers.items()),
        "BENCH_RUN": str(run),
    }
    url = f"http://127.0.0.1:{target.port}{target.path}"
    tool = wrk()
    if tool:
        script = str(ROOT / "bench/load.lua")
        command = [tool, "-t1", f"-c{connections}", f"-d{seconds:.0f}s", "-s", script, url]
    else:
        command = python("bench.load_loop", str(target.port), str(connections), str(seconds))
    done = subprocess.run(
        pinned(LOAD_CORE, command), env=environment, cwd=ROOT, capture_output=True, timeout=seconds + 30
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith(b"{")]
    if done.returncode or not lines:
        raise Failed(f"the load generator failed: {(done.stderr or done.stdout).decode()[-500:]}")
    shot = msgspec.json.decode(lines[-1], type=Shot)
    if not shot.requests or shot.refused > shot.requests / 2:
        raise Failed(f"{url}: {shot.refused} of {shot.requests} requests were refused")
    return shot
