"""The repositories of one tenant's control partition: handoffs, callbacks, subscriptions, quarantine."""
