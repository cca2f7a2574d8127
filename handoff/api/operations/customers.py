"""Lookups, contexts, timelines, links, and conversations."""

from __future__ import annotations

from typing import TypedDict

from handoff.api.handlers import contexts, exports, links
from handoff.api.handlers.contexts import MAX_IDENTITIES, ConsentsAnswer, ContextInput
from handoff.api.handlers.exports import FORMATS
from handoff.api.handlers.links import (
    AssignInput,
    CandidatesAnswer,
    LinkInput,
    LinksAnswer,
    SeparateInput,
    SharedInput,
    SplitInput,
    WithdrawInput,
)
from handoff.api.operations.operation import (
    CONTEXT_ETAG,
    CURSOR,
    CUSTOMER_ID,
    DRY_RUN,
    FIELDS,
    IDENTITY,
    LIMIT,
    MIN_ASSURANCE,
    NOT_MODIFIED,
    ORDER,
    Audited,
    Header,
    Operation,
    Parameter,
    ResponseSpec,
    choice,
    path_parameter,
)
from handoff.services.context.history import BRIEF_TOUCHPOINTS, STEP
from handoff.services.context.views import ContextView
from handoff.services.conversations.detail import ConversationDetail
from handoff.services.customers.assignments import AssignmentView
from handoff.services.customers.link_views import ForecastView
from handoff.services.customers.separations import SeparationView
from handoff.services.export.customer import ExportView
from handoff.services.export.vcon import SYNTAX, Vcon
from handoff.services.timeline.pages import MAX_SCANNED
from handoff.services.timeline.views import TimelineView

TAG = "Customers"
LINKS = "Links"
MERGED = "The id is a former one of the customer (`customer_merged`; `current` has the current id)"


class Shared(TypedDict):
    """An identity, and whether it is marked as shared by several people."""

    identity: str
    shared: bool


LOOK_UP = (
    "`match` is `one`, `several` (`customer` is null; ranked `candidates` and a `question` to ask), or "
    "`none`. All three are 200. For an identity that several people share, the other members show what "
    "happened on the identity itself, and each candidate has a `summary`.\n\n"
    "The brief covers the open conversation and at most the newest "
    f"{BRIEF_TOUCHPOINTS} to {BRIEF_TOUCHPOINTS + STEP - 1} touchpoints. `left_out` counts what the response "
    "omits.\n\n"
    "The server caches a context while its data is unchanged: values that depend on the clock alone (waiting "
    "minutes, when sources last reported) may be ten seconds old. Send `Cache-Control: no-store` to bypass "
    "the cache."
)
CONSENT_MISSING = Header(
    name=exports.CONSENT_MISSING,
    text="The purpose for which the customer has given no consent, where the configuration asks for it.",
)
INTERNAL = Parameter(
    name="internal",
    text="`true`: include internal notes, which the customer never saw.",
    schema={"type": "boolean", "default": False},
)
PLACE = "A cursor or an RFC 3339 time, exclusive."
CONVERSATION_ID = path_parameter("id", "The conversation's id.")
BEFORE_AND_AFTER = "The customers before and after the change."

