"""The store's own limit: how many pipelined commands it takes, with nothing of ours in front."""

from __future__ import annotations

import csv
import shutil
import statistics
import subprocess
from pathlib import Path

from redis import Redis

from bench.processes import SERVER_CORE, Failed, Missing, Process, pinned, valkey
from bench.rounds import Settings
from bench.table import Table, spread, thousands

REQUESTS = 100_000
CLIENTS, PIPELINE = 64, 16
KEYS = 100_000
PAYLOAD = "x" * 400
FUNCTIONS = """#!lua name=bench
server.register_function('nothing', function(keys, args) return 1 end)
server.register_function('append', function(keys, args)
  return server.call('XADD', keys[1], '*', 'it', args[1])
end)
"""
KEY = "timeline:__rand_int__"
COMMANDS = {
    "PING": ["PING"],
    "XADD of 400 bytes": ["XADD", KEY, "*", "it", PAYLOAD],
    "FCALL of a function that does nothing": ["FCALL", "nothing", "1", KEY, PAYLOAD],
    "FCALL of a function that does the XADD": ["FCALL", "append", "1", KEY, PAYLOAD],
}


def measure(settings: Settings, directory: Path) -> Table:
    """Each command in turn, on one Valkey. Missing where no such tool is installed."""
    tool = shutil.which("valkey-benchmark") or shutil.which("redis-benchmark")
    if tool is None:
        raise Missing("neither valkey-benchmark nor redis-benchmark is installed")
    rates: dict[str, list[float]] = {name: [] for name in COMMANDS}
    cpu: dict[str, list[float]] = {name: [] for name in COMMANDS}
    with valkey(directory / "store") as (store, socket):
        with Redis(unix_socket_path=str(socket)) as client:
            client.function_load(FUNCTIONS)
        for _ in range(settings.rounds):
            for name, command in COMMANDS.items():
                rate, spent = _run(tool, socket, store, command)
                rates[name].append(rate)
                cpu[name].append(spent)
            with Redis(unix_socket_path=str(socket)) as client:
                client.flushall()
    return Table(
        title="The store's limit: pipelined commands",
        columns=("command", "per second", "store µs"),
        rows=tuple(
            (name, thousands(statistics.median(rates[name])), spread(cpu[name], 1)) for name in COMMANDS
        ),
        notes=(
            f"{Path(tool).name}, {CLIENTS} connections with {PIPELINE} commands each under way, `appendfsync "
            f"always`; {settings.rounds} rounds of {thousands(REQUESTS)}, the store on one core",
        ),
    )


def _run(tool: str, socket: Path, store: Process, command: list[str]) -> tuple[float, float]:
    """Commands per second, and the store's CPU microseconds for each."""
    options = f"-s {socket} -c {CLIENTS} -P {PIPELINE} -n {REQUESTS} -r {KEYS} --csv".split()
    before = store.cpu_s()
    full = pinned(SERVER_CORE, [tool, *options, *command])
    done = subprocess.run(full, capture_output=True, timeout=120, check=False)
    spent = (store.cpu_s() - before) / REQUESTS * 1e6
    rows = list(csv.reader(done.stdout.decode().splitlines()))
    if done.returncode or len(rows) < 2:
        raise Failed(f"{Path(tool).name} {command[0]}: {(done.stderr or done.stdout).decode()[-300:]}")
    return float(rows[-1][1]), spent
