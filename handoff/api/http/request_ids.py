"""The number of a request, on its answer and on every line of the log that it leads to."""

from __future__ import annotations

import secrets
from contextvars import ContextVar
from itertools import count

from structlog.contextvars import STRUCTLOG_KEY_PREFIX

HEADER = "Handoff-Request-Id"
REQUEST_ID = ContextVar[str](f"{STRUCTLOG_KEY_PREFIX}request_id")
"""On every log line of a request, as by structlog's `bind_contextvars`."""

_RUN, _NUMBERS = secrets.token_hex(4), count()


def next_request_id() -> str:
    """An id that no other request has, of whatever process and run."""
    return f"{_RUN}{next(_NUMBERS):08x}"
