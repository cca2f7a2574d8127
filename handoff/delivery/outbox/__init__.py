"""From outbox entries to the queues of subscriptions: the relay, its leases and the fan-out."""
