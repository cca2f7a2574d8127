"""Errors of the store's server or its client, translated once into errors that a caller can act on."""

from __future__ import annotations

import asyncio

from redis import exceptions as foreign
from redis.asyncio.sentinel import MasterNotFoundError

from handoff.domain.errors import StoreUnavailable


class StoreError(Exception):
    """The server answered a command with an error: a fault of this program, not of its environment.

    `code` is the first word of the server's answer (`WRONGTYPE`, `ERR`, …).
    """

    def __init__(self, message: str, code: str = "ERR") -> None:
        super().__init__(message)
        self.code = code


class FunctionMissing(StoreError):
    """The server does not hold the function: load its library and call again."""


UNAVAILABLE = {
    "OOM": "out_of_memory",
    "MISCONF": "disk",
    "READONLY": "readonly",
    "LOADING": "loading",
    "BUSY": "busy",
    "UNKILLABLE": "busy",
    "CLUSTERDOWN": "cluster_down",
    "MASTERDOWN": "cluster_down",
    "TRYAGAIN": "moving",
    "ASK": "moving",
    "MOVED": "moving",
    "NOREPLICAS": "no_replicas",
    "NOAUTH": "credentials",
    "WRONGPASS": "credentials",
    "NOPERM": "credentials",
}
"""First word of the server's answer → our stable `reason`."""

TRANSIENT = frozenset({"connection", "timeout", "readonly", "loading", "cluster_down", "moving"})
"""Reasons that may pass within a call's deadline; the others need an operator."""

# redis-py cuts the first word off the errors it has a class for, so the class stands for it.
_CLASS_CODES: tuple[tuple[type[Exception], str], ...] = (
    (foreign.BusyLoadingError, "LOADING"),
    (foreign.AuthenticationError, "NOAUTH"),
    (foreign.AuthorizationError, "NOPERM"),
    (foreign.OutOfMemoryError, "OOM"),
    (foreign.ReadOnlyError, "READONLY"),
    (foreign.NoPermissionError, "NOPERM"),
    (foreign.NoScriptError, "NOSCRIPT"),
    (foreign.ClusterDownError, "CLUSTERDOWN"),
    (foreign.TryAgainError, "TRYAGAIN"),
    (foreign.ClusterCrossSlotError, "CROSSSLOT"),
    (foreign.AskError, "MOVED"),
)
_ERR_CLASSES: tuple[tuple[str, type[foreign.RedisError]], ...] = (
    ("max number of clients reached", foreign.ConnectionError),
    ("invalid password", foreign.AuthenticationError),
    ("AUTH <password> called without any password", foreign.AuthenticationError),
    ("Client sent AUTH, but no password is set", foreign.AuthenticationError),
)
"""How the text of an `ERR` answer starts that is about the connection, not about the command."""
LOST_DATA = "store_lost_data"
"""Reason and problem code while the store is known to have lost acknowledged data."""
KEYS_UNAVAILABLE = "keys_unavailable"
"""Reason and problem code while the keys of sealed data cannot be used."""
_DETAILS = {
    "out_of_memory": "The store is full: it refuses writes until it has memory again.",
    "disk": "The store cannot write to its disk.",
    "credentials": "The store refuses the configured credentials.",
    "loading": "The store is loading its data.",
    "no_replicas": "The store has too few replicas to take writes.",
    LOST_DATA: "The store lost data that it had acknowledged: an operator must accept the loss first "
    "(handoff store accept-loss).",
    KEYS_UNAVAILABLE: "The keys that seal the stored data are not available: see the server's log.",
    "store_replaced": "Another server emptied and recreated the store: restart this one.",
}


def translate(error: BaseException) -> StoreUnavailable | StoreError:
    """Our error for an error of any client.

    Anything but the server's own answer to a command means "outcome unknown" and becomes
    StoreUnavailable: while a Cluster moves slots, redis-py leaks AttributeErrors and the like.
    """
    if isinstance(error, StoreUnavailable | StoreError):
        return error
    error = _unwrapped(error)
    if isinstance(error, foreign.DataError):
        return StoreError(str(error), "ARGUMENT")
    code = _server_code(error)
    if code is None:
        return unavailable(_client_reason(error))
    if code in UNAVAILABLE:
        return unavailable(UNAVAILABLE[code])
    if code == "NOSCRIPT" or "function not found" in str(error).lower():
        return FunctionMissing(str(error), code)
    return StoreError(str(error), code)


def unavailable(reason: str) -> StoreUnavailable:
    """StoreUnavailable with a stable `reason` field; no host, path or secret of the store in its text."""
    code = reason if reason in (LOST_DATA, KEYS_UNAVAILABLE) else None
    return StoreUnavailable(_DETAILS.get(reason, ""), code=code, reason=reason)


def reason_of(error: BaseException) -> str | None:
    """The stable reason of a StoreUnavailable, None for any other error."""
    if not isinstance(error, StoreUnavailable):
        return None
    return str(error.fields.get("reason", "unknown"))


def server_error(text: str) -> Exception:
    """The exception for a server's error answer, of redis-py's public classes: `translate` knows them.

    Only redirections and what is not about a command need a class; of the others the first word is enough.
    """
    code, _, detail = text.partition(" ")
    if code == "MOVED":
        return foreign.MovedError(detail)
    if code == "ASK":
        return foreign.AskError(detail)
    if code != "ERR":
        return foreign.ResponseError(text)
    kinds = (kind for start, kind in _ERR_CLASSES if detail.startswith(start))
    return next(kinds, foreign.ResponseError)(detail)


def _unwrapped(error: BaseException) -> BaseException:
    """The cause of a failed connect: redis-py wraps it in an error that only repeats its text."""
    cause = error.__cause__
    wrapper = isinstance(error, foreign.ConnectionError | foreign.RedisClusterException)
    return _unwrapped(cause) if wrapper and isinstance(cause, foreign.RedisError) else error


def _server_code(error: BaseException) -> str | None:
    """The first word of the server's error answer, None when `error` is not one."""
    for kind, code in _CLASS_CODES:
        if isinstance(error, kind):
            return code
    if not isinstance(error, foreign.ResponseError):
        return None
    word = str(error).partition(" ")[0]
    return word if word.isupper() and word.isalpha() else "ERR"


def _client_reason(error: BaseException) -> str:
    if isinstance(error, foreign.TimeoutError | asyncio.TimeoutError):
        return "timeout"
    if isinstance(error, MasterNotFoundError | foreign.RedisClusterException | foreign.ClusterError):
        return "cluster_down"
    return "connection"
