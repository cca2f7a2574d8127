"""What look-ups, contexts, timelines, links and conversations take and answer."""

from __future__ import annotations

from typing import TypedDict

from handoff.api.description.operation import (
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
    Operation,
    Parameter,
    ResponseSpec,
    choice,
    path_parameter,
)
from handoff.api.handlers.contexts import MAX_IDENTITIES, ContextInput
from handoff.api.handlers.exports import FORMATS
from handoff.api.handlers.links import LinkInput, LinksAnswer, SharedInput, SplitInput, WithdrawInput
from handoff.services.context.assembly import BRIEF_TOUCHPOINTS
from handoff.services.context.views import ContextView
from handoff.services.conversations.detail import ConversationDetail
from handoff.services.customers.link_views import ForecastView
from handoff.services.export.customer import ExportView
from handoff.services.export.vcon import SYNTAX, Vcon
from handoff.services.timeline.reading import MAX_SCANNED
from handoff.services.timeline.views import TimelineView

TAG = "Customers"
LINKS = "Links"
MERGED = "The id is a former one of the customer (`customer_merged`, the current one under `current`)"


class Shared(TypedDict):
    """An identity and whether it is marked as several people's."""

    identity: str
    shared: bool


LOOK_UP = (
    "`match` is `one`, `several` (`customer` is null, ranked `candidates`, a `question` to ask) or `none`; "
    f"all three are 200. The brief is over the open conversation and at most the newest {BRIEF_TOUCHPOINTS} "
    "touchpoints. What an answer does not hold is named in `left_out`.\n\n"
    "While nothing has changed, who asks the same again is told the same: what moves with the clock alone "
    "(minutes waited, when sources were last heard) may then be ten seconds old. "
    "`Cache-Control: no-store` asks for one made anew."
)
INTERNAL = Parameter(
    name="internal",
    text="`true`: vCons with internal notes, which the customer never saw.",
    schema={"type": "boolean", "default": False},
)
PLACE = "A cursor or an RFC 3339 time; that place itself is not included."

