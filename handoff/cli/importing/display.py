"""What is shown while an import is under way: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import time

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

EVERY_S = 5.0
SHOWN = 20  # rejected lines printed; all of them are in the file of rejects


class Display:
    """Enter it. `at` tells where the import is, `say` prints a line, `reject` one about a rejected line."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bar = Progress(
            TextColumn("importing"),
            BarColumn(),
            DownloadColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task("importing", total=None, rate="")
        self._began = self._said_at = time.monotonic()
        self._first: tuple[int, int] | None = None
        self._rejected = 0

    def __enter__(self) -> Display:
        self._bar.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._bar.stop()

    def say(self, text: str) -> None:
        self._console.print(text, markup=False, soft_wrap=True)

    def reject(self, line: int, code: str, detail: str) -> None:
        self._rejected += 1
        if self._rejected <= SHOWN:
            self.say(f"line {line}: {code}: {detail}")
        if self._rejected == SHOWN:
            self.say("further rejected lines are not shown here")

    def begin(self, line: int, read_bytes: int) -> None:
        """Sending begins here: the rate is counted from now on."""
        self._first = line, read_bytes
        self._began = self._said_at = time.monotonic()

    def at(self, line: int, read_bytes: int, size: int) -> None:
        """So many lines are durable, and so many bytes of the file were read for them."""
        now = time.monotonic()
        first_line, first_bytes = self._first or (0, 0)
        elapsed = max(now - self._began, 0.001)
        rate = (line - first_line) / elapsed
        self._bar.update(self._task, completed=read_bytes, total=size, rate=f"{rate:,.0f} lines a second")
        if self._console.is_terminal or now - self._said_at < EVERY_S:
            return
        self._said_at = now
        left = (size - read_bytes) * elapsed / max(read_bytes - first_bytes, 1)
        self.say(
            f"{line:,} lines, {rate:,.0f} a second, {read_bytes / max(size, 1):.0%}, {_duration(left)} left"
        )


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
