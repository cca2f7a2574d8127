"""The responses of `POST /v1/touchpoints`."""

from __future__ import annotations

from aiohttp import web
from msgspec import Struct

from handoff.api.http.problems import problem
from handoff.domain.errors import HandoffError
from handoff.domain.redaction.redaction import safe_detail
from handoff.services.timeline.recording import Result


class RejectedView(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A rejected touchpoint, by its index in the request."""

    index: int
    code: str
    detail: str
    id: str | None = None
    errors: list[dict[str, str]] | None = None


class RecordedView(Struct, frozen=True, kw_only=True):
    """The response of `POST /v1/touchpoints`. `ids` has an entry per touchpoint, null if rejected.

    `rejected` describes the first 500 rejected touchpoints at most.
    """

    accepted: int
    duplicates: int
    rejected: list[RejectedView]
    ids: list[str | None]
    expired: int = 0


class LinesView(Struct, frozen=True, kw_only=True):
    """One line of the response to NDJSON: the touchpoints of the lines before `through`, all durable.

    `index` counts lines of the request from 0, empty ones included. An interrupted import continues at line
    `through`.
    """

    accepted: int
    duplicates: int
    rejected: list[RejectedView]
    ids: list[str | None]
    through: int
    expired: int = 0


def recorded(result: Result) -> RecordedView:
    """The response for one stored touchpoint."""
    accepted, expired = result.status == "accepted", result.status == "expired"
    return RecordedView(
        accepted=int(accepted),
        duplicates=int(not accepted and not expired),
        rejected=[],
        ids=[result.id],
        expired=int(expired),
    )


def rejection(result: Result) -> web.Response:
    """The response for one rejected touchpoint."""
    rejected = rejected_view(0, result)
    return problem(
        422, rejected.code, rejected.detail, id=rejected.id, rejected=[rejected], pointers=rejected.errors
    )


def rejected_view(index: int, failed: Result | HandoffError) -> RejectedView:
    if isinstance(failed, HandoffError):
        pointers = failed.fields.get("pointers")
        return RejectedView(
            index=index, code=failed.problem_code, detail=safe_detail(failed.detail), errors=pointers
        )
    return RejectedView(
        index=index,
        code=failed.code or "rejected",
        detail=safe_detail(failed.detail or ""),
        id=failed.id or None,
        errors=failed.pointers,
    )
