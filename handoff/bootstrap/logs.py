"""Logging, set up once: readable in a terminal, JSON lines elsewhere.

Never in a log: message bodies, raw identities, secrets. Callers log codes, counts and names of
configured things.
"""

from __future__ import annotations

import logging
import sys
from contextlib import suppress
from typing import TextIO, cast

import structlog


def configure_logging(level: str = "info", *, stream: TextIO | None = None) -> None:
    """Send structlog's and the standard library's records to `stream` (stderr)."""
    out = stream or sys.stderr
    terminal = out.isatty()
    number = logging.getLevelNamesMapping()[level.upper()]
    processors: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    if terminal:
        processors.append(structlog.dev.ConsoleRenderer())
    else:
        processors += [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    structlog.configure(
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(cast(TextIO, _Lossy(out))),
        cache_logger_on_first_use=True,
    )
    # Libraries speak through the standard library: only what an operator must know.
    logging.basicConfig(level=max(number, logging.WARNING), handlers=[_Foreign()])


class _Lossy:
    """A stream whose lines are lost where it cannot be written.

    A disk that is full, or a reader that is gone, would otherwise end whatever says something: what
    watches the store, first of all.
    """

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def write(self, text: str) -> None:
        with suppress(OSError):
            self._out.write(text)

    def flush(self) -> None:
        with suppress(OSError):
            self._out.flush()


class _Foreign(logging.Handler):
    """What libraries say, as lines of ours.

    aiohttp's parser repeats the bytes that it cannot read, with tokens and identities in them: of its
    errors only the name is kept.
    """

    def emit(self, record: logging.LogRecord) -> None:
        log = structlog.get_logger().bind(logger=record.name)
        error = record.exc_info[1] if record.exc_info else None
        if type(error).__module__ == "aiohttp.http_exceptions":
            log.warning("request_unreadable", error=type(error).__name__)
        else:
            log.log(record.levelno, record.getMessage(), exc_info=record.exc_info)