_CONTEXTS = (
    Operation(
        method="POST",
        path="/v1/context",
        handler=contexts.look_up,
        compressed=True,
        id="lookUp",
        audit=Audited("context"),
        tag=TAG,
        summary="Look up a customer's context",
        text=f"The lookup for programs, by 1 to {MAX_IDENTITIES} identities of one person. {LOOK_UP}",
        queues=True,
        customers=True,
        scopes=("context:read",),
        body=ContextInput,
        example={"identities": ["email:anna@example.com"], "limit": 20},
        replies=(ResponseSpec(200, "The context.", ContextView),),
    ),
    Operation(
        method="GET",
        path="/v1/context",
        handler=contexts.look_up_by_query,
        compressed=True,
        id="lookUpByQuery",
        audit=Audited("context"),
        tag=TAG,
        summary="Look up a customer's context by query string",
        text=LOOK_UP,
        queues=True,
        customers=True,
        scopes=("context:read",),
        parameters=(IDENTITY, LIMIT, FIELDS, MIN_ASSURANCE),
        replies=(ResponseSpec(200, "The context.", ContextView, (CONTEXT_ETAG,)), NOT_MODIFIED),
    ),
    Operation(
        method="GET",
        path="/v1/customers/{id}/context",
        handler=contexts.of_customer,
        compressed=True,
        id="readCustomerContext",
        audit=Audited("customer"),
        tag=TAG,
        summary="Read a customer's context",
        text="`customer.id` is the current id, `requested_id` the requested one.",
        queues=True,
        customers=True,
        scopes=("context:read",),
        parameters=(CUSTOMER_ID, LIMIT, FIELDS, MIN_ASSURANCE),
        replies=(ResponseSpec(200, "The context.", ContextView, (CONTEXT_ETAG,)), NOT_MODIFIED),
    ),
)

_HISTORY = (
    Operation(
        method="GET",
        path="/v1/customers/{id}/timeline",
        handler=contexts.timeline,
        compressed=True,
        id="readTimeline",
        audit=Audited("customer"),
        tag=TAG,
        summary="Read a customer's timeline, page by page",
        text="In the order in which things happened. With a filter, `total` is null. If the filter found "
        f"less than a page in {MAX_SCANNED} touchpoints, `scanned_to` is the last position read and `next` "
        "continues from there.",
        queues=True,
        customers=True,
        scopes=("context:read",),
        parameters=(
            CUSTOMER_ID,
            LIMIT,
            CURSOR,
            ORDER,
            Parameter(name="before", text=PLACE),
            Parameter(name="after", text=PLACE),
            Parameter(name="channel", text="Only these channels, separated by commas."),
            Parameter(name="type", text="Only these touchpoint types, separated by commas."),
            MIN_ASSURANCE,
        ),
        replies=(ResponseSpec(200, "A page.", TimelineView),),
    ),
    Operation(
        method="GET",
        path="/v1/customers/{id}/consents",
        handler=contexts.consents,
        id="readConsents",
        audit=Audited("customer"),
        tag=TAG,
        summary="Read what a customer has consented to",
        text="For each purpose, the statement that counts, from the customer's whole timeline. The newest "
        "counts, whatever its channel; but only a verified identity can give consent again after a "
        "withdrawal.",
        queues=True,
        customers=True,
        scopes=("context:read",),
        parameters=(CUSTOMER_ID,),
        replies=(ResponseSpec(200, "The consents, by purpose.", ConsentsAnswer),),
    ),
    Operation(
        method="GET",
        path="/v1/customers/{id}/export",
        handler=exports.customer,
        streamed=True,
        id="exportCustomer",
        audit=Audited("customer"),
        tag=TAG,
        summary="Export everything about a customer",
        text="Identities, all evidence, all handoffs, and every touchpoint, oldest first. The server streams "
        "the export, so its length is unlimited. If the server cannot finish, it cuts the connection and the "
        "JSON is incomplete. With `format=vcon`, the export is a list of vCons, one for each conversation "
        "with messages or calls, as `/v1/conversations/{id}/vcon` returns them.",
        queues=True,
        customers=True,
        scopes=("context:read",),
        parameters=(
            CUSTOMER_ID,
            Parameter(
                name="format",
                text="The format of the export.",
                schema=choice(*FORMATS) | {"default": FORMATS[0]},
            ),
            INTERNAL,
            MIN_ASSURANCE,
            Parameter(
                name="reveal",
                text="`true`: with bank account and national numbers that `privacy.masking` masks. Needs the "
                "scope `privacy:reveal`, and a reason in the header `Handoff-Reason`.",
                schema={"type": "boolean", "default": False},
            ),
        ),
        replies=(ResponseSpec(200, "The export.", ExportView | list[Vcon], (CONSENT_MISSING,)),),
        conflicts="The configuration asks for a consent that the customer has not given (`consent_missing`), "
        "or the server keeps no audit trail for `reveal` (`audit_off`)",
    ),
)

