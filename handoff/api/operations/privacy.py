"""Erasure of customers, legal holds, and restrictions."""

from __future__ import annotations

from handoff.api.handlers.privacy import erasures, revealing
from handoff.api.handlers.privacy.erasures import ErasuresAnswer, ProtectionInput
from handoff.api.handlers.privacy.revealing import RevealInput
from handoff.api.operations.operation import (
    CURSOR,
    LIMIT,
    LOCATION,
    Audited,
    Operation,
    Parameter,
    ResponseSpec,
    path_parameter,
)
from handoff.services.privacy.erasure import ErasureView
from handoff.services.privacy.protection import Protection, ProtectionView
from handoff.services.timeline.views import TouchpointView

TAG = "Privacy"
SCOPES = ("privacy:write",)
CURRENT_ID = path_parameter("id", "The customer's current id.")
FORMER_ID = "The id is a former one (`customer_merged`)"
CONFLICTS = f"{FORMER_ID}, or an older release uses the store (`store_format`)"


def _protection(
    kind: Protection,
    *,
    ids: tuple[str, str],
    summaries: tuple[str, str],
    text: str,
    reason: str,
) -> tuple[Operation, Operation]:
    """The operations that set and lift a protection of a customer."""
    path = f"/v1/customers/{{id}}/{kind}"
    put = Operation(
        method="PUT",
        path=path,
        handler=erasures.setting(kind),
        id=ids[0],
        audit=Audited("customer"),
        tag=TAG,
        summary=summaries[0],
        text=text,
        scopes=SCOPES,
        parameters=(CURRENT_ID,),
        body=ProtectionInput,
        example={"reason": reason},
        replies=(ResponseSpec(200, f"The {kind}.", ProtectionView),),
        conflicts=CONFLICTS,
    )
    delete = Operation(
        method="DELETE",
        path=path,
        handler=erasures.lifting(kind),
        id=ids[1],
        audit=Audited("customer"),
        tag=TAG,
        summary=summaries[1],
        scopes=SCOPES,
        parameters=(CURRENT_ID,),
        replies=(ResponseSpec(204, "Lifted."),),
        conflicts=FORMER_ID,
    )
    return put, delete


OPERATIONS = (
    Operation(
        method="DELETE",
        path="/v1/customers/{id}",
        handler=erasures.erase,
        id="eraseCustomer",
        audit=Audited("customer"),
        tag=TAG,
        summary="Erase a customer",
        text="When this returns, reads of the customer answer 410. A job then deletes "
        "touchpoints, evidence, snapshots, and messages, cancels callbacks, withdraws handoffs, and removes "
        "the customer from the timelines of others. Follow it with `GET /v1/erasures/{id}`. Events from "
        "before the erasure that arrive later are accepted and dropped; later events start a new history.",
        scopes=SCOPES,
        parameters=(
            CURRENT_ID,
            Parameter(name="identity", text="Erase only this identity of the customer."),
            Parameter(name="reason", text="Kept with the erasure. Do not name the person."),
            Parameter(
                name="now",
                text="`true`: compact the embedded store's log at the end of the job. Otherwise that happens "
                "at most once an hour.",
                schema={"type": "boolean", "default": False},
            ),
        ),
        replies=(ResponseSpec(202, "The erasure.", ErasureView, (LOCATION,)),),
        conflicts=f"A legal hold forbids it (`legal_hold`). {CONFLICTS}",
    ),
    *_protection(
        Protection.HOLD,
        ids=("holdCustomer", "liftHold"),
        summaries=("Put a legal hold on a customer", "Lift a legal hold"),
        text="Until the hold is lifted, an erasure is refused and retention deletes nothing of the customer.",
        reason="lawsuit 2026-118",
    ),
    *_protection(
        Protection.RESTRICTION,
        ids=("restrictCustomer", "liftRestriction"),
        summaries=("Restrict the processing of a customer's data", "Lift a restriction"),
        text="The data is kept, and new events are recorded. Nobody reads or exports it: contexts, "
        "timelines, streams, links, and exports answer 403 `restricted`, and new touchpoints are not sent to "
        "subscribers. A party that takes over a conversation gets no history.",
        reason="accuracy contested",
    ),
    Operation(
        method="POST",
        path="/v1/touchpoints/{id}/reveal",
        handler=revealing.reveal,
        id="revealTouchpoint",
        audit=Audited("touchpoint"),
        reveals=True,
        tag=TAG,
        summary="Read a touchpoint with its bank account and national numbers",
        text="Where `privacy.masking` is set, all other answers have these numbers masked. The audit trail "
        "keeps the caller and the reason. Card numbers stay masked: they are not stored.",
        queues=True,
        scopes=("context:read", "privacy:reveal"),
        parameters=(path_parameter("id", "The touchpoint's id."),),
        body=RevealInput,
        example={"reason": "refund, ticket 4711"},
        replies=(ResponseSpec(200, "The touchpoint.", TouchpointView),),
        conflicts="The server keeps no audit trail (`audit_off`)",
    ),
    Operation(
        method="GET",
        path="/v1/erasures",
        handler=erasures.list_,
        id="listErasures",
        audit=Audited("erasure"),
        tag=TAG,
        summary="List erasures",
        text="Newest first. A completed one has its receipt.",
        scopes=SCOPES,
        parameters=(LIMIT, CURSOR),
        replies=(ResponseSpec(200, "A page.", ErasuresAnswer),),
    ),
    Operation(
        method="GET",
        path="/v1/erasures/{id}",
        handler=erasures.read,
        id="readErasure",
        audit=Audited("erasure"),
        tag=TAG,
        summary="Read an erasure",
        scopes=SCOPES,
        parameters=(path_parameter("id", "The erasure's id."),),
        replies=(ResponseSpec(200, "The erasure.", ErasureView),),
    ),
)
