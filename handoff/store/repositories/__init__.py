"""Repositories: timelines, identities, control records, outbox, and delivery queues."""
