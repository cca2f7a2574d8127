"""Adapters of the web self-service channel."""
