"""`/v1/quarantine`."""

from __future__ import annotations

from handoff.adapter.contract import Outcome
from handoff.api.handlers.operating import quarantine as handlers
from handoff.api.handlers.operating.quarantine import (
    MAX_IDS,
    ManyDismissed,
    ManyReplayed,
    QuarantineAnswer,
    SelectionInput,
)
from handoff.api.operations.operation import (
    CURSOR,
    LIMIT,
    ORDER,
    Audited,
    Operation,
    Parameter,
    ResponseSpec,
    path_parameter,
)
from handoff.services.sources.reprocessing import QuarantineItemView, TrialView

from .health import TAG

SCOPES = ("operate",)
AUDITED = Audited("quarantine")
ITEM = path_parameter("id", "The item's id.")
SOURCE = Parameter(name="source", text="Only items of this source.", example="shop-chat")
_MANY = (
    f"Name up to {MAX_IDS} `ids`, or a `source` and perhaps a `code`. A call takes up to {MAX_IDS} items of "
    "a source, oldest first: send `next` as the `cursor` of the next call until it is null."
)

OPERATIONS = (
    Operation(
        method="GET",
        path="/v1/quarantine",
        handler=handlers.list_quarantine,
        id="listQuarantine",
        audit=AUDITED,
        tag=TAG,
        summary="List quarantined deliveries",
        text="Without their content. `code` is the error of the source's adapter.",
        scopes=SCOPES,
        parameters=(SOURCE, LIMIT, CURSOR, ORDER),
        replies=(ResponseSpec(200, "A page.", QuarantineAnswer),),
    ),
    Operation(
        method="GET",
        path="/v1/quarantine/{id}",
        handler=handlers.read,
        id="readQuarantined",
        audit=AUDITED,
        tag=TAG,
        summary="Read a quarantined delivery",
        text="With its content as it is stored: card numbers and the like are masked. Secrets of its source "
        "are hidden. It may show personal data.",
        scopes=SCOPES,
        parameters=(ITEM,),
        replies=(ResponseSpec(200, "The delivery.", QuarantineItemView),),
    ),
    Operation(
        method="POST",
        path="/v1/quarantine/{id}/try",
        handler=handlers.attempt,
        id="tryQuarantined",
        audit=AUDITED,
        tag=TAG,
        summary="Try a quarantined delivery against its adapter",
        text="Shows what the source's adapter reads in it now, and stores nothing. A delivery that is "
        "readable may still be rejected when it is replayed.",
        scopes=SCOPES,
        parameters=(ITEM,),
        replies=(ResponseSpec(200, "The adapter's reading.", TrialView),),
    ),
    Operation(
        method="POST",
        path="/v1/quarantine/{id}/replay",
        handler=handlers.replay,
        id="replayQuarantined",
        audit=AUDITED,
        tag=TAG,
        summary="Process a quarantined delivery again",
        text="422 `still_malformed` keeps the delivery in quarantine.",
        scopes=SCOPES,
        parameters=(ITEM,),
        replies=(ResponseSpec(200, "The outcome; the delivery has left quarantine.", Outcome),),
        problems=(422,),
    ),
    Operation(
        method="DELETE",
        path="/v1/quarantine/{id}",
        handler=handlers.dismiss,
        id="dismissQuarantined",
        audit=AUDITED,
        tag=TAG,
        summary="Delete a quarantined delivery",
        scopes=SCOPES,
        parameters=(ITEM,),
        replies=(ResponseSpec(204, "Deleted."),),
    ),
    Operation(
        method="POST",
        path="/v1/quarantine/replay",
        handler=handlers.replay_many,
        id="replayManyQuarantined",
        audit=AUDITED,
        tag=TAG,
        summary="Process many quarantined deliveries again",
        text=_MANY + " Items that cannot be recorded stay in quarantine, and are listed under `failed`.",
        scopes=SCOPES,
        body=SelectionInput,
        example={"source": "shop-chat", "code": "unreadable"},
        replies=(ResponseSpec(200, "The outcome.", ManyReplayed),),
        problems=(422,),
    ),
    Operation(
        method="POST",
        path="/v1/quarantine/dismiss",
        handler=handlers.dismiss_many,
        id="dismissManyQuarantined",
        audit=AUDITED,
        tag=TAG,
        summary="Delete many quarantined deliveries",
        text=_MANY,
        scopes=SCOPES,
        body=SelectionInput,
        example={"ids": ["4f0c9a5f1d2b4c60a7b8c9d0e1f2a3b4"]},
        replies=(ResponseSpec(200, "How many were deleted.", ManyDismissed),),
        problems=(422,),
    ),
)
