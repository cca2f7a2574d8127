"""Sharing the event loop of a worker between requests that need it for long."""