OPERATIONS = (
    Operation(
        method="POST",
        path="/v1/context",
        id="lookUp",
        tag=TAG,
        summary="Who is this, and what happened?",
        text=f"The look-up for programs, by 1 to {MAX_IDENTITIES} handles of one person. {LOOK_UP}",
        scopes=("context:read",),
        body=ContextInput,
        replies=(ResponseSpec(200, "The context.", ContextView),),
    ),
    Operation(
        method="GET",
        path="/v1/context",
        id="lookUpByQuery",
        tag=TAG,
        summary="The same look-up for a shell",
        text=LOOK_UP,
        scopes=("context:read",),
        parameters=(IDENTITY, LIMIT, FIELDS, MIN_ASSURANCE),
        replies=(ResponseSpec(200, "The context.", ContextView, (CONTEXT_ETAG,)), NOT_MODIFIED),
    ),
    Operation(
        method="GET",
        path="/v1/customers/{id}/context",
        id="readCustomerContext",
        tag=TAG,
        summary="A customer's context",
        text="`customer.id` is the current id, `requested_id` the one asked for.",
        scopes=("context:read",),
        parameters=(CUSTOMER_ID, LIMIT, FIELDS, MIN_ASSURANCE),
        replies=(ResponseSpec(200, "The context.", ContextView, (CONTEXT_ETAG,)), NOT_MODIFIED),
    ),
    Operation(
        method="GET",
        path="/v1/customers/{id}/timeline",
        id="readTimeline",
        tag=TAG,
        summary="A customer's timeline, page by page",
        text="In the order in which things happened. With a filter `total` is null, and where "
        f"{MAX_SCANNED} touchpoints did not fill the page, `scanned_to` says how far it got; `next` goes on "
        "from there.",
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
        path="/v1/customers/{id}/export",
        id="exportCustomer",
        tag=TAG,
        summary="All that is known of a customer",
        text="Who it is, all evidence, all hand-offs, and every touchpoint, oldest first, written while it "
        "is read: of any length. An export that cannot be ended is cut off, and is no JSON then. With "
        "`format=vcon` a list of vCons, one for each conversation in which something was said, as "
        "`/v1/conversations/{id}/vcon` tells them.",
        scopes=("context:read",),
        parameters=(
            CUSTOMER_ID,
            Parameter(
                name="format", text="In which form.", schema=choice(*FORMATS) | {"default": FORMATS[0]}
            ),
            INTERNAL,
            MIN_ASSURANCE,
        ),
        replies=(ResponseSpec(200, "The export.", ExportView | list[Vcon]),),
    ),
    Operation(
        method="GET",
        path="/v1/customers/{id}/links",
        id="listLinks",
        tag=LINKS,
        summary="All evidence about a customer",
        text="Oldest first, what was withdrawn or refused included.",
        scopes=("context:read",),
        parameters=(CUSTOMER_ID,),
        replies=(ResponseSpec(200, "The evidence.", LinksAnswer),),
    ),
    Operation(
        method="POST",
        path="/v1/customers/{id}/links",
        id="createLink",
        tag=LINKS,
        summary="Say that an identity is this customer's",
        text="Copies nothing; can be withdrawn.",
        scopes=("links:write",),
        parameters=(CUSTOMER_ID, DRY_RUN),
        body=LinkInput,
        replies=(
            ResponseSpec(201, "The link, and the customers before and after it.", ForecastView),
            ResponseSpec(200, "What it would do (`dry_run`).", ForecastView),
        ),
        creating=True,
        conflicts=MERGED,
    ),
    Operation(
        method="POST",
        path="/v1/customers/{id}/links/{link}/withdraw",
        id="withdrawLink",
        tag=LINKS,
        summary="Withdraw one piece of evidence",
        text="Gives each identity back its own touchpoints, and stays withdrawn when the same senders "
        "repeat themselves.",
        scopes=("links:write",),
        parameters=(CUSTOMER_ID, path_parameter("link", "The evidence's id."), DRY_RUN),
        body=WithdrawInput,
        replies=(ResponseSpec(200, "The customers before and after it.", ForecastView),),
        conflicts=MERGED,
    ),
    Operation(
        method="POST",
        path="/v1/customers/{id}/split",
        id="splitCustomer",
        tag=LINKS,
        summary="Take identities out, whatever held them",
        scopes=("links:write",),
        parameters=(CUSTOMER_ID, DRY_RUN),
        body=SplitInput,
        replies=(ResponseSpec(200, "The customers before and after it.", ForecastView),),
        conflicts=MERGED,
    ),
    Operation(
        method="POST",
        path="/v1/identities/shared",
        id="markShared",
        tag=LINKS,
        summary="Mark an identity as several people's",
        text="A family's phone, a shop's terminal: it joins nobody any more. `shared: false` takes it back.",
        scopes=("links:write",),
        body=SharedInput,
        replies=(ResponseSpec(200, "How it is marked now.", Shared),),
    ),
    Operation(
        method="GET",
        path="/v1/conversations/{id}",
        id="readConversation",
        tag=TAG,
        summary="One conversation",
        text="Its threads, state, owner and hand-offs.",
        scopes=("context:read",),
        parameters=(path_parameter("id", "The conversation's id."),),
        replies=(ResponseSpec(200, "The conversation.", ConversationDetail),),
    ),
    Operation(
        method="GET",
        path="/v1/conversations/{id}/vcon",
        id="exportConversation",
        tag=TAG,
        summary="One conversation as a vCon",
        text=f"In the unsigned form of draft-ietf-vcon-vcon-core-04 (syntax `{SYNTAX}`): what was said, by "
        "whom, what is known of attachments, and calls without their recording. The `uuid` is the same at "
        "every export. Where the customer's timeline is too long to be read at once, 422 `too_long`.",
        scopes=("context:read",),
        parameters=(
            path_parameter("id", "The conversation's id."),
            INTERNAL,
            MIN_ASSURANCE,
        ),
        replies=(ResponseSpec(200, "The vCon.", Vcon),),
    ),
)
