"""Chatwoot's account, inbox and agent-bot webhooks."""

from adapters.chat.chatwoot.adapter import ChatwootAdapter
from adapters.chat.chatwoot.options import ChatwootOptions

__all__ = ["ChatwootAdapter", "ChatwootOptions"]
