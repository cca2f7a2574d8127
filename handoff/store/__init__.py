"""The store: timelines, evidence, hand-offs, outbox in Redis or Valkey; only this package speaks to it."""
