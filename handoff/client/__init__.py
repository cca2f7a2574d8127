"""A typed async client for building your own desktop, bot or platform connector.

async with Client("https://handoff.example.com", token) as client:
    context = await client.context("phone:+358401234567")
    async for event in client.customer_events(context.customer.id, after=context.as_of):
        ...
"""

from .calls import ClientError
from .client import Client
from .shapes import ApiAssignment as Assignment
from .shapes import ApiBrief as Brief
from .shapes import ApiBriefLine as BriefLine
from .shapes import ApiCandidate as Candidate
from .shapes import ApiContext as Context
from .shapes import ApiConversation as Conversation
from .shapes import ApiCustomer as Customer
from .shapes import ApiDerived as Derived
from .shapes import ApiExplainedCandidate as ExplainedCandidate
from .shapes import ApiHandoff as Handoff
from .shapes import ApiIdentity as Identity
from .shapes import ApiParty as Party
from .shapes import ApiRecorded as Recorded
from .shapes import ApiSeparation as Separation
from .shapes import ApiSession as Session
from .shapes import ApiTimeline as Timeline
from .shapes import ApiTouchpoint as Touchpoint
from .shapes import LiveEvent
from .shapes import LiveEvent as Event

__all__ = [
    "Assignment",
    "Brief",
    "BriefLine",
    "Candidate",
    "Client",
    "ClientError",
    "Context",
    "Conversation",
    "Customer",
    "Derived",
    "Event",
    "ExplainedCandidate",
    "Handoff",
    "Identity",
    "LiveEvent",
    "Party",
    "Recorded",
    "Separation",
    "Session",
    "Timeline",
    "Touchpoint",
]
