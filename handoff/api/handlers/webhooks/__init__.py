"""`/v1/webhooks`: subscriptions, and the messages that were delivered to them."""
