"""Operations for operators: health, sources, quarantine, and the server's state and settings."""

from __future__ import annotations

from . import health, inspection, quarantine

TAG = health.TAG

OPERATIONS = (*quarantine.OPERATIONS, *inspection.OPERATIONS, *health.OPERATIONS)
