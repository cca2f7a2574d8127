"""`handoff continuity`: codes that continue a conversation on another channel."""
