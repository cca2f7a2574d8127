"""`handoff check-config`: every fault of a configuration at once, without starting anything."""
