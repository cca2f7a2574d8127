"""Quarantined items, looked at and processed again: what an adapter reads in one, and many at once."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import Awaitable, Callable, Mapping, Sequence

from msgspec import Struct

from handoff.adapter.contract import Adapter, Outcome, Parsed
from handoff.domain.clock import format_time
from handoff.domain.errors import HandoffError
from handoff.domain.redaction.redaction import safe_detail
from handoff.domain.touchpoint import Touchpoint
from handoff.store.store import Store

from . import quarantine
from .hiding import without_secrets, without_secrets_in
from .parsing import parse
from .quarantine import MAX_ITEM, Quarantined, QuarantineView, item_view

AT_ONCE = 100  # items of one call: each replay takes some round trips
DESCRIBED = 50  # touchpoints of a trial


class QuarantineItemView(QuarantineView, frozen=True, kw_only=True):
    """An item with its content as it is stored: card numbers and the like are masked.

    Secrets of its source, which some vendors send in the URL or the body, are replaced by `…`. `headers` are
    those that the source's adapter needs to read it again. `text` is null if the content is not UTF-8;
    `base64` has it in any case. `complete` is false for a delivery above 1 MiB, of which only the beginning
    is kept.
    """

    method: str
    path: str
    query: list[tuple[str, str]]
    content_type: str
    headers: list[tuple[str, str]]
    complete: bool
    text: str | None
    base64: str


class ReadTouchpoint(Struct, frozen=True, kw_only=True):
    """A touchpoint that an adapter read, without its data about the customer."""

    id: str
    channel: str
    type: str
    occurred_at: str


class TrialView(Struct, frozen=True, kw_only=True):
    """The current reading of an item by its source's adapter. Nothing was stored.

    `touchpoints` has the first ones, `count` is their number. `code` and `detail` are set if the adapter
    cannot read the item, or a part of it.
    """

    readable: bool
    count: int
    touchpoints: list[ReadTouchpoint]
    ignored: Mapping[str, int]
    code: str | None
    detail: str | None


class FailedItem(Struct, frozen=True, kw_only=True):
    """An item that stays in quarantine, and why."""

    id: str
    code: str
    detail: str


class ReplayedItems(Struct, frozen=True, kw_only=True):
    """The outcome of replaying the items of one call. `bound` is where the next call continues."""

    replayed: int
    accepted: int
    duplicates: int
    failed: list[FailedItem]
    bound: int | None


class Selection(Struct, frozen=True, kw_only=True):
    """Items of a tenant: those with `ids`, or a source's, of one `code` if it is given, after `after`."""

    ids: Sequence[str] = ()
    source: str | None = None
    code: str | None = None
    after: int | None = None


def content_view(item: Quarantined, secrets: Sequence[str]) -> QuarantineItemView:
    """An item with its content, without the `secrets` of its source."""
    content = without_secrets_in(item.content(), secrets)
    try:
        text = content.decode()
    except UnicodeDecodeError:
        text = None
    return QuarantineItemView(
        **{name: getattr(item_view(item), name) for name in QuarantineView.__struct_fields__},
        method=item.method,
        path="/".join(without_secrets(part, secrets) for part in item.path.split("/")),
        query=[(name, without_secrets(value, secrets)) for name, value in item.query],
        content_type=item.content_type,
        headers=[(name, without_secrets(value, secrets)) for name, value in item.headers],
        complete=item.size <= MAX_ITEM,
        text=text,
        base64=b64encode(content).decode("ascii"),
    )


async def attempt(adapter: Adapter, item: Quarantined) -> TrialView:
    """Let the adapter read an item in a thread, and store nothing."""
    try:
        parsed = await asyncio.to_thread(parse, adapter, item.request())
    except HandoffError as error:
        return _trial(Parsed(), error.problem_code, error.detail)
    if parsed.malformed:
        return _trial(parsed, parsed.malformed[0].code, parsed.malformed[0].detail)
    if not (parsed.touchpoints or parsed.legs or parsed.ignored):
        return _trial(parsed, "still_malformed", "the item contains no events")
    return _trial(parsed)


def _trial(parsed: Parsed, code: str | None = None, detail: str | None = None) -> TrialView:
    read = [*parsed.touchpoints, *(it.passed_on for it in parsed.legs)]
    return TrialView(
        readable=code is None,
        count=len(read),
        touchpoints=[_read(it) for it in read[:DESCRIBED]],
        ignored=parsed.ignored,
        code=code,
        detail=None if detail is None else safe_detail(detail)[:500],
    )


def _read(touchpoint: Touchpoint) -> ReadTouchpoint:
    return ReadTouchpoint(
        id=safe_detail(touchpoint.event_id),
        channel=touchpoint.channel,
        type=touchpoint.type,
        occurred_at=format_time(touchpoint.occurred_at),
    )


class SelectedItems(Struct):
    """The items of one call, oldest first, and where the next call continues."""

    items: list[Quarantined]
    bound: int | None = None


async def select(store: Store, tenant: str, selection: Selection) -> SelectedItems:
    """The items that a call concerns.

    Ids that are not in quarantine are left out: a second call finds what the first one left.
    """
    records = store.of(tenant).quarantine
    if selection.source is None:
        return SelectedItems(await quarantine.read_known(records, selection.ids))
    found, bound = await quarantine.items_after(records, selection.source, AT_ONCE, selection.after)
    wanted = [it for it in found if selection.code in (None, it.code)]
    return SelectedItems(wanted, bound)


Replay = Callable[[Quarantined], Awaitable[Outcome]]


async def replay_many(selected: SelectedItems, replay: Replay) -> ReplayedItems:
    """Replay items one after another. Those that cannot be recorded stay, with the reason."""
    outcomes: list[Outcome] = []
    failed: list[FailedItem] = []
    for item in selected.items:
        try:
            outcomes.append(await replay(item))
        except HandoffError as error:
            if error.retryable:
                raise
            detail = safe_detail(error.detail)[:500]
            failed.append(FailedItem(id=item.id, code=error.problem_code, detail=detail))
    return ReplayedItems(
        replayed=len(outcomes),
        accepted=sum(it.accepted for it in outcomes),
        duplicates=sum(it.duplicates for it in outcomes),
        failed=failed,
        bound=selected.bound,
    )


async def dismiss_many(store: Store, tenant: str, selected: SelectedItems) -> int:
    """Delete items; how many there were."""
    by_source: dict[str, list[str]] = {}
    for item in selected.items:
        by_source.setdefault(item.source, []).append(item.id)
    count = 0
    for source, ids in by_source.items():
        count += await store.of(tenant).quarantine.drop(source, [bytes.fromhex(it) for it in ids])
    return count
