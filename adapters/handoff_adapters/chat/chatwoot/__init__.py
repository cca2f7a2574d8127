"""Chatwoot's account, inbox and agent-bot webhooks."""

from .adapter import ChatwootAdapter
from .options import ChatwootOptions

__all__ = ["ChatwootAdapter", "ChatwootOptions"]
