"""The way out: timers, the outbox's fan-out, and signed webhooks to subscribed platforms."""
