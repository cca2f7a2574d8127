"""Configures logging: readable text on a terminal, JSON lines otherwise.

Logs never contain message bodies, raw identities or secrets. Callers log codes, counts and configured names.
"""

from __future__ import annotations

import logging
import sys
from contextlib import suppress
from typing import TextIO, cast

import structlog

from handoff.domain.redaction.redaction import safe_detail


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
            foreign_pre_chain=[*noting, structlog.stdlib.add_logger_name],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *writing],
        )
    )
    logging.basicConfig(level=max(number, logging.WARNING), handlers=[handler])


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
