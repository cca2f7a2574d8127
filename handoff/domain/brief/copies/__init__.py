"""Copies: touchpoints that record an act which another touchpoint records too.

One mail arrives by SMTP and through the inbox of a chat platform, a notification goes out by email and by
SMS, a platform mails the transcript of a chat. Every touchpoint stays as it was stored. Here it is decided,
from a customer's touchpoints alone, which of them show one act, so that readers see and count it once.
"""

from .copied import MESSAGES, Copies, Copy
from .transcripts import CopiedTranscript

__all__ = ["MESSAGES", "CopiedTranscript", "Copies", "Copy"]
