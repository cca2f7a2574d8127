"""Continuity codes: what they look like, where touchpoints carry them, and whether a use counts."""
