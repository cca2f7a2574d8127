"""Confirming and dismissing: a decision is a touchpoint at the candidate's home.

Both decisions about a candidate have one event id, made from the candidate's id: the store keeps the first
and refuses the second.
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from handoff.codec.keyed_hash import TOUCHPOINT
from handoff.domain.brief.lines import stated_time
from handoff.domain.brief.shapes import TimelineItem
from handoff.domain.clock import Micros, format_time
from handoff.domain.errors import Conflict, Gone, HandoffError, NotFound
from handoff.domain.ledger.entry import PROMISE
from handoff.domain.touchpoint import Direction, Touchpoint, Visibility
from handoff.services.customers.customer import Customer, by_key
from handoff.services.handoffs.targets import read_conversation_id
from handoff.services.timeline.pages import read_touchpoint
from handoff.services.timeline.recording import record
from handoff.services.timeline.views import TouchpointView
from handoff.store.store import Store

from .finding import (
    CONFIRMED,
    DISMISSED,
    DISMISSING,
    OPENING,
    Decided,
    FoundCandidate,
    candidate_in,
    decided_in,
    promised_by_agent,
    recorded_in,
)
from .recording import REUSED, home_handle_of
from .settling import LedgerRules, read_customer_story, settle

ID_SPACE = "said"
SOURCE = "decisions"
POLICY = "policy:agents_confirm"
ALREADY = {CONFIRMED: "already_confirmed", DISMISSED: "already_dismissed"}


class Decision(Struct, frozen=True, kw_only=True):
    """A decision about a candidate. `due` overrides the candidate's own."""

    kind: str
    confirm: bool
    by: str
    due: Micros | None = None
    reason: str | None = None
    automatic: bool = False

    @property
    def state(self) -> str:
        return CONFIRMED if self.confirm else DISMISSED

    @property
    def type(self) -> str:
        return (OPENING if self.confirm else DISMISSING)[self.kind]


class DecisionView(Struct, frozen=True, kw_only=True):
    """A decision. `id` is what was decided about, `touchpoint` what records it."""

    id: str
    kind: str
    state: str
    customer_id: str
    touchpoint: str
    due: str | None
    decided_at: str
    decided_by: str | None
    reason: str | None


async def decide(
    store: Store,
    tenant: str,
    customer: Customer,
    id_: str,
    decision: Decision,
    rules: LedgerRules,
    now: Micros,
) -> DecisionView:
    """Confirm or dismiss a candidate, or take back a recorded promise or complaint.

    The same decision again changes nothing. Raises NotFound for an id that is none of the customer's,
    Conflict (`already_confirmed`, `already_dismissed`) if it was decided otherwise.
    """
    story = await read_customer_story(store, tenant, customer, now)
    decided = decided_in(story, decision.kind, id_)
    if decided is not None:
        return _repeated(customer, id_, decision, decided)
    recorded = recorded_in(story, decision.kind, id_)
    if recorded is not None:
        return await _take_back(store, tenant, customer, recorded, decision, rules, now)
    candidate = candidate_in(story, decision.kind, id_)
    if candidate is None:
        raise NotFound(f"the customer has no such {decision.kind}")
    return await _record(store, tenant, customer, candidate, decision, rules, now)


async def confirm_typed(store: Store, tenant: str, place: tuple[bytes, bytes], rules: LedgerRules) -> None:
    """Confirm the promises that an agent typed in the message at this home and with this id, by policy.

    Raises NotFound if the customer was erased in the meantime.
    """
    now = await store.of(tenant).clock()
    customer = await by_key(store, tenant, place[0])
    story = await read_customer_story(store, tenant, customer, now)
    item = story.by_id.get(store.hashes(tenant).public(TOUCHPOINT, *place))
    for id_ in promised_by_agent(story, item) if item is not None else ():
        decision = Decision(kind=PROMISE, confirm=True, by=POLICY, automatic=True)
        try:
            await decide(store, tenant, customer, id_, decision, rules, now)
        except Conflict:  # somebody dismissed it at the same time
            continue


def _repeated(customer: Customer, id_: str, decision: Decision, decided: Decided) -> DecisionView:
    item = decided.item
    view = DecisionView(
        id=id_,
        kind=decision.kind,
        state=decided.state,
        customer_id=customer.id,
        touchpoint=item.id,
        due=_due(item.data),
        decided_at=format_time(item.occurred_at),
        decided_by=_text(item.data.get("decided_by")),
        reason=_text(item.data.get("reason")),
    )
    return _agreeing(decision, view)


