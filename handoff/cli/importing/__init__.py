"""`handoff import FILE`: years of history as NDJSON, quietly, and resumable wherever it was stopped.

What the server has made durable is remembered beside the file, bound to the store, the tenant and the
content of the part that was sent. Nothing is believed of a progress file that does not match all three.
"""

from .command import run

__all__ = ["run"]
