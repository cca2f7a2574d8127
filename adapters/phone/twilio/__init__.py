"""Twilio's voice status callbacks and messaging webhooks."""

from adapters.phone.twilio.adapter import TwilioAdapter
from adapters.phone.twilio.options import TwilioOptions

__all__ = ["TwilioAdapter", "TwilioOptions"]
