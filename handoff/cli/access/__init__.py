"""`handoff tokens …`, `handoff sessions …`, and `handoff reload`."""
