"""Helpers that all adapters share: narrowing untrusted JSON, and reading identities."""
