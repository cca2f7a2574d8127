"""Load over many connections, by wrk where it is installed: touchpoints, or requests made beforehand."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

import msgspec
from msgspec import Struct, structs

from bench.processes import LOAD_CORE, ROOT, Failed, pinned, python
from bench.touchpoints import journeys, native
from handoff.domain.touchpoint import Touchpoint

EACH = 5  # touchpoints of one customer, as in load.lua
BLOCK = 512  # customers who come by in turn, as in load.lua
TEMPLATES = 400  # customers whose touchpoints the load is made of
EVENT, PERSON = "\x01", "\x02"
SEED = 7
PATIENCE_S = 10
PATIENT_S = 300  # for a stated number of requests on a busy machine


class Unanswered(Failed):
    """No request was answered in the time of a run."""


class Shot(Struct, frozen=True, kw_only=True):
    """The results of one run of the load generator. `refused` counts responses of 400 and above."""

    requests: int
    microseconds: int
    refused: int
    broken: int
    p50_us: float
    p99_us: float
    load_cpu_s: float = 0.0

    @property
    def rate(self) -> float:
        """Requests per second that were answered well."""
        return (self.requests - self.refused) / self.microseconds * 1e6


class Target(Struct, frozen=True, kw_only=True):
    """Where the load goes."""

    port: int
    path: str
    headers: tuple[tuple[str, str], ...] = ()


class Pressure(Struct, frozen=True, kw_only=True):
    """How hard a server is loaded, and whether it may refuse most of it.

    `core` None lets the load generator run on any. With `requests` a run ends after so many of them,
    however long they take.
    """

    connections: int
    seconds: float
    requests: int = 0
    may_refuse: bool = False
    core: int | None = LOAD_CORE


def write_templates(path: Path) -> float:
    """Write the bodies that the load is made of; their mean size in bytes."""
    bodies = templates()
    path.write_bytes(b"\n".join(bodies) + b"\n")
    width = sum(len(body) + body.count(b"\x01") * 19 + body.count(b"\x02") * 11 for body in bodies)
    return width / len(bodies)


def templates() -> list[bytes]:
    """Bodies with EVENT and PERSON where ids go; EACH in a row are one customer's."""
    return [body for person in journeys(SEED, TEMPLATES, EACH) for body in map(_template, person)]


def _template(touchpoint: Touchpoint) -> bytes:
    stated = native(touchpoint)
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


def shoot(target: Target, templates: Path, pressure: Pressure, run: int) -> Shot:
    """One run of touchpoints. Failed when the load generator does, or when most answers are bad."""
    headers = {"Content-Type": "application/json", **dict(target.headers)}
    environment = {
        "BENCH_TEMPLATES": str(templates),
        "BENCH_PATH": target.path,
        "BENCH_HEADERS": "".join(f"{name}: {value}\r\n" for name, value in headers.items()),
        "BENCH_RUN": str(run),
    }
    return _fire(target, "load.lua", environment, pressure)


def shoot_ready(target: Target, requests: Path, pressure: Pressure) -> Shot:
    """One run of what `write_requests` wrote. Failed as for `shoot`."""
    return _fire(target, "ready.lua", {"BENCH_REQUESTS": str(requests)}, pressure)


def request(target: Target, body: bytes | None = None, headers: Iterable[tuple[str, str]] = ()) -> bytes:
    """A whole HTTP request: POST where there is a body, else GET."""
    lines = [f"{'GET' if body is None else 'POST'} {target.path} HTTP/1.1", "Host: 127.0.0.1"]
    stated = {"Content-Type": "application/json"} if body is not None else {}
    stated |= {**dict(target.headers), **dict(headers)}
    if body is not None:
        stated["Content-Length"] = str(len(body))
    lines += [f"{name}: {value}" for name, value in stated.items()]
    return "\r\n".join([*lines, "", ""]).encode() + (body or b"")


def write_requests(path: Path, requests: Iterable[bytes]) -> int:
    """Write whole requests for `shoot_ready`; how many."""
    count = 0
    with path.open("wb") as file:
        for one in requests:
            file.write(b"%d\n%s" % (len(one), one))
            count += 1
    return count


def _fire(target: Target, script: str, environment: dict[str, str], pressure: Pressure) -> Shot:
    url = f"http://127.0.0.1:{target.port}{target.path}"
    tool, seconds, connections = wrk(), pressure.seconds, pressure.connections
    if tool and not pressure.requests:  # wrk only runs for a time
        # Slow responses show in the latencies; a connection without a response for this long is broken.
        limits = ["-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s", f"--timeout={PATIENCE_S}s"]
        command = [tool, *limits, "-s", str(ROOT / "bench" / script), url]
    else:
        command = python("bench.load_loop", str(target.port), str(connections), str(seconds))
        environment = environment | {"BENCH_COUNT": str(pressure.requests)}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        pinned(pressure.core, command),
        env=os.environ | environment,
        cwd=ROOT,
        capture_output=True,
        timeout=seconds + (PATIENT_S if pressure.requests else 60),
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    lines = [line for line in done.stdout.splitlines() if line.startswith(b"{")]
    if done.returncode or not lines:
        raise Failed(f"the load generator failed: {(done.stderr or done.stdout).decode()[-500:]}")
    shot = msgspec.json.decode(lines[-1], type=Shot)
    if not shot.requests:
        raise Unanswered(f"{url} answered none of {connections} connections in {seconds:.0f} s")
    if shot.refused > shot.requests / 2 and not pressure.may_refuse:
        raise Failed(f"{url}: {shot.refused} of {shot.requests} requests were refused")
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return structs.replace(shot, load_cpu_s=spent)
