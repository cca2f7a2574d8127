"""The errors of the product. Each subclass implies how the caller should react; `code` is public."""

from __future__ import annotations

from typing import Any, ClassVar


class HandoffError(Exception):
    """The request cannot be completed.

    `code` is part of the public contract. `retryable` is true if the same request may succeed later.
    `fields` become members of the RFC 9457 problem document.
    """

    code: ClassVar[str] = "error"
    retryable: ClassVar[bool] = False

    def __init__(self, detail: str = "", *, code: str | None = None, **fields: Any) -> None:
        super().__init__(detail or (self.__doc__ or "").strip().splitlines()[0])
        self.detail = str(self)
        self.problem_code = code or self.code
        self.fields = fields


class InvalidPayload(HandoffError):
    """The body does not follow the sender's format."""

    code = "invalid_payload"


class Unprocessable(HandoffError):
    """The request is well-formed but violates a rule; `pointers` lists where (RFC 6901)."""

    code = "invalid"


class InvalidIdentity(Unprocessable):
    """The identity cannot be normalised."""

    code = "invalid_identity"


class SignatureRefused(HandoffError):
    """The signature is missing or invalid.

    Operators read the detail, so it never quotes the request. `signed_url` is the URL that the signature
    should cover, for vendors that sign one: it is for operators, and not part of the answer.
    """

    code = "signature_refused"

    def __init__(self, detail: str = "", *, signed_url: str | None = None) -> None:
        super().__init__(detail)
        self.signed_url = signed_url


class Unauthenticated(HandoffError):
    """The bearer token is unknown: send a valid one."""

    code = "unauthenticated"


class TokenMissing(Unauthenticated):
    """The request has no bearer token: send the header `Authorization: Bearer TOKEN`."""

    code = "token_missing"


class TokenExpired(Unauthenticated):
    """The token was valid and has expired: request a new one."""

    code = "token_expired"


class Forbidden(HandoffError):
    """The token lacks the required scope."""

    code = "forbidden"


class NotFound(HandoffError):
    """The resource does not exist, or it belongs to another tenant."""

    code = "not_found"


class Gone(NotFound):
    """The resource existed and was erased for good."""

    code = "erased"


class Restricted(Forbidden):
    """The customer's data is restricted: it is kept, and neither shown nor exported."""

    code = "restricted"


class Conflict(HandoffError):
    """The current state does not allow this; `current` shows it."""

    code = "conflict"


class PayloadTooLarge(HandoffError):
    """The request is larger than the published limit."""

    code = "too_large"


class UnsupportedMedia(HandoffError):
    """The resource does not support this content type or encoding."""

    code = "unsupported_media_type"


class StoreUnavailable(HandoffError):
    """The store did not confirm in time. The outcome is unknown: retry the same request."""

    code = "store_unavailable"
    retryable = True


class AuditUnavailable(HandoffError):
    """The audit trail cannot be written, so data may not leave: retry later."""

    code = "audit_unavailable"
    retryable = True


class JournalUnavailable(HandoffError):
    """The journal of erasures cannot be written, so nothing was erased: retry later."""

    code = "journal_unavailable"
    retryable = True


class IssuerUnavailable(HandoffError):
    """The identity provider's keys were never fetched and cannot be now: retry the same request later."""

    code = "issuer_unavailable"
    retryable = True


class Overloaded(HandoffError):
    """Too many requests are in flight: retry the same request later."""

    code = "overloaded"
    retryable = True


class RateLimited(HandoffError):
    """The caller sends too fast: retry after `retry_after_s` seconds."""

    code = "rate_limited"
    retryable = True


class WrittenByNewer(HandoffError):
    """A newer release wrote this record: retry on a server of that release."""

    code = "written_by_newer"
    retryable = True


class ConfigurationError(HandoffError):
    """The configuration or the environment prevents the start; the message states what to change."""

    code = "configuration"
