"""Adapters of the email channel."""
