"""Adapters of the chat channel."""
