"""Ownership of touchpoints on shared identities, and look-alike customers."""
