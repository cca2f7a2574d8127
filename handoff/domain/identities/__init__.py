"""Rules about whose something is: what lies on shared identities, and look-alike customers."""
