"""Errors of the product: a subclass says what the caller should do, `code` is stable and public."""

from __future__ import annotations

from typing import Any, ClassVar


class HandoffError(Exception):
    """Something the product refuses or cannot do.

    `code` is part of the public contract; `retryable` says whether sending the same again may
    succeed; `fields` become members of the RFC 9457 problem document.
    """

    code: ClassVar[str] = "error"
    retryable: ClassVar[bool] = False

    def __init__(self, detail: str = "", *, code: str | None = None, **fields: Any) -> None:
        super().__init__(detail or (self.__doc__ or "").strip().splitlines()[0])
        self.detail = str(self)
        self.problem_code = code or self.code
        self.fields = fields


class InvalidPayload(HandoffError):
    """The bytes are not what this sender's format allows."""

    code = "invalid_payload"


class Unprocessable(HandoffError):
    """The request was understood and breaks a rule; `pointers` names where (RFC 6901)."""

    code = "invalid"


class InvalidIdentity(Unprocessable):
    """An identity that cannot be normalised."""

    code = "invalid_identity"


class SignatureRefused(HandoffError):
    """The sender could not prove who it is."""

    code = "signature_refused"


class Unauthenticated(HandoffError):
    """A bearer token is missing, unknown or expired."""

    code = "unauthenticated"


class Forbidden(HandoffError):
    """The token's scope does not allow this."""

    code = "forbidden"


class NotFound(HandoffError):
    """There is no such thing, or it belongs to another tenant."""

    code = "not_found"


class Conflict(HandoffError):
    """The current state does not allow this; `current` shows it."""

    code = "conflict"


class PayloadTooLarge(HandoffError):
    """The request is larger than the published limit."""

    code = "too_large"


class UnsupportedMedia(HandoffError):
    """The content type or encoding is not one this resource takes."""

    code = "unsupported_media_type"


class StoreUnavailable(HandoffError):
    """The store did not confirm in time: the outcome is unknown, send the same again."""

    code = "store_unavailable"
    retryable = True


class Overloaded(HandoffError):
    """Too much is in flight: send the same again later."""

    code = "overloaded"
    retryable = True


class WrittenByNewer(HandoffError):
    """A newer release wrote this, and this one cannot read it: ask a server of the newer release."""

    code = "written_by_newer"
    retryable = True


class ConfigurationError(HandoffError):
    """The configuration or the surroundings do not allow a start; the message says what to change."""

    code = "configuration"
