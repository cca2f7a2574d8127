"""Sources of any platform, read by a mapping in the configuration instead of code."""

from .cloudevents import CloudEventsAdapter
from .webhook import WebhookAdapter

__all__ = ["CloudEventsAdapter", "WebhookAdapter"]
