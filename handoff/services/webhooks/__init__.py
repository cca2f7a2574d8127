"""Outgoing webhooks: subscriptions, their deliveries, allowed destinations, and signing."""