_LINKS = (
    Operation(
        method="GET",
        path="/v1/customers/{id}/links",
        handler=links.list_,
        compressed=True,
        id="listLinks",
        audit=Audited("customer"),
        tag=LINKS,
        summary="List all evidence about a customer",
        text="Oldest first, including withdrawn and refused evidence.",
        scopes=("context:read",),
        parameters=(CUSTOMER_ID,),
        replies=(ResponseSpec(200, "The evidence.", LinksAnswer),),
    ),
    Operation(
        method="POST",
        path="/v1/customers/{id}/links",
        handler=links.create,
        id="createLink",
        audit=Audited("customer"),
        tag=LINKS,
        summary="Link an identity to a customer",
        text="Copies nothing and can be withdrawn.",
        customers=True,
        scopes=("links:write",),
        parameters=(CUSTOMER_ID, DRY_RUN),
        body=LinkInput,
        example={"identity": "phone:+358401234567", "reason": "Anna confirmed the number on the phone"},
        replies=(
            ResponseSpec(201, "The link, and the customers before and after it.", ForecastView),
            ResponseSpec(200, "The effect that the link would have (`dry_run`).", ForecastView),
        ),
        creating=True,
        conflicts=MERGED,
    ),
    Operation(
        method="POST",
        path="/v1/customers/{id}/links/{link}/withdraw",
        handler=links.withdraw,
        id="withdrawLink",
        audit=Audited("customer"),
        tag=LINKS,
        summary="Withdraw a piece of evidence",
        text="Each identity keeps its own touchpoints. The link stays withdrawn when the same senders repeat "
        "the evidence.",
        customers=True,
        scopes=("links:write",),
        parameters=(CUSTOMER_ID, path_parameter("link", "The evidence's id."), DRY_RUN),
        body=WithdrawInput,
        example={"reason": "The number belongs to her sister"},
        replies=(ResponseSpec(200, BEFORE_AND_AFTER, ForecastView),),
        conflicts=MERGED,
    ),
    Operation(
        method="POST",
        path="/v1/customers/{id}/split",
        handler=links.split,
        id="splitCustomer",
        audit=Audited("customer"),
        tag=LINKS,
        summary="Split identities off a customer",
        text="Works whatever evidence linked them.",
        customers=True,
        scopes=("links:write",),
        parameters=(CUSTOMER_ID, DRY_RUN),
        body=SplitInput,
        example={"identities": ["user:anna"], "reason": "The login belongs to her sister"},
        replies=(ResponseSpec(200, BEFORE_AND_AFTER, ForecastView),),
        conflicts=MERGED,
    ),
    Operation(
        method="POST",
        path="/v1/identities/shared",
        handler=links.mark_shared,
        id="markShared",
        audit=Audited("identity"),
        tag=LINKS,
        summary="Mark an identity as shared by several people",
        text="For a family's phone or a shop's terminal: the identity no longer links customers. "
        "`shared: false` removes the mark.",
        customers=True,
        scopes=("links:write",),
        body=SharedInput,
        example={"identity": "phone:+358942454000", "reason": "The phone at the shop's counter"},
        replies=(ResponseSpec(200, "The identity's current mark.", Shared),),
    ),
)