def _agreeing(decision: Decision, view: DecisionView) -> DecisionView:
    """The earlier decision. Conflict if it was another one."""
    if view.state != decision.state:
        detail = f"the {decision.kind} was {view.state} already"
        raise Conflict(detail, code=ALREADY[view.state], current=view)
    return view


def _due(data: dict[str, Any]) -> str | None:
    at = stated_time(data.get("due"))
    return format_time(at) if at is not None else None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


async def _take_back(
    store: Store,
    tenant: str,
    customer: Customer,
    item: TimelineItem,
    decision: Decision,
    rules: LedgerRules,
    now: Micros,
) -> DecisionView:
    """Dismiss a promise of a platform. A confirmed candidate stays: delete its touchpoint to undo it."""
    if decision.confirm or item.data.get("candidate"):
        return _repeated(customer, item.id, decision, Decided(state=CONFIRMED, item=item))
    found = FoundCandidate(id=item.id, item=item, sentence=item.text or "", spoken_by=item.name)
    return await _record(store, tenant, customer, found, decision, rules, now)


async def _record(
    store: Store,
    tenant: str,
    customer: Customer,
    candidate: FoundCandidate,
    decision: Decision,
    rules: LedgerRules,
    now: Micros,
) -> DecisionView:
    hashes = store.hashes(tenant)
    home, _id = hashes.private(TOUCHPOINT, candidate.item.id, 2)
    due = decision.due if decision.due is not None else candidate.due
    item = candidate.item
    touchpoint = Touchpoint(
        id_space=ID_SPACE,
        event_id=candidate.id,
        source=SOURCE,
        channel=item.channel,
        type=decision.type,
        occurred_at=now,
        identities=(await home_handle_of(store, home),),
        direction=Direction.INTERNAL,
        visibility=_visibility(item, decision),
        text=candidate.sentence or None,
        language=item.language,
        conversation=read_conversation_id(hashes, item.conversation),
        actor={"name": candidate.spoken_by} if candidate.spoken_by and decision.confirm else None,
        data=_data(candidate, decision, due),
    )
    (result,) = await record(store, tenant, [touchpoint])
    if result.status == "erased":
        raise Gone("the customer was erased", code="customer_erased")
    if not result.ok and result.code != REUSED:
        raise HandoffError(result.detail or "", code=result.code)
    stored = await read_touchpoint(store, tenant, result.id)
    view = _agreeing(decision, _view(customer, candidate.id, decision, stored))
    await settle(store, tenant, home, rules)
    return view


def _visibility(item: TimelineItem, decision: Decision) -> Visibility:
    """That of the sentence for a confirmation. A reason is for colleagues, so customers do not see it."""
    open_to_all = decision.confirm and not decision.reason
    return Visibility(item.visibility) if open_to_all else Visibility.INTERNAL


def _data(candidate: FoundCandidate, decision: Decision, due: Micros | None) -> dict[str, Any]:
    item, recorded = candidate.item, candidate.id == candidate.item.id
    data: dict[str, Any] = {
        decision.kind: candidate.id,
        **({} if recorded else {"candidate": candidate.id}),
        "touchpoint": item.id,
        "said_at": format_time(item.occurred_at),
        "decided_by": decision.by,
    }
    if decision.confirm and decision.kind == "promise":
        data["act"] = candidate.act or "other"
        if due is not None:
            data["due"] = format_time(due)
            data["due_rule"] = "stated" if decision.due is not None else candidate.due_rule or "words"
    if decision.reason:
        data["reason"] = decision.reason
    if decision.automatic:
        data["automatic"] = True
    return data


def _view(customer: Customer, id_: str, decision: Decision, stored: TouchpointView) -> DecisionView:
    return DecisionView(
        id=id_,
        kind=decision.kind,
        state=CONFIRMED if stored.type == OPENING[decision.kind] else DISMISSED,
        customer_id=customer.id,
        touchpoint=stored.id,
        due=_due(stored.data),
        decided_at=stored.occurred_at,
        decided_by=_text(stored.data.get("decided_by")),
        reason=_text(stored.data.get("reason")),
    )
