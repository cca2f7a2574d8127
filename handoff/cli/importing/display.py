"""An import's progress: a progress bar on a terminal, a line every few seconds otherwise."""

from __future__ import annotations

import time

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

EVERY_S = 5.0
SHOWN = 20  # rejected lines to print; the file of rejected lines has all of them


class Display:
    """A context manager that shows the progress. `at` updates it; `print` and `reject` print a line."""

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
        self._began = self._printed_at = time.monotonic()
        self._first: tuple[int, int] | None = None
        self._rejected = 0

    def __enter__(self) -> Display:
        self._bar.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._bar.stop()

    def print(self, text: str) -> None:
        self._console.print(text, markup=False, soft_wrap=True)

    def reject(self, line: int, code: str, detail: str) -> None:
        self._rejected += 1
        if self._rejected <= SHOWN:
            self.print(f"line {line}: {code}: {detail}")
        if self._rejected == SHOWN:
            self.print("more lines were rejected; they are not shown here")

    def begin(self, line: int, read_bytes: int) -> None:
        """Start measuring the rate at this position."""
        self._first = line, read_bytes
        self._began = self._printed_at = time.monotonic()

    def at(self, line: int, read_bytes: int, size: int) -> None:
        """Show that the server has stored this many lines, for which this many bytes were read."""
        now = time.monotonic()
        first_line, first_bytes = self._first or (0, 0)
        elapsed = max(now - self._began, 0.001)
        rate = (line - first_line) / elapsed
        self._bar.update(self._task, completed=read_bytes, total=size, rate=f"{rate:,.0f} lines/s")
        if self._console.is_terminal or now - self._printed_at < EVERY_S:
            return
        self._printed_at = now
        left = (size - read_bytes) * elapsed / max(read_bytes - first_bytes, 1)
        self.print(
            f"{line:,} lines, {rate:,.0f} per second, {read_bytes / max(size, 1):.0%}, {_duration(left)} left"
        )


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
