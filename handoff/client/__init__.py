"""A typed async client for those who build their own desktop, bot or platform connector.

async with Client("https://handoff.example.com", token) as client:
    context = await client.context("phone:+358401234567")
    async for event in client.customer_events(context.customer.id, after=context.as_of):
        ...
"""

from .calls import ClientError
from .client import Client
from .shapes import (
    ApiBrief,
    ApiBriefLine,
    ApiContext,
    ApiConversation,
    ApiCustomer,
    ApiHandoff,
    ApiIdentity,
    ApiParty,
    ApiRecorded,
    ApiTimeline,
    ApiTouchpoint,
    LiveEvent,
)

__all__ = [
    "ApiBrief",
    "ApiBriefLine",
    "ApiContext",
    "ApiConversation",
    "ApiCustomer",
    "ApiHandoff",
    "ApiIdentity",
    "ApiParty",
    "ApiRecorded",
    "ApiTimeline",
    "ApiTouchpoint",
    "Client",
    "ClientError",
    "LiveEvent",
]
