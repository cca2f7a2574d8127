"""Outgoing delivery: the outbox's fan-out, and signed webhooks and notes to subscribers."""
