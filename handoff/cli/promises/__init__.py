"""`handoff promises` and `handoff complaints`."""
