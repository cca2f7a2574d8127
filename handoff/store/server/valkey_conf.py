"""The configuration of the embedded Valkey, and what an operator needs from its log."""

from __future__ import annotations

import contextlib
from pathlib import Path

from handoff.store.settings import StoreSettings

from .memory import embedded_limit

LOG_LIMIT = 8 << 20  # bytes; a crash loop writes about 2 KiB every 5 s
_LAST_LINES = 3

MODEL_SETTINGS = {
    # Sizes up to which timelines, records and outboxes stay packed: 237 B a touchpoint instead of 433.
    "zset-max-listpack-value": "2048",
    "zset-max-listpack-entries": "64",
    "hash-max-listpack-value": "1024",
    "hash-max-listpack-entries": "512",
    # A short stream takes a whole node of this size at once: 1.3 KiB instead of 4.3.
    "stream-node-max-bytes": "1024",
}
"""Settings that the data model was measured with; recommended for an own server too."""

_FIXED = {
    "port": "0",
    "unixsocketperm": "700",
    "protected-mode": "yes",
    "daemonize": "no",
    "databases": "1",
    "loglevel": "notice",
    "save": "",
    "appendonly": "yes",
    "aof-use-rdb-preamble": "yes",
    "aof-load-truncated": "yes",
    "no-appendfsync-on-rewrite": "no",
    "auto-aof-rewrite-percentage": "100",
    "auto-aof-rewrite-min-size": "64mb",
    "maxmemory-policy": "noeviction",
    "enable-debug-command": "no",
    "enable-module-command": "no",
    "enable-protected-configs": "no",
    # With the configuration's path in its title, this Valkey is distinguishable from any other process.
    "proc-title-template": "{title} {config-file}",
}


def valkey_conf(settings: StoreSettings, home: Path, socket: Path) -> str:
    """The text of valkey.conf: files in `home`, no network, `appendfsync` by `settings.durability`."""
    lines = _FIXED | MODEL_SETTINGS
    lines |= {
        "dir": str(home),
        "unixsocket": str(socket),
        "pidfile": str(home / "valkey.pid"),
        "logfile": str(home / "valkey.log"),
        "appendfsync": "everysec" if settings.durability == "everysec" else "always",
    }
    maxmemory = settings.maxmemory or embedded_limit()
    if maxmemory is not None:
        lines["maxmemory"] = str(maxmemory)
    return "".join(f"{name} {_quoted(value)}\n" for name, value in lines.items())


def _quoted(value: str) -> str:
    """A value as the configuration reader takes it, whatever a path contains."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\r", "\\r")
    return f'"{escaped}"'


class LogTail:
    """The part of Valkey's log since its last start."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._start = 0

    def rotate(self) -> None:
        """Mark a new start; a log that has grown too large becomes the one old log."""
        with contextlib.suppress(FileNotFoundError):
            if self._path.stat().st_size > LOG_LIMIT:
                self._path.replace(self._path.with_suffix(".log.1"))
        self._start = self._path.stat().st_size if self._path.exists() else 0

    def text(self) -> str:
        """At most the last 64 KiB of it."""
        try:
            with self._path.open("rb") as log:
                end = log.seek(0, 2)
                log.seek(max(self._start, end - 65536))
                return log.read().decode(errors="replace")
        except OSError:
            return ""

    def shows_repair(self) -> bool:
        """Whether an incomplete last entry of the append-only file was cut off while loading."""
        return "loaded anyway because aof-load-truncated is enabled" in self.text()

    def explain(self, code: int) -> str:
        """Why it ended with `code` (negative: a signal), and what an operator can do about it."""
        text = self.text()
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        advice = next((advice for sign, advice in _ADVICE if sign in text), "")
        lines = [line.strip() for line in text.splitlines() if line.strip()][-_LAST_LINES:]
        last = " | ".join(lines) or "nothing in its log"
        return f"the embedded Valkey ended ({how}). {advice}See {self._path}: {last}"


_DAMAGED = (
    "Its append-only file is damaged and was left as it is: copy the directory, then restore a backup, or "
    "repair the newest .incr.aof of the copy with valkey-check-aof --fix, which drops everything after the "
    "damage. "
)
_FULL = "The disk is full: free some space, it restarts by itself. "
_ADVICE = (
    ("No space left on device", _FULL),
    ("Short write while writing to the AOF file", _FULL),
    ("Bad file format reading the append only file", _DAMAGED),
    ("Unexpected end of file reading the append only file", _DAMAGED),
    ("Permission denied", "It may not read or write its files: check their owner. "),
    ("Can't open the append-only file", "It cannot open its append-only file. "),
    ("Out Of Memory", "The machine has too little memory for it. "),
)
