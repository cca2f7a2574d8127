"""Configures logging: readable text on a terminal, JSON lines otherwise.

Logs never contain message bodies, raw identities or secrets. Callers log codes, counts and configured names.
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TextIO, cast

import structlog

from handoff.domain.redaction.redaction import safe_detail

WINDOW_S = 10.0
LINES = 20  # alike lines of a window that are written
MAX_KINDS = 1000  # kinds of lines whose number is known


def configure_logging(level: str = "info", *, stream: TextIO | None = None) -> None:
    """Write structlog's and the standard library's records to `stream` (default: stderr)."""
    out = stream or sys.stderr
    terminal = out.isatty()
    lossy = cast(TextIO, _Lossy(out))
    number = logging.getLevelNamesMapping()[level.upper()]
    noting: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    noting.append(RepeatedLines())
    writing: list[structlog.typing.Processor]
    if terminal:
        # Local variables may hold customers' data: tracebacks must not show them.
        writing = [structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)]
    else:
        writing = [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    structlog.configure(
        processors=[*noting, *writing],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(lossy),
        cache_logger_on_first_use=True,
    )
    # Libraries log through the standard library: warnings and errors only.
    handler = logging.StreamHandler(lossy)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*noting[:-1], structlog.stdlib.add_logger_name],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *writing],
        )
    )
    logging.basicConfig(level=max(number, logging.WARNING), handlers=[handler])


class RepeatedLines:
    """Drops lines that repeat too often, so that no sender fills the log.

    Lines are alike if event, source, and code are. The first LINES of a window are written; the next line
    after it has the number of dropped ones in `suppressed`. Debug lines are never dropped.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._windows: dict[tuple[object, ...], _Window] = {}

    def __call__(
        self, _logger: object, method: str, line: structlog.typing.EventDict
    ) -> structlog.typing.EventDict:
        if method == "debug":
            return line
        now = self._clock()
        key = (line.get("event"), line.get("source"), line.get("code"))
        window = self._windows.get(key)
        if window is None or now - window.began >= WINDOW_S:
            dropped = max(0, window.count - LINES) if window else 0
            if len(self._windows) >= MAX_KINDS:
                self._windows.clear()
            self._windows[key] = _Window(now)
            return {**line, "suppressed": dropped} if dropped else line
        window.count += 1
        if window.count > LINES:
            raise structlog.DropEvent
        return line


class _Window:
    __slots__ = ("began", "count")

    def __init__(self, began: float) -> None:
        self.began = began
        self.count = 1


class _Lossy:
    """A stream that masks card numbers and the like, and drops lines it cannot write.

    A full disk or a closed pipe must not stop the task that logs, such as the store's health check.
    """

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def write(self, text: str) -> None:
        with suppress(OSError):
            self._out.write(safe_detail(text))

    def flush(self) -> None:
        with suppress(OSError):
            self._out.flush()
