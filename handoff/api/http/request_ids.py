"""Request ids, in responses and in every log line of a request."""

from __future__ import annotations

import secrets
from contextvars import ContextVar
from itertools import count

from structlog.contextvars import STRUCTLOG_KEY_PREFIX

HEADER = "Handoff-Request-Id"
REQUEST_ID = ContextVar[str](f"{STRUCTLOG_KEY_PREFIX}request_id")
"""Added to every log line of a request, like structlog's `bind_contextvars`."""

_RUN, _NUMBERS = secrets.token_hex(4), count()


def next_request_id() -> str:
    """An id that is unique across processes and restarts."""
    return f"{_RUN}{next(_NUMBERS):08x}"
