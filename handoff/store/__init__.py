"""The store: timelines, evidence, handoffs, outbox in Redis or Valkey; only this package speaks to it."""
