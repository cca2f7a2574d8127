"""Adapters of the phone channel."""
