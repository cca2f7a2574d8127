"""Sealing: what the store holds about a person opens only with a key that is kept elsewhere."""
