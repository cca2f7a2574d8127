"""Twilio's voice status callbacks and messaging webhooks."""

from .adapter import TwilioAdapter
from .options import TwilioOptions

__all__ = ["TwilioAdapter", "TwilioOptions"]