_ASSIGNMENTS = (
    Operation(
        method="GET",
        path="/v1/customers/{id}/candidates",
        handler=links.candidates,
        compressed=True,
        id="listCandidates",
        audit=Audited("customer"),
        tag=LINKS,
        summary="List the customers who may be the same person, and why",
        text="Each with its reasons in words: a claim and where it was made, the same number in another "
        "notation, the same name and postal address. Nothing is joined. To confirm one, link its `identity`, "
        "first with `dry_run` to see what would join.",
        scopes=("context:read",),
        parameters=(CUSTOMER_ID,),
        replies=(ResponseSpec(200, "The candidates, the surest first.", CandidatesAnswer),),
    ),
    Operation(
        method="POST",
        path="/v1/touchpoints/{id}/assign",
        handler=links.assign,
        id="assignTouchpoint",
        audit=Audited("touchpoint"),
        tag=LINKS,
        summary="Assign a touchpoint on a shared identity to one person",
        text="For a call from a family's phone or an email from an office's mailbox: the touchpoint, or with "
        "`conversation` everything in its conversation, appears in that person's timeline and brief, with "
        "who assigned it and why. Nothing is moved or linked. The latest assignment counts; withdraw its "
        "`id` with `/v1/customers/{id}/links/{link}/withdraw` to undo it.",
        scopes=("links:write",),
        parameters=(path_parameter("id", "The touchpoint's id, from a timeline."),),
        body=AssignInput,
        example={"identity": "user:anna", "reason": "Anna confirmed on the phone that she had called"},
        replies=(
            ResponseSpec(201, "The assignment.", AssignmentView),
            ResponseSpec(200, "The same assignment, which already counts.", AssignmentView),
        ),
        creating=True,
        conflicts="Only one person has the touchpoint's identity (`not_shared`), or several people share the "
        "given one (`ambiguous_identity`)",
    ),
    Operation(
        method="POST",
        path="/v1/touchpoints/{id}/separate",
        handler=links.separate,
        id="separateTouchpoint",
        audit=Audited("touchpoint"),
        tag=LINKS,
        summary="Show a touchpoint by itself",
        text="For two acts that are shown as one: the touchpoint is no longer listed in the `also` of "
        "another one, nor read as a transcript, and the brief counts it. Nothing else changes. Withdraw its "
        "`id` with `/v1/customers/{id}/links/{link}/withdraw` to undo it.",
        scopes=("links:write",),
        parameters=(path_parameter("id", "The touchpoint's id, from `also`."),),
        body=SeparateInput,
        example={"reason": "Two orders, the same words"},
        replies=(
            ResponseSpec(201, "The separation.", SeparationView),
            ResponseSpec(200, "The same separation, which already counts.", SeparationView),
        ),
        creating=True,
    ),
)

_CONVERSATIONS = (
    Operation(
        method="GET",
        path="/v1/conversations/{id}",
        handler=contexts.conversation,
        compressed=True,
        id="readConversation",
        audit=Audited("conversation"),
        tag=TAG,
        summary="Read a conversation",
        text="Its threads, state, owner, and handoffs.",
        queues=True,
        customers=True,
        scopes=("context:read",),
        parameters=(CONVERSATION_ID,),
        replies=(ResponseSpec(200, "The conversation.", ConversationDetail),),
    ),
    Operation(
        method="GET",
        path="/v1/conversations/{id}/vcon",
        handler=exports.conversation,
        compressed=True,
        id="exportConversation",
        audit=Audited("conversation"),
        tag=TAG,
        summary="Export a conversation as a vCon",
        text=f"In the unsigned form of draft-ietf-vcon-vcon-core-04 (syntax `{SYNTAX}`): messages, parties, "
        "metadata of attachments, and calls without recordings. Every export of a conversation has the same "
        "`uuid`. 422 `too_long` if the customer's timeline is too long for one read.",
        queues=True,
        customers=True,
        scopes=("context:read",),
        parameters=(CONVERSATION_ID, INTERNAL, MIN_ASSURANCE),
        replies=(ResponseSpec(200, "The vCon.", Vcon),),
    ),
)

OPERATIONS = (*_CONTEXTS, *_HISTORY, *_LINKS, *_ASSIGNMENTS, *_CONVERSATIONS)
